"""Which Workflows a run belongs to."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from avouch.tekton import matching


@dataclass
class Workflow:
    name: str
    spec: dict[str, Any] = field(default_factory=dict)


def pipelinerun(ref: dict[str, Any] | None = None, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": "r", "uid": "u", "labels": labels}, "spec": {"pipelineRef": ref or {}}}


def listing(*entries: dict[str, Any], section: str = "pipelines") -> Workflow:
    return Workflow("w", {"tekton": {section: list(entries)}})


RESOLVED = {
    "resolver": "cluster",
    "params": [{"name": "kind", "value": "pipeline"}, {"name": "name", "value": "build"}],
}


@pytest.mark.parametrize(
    ("workflow", "run", "expected"),
    [
        (listing({"name": "build"}), pipelinerun({"name": "build"}), True),
        (listing({"name": "build"}), pipelinerun({"name": "other"}), False),
        (listing({"name": "build"}), pipelinerun(RESOLVED), True),
        (listing({"matchLabels": {"app": "x"}}), pipelinerun(app="x"), True),
        (listing({"matchLabels": {"app": "x", "b": "y"}}), pipelinerun(app="x"), False),
        (listing({"name": "build", "matchLabels": {"app": "x"}}), pipelinerun({"name": "build"}), False),
        (listing({}), pipelinerun({"name": ""}), False),
        (Workflow("w"), pipelinerun({"name": "build"}), False),
        (Workflow("w"), pipelinerun(**{"avouch.dev/workflow": "w"}), True),
        (Workflow("w"), pipelinerun(**{"avouch.dev/workflow": "v"}), False),
        (Workflow("w", {"suspend": True}), pipelinerun(**{"avouch.dev/workflow": "w"}), False),
        (listing({"name": "build"}), {"spec": "nonsense"}, False),
    ],
)
def test_a_pipelinerun_matches_by_reference_resolver_labels_or_the_explicit_label(
    workflow: Workflow, run: dict[str, Any], expected: bool
) -> None:
    assert matching.matches_pipelinerun(workflow, run) is expected


def test_a_label_copied_from_the_pipelinerun_does_not_open_a_run_per_task() -> None:
    label = {"avouch.dev/workflow": "w"}
    run = pipelinerun(**label)
    task = {"metadata": {"name": "t", "uid": "t-u", "labels": label}, "spec": {}}
    ((_, subject),) = matching.of_taskrun([Workflow("w")], task, run)
    assert (subject.kind, subject.uid) == ("PipelineRun", "u")


def test_a_workflow_bound_to_a_task_is_about_the_taskrun_also_inside_a_pipeline() -> None:
    task = {"metadata": {"name": "t", "uid": "t-u"}, "spec": {"taskRef": {"name": "scan"}}}
    ((_, subject),) = matching.of_taskrun([listing({"name": "scan"}, section="tasks")], task, pipelinerun())
    assert (subject.kind, subject.uid) == ("TaskRun", "t-u")
