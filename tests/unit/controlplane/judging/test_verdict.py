"""One pipeline for every run: a check in it holds in Tekton and elsewhere; what is signed is a list."""

import base64
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest

from avouch import digests, findings
from avouch.attestation import predicate, signing
from avouch.controlplane.judging import documents, examination, verdict
from avouch.controlplane.model import artifacts, external, policies, runs, verdicts
from avouch.ingest.aggregated import workflowruns
from avouch.reconcilers import verdict_events
from tests.unit.controlplane.judging import tekton_cases as cases

ATTESTATION, PASSED, FAILED = (signing.KeySigner.generate() for _ in range(3))
KEYS = documents.Keys(ATTESTATION, PASSED, FAILED, "https://verifier.example.com")


def in_tekton(**asked: Any) -> examination.Case:
    plan = replace(cases.planned(cases.asked()), **asked)
    return cases.case(plan, cases.snapshot(cases.taskrun()), cases.said(cases.file()))


def in_external_ci(**asked: Any) -> examination.Case:
    plan = replace(cases.planned(cases.asked()), **asked)
    attester = external.Attester("AUTH_TYPE_API_TOKEN", "token", ("https://avouch.dev/token",))
    extra = external.ExternalPart(cases.RUN, attester, external.Runner(), "acme", cases.LATER, timedelta(hours=1), "v0")
    metadata = predicate.Metadata("app", "app", "wf-uid", str(cases.RUN), "team-a", "", "contract", "3", None, None)
    facts = predicate.AttestationFacts(metadata, "cli", predicate.Runner(""), (cases.file(),))
    claim = runs.Claim(cases.RUN, digests.of_bytes(b"b"), b"b", "", "", "", "", "", cases.DONE, explicit=True)
    return examination.Case(
        cases.run(),
        plan,
        None,
        (examination.ReadClaim(claim, facts),),
        {(cases.FILE, cases.SBOM): artifacts.Checked(True)},
        extra,
    )


BOTH = pytest.mark.parametrize("make", [in_tekton, in_external_ci])


def judged(case: examination.Case) -> verdicts.Verdict:
    found = verdict.judge(case, cases.LATER)
    assert isinstance(found, verdicts.Verdict)
    return found


@BOTH
def test_a_run_without_a_finding_passes(make: Any) -> None:
    assert judged(make()).result is verdicts.VerdictResult.PASSED


