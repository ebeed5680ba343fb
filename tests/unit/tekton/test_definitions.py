"""What Pipelines and Tasks declare, and that no more than names is kept of them."""

import json
from typing import Any

import pytest

from avouch.tekton import definitions
from avouch.tekton.definitions import Declared

Json = dict[str, Any]


def of(*names: str) -> frozenset[str]:
    return frozenset(names)


def named(*names: str) -> list[Json]:
    return [{"name": name, "description": "long" * 100, "type": "string"} for name in names]


TASK: Json = {
    "metadata": {"name": "go", "namespace": "team", "uid": "u", "annotations": {"last-applied": "x" * 1000}},
    "spec": {
        "params": named("url"),
        "results": named("digest"),
        "workspaces": named("source"),
        "steps": [{"name": "build", "image": "i", "script": "x" * 1000}],
    },
}
MATRIX = {"params": named("os"), "include": [{"name": "i", "params": named("arch")}]}
PIPELINE: Json = {
    "metadata": {"name": "p", "namespace": "team", "resourceVersion": "7"},
    "spec": {
        "params": named("commit"),
        "workspaces": named("shared"),
        "tasks": [
            {"name": "local", "taskRef": {"name": "go"}, "params": named("extra"), "workspaces": named("source")},
            {"name": "inline", "taskSpec": {"results": named("r"), "steps": named("s")}, "matrix": MATRIX},
            {"name": "missing", "taskRef": {"name": "gone", "kind": "Task"}},
            {"name": "fetched", "taskRef": {"resolver": "git", "params": named("url")}},
            {"name": "custom", "taskRef": {"name": "go", "kind": "Loop", "apiVersion": "x/v1"}},
            {"name": "nested", "pipelineRef": {"name": "q"}},
        ],
        "finally": [{"name": "last", "taskRef": {"name": "go"}}],
    },
}
WHOLE = Declared(of("url"), of("digest"), of("source"), of("build"))


@pytest.mark.parametrize("kept", [lambda obj: obj, definitions.slim], ids=["whole", "slim"])
def test_what_each_task_declares_is_known_where_its_definition_is_here(kept: Any) -> None:
    found = definitions.pipeline(kept(PIPELINE), {"go": kept(TASK)}.get)
    assert found.params == of("commit")
    assert found.tasks == {
        "local": Declared(of("url", "extra"), of("digest"), of("source"), of("build")),
        "inline": Declared(of("os", "arch", "commit"), of("r"), of("shared"), of("s")),
        "missing": None,
        "fetched": None,
        "custom": None,
        "nested": None,
        "last": WHOLE,
    }
    assert definitions.task(kept(TASK)) == WHOLE


def test_a_pipeline_refers_to_the_tasks_of_its_namespace_alone() -> None:
    assert definitions.referred(definitions.slim(PIPELINE)) == {"go", "gone"}


def test_only_names_stay_in_memory_and_what_the_cache_needs() -> None:
    kept = definitions.slim(TASK)
    assert kept["metadata"] == {"name": "go", "namespace": "team", "uid": "u"}
    assert len(json.dumps(kept)) < len(json.dumps(TASK)) / 8
    assert definitions.slim({"metadata": {"name": "odd"}, "spec": None})["metadata"] == {"name": "odd"}


@pytest.mark.parametrize(
    "spec",
    [
        {"results": named(*map(str, range(2001)))},
        {"tasks": [{"name": str(number), "taskRef": {"name": "go"}} for number in range(2001)]},
        {"finally": [{"name": "inline", "taskSpec": {"steps": named(*map(str, range(2000)))}}]},
        {"tasks": [{"name": "m", "matrix": {"include": [{"params": named(*map(str, range(2000)))}]}}]},
    ],
)
def test_of_more_names_than_anybody_writes_only_their_number_stays_in_memory(spec: Json) -> None:
    whole = {"metadata": {"name": "go", "uid": "u"}, "spec": spec}
    kept = definitions.slim(whole)
    assert len(json.dumps(kept)) < 200
    assert definitions.size(kept) == definitions.size(whole) == 2001
    assert (definitions.referred(kept), definitions.size(definitions.slim(PIPELINE))) == (frozenset(), 15)
