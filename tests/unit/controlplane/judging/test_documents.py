"""What a verdict signs, and with which key: what admission trusts for PASSED signs nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest

from avouch.attestation import bundle, keysigned, predicate, signing, statement, vsa
from avouch.controlplane.judging import documents
from avouch.controlplane.model import external, verdicts
from tests.unit.controlplane.judging import tekton_cases as cases

ATTESTATION, PASSED, FAILED = (signing.KeySigner.generate() for _ in range(3))
KEYS = documents.Keys(ATTESTATION, PASSED, FAILED, "https://verifier.example.com")
TRUSTED = {
    keysigned.Family.ATTESTATION: ATTESTATION.public_key_pem,
    keysigned.Family.PASSED: PASSED.public_key_pem,
    keysigned.Family.FAILED: FAILED.public_key_pem,
}
PLAN = cases.planned(cases.asked())
SHOT = cases.snapshot(cases.taskrun())


def sealed(*told, plan=PLAN):
    case = cases.case(plan, SHOT, *told)
    return documents.seal(case, cases.verdict(case), KEYS)


@pytest.mark.parametrize("passes", [True, False])
def test_a_verdict_is_signed_with_the_key_of_its_family_and_says_what_was_judged(passes):
    signed = sealed(cases.said(cases.file())) if passes else sealed()
    assert (signed.verdict.result is verdicts.VerdictResult.PASSED) is passes
    found = keysigned.verify(signed.document(verdicts.VSA).bundle, TRUSTED)
    assert found.family is (keysigned.Family.PASSED if passes else keysigned.Family.FAILED)
    assert vsa.read(found.statement).passed is passes


def test_a_verdict_is_over_the_claims_and_over_everything_that_was_signed_before_it():
    told = cases.said(cases.file())
    signed = sealed(told)
    found = keysigned.verify(signed.document(verdicts.VSA).bundle, TRUSTED)
    own = bundle.digest(signed.document(verdicts.ATTESTATION).bundle)
    assert set(vsa.read(found.statement).inputs) == {str(told.claim.digest), str(own)}


def test_the_files_of_a_matrix_are_named_apart_and_never_like_another_material():
    digests = (cases.GOOD, cases.EVIL, cases.FILE)
    shot = cases.snapshot(*(cases.taskrun(f"build-{number}") for number in range(3)))
    told = [cases.said(cases.file(digest), taskrun=f"build-{number}") for number, digest in enumerate(digests)]
    other = cases.said(cases.file(name="sbom-1"), taskrun="build-0", explicit=True)
    made = cases.case(cases.planned(cases.asked(), cases.asked("sbom-1")), shot, *told, other,
                      documents=cases.fine(*digests))  # fmt: skip
    signed = documents.seal(made, cases.verdict(made), KEYS)
    facts = predicate.read(statement.parse(signed.document(verdicts.ATTESTATION).statement))
    names = [one.name for one in facts.materials if one.type == cases.SBOM]
    assert sorted(names) == ["sbom", "sbom-1", "sbom-2", "sbom-3"]


@pytest.mark.parametrize(("prerelease", "release", "told"), [(True, False, True), (True, True, False)])
def test_a_version_that_is_released_is_no_prerelease(prerelease, release, told):
    part = external.ExternalPart(
        cases.RUN, external.Attester("AUTH_TYPE_API_TOKEN", "team-a/ci", ("https://x",)), external.Runner(), "acme",
        cases.LATER, timedelta(hours=1), "v0", prerelease=prerelease, release=release,
    )  # fmt: skip
    case = replace(cases.case(PLAN, None, cases.said(cases.file())), external=part)
    signed = documents.seal(case, cases.verdict(case), KEYS)
    facts = predicate.read(statement.parse(signed.document(verdicts.ATTESTATION).statement))
    assert facts.metadata.project_version_prerelease is told


def part(runner):
    return external.ExternalPart(
        cases.RUN, external.Attester("AUTH_TYPE_API_TOKEN", "team-a/ci", ("https://x",)), runner, "acme",
        cases.LATER, timedelta(hours=1), "v0",
    )  # fmt: skip


TOLD = external.Runner("GITHUB_ACTION", "https://github.com/a/b/actions/runs/1")
PROVEN = replace(
    TOLD, environment="managed", authenticated=True, workflow_file_path="a/b/w.yml", proven_url="https://github.com/p"
)
RUNNERS = {
    "what a client says of its runner": (TOLD, predicate.Runner("", environment="unknown")),
    "the runner around the one it says": (
        replace(PROVEN, type="DAGGER_PIPELINE", authenticated=False), predicate.Runner("", environment="unknown")
    ),
    "what its token proves": (
        PROVEN, predicate.Runner("GITHUB_ACTION", "https://github.com/p", "managed", True, "a/b/w.yml")
    ),
    "the cluster's record": (None, predicate.Runner("TEKTON_PIPELINE", "", "self-hosted", True)),
}  # fmt: skip


@pytest.mark.parametrize("wanted", ["", "GITHUB_ACTION", "TEKTON_PIPELINE", "JENKINS_JOB"])
@pytest.mark.parametrize(("told", "signed"), RUNNERS.values(), ids=RUNNERS)
def test_only_a_runner_that_was_proven_is_signed_whatever_the_contract_asks_for(told, signed, wanted):
    shot, extra = (SHOT, None) if told is None else (None, part(told))
    case = replace(cases.case(replace(PLAN, runner=wanted), shot, cases.said(cases.file())), external=extra)
    found = documents.seal(case, cases.verdict(case), KEYS).document(verdicts.ATTESTATION)
    assert predicate.read(statement.parse(found.statement)).runner == signed
