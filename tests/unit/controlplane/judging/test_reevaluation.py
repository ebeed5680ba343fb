"""Judging a run again because somebody asked: what may change, what stays, and what is said where less is known."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from avouch import errors
from avouch.controlplane.judging import judge, reevaluation
from avouch.controlplane.model import artifacts, contracts, judging, policies, verdicts
from avouch.controlplane.model import reevaluations as model
from avouch.controlplane.model.verdicts import VerdictResult as V
from avouch.findings import CODES, Effect, Finding
from tests.unit.controlplane.judging import tekton_cases as cases
from tests.unit.controlplane.judging import test_judge as stage
from tests.unit.controlplane.judging.test_replay import IMAGE, SARIF, revision

RUN = uuid.UUID(int=1)
PINNED = verdicts.Contract("contract", 3, cases.GOOD)
NEWEST = verdicts.Contract("contract", 4, cases.GOOD)
STANDING = verdicts.Standing(cases.LATER, f"sha256:{'1' * 64}", PINNED)
MISSING = Finding("MaterialMissing", "m", material="scan")
FAILED = Finding("RunFailed", "f")


def found(result: V = V.PASSED, *findings: Finding, **changes: Any) -> verdicts.Verdict:
    made = verdicts.Verdict(RUN, result, verdicts.Evidence.TASKRUN, findings, (), {}, {}, cases.LATER)
    return replace(made, **changes)


def said(status: policies.Status, *, gate: bool = True, **changes: Any) -> policies.Evaluation:
    return policies.Evaluation("p", "sha256:0", "spec.policies", status, gate=gate, reason="why", **changes)


def case(**documents: bool) -> Any:
    made = cases.case(cases.planned(cases.image()), cases.snapshot(cases.built()))
    return replace(made, documents={(digest, "SARIF"): artifacts.Checked(there) for digest, there in documents.items()})


@pytest.mark.parametrize("result", V)
def test_only_what_a_contract_may_change_is_judged_again(result: V) -> None:
    assert (reevaluation.stays(result, ()) == "") is (result in (V.PASSED, V.FAILED, V.ERROR))


@pytest.mark.parametrize("code", CODES)
def test_a_verdict_that_a_finding_made_stays_unless_that_is_of_the_contract_or_of_the_run_as_it_is(code: str) -> None:
    effect = CODES[code].effect
    result = V.PASSED if effect is Effect.NOTHING else V(effect.value)
    free = CODES[code].contract or effect in (Effect.NOTHING, Effect.FAILED)
    assert (reevaluation.stays(result, (Finding(code, "m"),)) == "") is free


def test_codes_of_a_contract_are_about_what_it_asks_and_its_policies() -> None:
    of_contract = {code for code, one in CODES.items() if one.contract}
    assert of_contract == {
        "MaterialMissing", "GroupUnsatisfied", "AnnotationMissing", "EnvironmentMissing", "RunnerMismatch",
        "MaterialTypeMismatch", "PolicyViolated", "PolicyNotEvaluated", "PoliciesNotEvaluated",
    }  # fmt: skip
    assert not [code for code in of_contract if CODES[code].effect in (Effect.REJECTED, Effect.UNOBSERVED)]


def test_a_finding_of_a_newer_version_keeps_its_verdict() -> None:
    assert "Unheard" in reevaluation.stays(V.FAILED, (Finding.recorded(code="Unheard", message="m"),))


@pytest.mark.parametrize(
    "code", [code for code, one in CODES.items() if not one.contract and one.effect is Effect.FAILED]
)
def test_what_no_contract_decides_stays(code: str) -> None:
    standing = replace(STANDING, findings=(Finding(code, "m", material="a"), MISSING))
    why = reevaluation.unknown(standing, case(), found())
    assert why == f"{code} of a is no matter of the contract, and would not be found any more"
    assert reevaluation.unknown(standing, case(), found(V.FAILED, Finding(code, "other words", material="a"))) == ""
    assert reevaluation.unknown(standing, case(), found(V.FAILED, Finding(code, "m", material="b"))) != ""


def test_what_a_contract_decides_comes_and_goes() -> None:
    standing = replace(STANDING, findings=(MISSING,))
    assert reevaluation.unknown(standing, case(), found()) == ""
    assert reevaluation.unknown(STANDING, case(), found(V.FAILED, MISSING)) == ""


@pytest.mark.parametrize("result", [V.REJECTED, V.ERROR, V.UNOBSERVED, V.EXPIRED, V.CANCELED])
def test_judging_again_makes_no_run_what_a_contract_does_not_make_of_it(result: V) -> None:
    why = reevaluation.unknown(STANDING, case(), found(result, Finding("AnnotationContradicted", "it differs")))
    assert why.startswith(f"it would be {result}")
    assert "it differs" in why


def test_a_document_that_was_there_and_is_gone_is_not_taken_for_one_that_was_never_delivered() -> None:
    standing = replace(STANDING, stored=frozenset({"sha256:a", "sha256:b"}))
    assert reevaluation.unknown(standing, case(**{"sha256:a": True, "sha256:c": False}), found()) == ""
    assert "sha256:b" in reevaluation.unknown(standing, case(**{"sha256:b": False}), found())
    new = found(V.FAILED, Finding("MaterialNotUploaded", "m", material="scan"))
    assert reevaluation.unknown(STANDING, case(), new) == "its evidence is not kept: MaterialNotUploaded of scan"


@pytest.mark.parametrize(
    ("before", "now", "known"),
    [
        ((), said(policies.Status.VIOLATED), True),
        ((), said(policies.Status.ERROR), False),
        ((), said(policies.Status.ERROR, gate=False), False),
        ((said(policies.Status.ERROR, gate=False),), said(policies.Status.ERROR, gate=False), True),
        ((said(policies.Status.ERROR),), said(policies.Status.ERROR), False),
        ((), said(policies.Status.ERROR, exception=policies.Excepted("e", "ann", "r", "t")), True),
    ],
    ids=["violated", "gated", "without a gate", "never could be", "a gated one never could be", "excepted"],
)
def test_a_policy_that_cannot_be_evaluated_leaves_the_verdict(
    before: Any, now: policies.Evaluation, known: bool
) -> None:
    failed = frozenset((one.policy, one.material) for one in before)
    why = reevaluation.unknown(replace(STANDING, unevaluated=failed), case(), found(evaluations=(now,)))
    assert why == ("" if known else "policy p cannot be evaluated: why")


def test_the_same_is_the_same_revision_result_findings_and_what_policies_said() -> None:
    note = Finding("VerdictReevaluated", "by ann")
    standing = replace(STANDING, contract=NEWEST, findings=(MISSING, note))
    new = found(V.FAILED, MISSING)
    assert reevaluation.same(standing, V.FAILED, new, NEWEST)
    assert not reevaluation.same(standing, V.FAILED, new, PINNED)
    assert not reevaluation.same(standing, V.PASSED, new, NEWEST)
    assert not reevaluation.same(standing, V.FAILED, replace(new, findings=(FAILED,)), NEWEST)
    excepted = replace(new, evaluations=(said(policies.Status.VIOLATED),))
    assert not reevaluation.same(standing, V.FAILED, excepted, NEWEST)
    stored = replace(standing, evaluations=reevaluation._plain(excepted.evaluations))
    assert reevaluation.same(stored, V.FAILED, excepted, NEWEST)


@dataclass
class Stage:
    """One request, one run, its Contract and its Workflow in memory."""

    record_: judging.Record | None
    revision: contracts.ContractRevision | None
    workflow: contracts.WorkflowRecord | None = field(
        default_factory=lambda: contracts.WorkflowRecord(
            "team-a", "ns-uid", "app", "wf-uid", 1, {"contractRef": {"name": "contract"}}, {}, "team-a", "contract"
        )
    )
    request: model.Request | None = field(
        default_factory=lambda: model.Request(RUN, model.Asked("ann", "it is needed", cases.LATER + timedelta(days=1)))
    )
    answers: list[model.Answer] = field(default_factory=list)
    put_off_: list[timedelta] = field(default_factory=list)

    async def take(self) -> model.Request | None:
        taken, self.request = self.request, None
        return taken

    async def record(self, run_id: uuid.UUID) -> judging.Record | None:
        return self.record_

    async def settle(self, request: model.Request, answer: model.Answer) -> bool:
        self.answers.append(answer)
        return True

    async def put_off(self, request: model.Request, pause: timedelta, message: str) -> None:
        self.put_off_.append(pause)

    async def newest(self, namespace: str, name: str) -> Any:
        return self.revision if (namespace, name) == ("team-a", "contract") else None

    async def get(self, namespace: str, name: str) -> Any:
        return self.workflow

    async def attachments(self, namespace: str) -> Sequence[Any]:
        return ()

    async def answered(self, store: Any = None) -> model.Answer:
        made: judge.Judging = stage.judge(stage.Queue(), store)
        asked = reevaluation.Reevaluating(self, self, self, made, stage.Clock())  # type: ignore[arg-type]
        assert await asked.step()
        (answer,) = self.answers
        return answer


def past(result: V = V.PASSED, **changes: Any) -> judging.Record:
    """A run that owed an image, and delivered one, and has its verdict."""
    plan = cases.planned(cases.image()).to_json()
    run = cases.run(id=RUN, plan=plan, result=result, judged_at=cases.LATER, contract_digest=cases.GOOD, revision=3)
    return replace(judging.Record(run, cases.snapshot(cases.built()), heard=frozenset(), standing=STANDING), **changes)


async def test_what_the_newest_revision_asks_for_decides_and_who_asked_is_told_and_signed() -> None:
    answer = await Stage(past(), revision(IMAGE, SARIF)).answered()
    assert answer.state is model.State.REPLACED
    assert answer.message == "Passed by revision 3, Failed by revision 4"
    assert answer.decided is not None
    new = answer.decided.signed.verdict
    assert (new.result, [one.code for one in new.findings]) == (V.FAILED, ["MaterialMissing", "VerdictReevaluated"])
    about = new.reevaluation
    assert about is not None
    assert (about.by, about.reason, about.asked) == ("ann", "it is needed", ("image", "scan"))
    assert (about.contract.revision, about.replaces, about.judged_at) == (4, STANDING.digest, new.judged_at)
    attested = json.loads(answer.decided.signed.document("attestation").statement)["predicate"]
    assert attested["reevaluation"]["askedBy"] == "ann"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"standing": None}, "it has no verdict yet"),
        ({"standing": replace(STANDING, earlier=(V.PASSED,) * model.EARLIER)}, "10 earlier verdicts"),
        ({"standing": replace(STANDING, findings=(Finding("ClaimNotVerified", "m"),))}, "ClaimNotVerified"),
        ({"problem": "its record cannot be read"}, "its record cannot be read"),
    ],
)
async def test_a_run_that_may_not_be_judged_again_keeps_its_verdict(changes: Any, why: str) -> None:
    answer = await Stage(past(**changes), revision(IMAGE, SARIF)).answered()
    assert (answer.state, answer.decided) == (model.State.KEPT, None)
    assert why in answer.message


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"workflow": None}, "Workflow app is gone"),
        ({"revision": None}, "has no revision"),
        ({"revision": replace(revision(IMAGE), namespace_uid="another")}, "has no revision"),
    ],
)
async def test_only_the_runs_own_contract_judges(changes: Any, why: str) -> None:
    answer = await replace(Stage(past(), revision(IMAGE, SARIF)), **changes).answered()
    assert (answer.state, answer.decided) == (model.State.KEPT, None)
    assert why in answer.message


@pytest.mark.parametrize("bound", [("team-a", "weak"), ("other", "contract"), ("", "")])
async def test_a_workflow_that_is_bound_to_another_contract_lends_it_to_no_past_run(bound: tuple[str, str]) -> None:
    on = Stage(past(), revision(IMAGE, SARIF))
    assert on.workflow is not None
    on.workflow = replace(on.workflow, contract_namespace=bound[0], contract_name=bound[1])
    assert "is bound to Contract" in (await on.answered()).message


async def test_a_run_that_is_gone_is_nobodys_and_there_may_be_no_request() -> None:
    made: judge.Judging = stage.judge(stage.Queue())
    gone, none = Stage(None, revision(IMAGE)), Stage(past(), revision(IMAGE), request=None)
    steps = [await reevaluation.Reevaluating(on, on, on, made, stage.Clock()).step() for on in (gone, none)]  # type: ignore[arg-type]
    assert (steps, gone.answers, none.answers) == ([True, False], [], [])


async def test_a_fault_of_ours_keeps_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> Any:
        raise RuntimeError("a secret")

    monkeypatch.setattr(judge.Judging, "weighed", broken)
    answer = await Stage(past(), revision(IMAGE, SARIF)).answered()
    assert (answer.state, answer.message) == (model.State.KEPT, "it cannot be judged again: RuntimeError")


async def test_what_does_not_answer_is_asked_again_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> Any:
        raise errors.Unavailable("no engine")

    monkeypatch.setattr(judge.Judging, "weighed", away)
    made: judge.Judging = stage.judge(stage.Queue())
    for age, pauses in ((timedelta(minutes=1), [timedelta(seconds=15)]), (model.PATIENCE, [])):
        on = Stage(past(), revision(IMAGE, SARIF))
        assert on.request is not None
        at = stage.Clock().now() - age  # type: ignore[operator]
        on.request = replace(on.request, asked=replace(on.request.asked, at=at))
        assert await reevaluation.Reevaluating(on, on, on, made, stage.Clock()).step()  # type: ignore[arg-type]
        assert on.put_off_ == pauses
        assert [one.message for one in on.answers] == ([] if pauses else ["it could not be judged again: no engine"])
