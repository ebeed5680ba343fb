"""What a verdict signs, and with which key: what admission trusts for PASSED signs nothing else."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from avouch import digests, errors, plan
from avouch.attestation import bundle, keysigned, predicate, signing, statement, uris, vsa
from avouch.controlplane.judging import documents, examination
from avouch.controlplane.model import external, verdicts
from tests import docs
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


def summary_of(signed):
    return vsa.read(keysigned.verify(signed.document(verdicts.VSA).bundle, TRUSTED).statement)


def test_a_verdict_names_its_workflow_and_the_contracts_own_namespace_with_the_uids_that_no_other_has():
    of_the_organization = replace(PLAN, contract_namespace="home", contract_namespace_uid="home-uid")
    for owed, contract in ((PLAN, "team-a/contracts/contract@3?namespaceUid=ns-uid"),
                           (of_the_organization, "home/contracts/contract@3?namespaceUid=home-uid")):  # fmt: skip
        found = summary_of(sealed(cases.said(cases.file()), plan=owed))
        assert found.resource_uri == "avouch://team-a/workflows/app?namespaceUid=ns-uid"
        assert found.policy_uri == f"avouch://{contract}"
        assert found.policy_digest == PLAN.contract_digest
        assert uris.parse(found.policy_uri) == uris.Named(*contract.replace("?namespaceUid=", "/").split("/"))


def test_every_kind_of_evidence_that_can_pass_is_a_level_of_its_own():
    kinds = set(verdicts.Evidence) - {verdicts.Evidence.MISSING, verdicts.Evidence.NONE}
    assert set(documents.EVIDENCE_LEVELS) == kinds
    assert len(set(documents.EVIDENCE_LEVELS.values())) == len(kinds)
    page = (docs.ROOT / "docs" / "crafting.md").read_text()
    for level in (documents.LEVEL, *documents.EVIDENCE_LEVELS.values()):
        assert f"| `{level}` |" in page


def test_a_verdict_says_where_its_evidence_came_from():
    by_sidecar = sealed(cases.said(cases.file()))
    shot = cases.snapshot(cases.built())
    case = cases.case(cases.planned(cases.image()), shot)
    by_taskrun = documents.seal(case, cases.verdict(case), KEYS)
    by_cli_runner = external.Runner("TEKTON_PIPELINE")  # as its attestation says
    case = replace(cases.case(PLAN, None, cases.said(cases.file())), external=part(by_cli_runner))
    by_cli = documents.seal(case, cases.verdict(case), KEYS)
    found = [summary_of(signed).levels for signed in (by_sidecar, by_taskrun, by_cli, sealed())]
    assert found == [
        ("AVOUCH_CONTRACT_SATISFIED", "AVOUCH_EVIDENCE_SIDECAR"),
        ("AVOUCH_CONTRACT_SATISFIED", "AVOUCH_EVIDENCE_TASKRUN"),
        ("AVOUCH_CONTRACT_SATISFIED", "AVOUCH_EVIDENCE_CLI"),
        ("FAILED",),
    ]


def verdict_on(case, result, evidence=verdicts.Evidence.SIDECAR):
    return replace(cases.verdict(case), result=result, evidence=evidence)


FINAL = set(verdicts.VerdictResult) - {verdicts.VerdictResult.PENDING}


@pytest.mark.parametrize("external_run", [False, True], ids=["in Tekton", "external"])
@pytest.mark.parametrize("evidence", list(verdicts.Evidence))
@pytest.mark.parametrize("result", sorted(FINAL - {verdicts.VerdictResult.PASSED}))
def test_no_other_verdict_than_passed_is_ever_signed_as_passed(result, evidence, external_run):
    case = cases.case(PLAN, SHOT, cases.said(cases.file()))
    case = replace(case, external=part(external.Runner())) if external_run else case
    signed = documents.seal(case, verdict_on(case, result, evidence), KEYS)
    document = signed.document(verdicts.VSA)
    found = keysigned.verify(document.bundle, TRUSTED)
    summary = vsa.read(found.statement)
    assert (found.family, summary.passed, summary.levels) == (keysigned.Family.FAILED, False, ("FAILED",))
    assert json.loads(document.statement)["predicate"]["verificationResult"] == "FAILED"
    for family in (keysigned.Family.PASSED, keysigned.Family.ATTESTATION):
        with pytest.raises(errors.NotVerified):
            keysigned.verify(document.bundle, {family: TRUSTED[family]})
        with pytest.raises(errors.NotVerified):  # the right family, and a key that is not its own
            keysigned.verify(document.bundle, {keysigned.Family.FAILED: TRUSTED[family]})


def test_a_passed_verdict_is_signed_by_the_key_for_passed_and_by_no_other():
    document = sealed(cases.said(cases.file())).document(verdicts.VSA)
    assert json.loads(document.statement)["predicate"]["verificationResult"] == "PASSED"
    for family in (keysigned.Family.FAILED, keysigned.Family.ATTESTATION):
        with pytest.raises(errors.NotVerified):
            keysigned.verify(document.bundle, {keysigned.Family.PASSED: TRUSTED[family]})


def test_a_passed_verdict_on_evidence_of_no_known_kind_is_not_signed():
    case = cases.case(PLAN, SHOT, cases.said(cases.file()))
    for evidence in (verdicts.Evidence.NONE, verdicts.Evidence.MISSING):
        with pytest.raises(KeyError):
            documents.seal(case, verdict_on(case, verdicts.VerdictResult.PASSED, evidence), KEYS)


def test_a_verdict_says_when_each_claim_was_received():
    told = cases.said(cases.file())
    body = json.loads(sealed(told).document(verdicts.VSA).statement)["predicate"]["inputAttestations"]
    received = {one["digest"]["sha256"]: one["annotations"][vsa.RECEIVED_AT] for one in body}
    assert received[told.claim.digest.hex] == "2026-11-21T12:00:00Z"


def test_a_verdict_is_over_the_outputs_or_over_the_runs_own_record():
    files = sealed(cases.said(cases.file()))
    attested = predicate.read(statement.parse(files.document(verdicts.ATTESTATION).statement))
    (subject,) = summary_of(files).subjects
    assert (subject.name, subject.digest["sha256"]) == ("avouch.run.app-1", predicate.record_digest(attested).hex)
    case = cases.case(cases.planned(cases.image()), cases.snapshot(cases.built()))
    (subject,) = summary_of(documents.seal(case, cases.verdict(case), KEYS)).subjects
    assert subject.digest["sha256"] == cases.GOOD.removeprefix("sha256:")


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


@pytest.mark.parametrize(
    ("prerelease", "release", "told"), [(True, False, True), (True, True, False), (False, False, False)]
)
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


def attested(case, verdict=None):
    signed = documents.seal(case, verdict or cases.verdict(case), KEYS)
    return predicate.read(statement.parse(signed.document(verdicts.ATTESTATION).statement))


def test_the_runs_attestation_says_what_it_is_about_and_when_it_ended():
    case = cases.case(replace(PLAN, team="crew"), SHOT, created_at=cases.DONE - timedelta(hours=1))
    told = attested(case).metadata
    assert (told.name, told.workflow_name, told.workflow_id, told.workflow_run_id) == (
        "app", "app", "wf-uid", str(cases.RUN))  # fmt: skip
    assert (told.project, told.organization, told.team) == ("team-a", "", "crew")
    assert (told.contract_name, told.contract_version) == ("contract", "3")
    assert (told.initialized_at, told.finished_at) == (cases.DONE - timedelta(hours=1), cases.DONE)
    named = cases.case(replace(PLAN, project="shop"), SHOT)
    assert attested(named).metadata.project == "shop"
    external_case = replace(cases.case(PLAN, None, finished_at=None), external=part(external.Runner()))
    told = attested(external_case, examination.failed(external_case, "x", cases.LATER)).metadata
    assert (told.finished_at, told.organization, told.project_version) == (cases.LATER, "acme", "v0")
    for one, auth in ((case, {}), (external_case, {"auth": {"id": "team-a/ci", "type": "AUTH_TYPE_API_TOKEN"}})):
        assert documents._facts(one, examination.failed(one, "x", cases.LATER), []).server == auth


def test_a_verdict_on_a_run_without_a_record_is_over_no_claim():
    case = cases.case(PLAN, None, cases.said(cases.file()))
    signed = documents.seal(case, examination.failed(case, "workers stopped", cases.LATER), KEYS)
    own = bundle.digest(signed.document(verdicts.ATTESTATION).bundle)
    assert vsa.read(keysigned.verify(signed.document(verdicts.VSA).bundle, TRUSTED).statement).inputs == (str(own),)
    assert attested(case, signed.verdict).materials == ()


def test_a_text_an_uploaded_file_and_one_that_was_not_are_attested_as_they_were_found():
    skipped = cases.asked("report", "ARTIFACT", skip_upload=True)
    words = cases.asked("text", "STRING", source=plan.Source())
    shown = cases.snapshot(cases.taskrun(results=[("text", "v")]))
    told = cases.said(cases.file(), cases.file(cases.EVIL, "report", "ARTIFACT", size=3))
    found = {
        one.name: one
        for one in attested(cases.case(cases.planned(cases.asked(), skipped, words), shown, told)).materials
    }
    text, report, sbom = found["text"], found["report"], found["sbom"]
    assert (text.content, str(text.digest), text.resource) == (b"v", str(digests.of_bytes(b"v")), "")
    assert (report.storage, report.size, report.content) == ("none", 3, None)
    assert (sbom.storage, sbom.resource) == ("uploaded", "bom.json")


@pytest.mark.parametrize("changes", [{"digest": "latest"}, {"value": "", "filename": ""}])
def test_an_image_that_nothing_can_refer_to_is_told_in_a_finding_and_not_attested(changes):
    case = cases.case(cases.planned(cases.image()), cases.snapshot(cases.built()))
    verdict = cases.verdict(case)
    (image,) = verdict.materials
    assert [one.name for one in attested(case, verdict).materials] == ["image"]
    assert attested(case, replace(verdict, materials=(replace(image, **changes),))).materials == ()
