"""External runs: what passes, and every way in which one must not."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from avouch import digests, plan
from avouch.attestation import materials, predicate
from avouch.controlplane.judging import documents, examination, verdict
from avouch.controlplane.model import artifacts, external, runs
from avouch.controlplane.model.verdicts import Evidence, VerdictResult
from tests.unit.controlplane.judging import tekton_cases as cases

CONTENT = b'{"bomFormat": "CycloneDX"}'
ATTESTER = external.Attester(
    "AUTH_TYPE_API_TOKEN", "team-a/ci", ("https://avouch.dev/namespaces/team-a/tokens/ci/uid",)
)


def extra(**changes):
    made = external.ExternalPart(cases.RUN, ATTESTER, external.Runner(), "acme", cases.LATER, timedelta(hours=1), "v0")
    return replace(made, **changes)


def sbom(**changes):
    return replace(cases.file(), **changes)


def facts(*found, runner="", env=None, annotations=None):
    metadata = predicate.Metadata("app", "app", "wf-uid", str(cases.RUN), "team-a", "", "contract", "3", None, None)
    return predicate.AttestationFacts(
        metadata, "cli", predicate.Runner(runner), found, env=env or {}, annotations=annotations or {}
    )


def said(told, problem=""):
    claim = runs.Claim(cases.RUN, digests.of_bytes(b"b"), b"b", "", "", "", "", "", cases.DONE, explicit=True)
    return examination.ReadClaim(claim, told, problem)


def judged(asked, told=None, *, external=None, documents=None, now=cases.DONE, problem=""):
    stored = {(cases.FILE, cases.SBOM): artifacts.Checked(True, extracted=(("chainloop.material.tool.name", "syft"),))}
    claims = () if told is None and not problem else (said(told, problem),)
    documents = stored if documents is None else documents
    case = examination.Case(cases.run(), asked, None, claims, documents, external or extra())
    return verdict.judge(case, now)


def codes(verdict):
    return [finding.code for finding in verdict.findings]


def test_what_the_contract_asks_for_passes_with_what_the_server_read_out_of_it():
    verdict = judged(cases.planned(cases.asked()), facts(sbom()))
    assert (verdict.result, verdict.evidence, verdict.findings) == (VerdictResult.PASSED, Evidence.CLI, ())
    (material,) = verdict.materials
    assert (material.origin, material.uploaded) == ("cli", True)
    assert material.extracted == {"chainloop.material.tool.name": "syft"}


STORED = {(cases.FILE, cases.SBOM): artifacts.Checked(True)}


@pytest.mark.parametrize(
    ("storage", "documents", "uploaded"),
    [("uploaded", STORED, True), ("none", STORED, False), ("uploaded", {}, False), ("none", {}, False)],
)
def test_a_material_counts_as_uploaded_if_it_says_so_and_its_bytes_are_there(storage, documents, uploaded):
    asked = cases.planned(cases.asked(skip_upload=True))
    (found,) = judged(asked, facts(sbom(storage=storage)), documents=documents).materials
    assert found.uploaded is uploaded


@pytest.mark.parametrize("output", [True, False])
def test_what_is_an_output_is_for_the_contract_to_say(output):
    (found,) = judged(cases.planned(cases.asked(output=output)), facts(sbom(output=not output))).materials
    assert found.output is output
    (free,) = judged(cases.planned(), facts(sbom(name="other", output=True))).materials
    assert free.output is False


def commit_of(head, **changes):
    told, asked = replace(facts(sbom()), git_head=head), cases.planned(cases.asked())
    case = examination.Case(cases.run(), asked, None, (said(told),), {}, extra())
    return documents._facts(replace(case, **changes), judged(asked, told), []).git_head


def test_the_runs_own_attestation_is_about_the_commit_that_its_attester_names():
    head = predicate.git_head("0" * 40, {"message": "a change"})
    assert commit_of(head) == head
    assert commit_of(head, external=None) is None
    assert commit_of(head, said=()) is None
    assert commit_of(head, said=(said(None, "it is no longer believed"),)) is None


def test_what_an_attester_writes_of_its_commit_never_keeps_the_run_from_being_sealed():
    assert commit_of(predicate.git_head("0" * 40, {"message": "x" * 3_000_000})) == predicate.git_head("0" * 40, {})
    assert commit_of(predicate.git_head("no hash", {})) is None
    frame = len(json.dumps({"message": ""}))
    for length, kept in ((16 * 1024, True), (16 * 1024 + 1, False)):
        note = {"message": "x" * (length - frame)}
        assert commit_of(predicate.git_head("0" * 40, note)) == predicate.git_head("0" * 40, note if kept else {})


def test_a_missing_material_fails_with_the_command_that_adds_it():
    verdict = judged(cases.planned(cases.asked()), facts())
    assert verdict.result is VerdictResult.FAILED
    assert verdict.findings[0].fix == "avouch attestation add --name sbom --value FILE"


BAD = {(cases.FILE, cases.SBOM): artifacts.Checked(True, "no SBOM", "make one")}
LARGE = {(cases.FILE, cases.SBOM): artifacts.Checked(True, "it takes too long", "send less", exhausting=True)}


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize(
    ("documents", "code", "says", "fix"),
    [
        ({}, "MaterialNotUploaded", "its content was not uploaded", "avouch attestation add --name sbom --value FILE"),
        (BAD, "MaterialTypeMismatch", "material sbom: no SBOM", "make one"),
        (LARGE, "MaterialTooLarge", "material sbom: it takes too long", "send less"),
    ],
)
def test_a_document_that_does_not_hold_is_told_with_what_helps_and_the_contracts_line(
    asked, documents, code, says, fix
):
    wanted = cases.planned(*[cases.asked()] * asked)
    found = judged(wanted, facts(sbom()), documents=documents)
    (finding,) = found.findings
    assert (found.result, finding.code, finding.material) == (VerdictResult.FAILED, code, "sbom")
    assert says in finding.message
    assert finding.fix.startswith(fix)
    assert finding.line == ("spec.materials[sbom]" if asked else "")


def test_a_material_of_another_type_than_the_contract_asks_for_is_told_once_and_not_missing_besides():
    found = judged(cases.planned(cases.asked()), facts(sbom(type="SARIF")), documents={})
    (wrong,) = found.findings
    assert found.result is VerdictResult.FAILED
    assert (wrong.code, wrong.line, wrong.material) == ("MaterialTypeMismatch", "spec.materials[sbom]", "sbom")
    assert wrong.message == "the attestation calls sbom SARIF, the contract asks for SBOM_CYCLONEDX_JSON"


def test_a_material_of_another_type_is_missing_too():
    verdict = judged(cases.planned(cases.asked(group="bill")), facts(sbom(type="SARIF")))
    assert set(codes(verdict)) == {"MaterialTypeMismatch", "GroupUnsatisfied"}


def test_an_annotation_of_a_material_keeps_the_value_that_the_contract_fixes():
    asked = cases.planned(cases.asked(annotations=(plan.PlannedAnnotation("level", "high"),)))
    told = judged(asked, facts(sbom(annotations={"level": "low"})))
    assert (told.result, codes(told)) == (VerdictResult.REJECTED, ["AnnotationContradicted"])
    assert (told.findings[0].line, told.findings[0].material) == ("spec.materials[sbom]", "sbom")
    assert told.materials[0].annotations == {"level": "high"}
    assert judged(asked, facts(sbom())).result is VerdictResult.PASSED


def test_a_material_whose_upload_is_skipped_may_be_absent_from_the_store_but_not_from_the_claim():
    asked = cases.planned(cases.asked(skip_upload=True))
    assert judged(asked, facts(sbom(storage="none")), documents={}).result is VerdictResult.PASSED
    assert judged(asked, facts(), documents={}).result is VerdictResult.FAILED


def test_a_material_that_the_contract_does_not_name_is_kept_and_must_be_what_it_is_called():
    good = judged(cases.planned(), facts(sbom(name="other")))
    assert (good.result, [m.name for m in good.materials]) == (VerdictResult.PASSED, ["other"])
    assert codes(judged(cases.planned(), facts(sbom(name="other")), documents={})) == ["MaterialNotUploaded"]


def test_an_empty_annotation_must_be_filled_and_a_fixed_one_keeps_its_value():
    asked = replace(
        cases.planned(),
        annotations=(plan.PlannedAnnotation("who"), plan.PlannedAnnotation("version", "oss")),
    )
    empty = judged(asked, facts())
    assert codes(empty) == ["AnnotationMissing"]
    assert empty.findings[0].fix == "avouch attestation push --annotation who=VALUE"
    filled = judged(asked, facts(annotations={"who": "me"}))
    assert (filled.result, filled.annotations) == (VerdictResult.PASSED, {"who": "me", "version": "oss"})
    changed = judged(asked, facts(annotations={"who": "me", "version": "mine"}))
    assert (changed.result, codes(changed)) == (VerdictResult.REJECTED, ["AnnotationContradicted"])
    assert changed.annotations == {"who": "me", "version": "oss"}


def test_a_variable_without_value_fails():
    asked = replace(cases.planned(), env=("CUSTOM",))
    assert codes(judged(asked, facts())) == ["EnvironmentMissing"]
    assert judged(asked, facts(env={"CUSTOM": "x"})).env == {"CUSTOM": "x"}


def proven(type_, **changes):
    return extra(runner=external.Runner(type_, authenticated=True, **changes))


@pytest.mark.parametrize("wanted", ["GITHUB_ACTION", "JENKINS_JOB"])
def test_the_contracts_runner_is_met_by_one_that_its_token_proved(wanted):
    asked = replace(cases.planned(), runner=wanted)
    assert judged(asked, facts(runner=wanted), external=proven(wanted)).result is VerdictResult.PASSED


@pytest.mark.parametrize(
    ("wanted", "runner", "why", "fix"),
    [
        ("GITHUB_ACTION", external.Runner("GITHUB_ACTION"), "no verified token", "permissions: {id-token: write}"),
        ("JENKINS_JOB", external.Runner("JENKINS_JOB"), "no verified token", "https://ISSUER=JENKINS_JOB"),
        ("TEKTON_PIPELINE", external.Runner("TEKTON_PIPELINE"), "no verified token", "never an external run"),
        ("DAGGER_PIPELINE", external.Runner("DAGGER_PIPELINE"), "no verified token", "nothing can prove"),
        ("GITHUB_ACTION", external.Runner("GITLAB_PIPELINE", authenticated=True), "token proves GITLAB", "prove"),
        ("GITHUB_ACTION", external.Runner(), "says that it is none", "remove spec.runner"),
    ],
)  # fmt: skip
def test_the_word_of_a_client_never_meets_the_contracts_runner(wanted, runner, why, fix):
    found = judged(replace(cases.planned(), runner=wanted), facts(runner=runner.type), external=extra(runner=runner))
    assert (found.result, codes(found)) == (VerdictResult.FAILED, ["RunnerMismatch"])
    assert why in found.findings[0].message
    assert fix in found.findings[0].fix
    assert found.findings[0].line == "spec.runner.type"


def test_the_runner_that_opened_a_run_must_have_made_its_attestation():
    other = judged(cases.planned(), facts(runner="GITHUB_ACTION"), external=extra())
    assert (other.result, codes(other)) == (VerdictResult.REJECTED, ["RunnerContradicted"])


def test_what_the_runners_token_proves_cannot_be_said_otherwise():
    opened = extra(runner=external.Runner(proven={"GITHUB_SHA": "abc"}))
    assert judged(cases.planned(), facts(env={"GITHUB_SHA": "abc"}), external=opened).result is VerdictResult.PASSED
    assert judged(cases.planned(), facts(env={}), external=opened).result is VerdictResult.PASSED
    lie = judged(cases.planned(), facts(env={"GITHUB_SHA": "def"}), external=opened)
    assert (lie.result, codes(lie)) == (VerdictResult.REJECTED, ["RunnerContradicted"])


def test_a_contract_with_policies_is_never_passed():
    verdict = judged(replace(cases.planned(), has_policies=True), facts())
    assert (verdict.result, codes(verdict)) == (VerdictResult.ERROR, ["PoliciesNotEvaluated"])


def test_a_claim_that_no_longer_verifies_is_an_error():
    verdict = judged(cases.planned(), None, problem="step 9 signature: does not match")
    assert (verdict.result, verdict.evidence) == (VerdictResult.ERROR, Evidence.CLI)
    assert codes(verdict) == ["ClaimNotVerified"]


def test_without_a_claim_a_run_is_waited_for_and_then_expires():
    waiting = judged(cases.planned(), now=cases.DONE)
    assert waiting == examination.WaitUntil(cases.LATER)
    expired = judged(cases.planned(), now=cases.LATER)
    assert (expired.result, expired.evidence, codes(expired)) == (VerdictResult.EXPIRED, Evidence.NONE, ["RunExpired"])


@pytest.mark.parametrize(
    ("trigger", "result", "code"),
    [("failure", VerdictResult.FAILED, "RunFailed"), ("cancellation", VerdictResult.CANCELED, "RunCanceled")],
)
def test_a_run_that_was_given_up_says_so_and_never_passes(trigger, result, code):
    verdict = judged(cases.planned(), external=extra(reset=external.Reset(trigger, "tests are red")))
    assert (verdict.result, codes(verdict), verdict.findings[0].message) == (result, [code], "tests are red")


def test_an_inline_material_counts_by_what_the_server_read_in_it():
    inline = sbom(storage="inline", content=CONTENT, digest=digests.of_bytes(CONTENT))
    documents = {(str(digests.of_bytes(CONTENT)), cases.SBOM): artifacts.Checked(True, "no specVersion", "add it")}
    verdict = judged(cases.planned(cases.asked()), facts(inline), documents=documents)
    assert codes(verdict) == ["MaterialTypeMismatch"]
    assert materials.is_subject(inline) is False


def test_a_file_is_judged_by_its_name_and_an_image_or_text_by_its_value():
    told = facts(sbom(), cases.claimed_image(), cases.claimed_text("text", "v"))
    found = judged(cases.planned(), told)
    assert found.result is VerdictResult.PASSED
    assert {one.name: (one.value, one.filename) for one in found.materials} == {
        "image": ("reg/app:1", ""),
        "sbom": ("", "bom.json"),
        "text": ("v", ""),
    }


@pytest.mark.parametrize(
    ("trigger", "said"),
    [("failure", "the attester reported a failed build"), ("cancellation", "the attester canceled the run")],
)
def test_a_run_that_was_given_up_without_a_word_says_how(trigger, said):
    (finding,) = judged(cases.planned(), external=extra(reset=external.Reset(trigger))).findings
    assert finding.message == said


def test_a_material_that_the_contract_asks_for_is_not_found_under_another_name():
    found = judged(cases.planned(cases.asked("other", "SARIF"), cases.asked()), facts(sbom()))
    assert codes(found) == ["MaterialMissing"]
    assert found.findings[0].material == "other"
