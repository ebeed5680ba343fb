"""Pods and runs as Tekton's controller writes them; a test states only what differs."""

from typing import Any

from avouch import plan
from avouch.tekton import injection

SETTINGS = injection.Settings("registry.example/sidecar@sha256:" + "0" * 64, "https://avouch-server.avouch.svc", "PEM")


def step(index: int, count: int, name: str = "", extra: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    wait = ["-wait_file", "/tekton/downward/ready", "-wait_file_content"]
    if index:
        wait = ["-wait_file", f"/tekton/run/{index - 1}/out"]
    post = ["-post_file", f"/tekton/run/{index}/out", "-on_error", "continue", "-results", "image,digest"]
    return {
        "name": f"step-{name or f's{index}'}",
        "image": "busybox",
        "command": ["/tekton/bin/entrypoint"],
        "args": [*wait, *post, "-entrypoint", "sh", "--", "-post_file", "/tekton/run/99/out"],
        "volumeMounts": [
            *({"name": f"tekton-internal-run-{i}", "mountPath": f"/tekton/run/{i}"} for i in range(count)),
            {"name": "tekton-internal-bin", "mountPath": "/tekton/bin", "readOnly": True},
            {"name": "tekton-creds-init-home-0", "mountPath": "/tekton/creds"},
            {"name": "tekton-internal-results", "mountPath": "/tekton/results"},
            {"name": "tekton-internal-steps", "mountPath": "/tekton/steps", "readOnly": True},
            {"name": "tekton-internal-artifacts", "mountPath": "/tekton/artifacts"},
            *extra,
        ],
    }


def pod(steps: int = 2, workspaces: dict[str, dict[str, Any]] | None = None, **spec: Any) -> dict[str, Any]:
    """`workspaces`: name -> volume source."""
    given = workspaces or {}
    mounts = tuple({"name": f"ws-{name}", "mountPath": f"/workspace/{name}", "subPath": "sub"} for name in given)
    names = ["bin", "results", "steps", "artifacts", *(f"run-{i}" for i in range(steps))]
    return {
        "metadata": {
            "name": "build-pod",
            "labels": {"tekton.dev/taskRunUID": "forged"},
            "ownerReferences": [
                {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": "build", "uid": "tr-1", "controller": True}
            ],
        },
        "spec": {
            "serviceAccountName": "builder",
            "restartPolicy": "Never",
            "initContainers": [{"name": "prepare", "image": "entrypoint"}],
            "containers": [step(i, steps, extra=mounts) for i in range(steps)],
            "volumes": [
                *({"name": f"tekton-internal-{name}", "emptyDir": {}} for name in names),
                {"name": "tekton-creds-init-home-0", "emptyDir": {"medium": "Memory"}},
                *({"name": f"ws-{name}", **source} for name, source in given.items()),
            ],
            **spec,
        },
    }


def taskrun(task: str = "build", **fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {
            "name": "build",
            "uid": "tr-1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"tekton.dev/pipelineTask": task} if task else {},
        },
        "spec": {},
        **fields,
    }


def a_plan(*materials: plan.PlannedMaterial, inject: str = "auto") -> plan.Plan:
    return plan.Plan("w", "w-uid", "ns", "c", 1, "sha256:" + "1" * 64, materials=materials, inject=inject)


def workspace_file(name: str = "sbom", workspace: str = "source", path: str = "sbom.json") -> plan.PlannedMaterial:
    return plan.PlannedMaterial(
        name, "SBOM_CYCLONEDX_JSON", plan.Source(plan.From.WORKSPACE, name=workspace, path=path)
    )
