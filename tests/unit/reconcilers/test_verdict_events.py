"""Verdicts brought back: each told once, in order, with the reason in the text of its Event."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avouch import errors
from avouch.controlplane.model import runs as run_model
from avouch.controlplane.model import verdicts
from avouch.integrations import registry
from avouch.kube.cache import Key, ObjectCache
from avouch.kube.queue import WorkQueue
from avouch.reconcilers import context, specs, verdict_events

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = run_model.Run(
    id=uuid.UUID(int=1), name="w-1", key=run_model.RunKey("w", "s"), namespace="team", namespace_uid="u", workflow="w",
    subject_kind="PipelineRun", subject_name="p", contract="build", revision=3, contract_digest="", plan="",
    created_at=NOW, result=verdicts.VerdictResult.FAILED, finished_at=NOW, judged_at=NOW,
)  # fmt: skip
MISSING = verdicts.Finding("MaterialMissing", "sbom is missing", fix="add a result SBOM")


def judged(number: int, **changes: Any) -> run_model.Judged:
    run = replace(RUN, id=uuid.UUID(int=number), name=f"w-{number}", **changes)
    return run_model.Judged(number, run.id, run, MISSING, 1)


class Runs:
    """Judged runs; remembers how often it was asked."""

    def __init__(self) -> None:
        self.judged_runs: list[run_model.Judged] = []
        self.asked = 0

    async def summaries(self, since: int) -> Sequence[tuple[str, str, run_model.Run]]:
        return [("team", "w", replace(RUN, resource_version=9))]

    async def judged(self, since: run_model.Judged, limit: int) -> Sequence[run_model.Judged]:
        self.asked += 1
        later = [one for one in self.judged_runs if (one.version, one.run_id) > (since.version, since.run_id)]
        return later[:limit]


class Recorder:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.kinds: list[str] = []
        self.warnings: list[bool] = []

    async def record(self, regarding: dict[str, Any], event: Any) -> None:
        self.kinds.append(regarding["kind"])
        self.warnings.append(event.warning)
        self.told.append((regarding["metadata"]["name"], event.note))


class Clock:
    def now(self) -> datetime:
        return NOW


def build() -> tuple[verdict_events.VerdictWatch, Runs, Recorder]:
    there = context.Context(
        cache=ObjectCache(specs.INDEXERS), contracts=None, workflows=None, organizations=None, issuing=None,  # type: ignore[arg-type]
        deliveries=None, backends=None, exceptions=None, canonical=bytes, clock=Clock(), epoch=lambda: 1, creator=None,  # type: ignore[arg-type]
            integrations=registry.Types(), compiler=None, fetches=None,
    )  # fmt: skip
    store, recorder = Runs(), Recorder()
    return verdict_events.VerdictWatch(there, store, WorkQueue(), recorder, {}, clock=lambda: 0.0), store, recorder  # type: ignore[arg-type]


def test_an_event_says_why_what_mends_it_and_how_many_more() -> None:
    said = verdict_events.event_of(RUN, run_model.Judged(1, RUN.id, RUN, MISSING, 3))
    assert said.note == (
        "Failed against Contract build revision 3: MaterialMissing: sbom is missing (fix: add a result SBOM), "
        "and 2 more findings; kubectl describe workflowrun -n team w-1"
    )
    assert (said.reason, said.warning) == ("AttestationFailed", True)


@pytest.mark.parametrize(
    ("result", "reason", "warning"),
    [
        (verdicts.VerdictResult.PASSED, "AttestationPassed", False),
        (verdicts.VerdictResult.REJECTED, "AttestationRejected", True),
        (verdicts.VerdictResult.ERROR, "AttestationIncomplete", True),
    ],
)
def test_the_reason_of_an_event_says_the_verdict_and_all_but_passed_warn(
    result: verdicts.VerdictResult, reason: str, warning: bool
) -> None:
    said = verdict_events.event_of(replace(RUN, result=result), run_model.Judged(1, RUN.id, RUN))
    assert (said.reason, said.warning) == (reason, warning)


@pytest.mark.parametrize(
    ("spec", "warning"),
    [
        ({}, True),
        ({"enforcement": "warn"}, True),
        ({"enforcement": "gate"}, True),
        ({"enforcement": "observe"}, False),
        ({"enforcement": "observe", "gate": True}, True),
        ({"enforcement": "unreadable"}, True),
        (None, True),
    ],
)
async def test_a_workflow_that_only_observes_warns_of_no_verdict(spec: dict[str, Any] | None, warning: bool) -> None:
    watch, store, recorder = build()
    await watch.look()
    store.judged_runs = [judged(10)]
    run = store.judged_runs[0].run
    assert run is not None
    if spec is not None:
        metadata = {"name": run.workflow, "namespace": run.namespace}
        watch.context.cache.put(Key("Workflow", run.namespace, run.workflow), {"metadata": metadata, "spec": spec})
    await watch.look()
    assert recorder.warnings == [warning]


def test_an_event_of_a_passed_run_names_no_finding() -> None:
    passed = replace(RUN, result=verdicts.VerdictResult.PASSED)
    said = verdict_events.event_of(passed, run_model.Judged(1, RUN.id, passed))
    assert said.note == ("Passed against Contract build revision 3: kubectl describe workflowrun -n team w-1")


@pytest.mark.parametrize("letter", ["x", "ü", "字"])
def test_a_long_finding_leaves_room_for_the_command(letter: str) -> None:
    long = replace(MISSING, message=letter * 3000)
    said = verdict_events.event_of(RUN, run_model.Judged(1, RUN.id, RUN, long, 2))
    assert len(said.note.encode()) < 1024
    assert said.note.endswith(", and 1 more finding; kubectl describe workflowrun -n team w-1")


async def test_thousands_of_verdicts_are_told_in_one_look_by_few_questions() -> None:
    watch, store, recorder = build()
    await watch.look()
    store.judged_runs = [judged(number) for number in range(10, 1210)]
    store.asked = 0
    await watch.look()
    assert (len(recorder.told), store.asked) == (1200, 4)
    await watch.look()
    assert len(recorder.told) == 1200


async def test_a_busy_workflow_is_asked_every_thirty_seconds_however_often_it_is_judged() -> None:
    now, asked = 0.0, []
    watch, store, _ = build()
    watch.clock = lambda: now
    watch.queue.add = lambda key: asked.append(now)  # type: ignore[method-assign]
    watch.queue.add_after = lambda key, delay: asked.append(now + delay)  # type: ignore[method-assign]
    await watch.look()
    for number in range(10, 110):  # one verdict every two seconds
        store.judged_runs.append(judged(number))
        await watch.look()
        now += 2.0
    assert asked == [0.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0, 210.0]


async def test_nothing_is_kept_of_workflows_that_were_not_judged_lately() -> None:
    now = 0.0
    watch, store, _ = build()
    watch.clock = lambda: now
    await watch.look()
    store.judged_runs = [judged(number, workflow=f"w{number}") for number in range(10, 20)]
    await watch.look()
    assert len(watch._told) == 10
    now = 31.0
    await watch.look()
    assert not watch._told


async def test_a_run_that_was_deleted_since_it_was_judged_keeps_no_other_from_being_told() -> None:
    watch, store, recorder = build()
    await watch.look()
    store.judged_runs = [run_model.Judged(10, uuid.UUID(int=10)), judged(11)]
    await watch.look()
    assert [name for name, _ in recorder.told] == ["p"]


async def test_what_could_not_be_told_is_told_by_the_next_look() -> None:
    watch, store, recorder = build()
    await watch.look()
    store.judged_runs, record = [judged(10)], recorder.record

    async def away(*_: Any) -> None:
        raise errors.Unavailable("the API server is away")

    recorder.record = away  # type: ignore[method-assign]
    with pytest.raises(errors.Unavailable):
        await watch.look()
    recorder.record = record  # type: ignore[method-assign]
    await watch.look()
    assert [name for name, _ in recorder.told] == ["p"]


async def test_what_was_judged_before_this_process_started_is_known_and_not_told_again() -> None:
    watch, store, recorder = build()
    store.judged_runs = [judged(8), judged(9)]
    await watch.look()
    assert recorder.told == []
    assert watch.context.last_runs["team", "w"].resource_version == 9


async def test_awaiting_verdicts_costs_one_question_a_look_however_many_are_awaited() -> None:
    watch, store, _ = build()
    watch.awaited.update({uuid.UUID(int=n): replace(RUN, id=uuid.UUID(int=n)) for n in range(5000)})
    await watch.look()
    assert store.asked == 1
    store.judged_runs = [judged(42)]
    await watch.look()
    assert len(watch.awaited) == 4999


async def test_a_verdict_that_never_comes_is_given_up_after_a_day() -> None:
    watch, _, _ = build()
    old, new = replace(RUN, created_at=NOW - timedelta(days=2)), replace(RUN, id=uuid.UUID(int=2))
    watch.awaited.update({old.id: old, new.id: new})
    await watch.look()
    assert watch.awaited == {new.id: new}


async def test_a_verdict_is_told_on_its_own_kind_of_build_and_to_what_shows_it() -> None:
    watch, store, recorder = build()
    await watch.look()
    attachment = Key("IntegrationAttachment", "team", "hook")
    watch.context.cache.put(attachment, {"metadata": {"name": "hook", "namespace": "team"}, "spec": {}})
    store.judged_runs = [judged(10, subject_kind="TaskRun")]
    await watch.look()
    assert recorder.kinds == ["TaskRun"]
    assert watch.context.last_runs["team", "w"].name == "w-10"
    assert {await watch.queue.get() for _ in range(len(watch.queue))} == {attachment, Key("Workflow", "team", "w")}


async def test_a_database_that_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict_events, "TICK", 0)
    watch, store, recorder = build()
    await watch.look()
    answer, store.judged_runs = store.judged, [judged(10)]
    tries = 0

    async def away_at_first(since: run_model.Judged, limit: int) -> Sequence[run_model.Judged]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise errors.Unavailable("the database is away")
        return await answer(since, limit)

    store.judged = away_at_first  # type: ignore[method-assign]
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(5):
        while not recorder.told:
            await asyncio.sleep(0)
    running.cancel()


async def test_a_run_outside_the_cluster_changes_its_workflow_and_has_no_event() -> None:
    watch, store, recorder = build()
    await watch.look()
    store.judged_runs = [judged(10, subject_kind=run_model.EXTERNAL)]
    await watch.look()
    assert recorder.told == []
    assert await watch.queue.get() == Key("Workflow", "team", "w")


async def test_a_run_that_was_judged_again_is_told_at_itself_by_the_revision_that_judged() -> None:
    watch, store, recorder = build()
    await watch.look()
    store.judged_runs = [replace(judged(10), reevaluated=7)]
    await watch.look()
    assert recorder.kinds == ["WorkflowRun"]
    ((name, note),) = recorder.told
    assert name == "w-10"
    assert note.startswith("Failed against Contract build revision 7: MaterialMissing")


@pytest.mark.parametrize(("at", "newest"), [(-1, "w-1"), (0, "w-10"), (1, "w-10")])
async def test_an_old_run_that_is_judged_again_is_not_the_last_one_of_its_workflow(at: int, newest: str) -> None:
    watch, store, _ = build()
    await watch.look()
    store.judged_runs = [replace(judged(10, judged_at=NOW + timedelta(hours=at)), reevaluated=7)]
    await watch.look()
    assert watch.context.last_runs["team", "w"].name == newest


async def test_the_last_run_of_a_workflow_has_its_new_verdict_when_it_is_judged_again() -> None:
    watch, store, _ = build()
    await watch.look()
    passed = replace(judged(1, result=verdicts.VerdictResult.PASSED), version=10, reevaluated=7)
    store.judged_runs = [passed]
    await watch.look()
    assert watch.context.last_runs["team", "w"].result is verdicts.VerdictResult.PASSED
