"""What injection adds to a TaskRun, on a real cluster with Tekton and avouch.

One-step TaskRuns in turns, nothing else differs:

  plain     in a namespace that is not labelled: avouch's webhook is not even asked
  injected  in a labelled namespace, a Workflow with `inject: always`
  auto      in a labelled namespace, a Workflow whose evidence is a Task result: `auto` leaves the pod alone

Start is from the TaskRun's creation to the step's first act, end is from the step's last act to the TaskRun's
completion as a watch sees it. The step itself writes both moments into its results, by the kernel's uptime in
hundredths of a second, because the API's own times have whole seconds only. So this must run on the node's machine.

Wants a cluster with avouch installed (for instance `python -m examples.quickstart.demo up`) and an image with a shell
that its nodes have. Leaves nothing behind.

Run: python -m bench.injection_cost --kubeconfig FILE [--rounds 8] [--image localhost/busybox:1]
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avouch import errors
from avouch.kube import client, connection, resources
from bench import measure

SIDES = ("plain", "injected", "auto")
PATIENCE = 180.0  # seconds for one TaskRun
CONTRACT = "bench"
_RUN = "/apis/tekton.dev/v1/namespaces/{}/taskruns"
_WORK = """cut -d' ' -f1 /proc/uptime > $(results.began.path)
echo nothing much > $(results.note.path)
cut -d' ' -f1 /proc/uptime > $(results.ended.path)
"""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of one TaskRun, and whether its pod had our sidecar."""

    start: float
    end: float
    injected: bool


class Bench:
    """One cluster, three namespaces."""

    def __init__(self, api: connection.Connection, image: str) -> None:
        self._api, self._client, self._image = api, client.KubeClient(api), image
        self._suffix = f"{time.time_ns() // 1_000_000 % 10**9}"
        self._count = 0

    def namespace(self, side: str) -> str:
        """The namespace of one side."""
        return f"bench-{side}-{self._suffix}"

    @contextlib.asynccontextmanager
    async def prepared(self) -> AsyncIterator[None]:
        """Namespaces, Contract and Workflows; all of it goes with the namespaces."""
        try:
            for side in SIDES:
                await self._prepare(side)
            yield
        finally:
            for side in SIDES:
                await self._client.delete(resources.NAMESPACES, "", self.namespace(side))

    async def _prepare(self, side: str) -> None:
        labels = {} if side == "plain" else {"avouch.dev/inject": "enabled"}
        namespace = self.namespace(side)
        await self._api.post(
            "/api/v1/namespaces",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}},
        )
        contract = {
            "apiVersion": "chainloop.dev/v1",
            "kind": "Contract",
            "metadata": {"name": CONTRACT},
            "spec": {"materials": [{"type": "STRING", "name": "note"}]},
        }
        await self._api.post(f"/apis/chainloop.dev/v1/namespaces/{namespace}/contracts", contract)
        path = f"/apis/avouch.dev/v1alpha1/namespaces/{namespace}/workflows"
        await self._api.post(path, _workflow("always" if side == "injected" else "auto"))
        await self._until(lambda: self._ready(f"{path}/{CONTRACT}"), f"Workflow in {namespace}")
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        await self._until(lambda: self._there(account), f"ServiceAccount in {namespace}")

    async def once(self, side: str) -> Took:
        """Create one TaskRun and follow it to its end."""
        self._count += 1
        namespace, name = self.namespace(side), f"run-{self._count}"
        seen = asyncio.create_task(self._done(namespace, name))
        await asyncio.sleep(0.2)  # the watch stands before there is anything to see
        created = _uptime()
        await self._api.post(_RUN.format(namespace), _taskrun(name, self._image))
        run, completed = await asyncio.wait_for(seen, PATIENCE)
        said = {result["name"]: result["value"] for result in run["status"].get("results") or ()}
        if "ended" not in said:
            raise RuntimeError(f"{namespace}/{name} failed: {json.dumps(run['status'].get('conditions'))}")
        pod = await self._api.get(f"/api/v1/namespaces/{namespace}/pods/{run['status']['podName']}")
        inits = ((pod or {}).get("spec") or {}).get("initContainers") or ()
        return Took(
            float(said["began"]) - created,
            completed - float(said["ended"]),
            any(one["name"] == "avouch-sidecar" for one in inits),
        )

    async def _done(self, namespace: str, name: str) -> tuple[Mapping[str, Any], float]:
        """The finished TaskRun, and when the watch told of it."""
        listed = await self._api.get(_RUN.format(namespace))
        since = str((listed or {})["metadata"]["resourceVersion"])
        query = {"fieldSelector": f"metadata.namespace={namespace}"}
        async for event in self._client.watch(resources.TASKRUNS, since, inactivity=PATIENCE, query=query):
            run, now = event["object"], _uptime()
            conditions = (run.get("status") or {}).get("conditions") or [{}]
            if run["metadata"].get("name") == name and conditions[0].get("status") in ("True", "False"):
                return run, now
        raise errors.Unavailable("the watch ended before the TaskRun did")

    async def _until(self, holds: Any, what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not await holds():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not become ready")
            await asyncio.sleep(0.3)

    async def _ready(self, path: str) -> bool:
        found = ((await self._api.get(path)) or {}).get("status") or {}
        return any(one["type"] == "Ready" and one["status"] == "True" for one in found.get("conditions") or ())

    async def _there(self, path: str) -> bool:
        return await self._api.get(path) is not None


def _uptime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _workflow(inject: str) -> dict[str, Any]:
    note = {"name": "note", "result": {"name": "note"}}
    return {
        "apiVersion": "avouch.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": CONTRACT},
        "spec": {"contractRef": {"name": CONTRACT}, "tekton": {"inject": inject, "materials": [note]}},
    }


def _taskrun(name: str, image: str) -> dict[str, Any]:
    results = [{"name": result} for result in ("began", "ended", "note")]
    step = {"name": "work", "image": image, "imagePullPolicy": "IfNotPresent", "script": f"#!/bin/sh\n{_WORK}"}
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"name": name, "labels": {"avouch.dev/workflow": CONTRACT}},
        "spec": {"taskSpec": {"results": results, "steps": [step]}},
    }


async def compare(kubeconfig: Path, image: str, rounds: int) -> dict[str, list[Took]]:
    """All sides in turns, after one TaskRun each that does not count."""
    api = connection.from_kubeconfig(kubeconfig)
    bench = Bench(api, image)
    found: dict[str, list[Took]] = {side: [] for side in SIDES}
    try:
        async with bench.prepared():
            for number in range(rounds + 1):
                for side in SIDES:
                    took = await bench.once(side)
                    if took.injected is not (side == "injected"):
                        raise RuntimeError(f"{side}: the pod {'has' if took.injected else 'lacks'} our sidecar")
                    found[side] += [took] if number else []
    finally:
        await api.close()
    return found


def main() -> None:
    parser = measure.arguments(__doc__, rounds=8)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="of a cluster with Tekton and avouch")
    parser.add_argument("--image", default="localhost/busybox:1", help="has a shell; the nodes have it (%(default)s)")
    options = parser.parse_args()
    print(measure.machine())
    found = asyncio.run(compare(options.kubeconfig, options.image, options.rounds))
    rows = [
        [side, measure.spread([one.start for one in took]), measure.spread([one.end for one in took])]
        for side, took in found.items()
    ]
    measure.table((f"{options.rounds} rounds, s, median (range)", "creation to step", "step to completion"), rows)


if __name__ == "__main__":
    main()
