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
        (listing({"name": "pipeline"}), pipelinerun(RESOLVED), False),
        (listing({"name": "build"}), pipelinerun({"name": ["build"]}), False),
        (listing({"matchLabels": {"app": "x"}}), pipelinerun(app="x"), True),
        (listing({"matchLabels": {"app": "x", "b": "y"}}), pipelinerun(app="x"), False),
        (listing({"name": "build", "matchLabels": {"app": "x"}}), pipelinerun({"name": "build"}), False),
        (listing({}), pipelinerun({"name": ""}), False),
        (Workflow("w"), pipelinerun({"name": "build"}), False),
        (Workflow("w"), pipelinerun(**{"avouch.dev/workflow": "w"}), True),
        (Workflow("w"), pipelinerun(**{"avouch.dev/workflow": "v"}), False),
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


COMMIT = "3" * 40
GIT = {"resolver": {"name": "git", "params": {"url": "https://g/r", "revision": COMMIT, "pathInRepo": "p.yaml"}}}


def resolved(resolver: str = "git", *more: tuple[str, Any], **changes: Any) -> dict[str, Any]:
    params = {"url": "https://g/r", "revision": COMMIT, "pathInRepo": "p.yaml"} | changes
    listed = [*((name, value) for name, value in params.items() if value is not None), *more]
    return {"resolver": resolver, "params": [{"name": name, "value": value} for name, value in listed]}


STRICT = {
    "exactly this reference": (resolved(), True),
    "another resolver": (resolved("http"), False),
    "another repository": (resolved(url="https://g/mine"), False),
    "another revision": (resolved(revision="main"), False),
    "no revision": (resolved(revision=None), False),
    "a param more": (resolved("git", ("token", "x")), False),
    "a param twice": (resolved("git", ("url", "https://g/mine")), False),
    "a param twice in place of another": (resolved("git", ("url", "https://g/r"), revision=None), False),
    "another param in place of one": (resolved("git", ("token", "x"), url=None), False),
    "a param that is no text": (resolved(url=["https://g/r"]), False),
    "a name": ({"name": "p"}, False),
    "no reference: a spec of its own": ({}, False),
}


@pytest.mark.parametrize(("reference", "expected"), STRICT.values(), ids=STRICT)
@pytest.mark.parametrize("section", ["pipelines", "tasks"])
@pytest.mark.parametrize("label", ["w", "another"])
def test_a_workflow_with_a_resolver_takes_exactly_that_definition_whatever_the_label_says(
    reference: dict[str, Any], expected: bool, section: str, label: str
) -> None:
    field = {"pipelines": "pipelineRef", "tasks": "taskRef"}[section]
    run = {"metadata": {"name": "r", "uid": "u", "labels": {"avouch.dev/workflow": label}}, "spec": {field: reference}}
    workflow = listing(GIT, section=section)
    matches = {"pipelines": matching.matches_pipelinerun, "tasks": matching.matches_taskrun}[section]
    assert matches(workflow, run) is expected
    index = matching.Index([workflow])
    found = index.of_pipelinerun(run) if section == "pipelines" else index.of_taskrun(run, None)
    assert bool(found) is expected


def test_the_label_that_tekton_copies_to_taskruns_does_not_bring_them_under_a_strict_workflow() -> None:
    label = {"avouch.dev/workflow": "w"}
    task = {"metadata": {"name": "t", "uid": "t-u", "labels": label}, "spec": {}}
    assert not matching.of_taskrun([listing(GIT)], task, pipelinerun(**label))


@pytest.mark.parametrize("strict", [{}, {"name": "git"}, {"name": "git", "params": {}}, "git", None])
def test_a_resolver_that_names_no_param_matches_nothing(strict: object) -> None:
    for reference in ({"resolver": "git"}, {"resolver": "git", "params": []}, {}, resolved()):
        assert not matching.matches_pipelinerun(listing({"resolver": strict}), pipelinerun(reference))


def test_a_strict_entry_beside_a_loose_one_leaves_that_one_as_it_is() -> None:
    workflow = listing(GIT, {"name": "build"})
    assert matching.matches_pipelinerun(workflow, pipelinerun({"name": "build"}))
    assert matching.matches_pipelinerun(workflow, pipelinerun(resolved()))
    assert not matching.matches_pipelinerun(workflow, pipelinerun({}, **{"avouch.dev/workflow": "w"}))
