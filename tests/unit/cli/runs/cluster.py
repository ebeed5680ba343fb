"""A cluster with runs, as the Kubernetes API selects and shows them."""

import json
from collections.abc import Mapping
from typing import Any

from avouch import errors

ROOT = "/apis/runs.avouch.dev/v1alpha1/namespaces/shop/workflowruns"
COMMIT = "1f" * 20
IMAGE = "sha256:" + "4e" * 32
FINDING = {
    "code": "MaterialMissing", "message": "material sbom was not delivered", "line": 'spec.materials[name="sbom"]',
    "fix": "let task build write sbom.cdx.json", "material": "sbom",
}  # fmt: skip


def a_run(name: str, subject: str = "PipelineRun/first", minute: int = 0, **status: Any) -> dict[str, Any]:
    kind, about = subject.split("/")
    said = {"verdict": "Passed", "materialsFound": 1, "materialsAsked": 2, "evidence": "sidecar", **status}
    return {
        "apiVersion": "runs.avouch.dev/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": {
            "name": name, "namespace": "shop", "uid": f"uid-{name}", "labels": {"team": "core"},
            "creationTimestamp": f"2026-01-12T09:{minute:02}:00Z",
        },
        "spec": {
            "workflow": "release", "contract": {"name": "evidence", "revision": 3},
            "subject": {"kind": kind, "name": about, "uid": f"uid-{about}"},
        },
        "status": said,
    }  # fmt: skip


class Cluster:
    """`raw` answers are by path and query; `states` come one after the other, the last one for good."""

    def __init__(self, *runs: dict[str, Any], found: Mapping[str, list[str]] | None = None) -> None:
        self.states: list[list[dict[str, Any]]] = [list(runs)]
        self.found = found or {}  # names of the runs that a field selector leads to
        self.documents: dict[str, str | errors.AvouchError] = {}
        self.objects: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.posted: list[tuple[str, Mapping[str, Any]]] = []
        self.page = 500

    def namespace(self) -> str:
        return "shop"

    def get(self, kind: str, name: str) -> dict[str, Any]:
        if kind == "workflowruns.runs.avouch.dev":
            for run in self.states[0]:
                if run["metadata"]["name"] == name:
                    return run
        if f"{kind}/{name}" in self.objects:
            return self.objects[f"{kind}/{name}"]
        raise errors.NotFound(f"{kind} {name} not found")

    def raw(self, path: str, query: Mapping[str, str] | None = None) -> str:
        self.asked.append((path, dict(query or {})))
        if path in self.documents:
            answer = self.documents[path]
            if isinstance(answer, errors.AvouchError):
                raise answer
            return answer
        if path not in (ROOT, "/apis/runs.avouch.dev/v1alpha1/workflowruns"):
            raise errors.NotFound(f"{path} not found")
        runs = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        for field in filter(None, (query or {}).get("fieldSelector", "").split(",")):
            runs = [run for run in runs if self._is(run, field)]
        start = int((query or {}).get("continue") or 0)
        more = {"continue": str(start + self.page)} if len(runs) > start + self.page else {}
        return json.dumps({"metadata": more, "items": runs[start : start + self.page]})

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.posted.append((path, body))
        return {"apiVersion": "runs.avouch.dev/v1alpha1", "kind": "RunDeletion", "metadata": {"name": "x"}}

    def _is(self, run: dict[str, Any], field: str) -> bool:
        if field in self.found:
            return run["metadata"]["name"] in self.found[field]
        path, sign, value = field.partition("!=") if "!=" in field else field.partition("=")
        found: Any = run
        for part in path.split("."):
            found = found.get(part, "") if isinstance(found, dict) else ""
        return (found != value) if sign == "!=" else (found == value)
