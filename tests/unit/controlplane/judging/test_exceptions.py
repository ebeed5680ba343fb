"""Only a declared exception that is in force excepts, and only what it names; violations keep standing."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from avouch import rfc3339
from avouch.controlplane.judging import examination, exceptions, policyfields, verdict
from avouch.controlplane.model import policies, policyexceptions, verdicts
from tests.unit.controlplane.judging import tekton_cases as cases

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
ENDS = cases.LATER + timedelta(days=1)
VIOLATED = policies.Evaluation(
    "banned", DIGEST, "spec.policies.materials[0]", policies.Status.VIOLATED, material="sbom", gate=True,
    violations=(policies.Violation("left-pad is banned"),),
)  # fmt: skip
ERROR = replace(VIOLATED, status=policies.Status.ERROR, violations=(), reason="it has no result")
EXCEPTION = policyexceptions.PolicyException(
    "team", "team-uid", "until-friday", "banned", ("build",), "no fix is out yet", "ada@example.com", ENDS
)


def case(*said: policies.Evaluation, declared: tuple[Any, ...] = (EXCEPTION,)) -> examination.Case:
    plan = replace(cases.planned(cases.asked()), has_policies=True)
    made = cases.case(plan, cases.snapshot(cases.taskrun()), cases.said(cases.file()))
    return replace(made, evaluations=said, exceptions=declared)


def judged(made: examination.Case, now: Any = cases.LATER) -> verdicts.Verdict:
    found = verdict.judge(made, now)
    assert isinstance(found, verdicts.Verdict)
    return found


@pytest.mark.parametrize("one", [VIOLATED, ERROR], ids=["a violation", "an error"])
def test_what_is_excepted_fails_no_run_and_the_verdict_says_who_why_and_until_when(one: policies.Evaluation) -> None:
    found = judged(case(one))
    assert (found.result, cases.codes(found)) == (verdicts.VerdictResult.PASSED, ["PolicyExcepted"])
    (told,) = found.findings
    assert told.message == (
        f"policy banned on material sbom: {one.reason or 'left-pad is banned'}; excepted by PolicyException"
        f" until-friday of ada@example.com until {rfc3339.to_seconds(ENDS)}: no fix is out yet"
    )
    assert (told.line, told.material) == (one.line, "sbom")
    assert found.evaluations[0] == replace(
        one,
        exception=policies.Excepted("until-friday", "ada@example.com", "no fix is out yet", rfc3339.to_seconds(ENDS)),
    )


NOT_EXCEPTED = {
    "none is declared": (),
    "of another policy": (replace(EXCEPTION, policy="other"),),
    "of a policy whose name begins alike": (replace(EXCEPTION, policy="bann"),),
    "of another digest": (replace(EXCEPTION, digest=OTHER),),
    "of another material": (replace(EXCEPTION, materials=("scan",)),),
    "that expired a moment ago": (replace(EXCEPTION, expires_at=cases.LATER - timedelta(seconds=1)),),
    "that expires at this very moment": (replace(EXCEPTION, expires_at=cases.LATER),),
}


@pytest.mark.parametrize("declared", NOT_EXCEPTED.values(), ids=NOT_EXCEPTED)
@pytest.mark.parametrize(
    ("one", "result"), [(VIOLATED, verdicts.VerdictResult.FAILED), (ERROR, verdicts.VerdictResult.ERROR)]
)
def test_an_exception_excepts_nothing_that_it_does_not_name(
    declared: tuple[Any, ...], one: policies.Evaluation, result: verdicts.VerdictResult
) -> None:
    found = judged(case(one, declared=declared))
    assert (found.result, found.evaluations) == (result, (one,))


def test_the_whole_attestation_is_not_excepted_by_an_exception_for_a_material() -> None:
    whole = replace(VIOLATED, material="")
    assert judged(case(whole, declared=(replace(EXCEPTION, materials=("sbom",)),))).result == "Failed"
    assert judged(case(whole)).result == "Passed"


def test_one_violation_that_is_excepted_hides_no_other() -> None:
    found = judged(case(VIOLATED, replace(VIOLATED, policy="licences")))
    assert (found.result, cases.codes(found)) == (
        verdicts.VerdictResult.FAILED,
        ["PolicyViolated", "PolicyExcepted"],
    )


def test_policies_that_nobody_asked_are_not_excepted() -> None:
    made = replace(case(), evaluations=None)
    assert (judged(made).result, cases.codes(judged(made))) == (
        verdicts.VerdictResult.ERROR,
        ["PoliciesNotEvaluated"],
    )


def test_what_is_missing_is_not_excepted() -> None:
    plan = replace(cases.planned(cases.asked(), cases.asked("other")), has_policies=True)
    assert judged(replace(case(VIOLATED), plan=plan)).result is verdicts.VerdictResult.FAILED


def test_without_a_gate_there_is_nothing_to_except() -> None:
    found = judged(case(replace(VIOLATED, gate=False)))
    assert (cases.codes(found), found.evaluations[0].exception) == (["PolicyViolatedUngated"], None)


def test_what_passed_names_no_exception() -> None:
    passed = replace(VIOLATED, status=policies.Status.PASSED, violations=())
    found = judged(case(passed))
    assert (found.findings, found.evaluations) == ((), (passed,))


def test_an_exception_that_ended_while_the_policies_were_asked_is_taken_away_again() -> None:
    then = exceptions.applied(case(VIOLATED), cases.LATER)
    assert then.evaluations is not None
    assert then.evaluations[0].exception is not None
    assert judged(then, ENDS).result is verdicts.VerdictResult.FAILED


def test_of_several_the_one_that_lasts_longest_is_named() -> None:
    longer = replace(EXCEPTION, name="longer", expires_at=ENDS + timedelta(days=1))
    (said,) = judged(case(VIOLATED, declared=(EXCEPTION, longer))).evaluations
    assert said.exception is not None
    assert said.exception.name == "longer"


def test_the_predicate_keeps_the_violation_and_says_that_the_block_was_bypassed() -> None:
    fields = policyfields.of(judged(case(VIOLATED)).evaluations)
    (said,) = fields["policyEvaluations"]["sbom"]  # type: ignore[index]
    assert said["violations"] == [{"subject": "banned", "message": "left-pad is banned"}]
    assert said["annotations"]["avouch.dev/exception.name"] == "until-friday"
    assert said["annotations"]["avouch.dev/exception.granted-by"] == "ada@example.com"
    assert (fields["policyHasGatedViolations"], fields["policyViolationsCount"]) == (True, 1)
    assert (fields["policyBlockBypassEnabled"], fields["policyAttBlocked"]) == (True, False)


def test_where_one_violation_still_blocks_the_predicate_says_blocked_and_not_bypassed() -> None:
    fields = policyfields.of(judged(case(VIOLATED, replace(VIOLATED, policy="licences"))).evaluations)
    assert (fields["policyBlockBypassEnabled"], fields["policyAttBlocked"]) == (False, True)


def test_where_nothing_blocks_nothing_is_bypassed() -> None:
    fields = policyfields.of((replace(VIOLATED, gate=False),))
    assert (fields["policyBlockBypassEnabled"], fields["policyAttBlocked"]) == (False, False)


def test_a_thousand_exceptions_are_looked_through_once_whatever_number_of_evaluations_there_is() -> None:
    many = [replace(EXCEPTION, name=f"e{number:04}", materials=(f"m{number}",)) for number in range(1000)]
    declared = tuple(many)
    evaluations = tuple(replace(VIOLATED, material=f"m{number}") for number in range(1000))
    began = time.process_time()
    found = exceptions.applied(case(*evaluations, declared=declared), cases.LATER)
    assert time.process_time() - began < 1  # each with each takes some seconds
    assert [one.exception.name for one in found.evaluations or () if one.exception] == [one.name for one in many]
