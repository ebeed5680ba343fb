"""Past runs held to another revision: what it would have made of them, and that nothing of it is written."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from avouch import digests, errors
from avouch.contract import reading, revisions
from avouch.controlplane.judging import judge, replay
from avouch.controlplane.model import contracts, judging, replays, verdicts
from avouch.controlplane.model.verdicts import VerdictResult
from tests.unit.controlplane.judging import tekton_cases as cases
from tests.unit.controlplane.judging import test_judge as stage

ASKED = replays.Asked("team-a", "ns-uid", "contract", 4, cases.LATER)
IMAGE = {"name": "image", "type": "CONTAINER_IMAGE"}
SARIF = {"name": "scan", "type": "SARIF"}


def revision(*materials: dict[str, Any]) -> contracts.ContractRevision:
    manifest = {
        "apiVersion": "chainloop.dev/v1",
        "kind": "Contract",
        "metadata": {"name": "contract"},
        "spec": {"materials": list(materials)},
    }
    canonical = revisions.canonical(reading.read(manifest))
    digest = digests.of_bytes(canonical)
    return contracts.ContractRevision("team-a", "ns-uid", "contract", "c", 4, digest, canonical, cases.DONE)


def past(number: int, result: VerdictResult = VerdictResult.PASSED, **changes: Any) -> judging.Record:
    """A run that owed an image, and delivered one, and has its verdict."""
    plan = cases.planned(cases.image()).to_json()
    judged = {"result": result, "judged_at": cases.LATER, "name": f"app-{number}", "plan": plan}
    run = cases.run(id=uuid.UUID(int=number), **{**judged, **changes})
    return judging.Record(run, cases.snapshot(cases.built()), heard=frozenset())


@dataclass
class Stage:
    """Requests, runs, revisions and Workflows in memory."""

    records: Sequence[judging.Record]
    revision: contracts.ContractRevision | None
    asked: list[replays.Asked] = field(default_factory=lambda: [ASKED])
    goes_on: list[bool] = field(default_factory=list)  # answers of the next times; then True
    settled: list[replays.Result] = field(default_factory=list)
    given_back: int = 0
    workflow: contracts.WorkflowRecord | None = field(
        default_factory=lambda: contracts.WorkflowRecord(
            "team-a", "ns-uid", "app", "wf-uid", 1, {"contractRef": {"name": "contract"}}, {}
        )
    )

    async def take(self) -> replays.Asked | None:
        return self.asked.pop(0) if self.asked else None

    async def wanted(self, asked: replays.Asked) -> bool:
        return self.goes_on.pop(0) if self.goes_on else True

    async def runs(self, asked: replays.Asked, limit: int) -> Sequence[uuid.UUID]:
        return [record.run.id for record in self.records][:limit]

    async def settle(self, asked: replays.Asked, result: replays.Result) -> None:
        self.settled.append(result)

    async def give_back(self, asked: replays.Asked) -> None:
        self.given_back += 1

    async def record(self, run_id: uuid.UUID) -> judging.Record | None:
        return next((one for one in self.records if one.run.id == run_id), None)

    async def get(self, namespace: str, name: str, revision: int | None = None) -> Any:
        return self.workflow if revision is None else self.revision

    def replaying(self, **changes: Any) -> replay.Replaying:
        made: judge.Judging = stage.judge(stage.Queue(), changes.pop("store", None))
        return replay.Replaying(self, self.record, self, self, made, **changes)  # type: ignore[arg-type]


async def replayed(*records: judging.Record, by: contracts.ContractRevision) -> replays.Result:
    on = Stage(records, by)
    assert await on.replaying().step()
    (result,) = on.settled
    return result


async def test_runs_that_passed_and_lack_what_is_asked_for_now_would_have_failed_with_the_reason() -> None:
    result = await replayed(past(1), past(2, VerdictResult.FAILED), past(3), by=revision(IMAGE, SARIF))
    assert (result.replayed, result.would_fail, result.would_pass, result.unknown) == (3, 2, 0, 0)
    first, second = result.examples
    assert (first.namespace, first.workflow, first.run, second.run) == ("team-a", "app", "app-1", "app-3")
    assert (first.verdict, first.reason) == ("Failed", "MaterialMissing")
    assert first.message == "scan was not collected: revision 3 did not ask for it"
    assert replays.told(result) == (
        "of the last 3 runs 2 would have failed: "
        "team-a/app-1 (MaterialMissing: scan was not collected: revision 3 did not ask for it)"
    )


async def test_a_revision_that_says_the_same_changes_nothing() -> None:
    assert await replayed(past(1), past(2), by=revision(IMAGE)) == replays.Result(replayed=2)


async def test_a_run_that_failed_and_owes_less_now_would_have_passed() -> None:
    owing = cases.planned(cases.image(), cases.asked("scan", "SARIF")).to_json()
    result = await replayed(past(1, VerdictResult.FAILED, plan=owing), by=revision(IMAGE))
    assert result == replays.Result(replayed=1, would_pass=1)
    assert replays.told(result) == "of the last 1 runs 1 would have passed"


async def test_claims_of_the_revision_that_a_run_was_opened_under_count_by_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = cases.said(cases.claimed_image(), workflow_run_id=str(uuid.UUID(int=1)))
    monkeypatch.setattr(judge.Judging, "_read", lambda self, claim, case: said)
    record = replace(past(1), claims=(said.claim,), heard=frozenset({str(said.claim.digest)}))
    assert await replayed(record, by=revision(IMAGE)) == replays.Result(replayed=1)


async def test_a_claim_that_came_after_the_verdict_makes_no_run_better(monkeypatch: pytest.MonkeyPatch) -> None:
    said = cases.said(cases.file(name="scan", type_="SARIF"), workflow_run_id=str(uuid.UUID(int=1)))
    monkeypatch.setattr(judge.Judging, "_read", lambda self, claim, case: said)
    asked = cases.asked("scan", "SARIF")
    record = replace(past(1, VerdictResult.FAILED, plan=cases.planned(cases.image(), asked).to_json()))
    record = replace(record, claims=(said.claim,))
    heard = replace(record, heard=frozenset({str(said.claim.digest)}))
    by = revision(IMAGE, SARIF)
    assert (await replayed(heard, by=by)).would_pass == 1
    assert await replayed(record, by=by) == replays.Result(replayed=1)


async def test_of_a_run_of_another_namespace_only_the_meaning_of_the_code_is_told() -> None:
    record = past(1, namespace="team-b", namespace_uid="other-uid")
    (example,) = (await replayed(record, by=revision(IMAGE, SARIF))).examples
    assert (example.namespace, example.message) == ("team-b", "A required material was not delivered.")


async def test_a_run_whose_bytes_are_gone_is_unknown_and_neither_passed_nor_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = verdicts.Verdict(
        uuid.UUID(int=1), VerdictResult.FAILED, verdicts.Evidence.SIDECAR,
        (verdicts.Finding("MaterialNotUploaded", "gone"),), (), {}, {}, cases.LATER,
    )  # fmt: skip
    assert replay.counted(replays.Result(), ASKED, past(1).run, found) == replays.Result(unknown=1)
    failed = past(1, VerdictResult.FAILED).run
    assert replay.counted(replays.Result(), ASKED, failed, found) == replays.Result(replayed=1)


async def test_what_cannot_be_judged_now_is_unknown_and_the_others_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    store, record = stage.Store(), past(1)
    store.failure = errors.Unavailable("the store does not answer")
    said = cases.said(cases.file(), workflow_run_id=str(record.run.id))
    monkeypatch.setattr(judge.Judging, "_read", lambda self, claim, case: said)
    bad = replace(record, claims=(said.claim,), heard=frozenset({str(said.claim.digest)}))
    on = Stage((bad, past(2), replace(past(3), problem="its record cannot be read")), revision(IMAGE, SARIF))
    sbom = {"name": "sbom", "type": "SBOM_CYCLONEDX_JSON"}
    on.revision = revision(IMAGE, sbom)
    assert await on.replaying(store=store).step()
    assert [(one.replayed, one.would_fail, one.unknown) for one in on.settled] == [(1, 1, 2)]


async def test_a_run_whose_workflow_is_gone_is_unknown() -> None:
    on = Stage((past(1),), revision(IMAGE), workflow=None)
    assert await on.replaying().step()
    assert on.settled == [replays.Result(unknown=1)]


async def test_runs_for_which_no_time_is_left_are_unknown() -> None:
    times = iter((0.0, 0.0, 1.0, replay.SECONDS))
    on = Stage((past(1), past(2), past(3)), revision(IMAGE))
    assert await on.replaying(clock=lambda: next(times)).step()
    assert on.settled == [replays.Result(replayed=1, unknown=2)]


async def test_it_is_broken_off_and_given_back_where_others_wait_or_something_newer_is_asked_for() -> None:
    on = Stage((past(1), past(2)), revision(IMAGE), goes_on=[True, False])
    assert not await on.replaying().step()
    assert (on.settled, on.given_back) == ([], 1)


async def test_it_is_over_as_many_runs_as_it_may_be_and_tells_of_a_few() -> None:
    on = Stage([past(number) for number in range(1, 20)], revision(IMAGE, SARIF))
    assert await on.replaying(last=12).step()
    (result,) = on.settled
    assert (result.replayed, result.would_fail, len(result.examples)) == (12, 12, replays.EXAMPLES)


async def test_nothing_is_done_where_nothing_is_asked_and_of_a_revision_that_is_gone_nothing_is_known() -> None:
    idle = Stage((past(1),), revision(IMAGE), asked=[])
    assert not await idle.replaying().step()
    gone = Stage((past(1),), None)
    assert await gone.replaying().step()
    assert gone.settled == [replays.Result()]
