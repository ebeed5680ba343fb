"""What a revision would have done to past runs, brought to its Contract: told once, and never of another revision."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from avouch.api import contract as contract_kind
from avouch.controlplane.model import replays
from avouch.kube.cache import Key
from avouch.reconcilers import kinds, replay_events
from tests.unit.reconcilers import test_kinds as stage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXAMPLE = replays.Example("team", "api", "api-1", "Failed", "MaterialMissing", "scan was not collected")
FAILING = replays.Result(replayed=50, would_fail=7, unknown=1, examples=(EXAMPLE,))


class Results:
    def __init__(self, *found: replays.Replay) -> None:
        self.found = list(found)
        self.asked: list[datetime] = []

    async def done(self, since: datetime) -> Sequence[replays.Replay]:
        self.asked.append(since)
        return [one for one in self.found if one.at >= since]


class Recorder:
    def __init__(self) -> None:
        self.told: list[tuple[str, str, str, bool]] = []

    async def record(self, regarding: dict[str, Any], event: Any) -> None:
        self.told.append((regarding["metadata"]["name"], event.reason, event.note, event.warning))


def a_replay(revision: int = 1, result: replays.Result = FAILING, **changes: Any) -> replays.Replay:
    asked = replays.Asked("team", "team-uid", "c", revision, NOW)
    return replace(replays.Replay(asked, result, NOW), **changes)


def build(*found: replays.Replay) -> tuple[kinds.KindReconciler, replay_events.ReplayWatch, Results, Recorder]:
    reconciling, _, _ = stage.build()
    results, recorder = Results(*found), Recorder()
    watch = replay_events.ReplayWatch(reconciling.context, results, reconciling.queue, recorder)  # type: ignore[arg-type]
    return reconciling, watch, results, recorder


async def test_it_stands_in_the_status_and_in_an_event_and_ready_says_nothing_of_it() -> None:
    reconciling, watch, _, recorder = build()
    contract = stage.put(reconciling, "Contract", "c")
    await reconciling.reconcile(contract)
    uid = reconciling.context.namespace_uid("team")
    asked = replays.Asked("team", uid, "c", 1, NOW)
    watch.results = Results(a_replay(asked=asked))
    await watch.look()
    await watch.look()
    told = "of the last 50 runs 7 would have failed: team/api-1 (MaterialMissing: scan was not collected)"
    told += "; 1 could not be judged again"
    assert recorder.told == [("c", "PastRunsWouldFail", f"revision 1: {told}", True)]
    await reconciling.reconcile(contract)
    obj = reconciling.context.cache.get(contract)
    assert obj is not None
    assert obj["status"]["replay"] == {
        "revision": 1, "at": "2026-01-01T00:00:00Z", "message": told, "replayed": 50, "wouldFail": 7, "wouldPass": 0,
        "unknown": 1, "examples": [
            {"namespace": "team", "workflow": "api", "run": "api-1", "verdict": "Failed",
             "reason": "MaterialMissing", "message": "scan was not collected"},
        ],
    }  # fmt: skip
    assert contract_kind.ContractStatus.model_validate(obj["status"]).replay is not None
    assert [each["status"] for each in obj["status"]["conditions"] if each["type"] == "Ready"] == ["True"]


async def test_of_another_revision_or_a_predecessor_of_its_namespace_the_status_says_nothing() -> None:
    reconciling, watch, _, _ = build()
    contract = stage.put(reconciling, "Contract", "c")
    uid = reconciling.context.namespace_uid("team")
    for asked in (replays.Asked("team", uid, "c", 2, NOW), replays.Asked("team", "before", "c", 1, NOW)):
        watch.results = Results(a_replay(asked=asked))
        await watch.look()
        await reconciling.reconcile(contract)
        obj = reconciling.context.cache.get(contract)
        assert obj is not None
        assert "replay" not in obj["status"]


async def test_what_was_done_before_the_controller_began_is_known_and_not_told_again() -> None:
    reconciling, watch, results, recorder = build(a_replay())
    stage.put(reconciling, "Contract", "c")
    await watch.begin()
    await watch.look()
    assert recorder.told == []
    assert reconciling.context.replayed["team", "c"].result == FAILING
    results.found.append(a_replay(2, replays.Result(replayed=3), at=NOW + timedelta(seconds=1)))
    await watch.look()
    told = "revision 2: none of the last 3 runs would have got another verdict"
    assert recorder.told == [("c", "PastRunsReplayed", told, False)]
    assert results.asked[-1] < NOW, "what was committed late is not passed over"


async def test_a_contract_without_past_runs_or_that_is_gone_has_no_event() -> None:
    reconciling, watch, results, recorder = build(a_replay(1, replays.Result()))
    stage.put(reconciling, "Contract", "c")
    await watch.look()
    reconciling.context.cache.drop(Key("Contract", "team", "c"))
    results.found.append(a_replay(2, at=NOW + timedelta(seconds=1)))
    await watch.look()
    assert recorder.told == []
