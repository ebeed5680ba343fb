"""Objects that the tests on a cluster apply: Contracts, Workflows, PipelineRuns of busybox steps."""

from typing import Any

from tests.e2e.stage import SHELL, Json

REPORT = 'echo "all is well" > $(workspaces.work.path)/report.txt'
FROM_WORK = {"name": "report", "workspace": {"name": "work", "path": "report.txt"}}


def contract(name: str, *materials: Json, **spec: Any) -> Json:
    return {
        "apiVersion": "chainloop.dev/v1",
        "kind": "Contract",
        "metadata": {"name": name},
        "spec": {"materials": list(materials), **spec},
    }


def workflow(name: str, to: str, *materials: Json, scope: str = "Project", inject: str = "auto") -> Json:
    """A Workflow that covers the runs labelled with its name."""
    return {
        "apiVersion": "avouch.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name},
        "spec": {
            "contractRef": {"name": to, "scope": scope},
            "tekton": {"inject": inject, "materials": list(materials)},
        },
    }


def step(script: str, **more: Any) -> Json:
    return {"image": SHELL, "script": script, **more}


def task(name: str, *scripts: str | Json, spec: Json | None = None, **more: Any) -> Json:
    """A pipelineTask with its own steps and an empty workspace `work`."""
    steps = [step(each) if isinstance(each, str) else each for each in scripts]
    named = [{"name": f"s{number}", **each} for number, each in enumerate(steps)]
    return {
        "name": name,
        "workspaces": [{"name": "work", "workspace": "work"}],
        "taskSpec": {"workspaces": [{"name": "work"}], "steps": named, **(spec or {})},
        **more,
    }


def pipelinerun(name: str, *tasks: Json, workflow: str = "report", last: tuple[Json, ...] = (), **spec: Any) -> Json:
    """A PipelineRun labelled for a Workflow. `last` are the tasks of its finally section."""
    pipeline = {"workspaces": [{"name": "work"}], "tasks": list(tasks), **({"finally": list(last)} if last else {})}
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": name, "labels": {"avouch.dev/workflow": workflow} if workflow else {}},
        "spec": {"pipelineSpec": pipeline, "workspaces": [{"name": "work", "emptyDir": {}}], **spec},
    }


def gate(name: str = "report", *, inject: str = "auto") -> tuple[Json, Json]:
    """The Contract that most tests use, a file that lies in a workspace, and the Workflow of its name."""
    return contract(name, {"name": "report", "type": "ARTIFACT"}), workflow(name, name, FROM_WORK, inject=inject)