@BOTH
def test_a_check_that_is_added_once_holds_for_every_run(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(case: examination.Case, examined: examination.Examined) -> Iterable[findings.Finding]:
        if any(material.name == "sbom" for material in examined.materials):
            yield findings.Finding("PolicyViolated", "no bills of material on Fridays")

    violated = findings.Code(findings.Effect.FAILED, "A policy is violated.", "Satisfy it.")
    monkeypatch.setitem(findings.CODES, "PolicyViolated", violated)
    monkeypatch.setattr(verdict, "CHECKS", (*verdict.CHECKS, forbidden))
    found = judged(make())
    assert (found.result, cases.codes(found)) == (verdicts.VerdictResult.FAILED, ["PolicyViolated"])


@BOTH
def test_thousands_of_findings_are_judged_in_full_and_told_in_short(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def many(case: examination.Case, examined: examination.Examined) -> Iterable[findings.Finding]:
        yield from (findings.Finding("PodNotSeen", f"pod {number}") for number in range(1000))
        yield from (findings.Finding("MaterialNotUsed", f"claim {number}") for number in range(1000))
        yield findings.Finding("RunFailed", "the last of them decides")

    monkeypatch.setattr(verdict, "CHECKS", (many,))
    found = judged(make())
    assert found.result is verdicts.VerdictResult.FAILED
    assert found.findings[0] == findings.Finding("RunFailed", "the last of them decides")
    assert [one.message for one in found.findings if one.code == "PodNotSeen"][199:] == [
        "pod 199",
        "800 more are like the ones before",
    ]
    assert len(found.findings) == 1 + 201 + 201


@BOTH
def test_policies_that_nobody_evaluated_are_an_error_everywhere(make: Any) -> None:
    found = judged(make(has_policies=True))
    assert (found.result, cases.codes(found)) == (verdicts.VerdictResult.ERROR, ["PoliciesNotEvaluated"])


def test_a_contract_that_asks_for_another_runner_than_tekton_is_not_met_by_a_run_in_tekton() -> None:
    assert judged(in_tekton(runner="TEKTON_PIPELINE")).result is verdicts.VerdictResult.PASSED
    found = judged(in_tekton(runner="GITHUB_ACTION"))
    assert (found.result, cases.codes(found)) == (verdicts.VerdictResult.FAILED, ["RunnerMismatch"])
    assert found.findings[0].message.endswith("this run was executed in TEKTON_PIPELINE")


def test_what_caused_a_failure_is_said_before_what_is_missing_for_it() -> None:
    shot = cases.snapshot(cases.taskrun(), status="False", reason="Failed")
    found = judged(cases.case(cases.planned(cases.image()), shot))
    assert cases.codes(found) == ["RunFailed", "MaterialMissing"]


def statement(document: verdicts.Document) -> Any:
    payload = json.loads(document.bundle)["dsseEnvelope"]["payload"]
    assert base64.b64decode(payload) == document.statement
    return json.loads(document.statement)


@BOTH
def test_the_verdict_is_signed_last_and_names_the_claims_and_all_that_was_signed_before(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def provenance(basis: documents.Basis) -> documents.Draft:
        made = predicate.build(replace(basis.facts, builder_id="https://example.com/builder"))
        return documents.Draft("provenance", "https://slsa.dev/provenance/v1", made, basis.keys.attestation)

    first, last = documents.DOCUMENTS
    monkeypatch.setattr(documents, "DOCUMENTS", (first, provenance, last))
    case = make()
    signed = documents.seal(case, judged(case), KEYS)
    assert [one.kind for one in signed.documents] == ["attestation", "provenance", "vsa"]
    inputs = [one["digest"]["sha256"] for one in statement(signed.document("vsa"))["predicate"]["inputAttestations"]]
    claims = [said.claim.digest.hex for said in case.said]
    assert inputs == [*claims, *(digests.of_bytes(one.bundle).hex for one in signed.documents[:2])]


def evaluated(**said: Any) -> policies.Evaluation:
    violated = policies.Evaluation(
        "banned", "sha256:a", LINE, policies.Status.VIOLATED, material="sbom", gate=True,
        inputs=(("names", "left-pad"),), violations=(policies.Violation("left-pad is banned"),),
    )  # fmt: skip
    return replace(violated, **said)


def told_of(**said: Any) -> findings.Finding:
    case = replace(in_tekton(has_policies=True), evaluations=(evaluated(**said),))
    found = verdict.judge(case, cases.LATER)
    assert isinstance(found, verdicts.Verdict)
    return found.findings[0]


LINE = 'spec.policies.materials[ref="banned"]'
SAID = "policy banned on material sbom: left-pad is banned"


def test_a_violation_is_told_with_the_inputs_of_the_policy_and_what_helps() -> None:
    for gate, code in ((True, "PolicyViolated"), (False, "PolicyViolatedUngated")):
        found = told_of(gate=gate)
        assert (found.code, found.line, found.material) == (code, LINE, "sbom")
        assert found.message == f'{SAID} (given names="left-pad")'
        assert found.fix == "correct material sbom, and run it again"


def test_what_helps_says_what_the_author_of_the_policy_says_of_it() -> None:
    found = told_of(description="No component is on the list of banned ones", material="", inputs=())
    assert found.message == "policy banned: left-pad is banned"
    assert found.fix == (
        "correct what it tells of, and run it again;"
        " what policy banned asks for: No component is on the list of banned ones"
    )


def test_inputs_that_are_long_do_not_hide_what_is_wrong() -> None:
    assert told_of(inputs=(("names", "x" * 300),)).message == SAID
    assert told_of(inputs=(("names", 'a"\n'),)).message == SAID + ' (given names="a\\"\\n")', "in one line"


def test_a_policy_that_could_not_be_evaluated_says_how_to_see_it() -> None:
    found = told_of(status=policies.Status.ERROR, reason="it has no result", violations=())
    assert (found.code, found.message) == ("PolicyNotEvaluated", "policy banned on material sbom: it has no result")
    assert "avouch policy eval" in found.fix


def test_the_finding_the_event_and_what_kubectl_describes_say_it_in_the_same_words() -> None:
    found = told_of()
    said = findings.sentence(found.code, found.message, found.fix)
    run = in_tekton().run
    assert said in verdict_events.event_of(run, runs.Judged(1, run.id, run, found, 1)).note
    assert workflowruns.summary({"result": "Failed", "findings": [asdict(found)]}).splitlines() == ["Failed", said]
