"""What policies said, as Chainloop's predicate has it: what reads it takes nothing for passed that has not."""

from dataclasses import replace
from typing import Any

import pytest

from avouch.controlplane.judging import policyfields
from avouch.controlplane.model import policies

DIGEST = f"sha256:{'a' * 64}"
PASSED = policies.Evaluation("banned", DIGEST, "spec.policies.materials[0]", policies.Status.PASSED, material="sbom")
VIOLATED = replace(
    PASSED, status=policies.Status.VIOLATED, violations=(policies.Violation("left-pad is banned"),), more=3
)
ERROR = replace(PASSED, status=policies.Status.ERROR, reason="it has no result")
SKIPPED = replace(PASSED, status=policies.Status.SKIPPED, reason="old")


def said(one: policies.Evaluation) -> dict[str, Any]:
    """How it stands in the predicate."""
    (found,) = policyfields.of((one,))["policyEvaluations"]["sbom"]  # type: ignore[index]
    return dict(found)


@pytest.mark.parametrize(
    ("one", "bad", "number"), [(VIOLATED, True, 4), (ERROR, True, 1), (SKIPPED, False, 0), (PASSED, False, 0)]
)
@pytest.mark.parametrize("gate", [True, False])
def test_what_did_not_pass_is_a_violation_and_blocks_where_there_is_a_gate(
    one: policies.Evaluation, bad: bool, number: int, gate: bool
) -> None:
    fields = policyfields.of((replace(one, gate=gate),))
    assert (fields["policyHasViolations"], fields["policyViolationsCount"]) == (bad, number)
    assert (fields["policyHasGatedViolations"], fields["policyAttBlocked"]) == (bad and gate, bad and gate)
    assert (fields["policyHasGates"], fields["policyCheckBlockingStrategy"]) == (
        (True, "ENFORCED") if gate else (False, "ADVISORY")
    )
    counted = (fields["policyEvaluationsCount"], fields["policyPassedCount"], fields["policySkippedCount"])
    assert counted == (1, one is PASSED, one is SKIPPED)


def test_each_evaluation_says_what_was_found_and_what_was_not_asked() -> None:
    assert said(ERROR)["violations"] == [{"subject": "banned", "message": "not evaluated: it has no result"}]
    assert [each["message"] for each in said(VIOLATED)["violations"]] == ["left-pad is banned", "and 3 more"]
    assert (said(SKIPPED)["skipped"], said(SKIPPED)["skipReasons"]) == (True, ["old"])
    assert "violations" not in said(PASSED)


def test_an_evaluation_says_that_it_was_not_skipped_and_has_no_gate() -> None:
    assert (said(PASSED)["skipped"], said(PASSED)["gate"]) == (False, False)


def test_an_evaluation_names_what_is_met_when_it_passes() -> None:
    assert said(replace(PASSED, requirements=("soc2/cc1",)))["requirements"] == ["soc2/cc1"]


def test_a_finding_stands_with_its_fields() -> None:
    one = replace(VIOLATED, violations=(policies.Violation("GPL", '{"license_id": "GPL-3.0"}'),), more=0)
    assert said(one)["violations"] == [{"subject": "banned", "message": "GPL", "finding": {"license_id": "GPL-3.0"}}]
