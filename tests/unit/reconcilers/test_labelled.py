"""A label that makes no run is told on what carries it: once, and not before it is sure."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from avouch.kube import events
from avouch.kube.cache import Key, ObjectCache
from avouch.reconcilers import labelled, specs

Json = dict[str, Any]
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STRICT = {"tekton": {"pipelines": [{"resolver": {"name": "hub", "params": {"name": "p"}}}]}}


def workflow(name: str = "release", ready: str = "True", **spec: Any) -> Json:
    status = {"conditions": [{"type": "Ready", "status": ready, "message": "Contract x does not exist"}]}
    return {"metadata": {"name": name, "namespace": "team", "uid": f"{name}-uid"}, "spec": spec, "status": status}


def run(label: str = "release", name: str = "run-1", *, ended: str = "", **meta: Any) -> Json:
    found = {"avouch.dev/workflow": label} if label else {}
    over = {"conditions": [{"type": "Succeeded", "status": "True"}], "completionTime": ended} if ended else {}
    return {
        "metadata": {"name": name, "namespace": "team", "uid": f"{name}-uid", "labels": found, **meta},
        "status": over,
    }


class Recorder:
    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    async def record(self, regarding: Json, event: events.Event) -> None:
        assert event.once
        self.told.append((regarding["metadata"]["name"], event.reason, event.note))


class Stage:
    """A watch of runs, a cache, and a clock that stands."""

    def __init__(self, *workflows: Json) -> None:
        self.seconds = 0.0
        self.cache = ObjectCache(specs.INDEXERS)
        self.recorder = Recorder()
        for each in workflows:
            self.cache.put(Key("Workflow", "team", each["metadata"]["name"]), each)
        context: Any = SimpleNamespace(cache=self.cache, clock=SimpleNamespace(now=lambda: NOW))
        recorder: Any = self.recorder
        self.runs = labelled.LabelledRuns(context, recorder, lambda: self.seconds)

    def appears(self, obj: Json, kind: str = "PipelineRun", namespace: str = "team") -> None:
        key = Key(kind, namespace, obj["metadata"]["name"])
        old = self.cache.get(key)
        self.cache.put(key, obj)
        self.runs.changed(key, old, obj)

    async def told(self, after: float = 10.0) -> list[tuple[str, str, str]]:
        self.seconds += after
        await self.runs.look()
        return self.recorder.told


@pytest.mark.parametrize(
    ("known", "label", "reason", "words"),
    [
        (workflow(), "relase", "WorkflowNotFound",
         "names Workflow relase, which is not in this namespace (fix: write release)"),
        (workflow(), "f100", "WorkflowNotFound", "(fix: correct the label, or create the Workflow)"),
        (workflow(ready="False"), "release", "WorkflowNotReady", "is not Ready: Contract x does not exist"),
        (workflow(**STRICT), "release", "WorkflowIsStrict", "takes only what its resolvers name"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["PipelineRun", "TaskRun"])
async def test_a_label_that_makes_no_run_is_told_with_what_helps(
    known: Json, label: str, reason: str, words: str, kind: str
) -> None:
    stage = Stage(known)
    stage.appears(run(label), kind)
    ((name, told, note),) = await stage.told()
    assert (name, told, words in note) == ("run-1", reason, True)


@pytest.mark.parametrize("ready", ["True", "False"])
async def test_a_workflow_that_was_suspended_may_have_taken_the_run_before_so_nothing_is_told(ready: str) -> None:
    stage = Stage(workflow())
    stage.appears(run())
    stage.cache.put(Key("Workflow", "team", "release"), workflow(ready=ready, suspend=True))
    assert await stage.told() == []


async def test_it_is_told_after_ten_seconds_and_only_once() -> None:
    stage = Stage()
    stage.appears(run())
    assert await stage.told(after=9.0) == []
    stage.appears(run())
    assert len(await stage.told(after=1.0)) == 1
    stage.appears(run(ended="2026-01-01T12:00:00Z"))
    assert len(await stage.told(after=100.0)) == 1


async def test_a_workflow_that_is_applied_together_with_its_run_is_waited_for() -> None:
    stage = Stage()
    stage.appears(run())
    stage.cache.put(Key("Workflow", "team", "release"), workflow())
    assert await stage.told() == []


@pytest.mark.parametrize(
    "obj",
    [
        run(""),
        run(ownerReferences=[
            {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "name": "p", "uid": "u", "controller": True}]),
        run(ended="2026-01-01T11:58:00Z"),
    ],
    ids=["no label", "a TaskRun of a PipelineRun", "it ended before"],
)  # fmt: skip
async def test_nothing_is_told_of_a_run_without_the_label_or_that_another_one_speaks_for(obj: Json) -> None:
    stage = Stage()
    stage.appears(obj, "TaskRun")
    assert await stage.told() == []


async def test_nothing_is_told_of_a_run_that_is_gone_or_was_made_anew() -> None:
    stage = Stage()
    stage.appears(run())
    stage.cache.drop(Key("PipelineRun", "team", "run-1"))
    stage.appears(run(name="run-2"))
    stage.cache.put(Key("PipelineRun", "team", "run-2"), run(name="run-2", uid="another"))
    assert await stage.told() == []


async def test_a_run_that_ended_within_the_wait_is_told() -> None:
    stage = Stage()
    stage.appears(run(ended="2026-01-01T11:59:30Z"))
    assert [reason for _, reason, _ in await stage.told()] == ["WorkflowNotFound"]


async def test_a_workflow_that_cannot_be_read_keeps_nothing_else_from_being_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage({**workflow(), "spec": {"suspend": "maybe"}})
    stage.appears(run())
    stage.appears(run("gone", "run-2"))
    assert [name for name, _, _ in await stage.told()] == ["run-2"]
    assert "the label of PipelineRun team/run-1" in caplog.text


async def test_of_a_namespace_with_very_many_such_runs_some_are_told_and_then_again_some() -> None:
    """Names that take long to compare, on thousands of runs, kept the controller busy for half an hour."""
    stage = Stage(workflow())
    for number in range(1000):
        stage.appears(run("relase", f"run-{number}"))
    await stage.told(5.0)
    stage.appears(run("relase", "alone", namespace="other"), namespace="other")
    assert [name for name, *_ in await stage.told(5.0)] == [f"run-{number}" for number in range(50)]
    stage.appears(run("relase", "later"))
    assert [name for name, *_ in await stage.told()][50:] == ["alone", "later"]


HUB = {"pipelineRef": {"resolver": "hub", "params": [{"name": "name", "value": "p"}]}}


@pytest.mark.parametrize(("kind", "told"), [("PipelineRun", []), ("TaskRun", ["WorkflowIsStrict"])])
async def test_what_a_strict_workflow_names_is_told_nothing(kind: str, told: list[str]) -> None:
    stage = Stage(workflow(**STRICT))
    stage.appears({**run(), "spec": HUB}, kind)
    assert [reason for _, reason, _ in await stage.told()] == told


async def test_a_workflow_that_was_not_looked_at_yet_is_not_called_not_ready() -> None:
    stage = Stage({**workflow(), "status": {}})
    stage.appears(run())
    assert await stage.told() == []


async def test_a_run_that_was_made_anew_under_its_name_is_told_as_itself() -> None:
    stage = Stage()
    stage.appears(run())
    stage.appears(run(uid="another"))
    assert [name for name, *_ in await stage.told()] == ["run-1"]


async def test_a_run_that_is_listed_again_and_again_is_one_of_its_namespace() -> None:
    stage = Stage()
    for _ in range(100):
        stage.runs.changed(Key("PipelineRun", "team", "run-1"), None, run())
    for number in range(49):
        stage.appears(run(name=f"other-{number}"))
    stage.cache.put(Key("PipelineRun", "team", "run-1"), run())
    assert len(await stage.told()) == 50


async def test_no_workflow_of_another_namespace_is_taken_for_the_one_that_was_meant() -> None:
    stage = Stage()
    stage.cache.put(
        Key("Workflow", "other", "release"), {**workflow(), "metadata": {"name": "release", "namespace": "other"}}
    )
    stage.appears(run("relase"))
    ((_, _, note),) = await stage.told()
    assert "(fix: correct the label, or create the Workflow)" in note
