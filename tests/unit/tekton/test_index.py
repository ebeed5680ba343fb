"""The index of Workflows answers as a look at every Workflow would, and looks at few."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from avouch.tekton import labels, matching

NAMES = st.sampled_from(["a", "b", "c"])
LABELS = st.dictionaries(st.sampled_from(["app", "tier"]), NAMES, max_size=2)


@dataclass(frozen=True)
class Workflow:
    name: str
    spec: dict[str, Any] = field(default_factory=dict)


@st.composite
def entries(draw: st.DrawFn) -> list[dict[str, Any]]:
    strict = st.fixed_dictionaries({"name": st.just("cluster"), "params": st.dictionaries(NAMES, NAMES, max_size=1)})
    strict |= st.fixed_dictionaries({"name": st.just("cluster"), "params": st.fixed_dictionaries({"name": NAMES})})
    entry = st.fixed_dictionaries({}, optional={"name": NAMES, "matchLabels": LABELS, "resolver": strict})
    return draw(st.lists(entry, max_size=2))


@st.composite
def workflows(draw: st.DrawFn) -> list[Workflow]:
    names = draw(st.lists(NAMES, unique=True, max_size=3))
    return [
        Workflow(
            name,
            {"suspend": draw(st.booleans()), "tekton": {"pipelines": draw(entries()), "tasks": draw(entries())}},
        )
        for name in names
    ]


@st.composite
def objects(draw: st.DrawFn, reference: str) -> dict[str, Any]:
    said = draw(LABELS) | draw(st.sampled_from([{}, {labels.WORKFLOW: "a"}, {labels.WORKFLOW: "nobody"}]))
    resolver = {"resolver": "cluster", "params": [{"name": "name", "value": draw(NAMES)}]}
    refers = draw(st.sampled_from([{}, {"name": draw(NAMES)}, resolver]))
    return {"metadata": {"name": "x", "uid": "u", "labels": said}, "spec": {reference: refers}}


@given(workflows(), objects("taskRef"), st.none() | objects("pipelineRef"), st.sets(NAMES))
def test_it_answers_as_a_look_at_every_workflow(
    known: list[Workflow], taskrun: dict[str, Any], pipelinerun: dict[str, Any] | None, dropped: set[str]
) -> None:
    index = matching.Index(known)
    for workflow in known:
        index.put(workflow)  # again: nothing is filed twice, or left over by what it replaced
    for name in dropped:
        index.drop(name)
    left = sorted((workflow for workflow in known if workflow.name not in dropped), key=lambda one: one.name)
    assert index.of_taskrun(taskrun, pipelinerun) == matching.of_taskrun(left, taskrun, pipelinerun)
    if pipelinerun is not None:
        assert index.of_pipelinerun(pipelinerun) == matching.of_pipelinerun(left, pipelinerun)
    assert len(index) == len(left)


def test_a_pipeline_shared_by_a_thousand_workflows_leads_to_the_one_with_the_runs_label() -> None:
    shared = [
        Workflow(f"w{n}", {"tekton": {"pipelines": [{"name": "shared", "matchLabels": {"app": f"a{n}"}}]}})
        for n in range(1000)
    ]
    index = matching.Index(shared)
    run = {"metadata": {"labels": {"app": "a7"}}, "spec": {"pipelineRef": {"name": "shared"}}}
    assert [workflow.name for workflow in index.of_pipelinerun(run)] == ["w7"]
    assert len(index._candidates("pipelines", run)) <= 2


def test_a_workflow_that_asks_for_nothing_is_found_by_the_label_that_names_it_and_no_other_is() -> None:
    index = matching.Index([Workflow("w", {}), Workflow("v", {})])
    for name, found in (("w", ["w"]), ("nobody", [])):
        run = {"metadata": {"labels": {labels.WORKFLOW: name}}, "spec": {}}
        assert [workflow.name for workflow in index.of_pipelinerun(run)] == found


def test_an_index_that_is_emptied_keeps_nothing() -> None:
    index = matching.Index([Workflow("w", {"tekton": {"tasks": [{"name": "t"}]}})])
    index.drop("w")
    index.drop("w")
    assert (list(index), index._filed, index._places) == ([], {}, {})


def test_an_entry_whose_labels_are_no_texts_matches_nothing_and_harms_no_other() -> None:
    entries = [{"matchLabels": {"app": ["a"]}}, {"matchLabels": {"app": 1, "tier": "x"}}, {}, {"name": "build"}]
    index = matching.Index([Workflow("w", {"tekton": {"pipelines": entries}})])
    loose = {"metadata": {"labels": {"app": "1", "tier": "x"}}, "spec": {"pipelineRef": {"name": "other"}}}
    assert index.of_pipelinerun(loose) == ()
    assert index.of_pipelinerun({"spec": {"pipelineRef": {"name": "build"}}}) == tuple(index)


def test_workflows_that_are_filed_together_are_dropped_one_by_one() -> None:
    both = [Workflow(name, {"tekton": {"pipelines": [{"name": "build"}]}}) for name in "ab"]
    index, run = matching.Index(both), {"spec": {"pipelineRef": {"name": "build"}}}
    index.drop("a")
    assert ([w.name for w in index.of_pipelinerun(run)], index.get("a"), len(index)) == (["b"], None, 1)
    index.put(Workflow("b", {"tekton": {"pipelines": [{"name": "other"}]}}))
    assert index.of_pipelinerun(run) == ()
