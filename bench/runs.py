"""TaskRuns with pods on a real API server, as Tekton leaves them: about 7 KB of JSON each. And what processes cost."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from avouch.kube import connection
from bench import measure, stage
from tests.cluster.apiserver import ApiServer

NAMESPACE = "shop"
_DIGEST = "sha256:" + "a" * 64
_TEKTON = "/apis/tekton.dev/v1"
_CREATORS = 8  # connections that stand in for Tekton
CONTRACT = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Contract",
    "metadata": {"name": "evidence"},
    "spec": {
        "materials": [
            {"name": "image", "type": "CONTAINER_IMAGE", "output": True},
            {"name": "commit", "type": "STRING"},
        ]
    },
}
_STEPS = ("prepare", "build", "push")


def workflow(name: str, **tekton: Any) -> dict[str, Any]:
    """A Workflow of the Contract above."""
    spec = {"contractRef": {"name": "evidence"}, **({"tekton": tekton} if tekton else {})}
    return {"apiVersion": "avouch.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": name}, "spec": spec}


def _taskrun(name: str) -> dict[str, Any]:
    params = [{"name": f"p{number}", "value": "value"} for number in range(8)]
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/managed-by": "tekton-pipelines", "tekton.dev/task": "build"},
            "annotations": {"pipeline.tekton.dev/release": "3ee1745a", "tekton.dev/displayName": "build"},
        },
        "spec": {
            "params": params,
            "serviceAccountName": "builder",
            "taskRef": {"kind": "Task", "name": "build"},
            "timeout": "1h0m0s",
        },
    }


def _step(name: str) -> dict[str, Any]:
    ended = {"containerID": "containerd://" + "0" * 64, "exitCode": 0, "reason": "Completed"}
    times = {"startedAt": "2026-11-21T11:59:00Z", "finishedAt": "2026-11-21T12:00:00Z"}
    return {
        "container": f"step-{name}",
        "name": name,
        "imageID": f"r.example/{name}@{_DIGEST}",
        "terminated": {**ended, **times},
    }


def _status(pod: str) -> dict[str, Any]:
    """Succeeded, with the results that the Contract asks for."""
    steps = [{"name": n, "image": f"r.example/{n}:1", "script": "echo something useful\n" * 16} for n in _STEPS]
    described = [{"name": f"p{n}", "type": "string", "description": "A parameter of this task, " * 2} for n in range(8)]
    results = {"IMAGE_URL": "r.example/app:1", "IMAGE_DIGEST": _DIGEST, "commit": "c" * 40}
    return {
        "startTime": "2026-11-21T11:58:00Z",
        "completionTime": "2026-11-21T12:00:00Z",
        "podName": pod,
        "conditions": [{"type": "Succeeded", "status": "True", "reason": "Succeeded"}],
        "results": [{"name": name, "type": "string", "value": value} for name, value in results.items()],
        "steps": [_step(name) for name in _STEPS],
        "taskSpec": {"params": described, "steps": steps},
    }


class Tekton:
    """What Tekton would do: TaskRuns and their pods appear, and end."""

    def __init__(self, api: ApiServer, name: str = "build") -> None:
        self._api, self._name = api, name
        self._made: list[str] = []

    def appear(self, count: int) -> None:
        """So many more TaskRuns, each with its pod."""
        names = [f"{self._name}-{number}" for number in range(len(self._made), len(self._made) + count)]
        asyncio.run(self._each(names, _appear))
        self._made += names

    def end(self, count: int) -> None:
        """The newest of them succeed."""
        asyncio.run(self._each(self._made[-count:], _end))

    async def _each(self, names: Iterable[str], step: Callable[[connection.Connection, str], Awaitable[None]]) -> None:
        api = connection.from_kubeconfig(self._api.kubeconfig)
        waiting = iter(names)

        async def one() -> None:
            for name in waiting:
                await step(api, name)

        await asyncio.gather(*(one() for _ in range(_CREATORS)))
        await api.close()


async def _appear(api: connection.Connection, name: str) -> None:
    made = await api.post(f"{_TEKTON}/namespaces/{NAMESPACE}/taskruns", _taskrun(name))
    uid = (made or {})["metadata"]["uid"]
    owner = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": name, "uid": uid, "controller": True}
    labels = {"tekton.dev/taskRunUID": uid, "tekton.dev/taskRun": name}
    container = {"name": "step-build", "image": "example.invalid/x"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{name}-pod", "labels": labels, "ownerReferences": [owner]},
        "spec": {"serviceAccountName": "builder", "containers": [container]},
    }
    await api.post(f"/api/v1/namespaces/{NAMESPACE}/pods", pod)


async def _end(api: connection.Connection, name: str) -> None:
    body = json.dumps({"status": _status(f"{name}-pod")}).encode()
    path = f"{_TEKTON}/namespaces/{NAMESPACE}/taskruns/{name}/status"
    answer = await api.request("PATCH", path, body=("application/merge-patch+json", body))
    if answer.failed:
        raise RuntimeError(answer.content[:300])


def furnish(api: ApiServer) -> None:
    """Our kinds, Tekton's, and the namespaces."""
    api.kubectl("apply", "--server-side", "-f", str(stage.ROOT / "crds"))
    api.install_tekton_crds()
    api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    for name in ("avouch", NAMESPACE):
        api.kubectl("create", "namespace", name)
    api.kubectl("create", "serviceaccount", "builder", "-n", NAMESPACE)


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds by process, and when it was looked."""

    seconds: Mapping[str, float]
    at: float


class Costs:
    """What processes and all they started have used."""

    def __init__(self, **pids: int) -> None:
        self.pids = pids

    def look(self) -> Spent:
        """As of now."""
        return Spent({name: measure.tree_cpu(pid) for name, pid in self.pids.items()}, time.perf_counter())


def started_from(folder: Path, program: str) -> int:
    """The process of this program that names this folder in its command line."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if program in Path(words[0]).name and any(str(folder) in word for word in words):
                return int(entry.name)
    raise RuntimeError(f"no {program} runs from {folder}")


def until(database: psycopg.Connection[Any], query: str, wanted: int, patience: float) -> None:
    """Wait until a query counts so many."""
    deadline = time.monotonic() + patience
    while (found := _count(database, query)) != wanted:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{found} of {wanted} after {patience:.0f} s: {query}")
        time.sleep(0.1)


def _count(database: psycopg.Connection[Any], query: str) -> int:
    row = database.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0
