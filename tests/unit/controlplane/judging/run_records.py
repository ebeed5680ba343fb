"""Runs as Tekton leaves them, with all that policies are shown of a run; recorded as the store keeps them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avouch.controlplane.model import runs
from avouch.store import lifecycle, rows

ASSETS = Path(__file__).parents[3] / "assets" / "tekton-runs"
Json = dict[str, Any]
COMMIT = "ace3ab241dd4de68d4075c629a123f3541b0e7ca"
DIGEST = f"sha256:{'a' * 64}"
IMAGE = f"registry.example/go@{DIGEST}"
REFERENCE = {"url": "https://git.example/tasks", "revision": "main", "pathInRepo": "build.yaml"}
SOURCE = {"uri": "git+https://git.example/tasks.git", "digest": {"sha1": COMMIT}, "entryPoint": "build.yaml"}
PARAMS = [{"name": "flags", "value": ["-a", "-b"]}, {"name": "target", "value": {"os": "linux"}}]


def taskrun(name: str = "build-1", task: str = "build", image: str = IMAGE) -> Json:
    """One whose Task a resolver fetched from git."""
    params = [{"name": key, "value": value} for key, value in REFERENCE.items()]
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"name": name, "uid": f"{name}-uid", "labels": {"tekton.dev/pipelineTask": task} if task else {}},
        "spec": {"taskRef": {"resolver": "git", "params": params}, "params": json.loads(json.dumps(PARAMS))},
        "status": {
            "podName": f"{name}-pod",
            "conditions": [{"type": "Succeeded", "status": "True", "reason": "Succeeded"}],
            "provenance": {"featureFlags": {}, "refSource": {**SOURCE, "digest": dict(SOURCE["digest"])}},
            "taskSpec": {
                "params": [{"name": "mode", "type": "string", "default": "fast"}],
                "results": [{"name": "digest", "type": "string"}],
                "steps": [{"name": "compile", "image": "registry.example/go:1", "script": "make"}],
            },
            "steps": [
                {"name": "compile", "container": "step-compile", "imageID": image, "terminated": {"exitCode": 0}}
            ],
            "results": [{"name": "digest", "type": "string", "value": DIGEST}],
        },
    }


def stored(*taskruns: Json, params: Sequence[Json] = ()) -> runs.Snapshot:
    """The record of a PipelineRun with these TaskRuns, as it comes back from the database."""
    children = [
        {"kind": "TaskRun", "name": each["metadata"]["name"], "pipelineTaskName": _task(each)} for each in taskruns
    ]
    tasks = {_task(each): {"name": _task(each), **_asked(each)} for each in taskruns}
    subject = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "pr", "uid": "pr-uid"},
        "spec": {"params": list(params)},
        "status": {
            "conditions": [{"type": "Succeeded", "status": "True", "reason": "Succeeded", "message": "m"}],
            "childReferences": children,
            "pipelineSpec": {"tasks": list(tasks.values())},
            "results": [{"name": "digest", "value": DIGEST}],
        },
    }
    pods = {f"{each['metadata']['name']}-pod": f"{each['metadata']['name']}-pod-uid" for each in taskruns}
    return _kept(runs.Snapshot(subject, taskruns, pods=pods))


def real(name: str) -> runs.Snapshot:
    """A run of Tekton on the tests' cluster, as tests/e2e/test_run_record.py makes it."""
    found = json.loads((ASSETS / f"{name}.json").read_text())
    return _kept(runs.Snapshot(found["subject"], tuple(found["taskruns"])))


def _kept(snapshot: runs.Snapshot) -> runs.Snapshot:
    return rows.snapshot_of(json.loads(lifecycle.document(snapshot)))


def _task(taskrun: Json) -> str:
    return str(taskrun["metadata"]["labels"].get("tekton.dev/pipelineTask", ""))


def _asked(taskrun: Json) -> Json:
    return {key: taskrun["spec"][key] for key in ("taskRef", "taskSpec", "params") if key in taskrun["spec"]}
