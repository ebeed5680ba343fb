"""What a client says of policies stands beside what the server found, and decides nothing."""

import json
from dataclasses import replace
from typing import Any

import pytest

from avouch.controlplane.judging import clientpolicies, examination, verdict
from avouch.controlplane.model import policies, verdicts
from tests.crafting import builders
from tests.unit.controlplane.judging import tekton_cases as cases
from tests.unit.controlplane.judging.test_exceptions import EXCEPTION, VIOLATED, case, judged
from tests.unit.controlplane.judging.test_verdict import in_external_ci

PASSED = replace(VIOLATED, status=policies.Status.PASSED, violations=())
ERROR = replace(VIOLATED, status=policies.Status.ERROR, violations=(), reason="it has no result")
BAD, GOOD = {"name": "banned", "violations": [{"message": "no"}]}, {"name": "banned", "materialName": "sbom"}
SKIPPED = {"name": "banned", "skipped": True}


def claiming(made: examination.Case, **fields: Any) -> examination.Case:
    """The case, whose claims say these fields of policies."""
    said = [replace(one, facts=one.facts and replace(one.facts, policy=fields)) for one in made.said]
    return replace(made, said=tuple(said))


def told(server: policies.Evaluation, *client: Any, material: str = "sbom") -> verdicts.Verdict:
    return judged(claiming(case(server, declared=()), policyEvaluations={material: list(client)}))


@pytest.mark.parametrize(
    ("server", "client", "said", "codes"),
    [
        (VIOLATED, GOOD, "Passed", ["PolicyViolated", "PolicyEvaluationDiffers"]),
        (PASSED, BAD, "Violated", ["PolicyEvaluationDiffers"]),
        (PASSED, {**BAD, "skipped": True}, "Violated", ["PolicyEvaluationDiffers"]),
        (VIOLATED, BAD, "Violated", ["PolicyViolated"]),
        (PASSED, GOOD, "Passed", []),
        (VIOLATED, SKIPPED, "Skipped", ["PolicyViolated"]),
        (PASSED, SKIPPED, "Skipped", []),
        (ERROR, GOOD, "Passed", ["PolicyNotEvaluated"]),
    ],
)
def test_a_difference_is_told_and_what_the_server_found_counts(
    server: policies.Evaluation, client: Any, said: str, codes: list[str]
) -> None:
    found = told(server, client)
    assert cases.codes(found) == codes
    assert found.evaluations == (replace(server, client=said),)
    assert found.result is judged(case(server, declared=())).result


def test_it_says_both_results_and_where_the_contract_asks_for_the_policy() -> None:
    (finding,) = told(PASSED, BAD).findings
    assert finding.message == (
        "policy banned on material sbom: the client says Violated, the server found Passed, which counts"
    )
    assert (finding.line, finding.material) == (VIOLATED.line, "sbom")


def test_of_several_answers_the_worst_one_is_kept() -> None:
    assert told(PASSED, BAD, GOOD, SKIPPED).evaluations[0].client == "Violated"
    assert told(PASSED, SKIPPED, GOOD).evaluations[0].client == "Passed"


def test_what_is_said_of_another_policy_or_material_is_no_answer() -> None:
    for client, material in ((GOOD | {"name": "other"}, "sbom"), (GOOD, "scan"), (GOOD, "CHAINLOOP.ATTESTATION")):
        assert told(VIOLATED, client, material=material).evaluations[0].client == ""


def test_the_attestation_as_a_whole_has_a_name_of_its_own() -> None:
    whole = replace(PASSED, material="")
    assert told(whole, BAD, material="CHAINLOOP.ATTESTATION").evaluations[0].client == "Violated"


@pytest.mark.parametrize("said", [None, [], "x", {"sbom": {}}, {"sbom": [1, [], {}, {"name": 1}]}, {"sbom": "banned"}])
def test_what_is_not_written_as_chainloop_writes_it_says_nothing_and_stops_nothing(said: Any) -> None:
    found = judged(claiming(case(VIOLATED, declared=()), policyEvaluations=said))
    assert (found.result, found.evaluations) == (verdicts.VerdictResult.FAILED, (VIOLATED,))


def test_of_one_claim_a_bounded_part_is_looked_at() -> None:
    many = [{"name": f"p{n}"} for n in range(clientpolicies.MOST)]
    assert told(VIOLATED, *many, GOOD).evaluations[0].client == ""
    assert told(VIOLATED, GOOD, *many).evaluations[0].client == "Passed"


def test_what_chainloops_own_command_line_signed_is_read() -> None:
    theirs = json.loads((builders.REAL / "statement.json").read_text())["predicate"]["policyEvaluations"]
    of = replace(PASSED, policy="sbom-has-name", material="skynet-sbom")
    made = claiming(case(of, declared=()), policyEvaluations=theirs)
    (said,) = theirs["skynet-sbom"]
    (found,) = clientpolicies.beside(made).evaluations or ()
    assert found.client == ("Violated" if said["violations"] else "Passed")


def test_a_claim_that_is_not_believed_says_nothing() -> None:
    made = claiming(case(PASSED, declared=()), policyEvaluations={"sbom": [BAD]})
    silent = replace(made, said=tuple(replace(one, facts=None, problem="forged") for one in made.said))
    assert clientpolicies.beside(silent).evaluations == (PASSED,)


def test_a_bypass_that_a_client_asks_for_is_told_and_granted_to_nobody() -> None:
    made = replace(in_external_ci(has_policies=True), evaluations=(VIOLATED,))
    found = verdict.judge(claiming(made, policyBlockBypassEnabled=True, policyAttBlocked=False), cases.LATER)
    assert isinstance(found, verdicts.Verdict)
    assert (found.result, cases.codes(found)) == (
        verdicts.VerdictResult.FAILED,
        ["PolicyViolated", "PolicyBypassNotDeclared"],
    )
    asked = found.findings[1]
    assert asked.message == "token asks to bypass policies, and no exception from banned is declared"
    assert "avouch exception create NAME --policy banned" in asked.fix


@pytest.mark.parametrize("bypass", [False, "true", 1, None])
def test_only_a_bypass_that_is_asked_for_is_told(bypass: Any) -> None:
    found = judged(claiming(case(VIOLATED, declared=()), policyBlockBypassEnabled=bypass))
    assert cases.codes(found) == ["PolicyViolated"]


def test_a_bypass_needs_no_words_where_nothing_blocks() -> None:
    for made in (case(PASSED), case(VIOLATED, declared=(EXCEPTION,)), case(replace(VIOLATED, gate=False))):
        assert "PolicyBypassNotDeclared" not in cases.codes(judged(claiming(made, policyBlockBypassEnabled=True)))
