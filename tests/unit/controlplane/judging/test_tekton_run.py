# ruff: noqa: E501
"""Every way in which a run could be passed wrongly, one table row each."""

from dataclasses import replace
from datetime import timedelta

import pytest

from avouch import plan
from avouch.controlplane.judging import cluster_record, examination, verdict
from avouch.controlplane.judging.cluster_record import Standing
from avouch.controlplane.model import artifacts, verdicts
from avouch.tekton import pod
from tests.unit.controlplane.judging import tekton_cases as make

V = verdicts.VerdictResult
E = verdicts.Evidence
BOTH = make.planned(make.image(), make.asked())
SHOT = make.snapshot(make.built(), injected=["build-1-pod-uid"])
TWO = make.planned(make.guessed("app"), make.guessed("web"))
HONEST = make.said(make.file(), make.claimed_image())
TICKET = plan.Source(plan.From.RESULT, task="build", name="TICKET")
ANY_TASK = plan.Source(plan.From.RESULT, name="IMAGE_URL", digest="IMAGE_DIGEST")


def test_a_run_that_delivers_everything_passes():
    found = make.verdict(make.case(BOTH, SHOT, HONEST))
    assert (found.result, found.evidence, found.findings) == (V.PASSED, E.SIDECAR, ())
    assert [(m.name, m.origin) for m in found.materials] == [("image", "taskrun"), ("sbom", "sidecar")]


def wrong_type():
    return {(make.FILE, make.SBOM): artifacts.Checked(True, "not a CycloneDX document", "write CycloneDX JSON")}


def text(kind):
    return make.asked("text", "STRING", source=plan.Source(kind, task="build", name="TEXT"))


def without_pod(taskrun):
    del taskrun["status"]["podName"]
    return taskrun


def deleted(shot):
    """The last TaskRun is gone although the PipelineRun lists it."""
    return replace(shot, taskruns=shot.taskruns[:-1])


CASES = {
    "an SBOM that nobody delivered fails": (
        make.case(BOTH, SHOT, make.said(make.claimed_image())), V.FAILED, "MaterialMissing"),
    "a claim without any material fails": (make.case(BOTH, SHOT, make.said()), V.FAILED, "MaterialMissing"),
    "a claim that lies about the image is rejected": (
        make.case(BOTH, SHOT, make.said(make.file(), make.claimed_image(make.EVIL))), V.REJECTED, "MaterialContradicted"),
    "an explicit step that lies about the image is rejected": (
        make.case(BOTH, SHOT, HONEST, make.said(make.claimed_image(make.EVIL), explicit=True)),
        V.REJECTED, "MaterialContradicted"),
    "a lie from another task is rejected": (
        make.case(BOTH, make.snapshot(make.built(), make.taskrun("lint-1", "lint")), HONEST,
                  make.said(make.claimed_image(make.EVIL), taskrun="lint-1")), V.REJECTED, "MaterialContradicted"),
    "a lie about an image from a task that shows none is rejected": (
        make.case(BOTH, make.snapshot(make.built(), make.taskrun("lint-1", "lint")), make.said(make.file()),
                  make.said(make.claimed_image(make.EVIL), taskrun="lint-1")), V.REJECTED, "MaterialContradicted"),
    "tasks that show different images where none is named fail": (
        make.case(make.planned(make.asked("image", make.IMAGE, source=ANY_TASK)),
                  make.snapshot(make.built(), make.built(make.EVIL, "web-1", task="web"))),
        V.FAILED, "MaterialAmbiguous"),
    "a document of another type fails although its upload may be skipped": (
        make.case(make.planned(make.asked(skip_upload=True)), SHOT, HONEST, documents=wrong_type()),
        V.FAILED, "MaterialTypeMismatch"),
    "two claims that differ about one file are rejected": (
        make.case(BOTH, SHOT, HONEST, make.said(make.file(make.EVIL), explicit=True),
                  documents=make.fine(make.FILE, make.EVIL)), V.REJECTED, "MaterialContradicted"),
    "a claim that no longer verifies is an error": (
        make.case(BOTH, SHOT, make.said(facts=False)), V.ERROR, "ClaimNotVerified"),
    "a claim of another run is rejected": (
        make.case(BOTH, SHOT, make.said(make.file(), workflow_run_id="other")), V.REJECTED, "ClaimOfAnotherRun"),
    "a claim about another Workflow is rejected": (
        make.case(BOTH, SHOT, make.said(make.file(), workflow_name="other")), V.REJECTED, "ClaimOfAnotherRun"),
    "a claim under another contract is rejected": (
        make.case(BOTH, SHOT, make.said(make.file(), contract_name="other")), V.REJECTED, "ClaimOfAnotherRun"),
    "a claim made under an older contract is rejected": (
        make.case(BOTH, SHOT, make.said(make.file(), contract_version="2")), V.REJECTED, "ClaimOfAnotherRun"),
    "a claim about a TaskRun that the record does not know is rejected": (
        make.case(BOTH, SHOT, HONEST, make.said(make.file(), taskrun="ghost")), V.REJECTED, "ClaimOfUnknownTaskRun"),
    "a document of another type fails": (
        make.case(BOTH, SHOT, HONEST, documents=wrong_type()), V.FAILED, "MaterialTypeMismatch"),
    "a material attested as another type fails": (
        make.case(BOTH, SHOT, make.said(make.file(type_="ARTIFACT"))), V.FAILED, "MaterialTypeMismatch"),
    "a file whose bytes never arrived fails": (
        make.case(BOTH, SHOT, HONEST, documents={}), V.FAILED, "MaterialNotUploaded"),
    "a file that is recorded, and whose bytes are not there, fails": (
        make.case(BOTH, SHOT, HONEST, documents={(make.FILE, make.SBOM): artifacts.Checked(False)}),
        V.FAILED, "MaterialNotUploaded"),
    "policies that nobody evaluated are an error": (
        make.case(make.planned(make.image(), make.asked(), has_policies=True), SHOT, HONEST),
        V.ERROR, "PoliciesNotEvaluated"),
    "a lie is rejected even where policies are not evaluated": (
        make.case(make.planned(make.image(), has_policies=True), SHOT, make.said(make.claimed_image(make.EVIL))),
        V.REJECTED, "MaterialContradicted"),
    "a cancelled run is Canceled": (
        make.case(BOTH, make.snapshot(make.built(), status="False", reason="Cancelled"), HONEST),
        V.CANCELED, "RunCanceled"),
    "a failed run fails with all its evidence": (
        make.case(BOTH, make.snapshot(make.built(), status="False", reason="Failed"), HONEST), V.FAILED, "RunFailed"),
    "a run whose record is not Done is unobserved": (
        make.case(BOTH, make.snapshot(make.built(), status="Unknown", reason="Running"), HONEST),
        V.UNOBSERVED, "RunNotDone"),
    "an image without a digest fails": (
        make.case(make.planned(make.image()), make.snapshot(make.built("latest"))), V.FAILED, "ImageDigestMissing"),
    "an image that only a claim knows is missing": (
        make.case(make.planned(make.image()), make.snapshot(make.taskrun()), make.said(make.claimed_image())),
        V.FAILED, "MaterialMissing"),
    "a file claimed by a task that was not asked is missing": (
        make.case(make.planned(make.asked()), make.snapshot(make.built(), make.taskrun("lint-1", "lint")),
                  make.said(make.file(), taskrun="lint-1")), V.FAILED, "MaterialMissing"),
    "the claim of a try that a retry superseded does not count": (
        make.case(make.planned(make.asked()),
                  make.snapshot(make.built(retries=["old"]), pods={"build-1-pod": "new-uid", "old": "old-uid"}),
                  make.said(make.file(), pod="old-uid")), V.FAILED, "MaterialMissing"),
    "the claim of a superseded try does not count where every pod is gone": (
        make.case(make.planned(make.asked()), make.snapshot(make.taskrun(retries=["old"]), pods={}),
                  make.said(make.file(), pod="old-uid", name="old")), V.FAILED, "MaterialMissing"),
    "a group of which nobody delivered a member fails": (
        make.case(make.planned(make.asked(group="bill"), make.asked("spdx", "SBOM_SPDX_JSON", group="bill")), SHOT,
                  make.said()), V.FAILED, "GroupUnsatisfied"),
    "a group whose only member is optional still needs it": (
        make.case(make.planned(make.asked(group="bill", optional=True)), SHOT, make.said()),
        V.FAILED, "GroupUnsatisfied"),
    "a group whose member was delivered as another type fails": (
        make.case(make.planned(make.asked(group="bill")), SHOT, make.said(make.file(type_="ARTIFACT"))),
        V.FAILED, "GroupUnsatisfied"),
    "an annotation of a material without a value fails": (
        make.case(make.planned(make.asked(annotations=(plan.PlannedAnnotation("ticket"),))), SHOT, HONEST),
        V.FAILED, "AnnotationMissing"),
    "an annotation about which two claims differ is rejected": (
        make.case(make.planned(make.asked(annotations=(plan.PlannedAnnotation("ticket"),))), SHOT,
                  make.said(make.file(annotations={"ticket": "1"})),
                  make.said(make.file(annotations={"ticket": "2"}), explicit=True)), V.REJECTED, "AnnotationContradicted"),
    "an image that a text contradicts is rejected": (
        make.case(make.planned(make.image()), SHOT, make.said(make.claimed_text("image", "reg/app:1@" + make.EVIL))),
        V.REJECTED, "MaterialContradicted"),
    "one image guessed for two materials fails": (
        make.case(TWO, SHOT, make.said()), V.FAILED, "MaterialAmbiguous"),
    "one image guessed for a material and named for another fails": (
        make.case(make.planned(make.image(), make.guessed("web")), SHOT, make.said()), V.FAILED, "MaterialAmbiguous"),
    "one image guessed for two materials by a sidecar fails": (
        make.case(TWO, make.snapshot(make.taskrun()),
                  make.said(make.claimed_image(name="app"), make.claimed_image(name="web"))),
        V.FAILED, "MaterialAmbiguous"),
    "one image guessed for two materials by a sidecar fails although it says that a step is": (
        make.case(TWO, make.snapshot(make.taskrun(), injected=["build-1-pod-uid"]),
                  make.said(make.claimed_image(name="app"), make.claimed_image(name="web"), explicit=True)),
        V.FAILED, "MaterialAmbiguous"),
    **{f"a text that only a claim knows, by {kind}, is missing": (
        make.case(make.planned(text(kind)), make.snapshot(make.taskrun()), make.said(make.claimed_text("text", "v"))),
        V.FAILED, "MaterialMissing") for kind in (plan.From.RESULT, plan.From.PARAM, plan.From.ENV)},
    "a claim that lies about a text that the TaskRun shows is rejected": (
        make.case(make.planned(text(plan.From.RESULT)), make.snapshot(make.taskrun(results=[("TEXT", "v")])),
                  make.said(make.claimed_text("text", "w"))), V.REJECTED, "MaterialContradicted"),
    "an image with a digest and no reference fails": (
        make.case(make.planned(make.guessed("image")), make.snapshot(make.taskrun()),
                  make.said(replace(make.claimed_image(), resource="", image_tag=""))),
        V.FAILED, "ImageReferenceMissing"),
    "a claim that names no pod is rejected where the TaskRun names none": (
        make.case(make.planned(make.asked()), make.snapshot(without_pod(make.taskrun())), make.said(make.file(), name="")),
        V.REJECTED, "ClaimOfForeignPod"),
    "a claim of a pod that the record does not name is rejected": (
        make.case(BOTH, SHOT, HONEST, make.said(make.file(), pod="somebody", name="somebodys-pod")),
        V.REJECTED, "ClaimOfForeignPod"),
    "a claim of a pod that has the name of the recorded one is rejected": (
        make.case(BOTH, SHOT, HONEST, make.said(make.file(), pod="somebody")), V.REJECTED, "ClaimOfForeignPod"),
    "a claim of a pod whose TaskRun names none is rejected": (
        make.case(make.planned(make.asked()), make.snapshot(without_pod(make.taskrun())), make.said(make.file())),
        V.REJECTED, "ClaimOfForeignPod"),
    "a claim of another pod than the recorded one, which is gone, is rejected": (
        make.case(make.planned(make.asked()), make.snapshot(make.taskrun(), pods={}), make.said(make.file(), name="x")),
        V.REJECTED, "ClaimOfForeignPod"),
    "a claim that names no pod is rejected where the recorded one is gone": (
        make.case(make.planned(make.asked()), make.snapshot(make.taskrun(), pods={}), make.said(make.file(), name="")),
        V.REJECTED, "ClaimOfForeignPod"),
    "two pods with the name of the recorded one, which is gone, are rejected": (
        make.case(make.planned(make.asked()), make.snapshot(make.taskrun(), pods={}), make.said(make.file(), pod="1"),
                  make.said(make.file(), pod="2")), V.REJECTED, "ClaimOfForeignPod"),
    "a claim about a TaskRun that the PipelineRun does not list is rejected": (
        make.case(BOTH, make.snapshot(make.built(), make.built(make.EVIL, "mine"), listed=["build-1"]), HONEST,
                  make.said(make.file(), taskrun="mine")), V.REJECTED, "ClaimOfUnknownTaskRun"),
    "a second TaskRun of a task without a matrix is rejected": (
        make.case(make.planned(make.image()), make.snapshot(make.built(), make.built(make.EVIL, "mine"))),
        V.REJECTED, "TaskRunContradictsPipeline"),
    "a run of which a TaskRun was deleted before its record was taken is unobserved": (
        make.case(make.planned(make.image()), deleted(make.snapshot(make.built(), make.taskrun("lint-1", "lint")))),
        V.UNOBSERVED, "RecordNotWhole"),
    "an annotation without a value fails": (
        make.case(make.planned(annotations=(plan.PlannedAnnotation("ticket"),)), SHOT, HONEST),
        V.FAILED, "AnnotationMissing"),
    "an annotation of the run about which two claims differ is rejected": (
        make.case(make.planned(annotations=(plan.PlannedAnnotation("ticket"),)), SHOT,
                  make.said(notes={"ticket": "1"}), make.said(make.file(), notes={"ticket": "2"}, explicit=True)),
        V.REJECTED, "AnnotationContradicted"),
    "an annotation whose result is not there is missing, whatever a claim says": (
        make.case(make.planned(annotations=(plan.PlannedAnnotation("ticket", source=TICKET),)), SHOT,
                  make.said(notes={"ticket": "1"})), V.FAILED, "AnnotationMissing"),
    "a variable of envAllowList without a value fails": (
        make.case(make.planned(env=("CI",)), SHOT, HONEST), V.FAILED, "EnvironmentMissing"),
}  # fmt: skip


@pytest.mark.parametrize(("made", "result", "code"), CASES.values(), ids=CASES)
def test_never_passed(made, result, code):
    found = make.verdict(made)
    assert found.result is result
    assert code in make.codes(found)


def test_a_contradiction_names_both_values():
    lie = make.said(make.claimed_image(make.EVIL), explicit=True)
    found = make.verdict(make.case(BOTH, SHOT, HONEST, lie))
    assert make.codes(found) == ["MaterialContradicted"]
    assert f"says 'reg/app:1@{make.GOOD}' but " in found.findings[0].message
    assert f"(pod build-1-pod-uid) says 'reg/app:1@{make.EVIL}'" in found.findings[0].message


def test_a_text_that_contradicts_is_shown_as_it_was_written():
    text = f"reg/app:1@{make.EVIL}"
    found = make.verdict(make.case(BOTH, SHOT, make.said(make.file(), make.claimed_text("image", text))))
    assert make.codes(found) == ["MaterialContradicted", "MaterialTypeMismatch"]
    assert found.findings[0].message.endswith(f"says '{text}'")


def test_one_member_of_a_group_is_enough():
    group = make.planned(make.asked(group="bill"), make.asked("spdx", "SBOM_SPDX_JSON", group="bill"))
    assert make.verdict(make.case(group, SHOT, HONEST)).result is V.PASSED


def test_a_material_with_the_annotation_that_is_asked_passes():
    noted = make.planned(make.asked(annotations=(plan.PlannedAnnotation("ticket"),)))
    found = make.verdict(make.case(noted, SHOT, make.said(make.file(annotations={"ticket": "1"}))))
    assert (found.result, found.materials[0].annotations) == (V.PASSED, {"ticket": "1"})


def test_what_the_contract_fixes_is_never_taken_from_a_claim():
    fixed = (plan.PlannedAnnotation("team", value="payments"),)
    owed = make.planned(make.asked(annotations=fixed), annotations=fixed)
    told = make.said(make.file(annotations={"team": "mine"}), notes={"team": "mine"})
    found = make.verdict(make.case(owed, SHOT, told))
    assert (found.annotations, found.materials[0].annotations) == ({"team": "payments"}, {"team": "payments"})


@pytest.mark.parametrize("kind", [plan.From.RESULT, plan.From.PARAM])
def test_a_text_that_the_taskrun_shows_passes_with_and_without_a_claim_that_agrees(kind):
    shown = make.taskrun(results=[("TEXT", "v")])
    shown["spec"]["params"] = [{"name": "TEXT", "value": "v"}]
    for told in ((), (make.said(make.claimed_text("text", "v")),)):
        found = make.verdict(make.case(make.planned(text(kind)), make.snapshot(shown), *told))
        assert (found.result, [material.value for material in found.materials]) == (V.PASSED, ["v"])


def test_one_image_guessed_for_one_material_passes():
    assert make.verdict(make.case(make.planned(make.guessed("app")), SHOT, make.said())).result is V.PASSED


def test_two_images_by_their_own_markers_pass_even_where_they_are_the_same():
    marks = ("app", "web")
    results = [(f"{m}-IMAGE_{kind}", v) for m in marks for kind, v in (("URL", "reg/x:1"), ("DIGEST", make.GOOD))]
    assert make.verdict(make.case(TWO, make.snapshot(make.taskrun(results=results)))).result is V.PASSED


def test_the_only_images_of_two_tasks_pass_where_each_material_names_its_task():
    shot = make.snapshot(make.built(), make.built(name="web-1", task="web"))
    found = make.planned(make.guessed("app", task="build"), make.guessed("web", task="web"))
    assert make.verdict(make.case(found, shot)).result is V.PASSED


def test_what_is_guessed_twice_is_told_with_the_image_and_the_fix():
    first, second = make.verdict(make.case(TWO, SHOT, make.said())).findings
    assert first.message == f"TaskRun build-1 shows one image, reg/app:1@{make.GOOD}, for both app and web"
    assert first.fix == "name the result of app in the Workflow's spec.tekton.materials"
    assert second.material == "web"


def test_what_is_missing_names_the_contract_line_and_the_fix():
    finding = make.verdict(make.case(make.planned(make.asked()), SHOT, make.said())).findings[0]
    assert finding.line == "spec.materials[sbom]"
    assert finding.fix == "let task build write bom.json in workspace src"


def test_a_run_whose_record_cannot_be_stored_is_an_error_that_says_why():
    refused = replace(make.snapshot(), subject={}, refused="the database refuses a value")
    found = make.verdict(make.case(make.planned(), refused))
    assert (found.result, make.codes(found)) == (V.ERROR, ["RecordNotStored"])
    assert "the database refuses a value" in found.findings[0].message


@pytest.mark.parametrize(("number", "end"), [(1, "params[0].value"), (10, "params[9].value"), (11, " and 1 more")])
def test_a_record_that_was_cleaned_is_judged_and_says_where_it_was(number, end):
    places = tuple(f"subject.spec.params[{i}].value" for i in range(number))
    found = make.verdict(make.case(make.planned(), replace(make.snapshot(), cleaned=places)))
    assert (found.result, make.codes(found)) == (V.PASSED, ["RecordCleaned"])
    assert "params[0].value" in found.findings[0].message
    assert found.findings[0].message.endswith(end)


@pytest.mark.parametrize(("number", "end"), [(1, "mine-a of"), (10, "mine-j of"), (11, "mine-j and 1 more of")])
def test_deleted_taskruns_are_named_ten_of_them(number, end):
    gone = [make.taskrun(f"mine-{letter}", f"task-{letter}") for letter in "abcdefghijk"[:number]]
    shot = make.snapshot(make.built(), *gone)
    found = make.verdict(make.case(make.planned(), replace(shot, taskruns=shot.taskruns[:1])))
    (told,) = found.findings
    assert (found.result, told.code) == (V.UNOBSERVED, "RecordNotWhole")
    assert told.message.startswith("TaskRun mine-a")
    assert f"{end} PipelineRun pr was deleted, or taken from it, before the run was recorded" in told.message


def test_a_run_without_a_snapshot_is_pending():
    assert make.verdict(make.case(BOTH, None, HONEST)).result is V.PENDING


FORGED = make.said(make.file(make.EVIL))  # by a step that does not say that it is one, or by one that does
WORKING = make.snapshot(make.built(), injected=["build-1-pod-uid"], working=["build-1-pod-uid"])


@pytest.mark.parametrize("told", [(), (HONEST,), (FORGED,), (make.said(make.file(), explicit=True),)])
def test_a_sidecar_that_works_is_waited_for_one_minute_after_done_whoever_spoke_before_it(told):
    found = verdict.judge(make.case(BOTH, WORKING, *told), make.DONE + timedelta(seconds=59))
    assert found == examination.WaitUntil(make.DONE + timedelta(seconds=60))
    assert isinstance(
        verdict.judge(make.case(BOTH, WORKING, *told), make.DONE + timedelta(seconds=60)), verdicts.Verdict
    )


def test_a_sidecar_that_has_more_time_to_attest_is_waited_for_longer():
    case = make.case(replace(BOTH, attest_within=300), WORKING)
    found = verdict.judge(case, make.DONE + timedelta(seconds=61))
    assert found == examination.WaitUntil(make.DONE + timedelta(seconds=340))


@pytest.mark.parametrize("told", [(), (HONEST,)])
def test_a_run_whose_sidecars_ended_is_judged_at_once(told):
    assert isinstance(verdict.judge(make.case(BOTH, SHOT, *told), make.DONE), verdicts.Verdict)


def test_a_step_that_speaks_before_the_sidecar_is_contradicted_by_it():
    found = make.verdict(make.case(BOTH, SHOT, FORGED, HONEST, documents=make.fine(make.FILE, make.EVIL)), make.DONE)
    assert (found.result, make.codes(found)) == (V.REJECTED, ["MaterialContradicted"])


def test_a_canceled_run_waits_for_no_sidecar():
    pods = ["build-1-pod-uid"]
    stopped = make.snapshot(make.built(), status="False", reason="Cancelled", injected=pods, working=pods)
    found = make.verdict(make.case(BOTH, stopped), make.DONE)
    assert (found.result, "RunCanceled" in make.codes(found)) == (V.CANCELED, True)


def test_a_file_whose_upload_may_be_skipped_passes_without_its_bytes():
    skipped = make.planned(make.asked(skip_upload=True))
    for documents, uploaded in (({}, False), ({(make.FILE, make.SBOM): artifacts.Checked(False)}, False), (None, True)):
        found = make.verdict(make.case(skipped, SHOT, HONEST, documents=documents))
        assert (found.result, found.materials[0].uploaded) == (V.PASSED, uploaded)


def test_a_sidecar_that_stayed_silent_is_missing_and_never_passes():
    found = make.verdict(make.case(make.planned(make.image()), SHOT))
    assert (found.result, found.evidence, make.codes(found)) == (V.FAILED, E.MISSING, ["SidecarMissing"])


def silent(said, reason="Succeeded"):
    run = make.built()
    run["status"]["conditions"] = [{"type": "Succeeded", "status": "False", "reason": reason, "message": "it took 1h"}]
    shot = replace(make.snapshot(run, injected=["build-1-pod-uid"]), said=said)
    (found,) = make.verdict(make.case(make.planned(make.image()), shot)).findings
    return found


def test_a_silent_sidecar_is_told_with_its_last_word_and_the_fix_in_it():
    found = silent({"build-1-pod-uid": "gaierror: no name (fix: give the pod DNS)", "another": "stored"})
    assert found.message == "the sidecar of TaskRun build-1 did not push its claim: gaierror: no name"
    assert found.fix == "give the pod DNS"


@pytest.mark.parametrize("reason", ["TaskRunTimeout", "TaskRunCancelled", "TaskRunImagePullFailed"])
@pytest.mark.parametrize("said", [{}, {"build-1-pod-uid": pod.DELETED}])
def test_a_sidecar_whose_pod_tekton_deleted_is_not_to_be_looked_for(reason, said):
    found = silent(said, reason)
    assert found.message.endswith(f": Tekton deleted its pod when the TaskRun ended ({reason})")
    assert found.fix == "mend what ended it: it took 1h"


def test_a_sidecar_whose_pod_somebody_deleted_is_not_to_be_looked_for():
    found = silent({"build-1-pod-uid": pod.DELETED})
    assert found.message == "the sidecar of TaskRun build-1 did not push its claim: its pod was deleted"
    assert found.fix == "find who deletes pods of builds that work, then run it again"


def test_a_sidecar_that_said_nothing_is_to_be_looked_at():
    assert "look at container avouch-sidecar of TaskRun build-1" in silent({}).fix


def test_results_that_had_no_room_beside_the_sidecar_are_told_and_decide_nothing():
    shot = replace(make.snapshot(make.taskrun()), cut=("build-1-pod-uid", "another"))
    (found,) = make.verdict(make.case(make.planned(), shot)).findings
    assert (found.code, "TaskRun build-1 did not fit" in found.message) == ("ResultsCut", True)


def test_a_result_that_had_no_room_is_not_blamed_on_the_task_that_wrote_it():
    version = make.asked("version", "STRING", source=plan.Source(plan.From.RESULT, task="build", name="version"))
    shot = replace(make.snapshot(make.taskrun(), injected=["build-1-pod-uid"]), cut=("build-1-pod-uid",))
    told = make.said(make.claimed_text("version", "1.2"))
    missing, note = make.verdict(make.case(make.planned(version), shot, told)).findings
    assert (missing.code, missing.fix, note.code) == ("MaterialMissing", note.fix, "ResultsCut")
    assert missing.message.endswith("; version: the results of TaskRun build-1 did not fit beside the sidecar, so "
                                    "Tekton recorded none of them")  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "fix"),
    [
        (["version", "commit"], "write version in the Workflow's spec.tekton.materials"),
        ([], "declare the result in the Task and write it, or correct the Workflow's spec.tekton.materials"),
        (["vershun"], "let task build write the result vershun"),
    ],
)
def test_a_result_that_no_task_declares_is_not_blamed_on_its_steps(declared, fix):
    asked = make.asked("version", "STRING", source=plan.Source(plan.From.RESULT, task="build", name="vershun"))
    run = make.taskrun()
    run["status"]["taskSpec"] = {"results": [{"name": name} for name in declared], "steps": [{"name": "run"}]}
    found = missing(make.case(make.planned(asked), make.snapshot(run)))
    assert found.fix == fix
    assert found.message.endswith("declares no result vershun") is ("vershun" not in declared)


@pytest.mark.parametrize("digest", [[], [("IMAGE_DIGEST", " ")]])
@pytest.mark.parametrize("marker", ["", "image-", "other-"])
def test_an_image_by_a_tag_alone_is_told_with_the_hint_that_lacks(marker, digest):
    hints = [(f"{marker}{name}", value) for name, value in [("IMAGE_URL", "registry.example/app:1.2"), *digest]]
    wanted = make.asked("image", make.IMAGE, source=plan.Source())
    found = missing(make.case(make.planned(wanted), make.snapshot(make.taskrun(results=hints))))
    if marker == "other-":
        assert "IMAGE_URL" not in found.message
        return
    assert found.message.endswith(f"; image: TaskRun build-1 has {marker}IMAGE_URL and no {marker}IMAGE_DIGEST")
    assert found.fix == f"write the digest of the image, as its registry has it, into the result {marker}IMAGE_DIGEST"


def test_a_file_that_only_a_silent_sidecar_could_have_read_is_not_blamed_on_the_task():
    shot = replace(SHOT, said={"build-1-pod-uid": "no name (fix: give the pod DNS)"})
    silent, missing = make.verdict(make.case(BOTH, shot)).findings
    assert (silent.code, missing.code, missing.fix) == ("SidecarMissing", "MaterialMissing", "give the pod DNS")
    assert missing.message.endswith("; sbom: the sidecar of TaskRun build-1 did not push its claim: no name")


def test_a_silent_sidecar_explains_neither_a_result_nor_the_file_of_another_task():
    result = make.asked("text", "STRING", source=plan.Source(plan.From.RESULT, task="lint", name="TEXT"))
    shot = make.snapshot(make.taskrun(), make.taskrun("lint-1", "lint"), injected=["build-1-pod-uid", "lint-1-pod-uid"])
    found = make.verdict(make.case(make.planned(make.asked(), result), shot, make.said())).findings
    assert [(each.code, each.fix) for each in found[1:]] == [
        ("MaterialMissing", "let task build write bom.json in workspace src"),
        ("MaterialMissing", "let task lint write the result TEXT"),
    ]


def test_a_file_of_any_task_is_explained_by_the_first_silent_sidecar():
    anywhere = make.asked(source=plan.Source())
    shot = make.snapshot(make.taskrun(), make.taskrun("lint-1", "lint"), injected=["build-1-pod-uid", "lint-1-pod-uid"])
    (*_, missing) = make.verdict(make.case(make.planned(anywhere), shot)).findings
    assert missing.message.endswith("; sbom: the sidecar of TaskRun build-1 did not push its claim")


def test_an_explicit_step_does_not_speak_for_a_silent_sidecar():
    explicit = make.said(make.file(), explicit=True)
    assert make.verdict(make.case(BOTH, SHOT, explicit)).evidence is E.MISSING


def test_the_claim_of_a_pod_that_is_gone_counts_by_its_name():
    found = make.verdict(make.case(BOTH, make.snapshot(make.built(), pods={}), HONEST))
    assert (found.result, found.evidence) == (V.PASSED, E.SIDECAR)


def test_the_claim_of_an_earlier_pod_that_is_gone_is_superseded_by_its_name():
    shot = make.snapshot(make.taskrun(retries=["old"]), pods={"build-1-pod": "build-1-pod-uid"})
    found = make.verdict(make.case(make.planned(make.asked()), shot, HONEST, make.said(pod="old-uid", name="old")))
    assert (found.result, found.findings) == (V.PASSED, ())


def test_a_superseded_try_whose_sidecar_stayed_silent_is_no_finding():
    shot = make.snapshot(make.taskrun(retries=["old"]), injected=["old-uid", "build-1-pod-uid"],
                         pods={"build-1-pod": "build-1-pod-uid", "old": "old-uid"})  # fmt: skip
    found = make.verdict(make.case(make.planned(make.asked()), shot, HONEST))
    assert (found.result, found.evidence, found.findings) == (V.PASSED, E.SIDECAR, ())


def test_steps_that_attest_without_a_sidecar_are_told_as_such():
    found = make.verdict(make.case(BOTH, make.snapshot(make.built()), make.said(make.file(), explicit=True)))
    assert (found.result, found.evidence) == (V.PASSED, E.STEP)


def test_a_taskrun_that_somebody_gave_an_owner_is_shown_and_nothing_of_it_counts():
    shot = make.snapshot(make.built(), make.built(make.EVIL, "mine"), listed=["build-1"])
    found = make.verdict(make.case(make.planned(make.image()), shot))
    assert (found.result, make.codes(found)) == (V.PASSED, ["TaskRunNotListed"])
    assert [material.digest for material in found.materials] == [make.GOOD]


GONE = replace(make.snapshot(status="Unknown", reason="Running"), subject={})  # deleted while nobody watched
EARLY = make.snapshot(without_pod(make.built()), status="Unknown", reason="Running")  # as a watch saw it that was lost


@pytest.mark.parametrize(
    "shot",
    [
        GONE,
        make.snapshot(status="Unknown", reason="Running"),  # its TaskRuns were deleted before it
        make.snapshot(make.built(), listed=[], status="Unknown", reason="Running"),  # it had not listed them yet
        EARLY,
    ],
)
def test_a_run_that_was_deleted_while_it_worked_is_unobserved_and_nothing_else_is_said_of_it(shot):
    (told,) = (found := make.verdict(make.case(BOTH, shot, HONEST))).findings
    assert (found.result, told.code) == (V.UNOBSERVED, "RunNotDone")
    assert told.message.startswith(
        "PipelineRun pr was deleted before anybody saw it Done (noticed at 2026-11-21T12:00:00Z), "
    )
    assert told.message.endswith("so nothing could be checked" if shot is GONE else "; it last said Running: m")
    assert told.fix == "run it again, and delete a PipelineRun only after it has its verdict"


def test_a_run_that_is_being_deleted_says_since_when():
    shot = make.snapshot(status="Unknown", reason="Running")
    shot.subject["metadata"]["deletionTimestamp"] = "2026-11-21T11:59:00Z"
    (told,) = make.verdict(make.case(BOTH, shot)).findings
    assert "; its deletion began at 2026-11-21T11:59:00Z; it last said Running: m" in told.message


NOT_WHOLE = deleted(make.snapshot(make.built(), make.taskrun("lint-1", "lint")))


@pytest.mark.parametrize(
    ("shot", "told", "result", "codes"),
    [
        (NOT_WHOLE, (), V.UNOBSERVED, ["RecordNotWhole"]),  # and no list of what is missing
        (NOT_WHOLE, (make.said(make.claimed_image(make.EVIL)),), V.REJECTED, ["MaterialContradicted", "RecordNotWhole"]),
        (deleted(make.snapshot(make.built(), make.taskrun("lint-1", "lint"), status="False", reason="Failed")), (),
         V.UNOBSERVED, ["RecordNotWhole"]),
        (deleted(make.snapshot(make.built(), make.taskrun("lint-1", "lint"), status="False", reason="Cancelled")), (),
         V.CANCELED, ["RunCanceled", "RecordNotWhole"]),
    ],
)  # fmt: skip
def test_a_record_that_is_not_whole_accuses_nobody_of_what_it_does_not_show(shot, told, result, codes):
    found = make.verdict(make.case(BOTH, shot, *told))
    assert (found.result, make.codes(found)) == (result, codes)


def test_the_failure_of_a_run_whose_record_is_not_whole_is_told_with_it():
    shot = deleted(make.snapshot(make.built(), make.taskrun("lint-1", "lint"), status="False", reason="Failed"))
    (told,) = make.verdict(make.case(BOTH, shot)).findings
    assert told.message.endswith("so not everything could be checked; Tekton says that the run failed: Failed: m")


def test_what_the_pods_of_a_run_delivered_before_it_was_deleted_is_kept_with_its_verdict():
    shot = make.snapshot(make.built(), status="Unknown", reason="Running")
    found = make.verdict(make.case(BOTH, shot, HONEST))
    assert (found.evidence, [one.name for one in found.materials]) == (E.SIDECAR, ["image", "sbom"])
    assert make.codes(found) == ["RunNotDone"]


def test_the_claim_of_a_taskrun_that_was_deleted_accuses_nobody():
    shot = deleted(make.snapshot(make.built(), make.taskrun("lint-1", "lint")))
    found = make.verdict(make.case(make.planned(make.image()), shot, make.said(taskrun="lint-1")))
    assert (found.result, make.codes(found)) == (V.UNOBSERVED, ["RecordNotWhole"])


def test_without_injection_the_record_alone_can_pass():
    found = make.verdict(make.case(make.planned(make.image()), make.snapshot(make.built())), make.DONE)
    assert (found.result, found.evidence) == (V.PASSED, E.TASKRUN)


def test_an_empty_contract_passes_on_the_record():
    found = make.verdict(make.case(make.planned(), make.snapshot(make.built())))
    assert (found.result, found.evidence) == (V.PASSED, E.TASKRUN)


def test_an_optional_material_may_be_absent():
    assert make.verdict(make.case(make.planned(make.asked(optional=True)), SHOT, make.said())).result is V.PASSED


def test_a_superseded_lie_is_ignored():
    shot = make.snapshot(make.built(retries=["old"]), pods={"build-1-pod": "new-uid", "old": "old-uid"})
    told = (
        make.said(make.claimed_image(make.EVIL), pod="old-uid"),
        make.said(make.file(), make.claimed_image(), pod="new-uid"),
    )
    assert make.verdict(make.case(BOTH, shot, *told)).result is V.PASSED


def test_the_pods_of_a_matrix_add():
    shot = make.snapshot(make.built(), make.built(make.EVIL, "build-2"), matrix=["build"])
    told = (
        make.said(make.file(), make.claimed_image()),
        make.said(make.file(make.EVIL), make.claimed_image(make.EVIL), taskrun="build-2"),
    )
    found = make.verdict(make.case(BOTH, shot, *told, documents=make.fine(make.FILE, make.EVIL)))
    assert found.result is V.PASSED
    assert len(found.materials) == 4


@pytest.mark.parametrize(
    ("asked", "told", "codes"),
    [
        (make.asked(optional=True), (), ["PodNotSeen"]),
        (make.asked(optional=True), (make.said(make.file()),), []),
        (make.image(), (), []),  # no sidecar was wanted
    ],
)
def test_a_pod_that_nobody_saw_is_told_where_a_sidecar_may_have_stood_in_it(asked, told, codes):
    shot = replace(make.snapshot(make.built(), pods={}), unseen=("build-1-pod",))
    found = make.verdict(make.case(make.planned(asked), shot, *told))
    assert (found.result, make.codes(found)) == (V.PASSED, codes)


@pytest.mark.parametrize(
    ("asked", "told", "result"),
    [
        (make.asked(optional=True), (), V.FAILED),
        (make.asked(optional=True), (make.said(make.file(), explicit=True),), V.FAILED),
        (make.asked(optional=True), (make.said(make.file()),), V.PASSED),
        (make.image(), (), V.PASSED),  # no sidecar was wanted
    ],
)
def test_nobody_hides_a_sidecar_among_more_pods_than_are_remembered(asked, told, result):
    shot = replace(make.snapshot(make.built(), pods={}), unseen=("build-1-pod",), crowded=True)
    found = make.verdict(make.case(make.planned(asked), shot, *told))
    assert (found.result, make.codes(found)) == (result, ["SidecarMissing"] if result is V.FAILED else [])


WHY = "the database was made at 2026-11-21T11:30:00Z"
NO_RESULT = make.snapshot(make.taskrun(), injected=["build-1-pod-uid"])
FAILED = make.snapshot(make.built(), status="False", reason="Failed")


@pytest.mark.parametrize(
    ("asked", "shot", "told", "result", "codes"),
    [
        (BOTH, SHOT, (HONEST,), V.PASSED, []),
        (BOTH, SHOT, (), V.UNOBSERVED, ["EvidenceLost"]),  # neither its sidecar nor its file is called missing
        (make.planned(make.asked(group="g")), SHOT, (), V.UNOBSERVED, ["EvidenceLost"]),
        (make.planned(make.image()), NO_RESULT, (HONEST,), V.FAILED, ["MaterialMissing"]),  # the record shows it
        (BOTH, FAILED, (), V.FAILED, ["RunFailed"]),
        (BOTH, SHOT, (make.said(make.claimed_image(make.EVIL)),), V.REJECTED, ["MaterialContradicted"]),
    ],
)
def test_what_a_lost_claim_may_have_delivered_is_not_called_missing(asked, shot, told, result, codes):
    found = make.verdict(make.case(asked, replace(shot, interrupted=WHY), *told))
    assert (found.result, make.codes(found)) == (result, codes)


def test_evidence_that_may_be_lost_is_named_with_the_reason():
    (told,) = make.verdict(make.case(BOTH, replace(make.snapshot(make.built()), interrupted=WHY))).findings
    assert told.message == f"evidence may be lost, for {WHY} while the run worked; missing: sbom"


def combinations(*, injected=(), **changes):
    return make.snapshot(make.built(), make.built(name="build-2"), matrix=["build"], injected=injected, **changes)


PODLESS = make.snapshot(make.built(), without_pod(make.built(name="build-2")), matrix=["build"])


@pytest.mark.parametrize(
    ("asked", "shot", "heard", "codes"),
    [
        (make.asked(), combinations(injected=["build-1-pod-uid"]), [], ["MaterialMissing"]),
        (make.asked(), combinations(pods={"build-1-pod": "build-1-pod-uid"}), [], ["MaterialMissing"]),
        (make.asked(), combinations(injected=["build-1-pod-uid", "build-2-pod-uid"]), [], ["SidecarMissing"]),
        (make.asked(), combinations(), ["build-2"], []),  # it had no file to deliver, and said so
        (make.asked(), PODLESS, [], []),
        (make.asked(optional=True), combinations(), [], []),
        (make.image(), combinations(), [], []),  # the status of each shows it
    ],
)
def test_each_combination_of_a_matrix_that_had_a_pod_is_heard_about_a_file_that_is_owed(asked, shot, heard, codes):
    told = (make.said(make.file()), *(make.said(taskrun=name) for name in heard))
    found = make.verdict(make.case(make.planned(asked), shot, *told))
    assert make.codes(found) == codes
    assert all("TaskRun build-2" in finding.message for finding in found.findings)


def test_a_finally_task_counts_like_any_other():
    shot = make.snapshot(make.built(), make.taskrun("report-1", "report", member="finally"))
    source = plan.Source(plan.From.WORKSPACE, task="report", name="src", path="bom.json")
    told = make.said(make.file(), taskrun="report-1")
    assert make.verdict(make.case(make.planned(make.asked(source=source)), shot, told)).result is V.PASSED


def missing(case):
    return next(f for f in make.verdict(case).findings if f.code == "MaterialMissing")


@pytest.mark.parametrize("task", ["build", ""])
def test_a_taskrun_that_stands_alone_is_whatever_task_the_workflow_names_for_files_as_for_results(task):
    single = make.taskrun(task="", results=[("version", "1.2")])
    condition = {"type": "Succeeded", "status": "True", "reason": "Succeeded", "message": "m"}
    single["status"]["conditions"] = [condition]
    whole = make.snapshot(single, injected=["build-1-pod-uid"])
    alone = replace(whole, subject=single)
    result = plan.Source(plan.From.RESULT, task=task, name="version")
    sbom = make.asked(source=plan.Source(plan.From.WORKSPACE, task=task, name="src", path="bom.json"))
    both = make.planned(sbom, make.asked("version", "STRING", source=result))
    assert make.verdict(make.case(both, alone, make.said(make.file()))).result is V.PASSED
    unread = replace(alone, injected=(), uninjected="the namespace lacks the label (fix: set the label)")
    (found,) = make.verdict(make.case(both, unread)).findings
    assert (found.code, found.fix) == ("MaterialMissing", "set the label")


def test_a_file_that_nobody_read_is_not_blamed_on_the_task():
    found = missing(make.case(make.planned(make.asked()), make.snapshot(make.taskrun())))
    assert found.message.endswith("sbom: no sidecar was in the pod of TaskRun build-1, so its files were not read")
    assert "SidecarNotInjected" in found.fix
    two = make.snapshot(make.taskrun(), without_pod(make.taskrun("build-2")), matrix=["build"])
    assert "the pod of TaskRun build-1" in missing(make.case(make.planned(make.asked()), two)).message


def test_why_nobody_read_a_file_is_said_as_the_record_has_it():
    shot = replace(make.snapshot(make.taskrun()), uninjected="the namespace lacks the label (fix: set the label)")
    found = missing(make.case(make.planned(make.asked()), shot))
    assert found.message.endswith("so its files were not read: the namespace lacks the label")
    assert found.fix == "set the label"


@pytest.mark.parametrize(
    ("type_", "read"), [(make.SBOM, False), (make.IMAGE, True), ("STRING", True)], ids=["file", "image", "text"]
)
def test_what_is_found_by_its_name_is_not_read_without_a_sidecar_where_it_is_a_file(type_, read):
    found = missing(
        make.case(make.planned(make.asked("x", type_, source=plan.Source())), make.snapshot(make.taskrun()))
    )
    assert ("no sidecar was in the pod" in found.message) is not read


@pytest.mark.parametrize(
    ("shot", "claims"),
    [
        pytest.param(
            make.snapshot(make.taskrun(), injected=["build-1-pod-uid"]), (make.said(),), id="a sidecar was there"
        ),
        pytest.param(make.snapshot(make.taskrun()), (make.said(explicit=True),), id="a step attested"),
        pytest.param(make.snapshot(make.taskrun(), pods={}), (), id="the pod was never seen"),
        pytest.param(make.snapshot(without_pod(make.taskrun())), (), id="no pod was made"),
    ],
)
def test_where_a_sidecar_or_a_step_looked_or_none_could_the_task_shall_write_the_file(shot, claims):
    found = missing(make.case(make.planned(make.asked()), shot, *claims))
    assert (found.message, found.fix) == (
        "material sbom (SBOM_CYCLONEDX_JSON) was not delivered",
        "let task build write bom.json in workspace src",
    )


def ended(taskrun, reason, status="False"):
    taskrun["status"]["conditions"] = [{"type": "Succeeded", "status": status, "reason": reason, "message": "why"}]
    return taskrun


def test_a_failed_run_says_first_which_taskruns_failed_it_and_what_they_owe_is_theirs():
    broken = ended(make.taskrun(), "TaskRunValidationFailed")
    shot = make.snapshot(broken, make.taskrun("lint-1", "lint"), status="False", reason="Failed")
    failed, missing = make.verdict(make.case(make.planned(make.asked()), shot)).findings
    assert failed.code == "RunFailed"
    assert failed.message == "TaskRun build-1 (task build): TaskRunValidationFailed: why; the run: Failed: m"
    assert failed.fix == "fix task build (kubectl describe taskrun -n team-a build-1): a failed run never passes"
    assert missing.message.endswith("; sbom: TaskRun build-1 of task build failed: TaskRunValidationFailed")
    assert missing.fix == "fix task build first"


def test_of_many_taskruns_that_failed_three_are_told():
    many = [ended(make.taskrun(f"build-{i}"), "Failed") for i in range(5)]
    shot = make.snapshot(*many, status="False", reason="Failed", matrix=["build"])
    (failed,) = make.verdict(make.case(make.planned(), shot)).findings
    assert failed.message.count("(task build)") == 3
    assert "; and 2 more; the run: Failed: m" in failed.message


def test_a_failed_taskrun_that_stands_alone_tells_its_own_reason():
    alone = ended(make.taskrun(), "Failed")
    shot = replace(make.snapshot(), subject=alone, taskruns=(alone,))
    failed, missing = make.verdict(make.case(make.planned(make.asked()), shot)).findings
    assert (failed.code, failed.message) == ("RunFailed", "Failed: why")
    assert (missing.code, missing.fix) == ("MaterialMissing", "fix the build first")


@pytest.mark.parametrize(
    ("reason", "code"),
    [("Cancelled", "RunCanceled"), ("PipelineRunTimeout", "RunTimedOut"), ("TaskRunTimeout", "RunTimedOut")],
)
def test_a_run_that_was_stopped_tells_that_alone_and_a_lie_besides(reason, code):
    shot = make.snapshot(make.built(), status="False", reason=reason, injected=["build-1-pod-uid"])
    asked = make.planned(make.image(), make.asked(), annotations=(plan.PlannedAnnotation("who"),))
    assert make.codes(make.verdict(make.case(asked, shot))) == [code]
    lie = make.said(make.claimed_image(make.EVIL))
    assert sorted(make.codes(make.verdict(make.case(asked, shot, lie)))) == sorted([code, "MaterialContradicted"])


def test_a_run_whose_time_was_over_names_the_taskruns_that_were_cut_short():
    late = ended(make.taskrun(), "TaskRunTimeout")
    shot = make.snapshot(late, status="False", reason="PipelineRunTimeout")
    (found,) = make.verdict(make.case(make.planned(make.asked()), shot)).findings
    assert found.message == "PipelineRunTimeout: m; TaskRun build-1 (task build): TaskRunTimeout: why"


def test_a_group_of_which_a_member_was_refused_says_why():
    asked = make.planned(make.asked(group="bill"))
    told = refused("bom.json is empty", "Empty")
    found = make.verdict(make.case(asked, make.snapshot(make.taskrun()), told)).findings
    assert [each.code for each in found] == ["GroupUnsatisfied", "MaterialNotUsed"]
    assert found[0].message.endswith("; sbom: the sidecar of TaskRun build-1 refused sbom: bom.json is empty")
    assert found[0].fix.startswith("let task build write something into bom.json")


def test_what_a_skipped_task_owes_is_missing_with_tektons_reason():
    shot = make.snapshot(make.taskrun("lint-1", "lint"))
    shot.subject["status"]["pipelineSpec"]["tasks"].append({"name": "build"})
    shot.subject["status"]["skippedTasks"] = [{"name": "build", "reason": "When Expressions evaluated to false"}]
    note = plan.PlannedAnnotation("who", source=plan.Source(plan.From.RESULT, task="build", name="WHO"))
    by = plan.PlannedAnnotation("by", source=note.source)
    lint = make.asked("lint", "STRING", source=plan.Source(plan.From.PARAM, task="lint", name="p"), annotations=(by,))
    shot.taskruns[0]["spec"]["params"] = [{"name": "p", "value": "v"}]
    shot.subject["status"]["pipelineSpec"]["tasks"][0]["params"] = [{"name": "p", "value": "v"}]
    found = make.verdict(make.case(make.planned(make.asked(), lint, annotations=(note,)), shot)).findings
    assert [each.code for each in found] == ["MaterialMissing", "AnnotationMissing", "AnnotationMissing"]
    for each in found:
        assert "task build was skipped: When Expressions evaluated to false" in each.message
        assert each.fix == "make it optional in the contract if task build may be skipped, or let the task run"


def test_a_param_that_a_failed_task_was_not_given_is_missing_as_any_param():
    shot = make.snapshot(ended(make.taskrun(), "Failed"), status="False", reason="Failed")
    asked = make.planned(
        text(plan.From.PARAM), make.asked("own", "STRING", source=plan.Source(plan.From.PARAM, name="p"))
    )
    assert [each.fix for each in make.verdict(make.case(asked, shot)).findings[1:]] == [
        "give task build the param TEXT", "give the run the param p",
    ]  # fmt: skip


def test_a_result_that_is_missing_is_the_task_s_with_and_without_a_sidecar():
    found = missing(make.case(make.planned(text(plan.From.RESULT)), make.snapshot(make.taskrun())))
    assert found.fix == "let task build write the result TEXT"


def refused(why, cause="", material="sbom", **changes):
    notes = {f"avouch.dev/finding.{material}": why} | ({f"avouch.dev/cause.{material}": cause} if cause else {})
    return make.said(*changes.pop("found", ()), notes=notes, **changes)


def test_what_the_sidecar_refused_is_one_finding_and_not_missing_besides():
    told = refused("404: it is too large (fix: send less)")
    found = make.verdict(make.case(make.planned(make.asked()), make.snapshot(make.taskrun()), told)).findings
    assert [(f.code, f.fix) for f in found] == [("EvidenceRefused", "send less")]
    assert found[0].message == "the sidecar of TaskRun build-1 refused sbom: 404: it is too large"


@pytest.mark.parametrize(
    ("cause", "fix"),
    [
        ("Empty", "let task build write something into bom.json"),
        ("Unreadable", "let task build make bom.json readable"),
        ("WorkspaceUnbound", "bind workspace src in the run, or make sbom optional"),
        ("ServerRefused", "as the server says"),
        ("OfTheFuture", "as the server says"),
    ],
)
def test_the_fix_of_a_refusal_is_that_of_its_cause(cause, fix):
    told = refused("m (fix: as the server says)", cause)
    (found,) = make.verdict(make.case(make.planned(make.asked()), make.snapshot(make.taskrun()), told)).findings
    assert found.fix.startswith(fix)


def test_a_file_of_no_task_that_several_pods_refused_is_one_finding_that_names_them():
    asked = make.planned(make.asked(source=plan.Source(plan.From.WORKSPACE, name="src", path="bom.json")))
    shot = make.snapshot(make.taskrun(), make.taskrun("lint-1", "lint"))
    told = (refused("it is empty", "Empty"), refused("a link", "Link", taskrun="lint-1"))
    for claims in (told, told[::-1]):
        (found,) = make.verdict(make.case(asked, shot, *claims)).findings
        assert found.message == "the sidecar of TaskRun build-1, lint-1 refused sbom: it is empty"
        assert found.fix.startswith("let the step write something into bom.json")


def test_a_workspace_that_one_task_lacks_is_no_finding_where_another_task_delivered_the_file():
    asked = make.planned(make.asked(source=plan.Source(plan.From.WORKSPACE, name="src", path="bom.json")))
    shot = make.snapshot(make.taskrun(), make.taskrun("lint-1", "lint"))
    absent, link = (refused("m", cause, taskrun="lint-1") for cause in ("WorkspaceUnbound", "Link"))
    assert make.codes(make.verdict(make.case(asked, shot, make.said(make.file()), absent))) == []
    assert make.codes(make.verdict(make.case(asked, shot, make.said(make.file()), link))) == ["EvidenceRefused"]
    assert make.codes(make.verdict(make.case(asked, shot, absent))) == ["EvidenceRefused"]


@pytest.mark.parametrize("lacking", [{"optional": True}, {"group": "bill"}])
@pytest.mark.parametrize("cause", ["Link", "Changed", ""])
def test_what_a_sidecar_refused_is_not_delivered_by_a_step_of_its_own_pod_whether_or_not_it_is_needed(lacking, cause):
    asked = make.planned(make.asked(**lacking))
    shot = make.snapshot(make.taskrun(), make.taskrun("lint-1", "lint"), injected=["build-1-pod-uid"])
    step = make.said(make.file(), explicit=True)
    for claims in ((refused("m", cause), step), (step, refused("m", cause), refused("a", cause, taskrun="lint-1"))):
        found = make.verdict(make.case(asked, shot, *claims))
        assert (found.result, make.codes(found)) == (V.FAILED, ["EvidenceRefused"])
        assert found.findings[0].message == "the sidecar of TaskRun build-1 refused sbom: m"
    elsewhere = make.verdict(make.case(asked, shot, make.said(), step, refused("a", cause, taskrun="lint-1")))
    assert (elsewhere.result, make.codes(elsewhere)) == (V.PASSED, ["MaterialNotUsed"])
    assert make.verdict(make.case(asked, shot, step, refused("m", "Absent"))).result is V.PASSED


OPTIONAL = make.asked("extra", optional=True)
NO_DIGEST = make.taskrun(results=[("IMAGE_URL", "reg/app:1"), ("IMAGE_DIGEST", "latest")])
OPTIONAL_CASES = {
    "an optional file that nobody wrote": (make.planned(OPTIONAL), make.snapshot(make.taskrun()), (), []),
    "an optional file that the sidecar refused": (
        make.planned(OPTIONAL), make.snapshot(make.taskrun()), (refused("a link", "Link", "extra"),),
        ["MaterialNotUsed"]),
    "an optional file in a workspace that is never mounted": (
        make.planned(OPTIONAL), make.snapshot(make.taskrun()),
        (refused("no (fix: copy it)", "WorkspaceNotMounted", "extra"),), ["MaterialNotUsed"]),
    "what a step attested by hand and the contract does not ask for": (
        make.planned(), make.snapshot(make.taskrun()), (refused("the value is empty", "Unusable", "own", explicit=True),),
        ["MaterialNotUsed"]),
    "a refused member of a group that has another": (
        make.planned(make.asked(group="bill"), make.asked("other", group="bill")), make.snapshot(make.taskrun()),
        (refused("empty", "Empty", "other", found=(make.file(),)),), ["MaterialNotUsed"]),
    "an optional image without a digest": (
        make.planned(make.image(optional=True)), make.snapshot(NO_DIGEST), (), ["MaterialNotUsed"]),
    "an optional image without a digest, which its sidecar refused as well": (
        make.planned(make.image(optional=True)), make.snapshot(NO_DIGEST), (refused("no digest", "Unusable", "image"),),
        ["MaterialNotUsed"]),
    "an optional image by guess that is another material": (
        make.planned(make.image(), make.guessed("debug", optional=True)), make.snapshot(make.built()), (),
        ["MaterialNotUsed"]),
    "two optional images by guess that are one image": (
        make.planned(make.guessed("one", optional=True), make.guessed("two", optional=True)),
        make.snapshot(make.built()), (), ["MaterialNotUsed"] * 2),
    "an optional image by guess where two tasks make an image": (
        make.planned(make.guessed("debug", optional=True)),
        make.snapshot(make.built(), make.built(make.EVIL, "web-1", task="web")), (), ["MaterialNotUsed"]),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONAL_CASES)
def test_what_a_material_lacks_without_which_a_run_may_pass_is_no_more_than_a_note(name):
    asked, shot, claims, codes = OPTIONAL_CASES[name]
    found = make.verdict(make.case(asked, shot, *claims))
    assert (found.result, make.codes(found)) == (V.PASSED, codes)
    noted = {finding.material for finding in found.findings}
    assert noted.isdisjoint(material.name for material in found.materials)


WRONG_OPTIONAL_CASES = {
    "an image that a claim contradicts": (
        make.planned(make.image(optional=True)), make.snapshot(make.built()),
        (make.said(make.claimed_image(make.EVIL)),), V.REJECTED),
    "an image by guess that a claim contradicts and that is another material": (
        make.planned(make.image(), make.guessed("debug", optional=True)), make.snapshot(make.built()),
        (make.said(make.claimed_image(make.EVIL, name="debug")),), V.REJECTED),
    "an image without a digest of which two claims differ": (
        make.planned(make.image(optional=True)), make.snapshot(NO_DIGEST),
        (make.said(make.claimed_image()), make.said(make.claimed_image(make.EVIL), explicit=True)), V.REJECTED),
    "a document of another type": (
        make.planned(make.asked(optional=True)), make.snapshot(make.taskrun()), (make.said(make.file()),), V.FAILED),
    "a file that is claimed as another type": (
        make.planned(make.asked(optional=True)), make.snapshot(make.taskrun()),
        (make.said(make.file(type_="ARTIFACT")),), V.FAILED),
    "a text of which two tasks have different values": (
        make.planned(make.asked("T", "STRING", optional=True, source=plan.Source(plan.From.RESULT, name="T"))),
        make.snapshot(make.taskrun(results=[("T", "1")]), make.taskrun("lint-1", "lint", results=[("T", "2")])), (),
        V.FAILED),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_OPTIONAL_CASES)
def test_what_is_delivered_of_an_optional_material_must_be_right(name):
    asked, shot, claims, result = WRONG_OPTIONAL_CASES[name]
    assert make.verdict(make.case(asked, shot, *claims, documents=wrong_type())).result is result


def test_a_group_is_not_met_by_an_image_without_a_digest_and_says_why():
    asked = make.planned(make.image(group="images"))
    found = make.verdict(make.case(asked, make.snapshot(NO_DIGEST))).findings
    assert [finding.code for finding in found] == ["GroupUnsatisfied", "MaterialNotUsed"]
    assert "'latest'" in found[0].message


def test_two_images_by_guess_that_two_tasks_make_are_told_once_each():
    shot = make.snapshot(make.built(), make.built(make.EVIL, "web-1", task="web"))
    assert make.codes(make.verdict(make.case(TWO, shot))) == ["MaterialAmbiguous"] * 2


def test_a_claim_about_a_taskrun_that_was_deleted_and_made_again_says_so():
    old = make.said(make.file(), name="build-1", taskrun="old")
    case = make.case(BOTH, SHOT, HONEST, replace(old, claim=replace(old.claim, taskrun="build-1")))
    (found,) = [f for f in make.verdict(case).findings if f.code == "ClaimOfUnknownTaskRun"]
    assert "made after this one was deleted" in found.message
    assert found.fix == "run it again, and delete no TaskRun while a run works"
    (found,) = make.verdict(make.case(BOTH, SHOT, HONEST, make.said(make.file(), taskrun="ghost"))).findings
    assert found.message.endswith("is about TaskRun ghost, which is not part of this run in the cluster")
    assert found.fix == "find who made that TaskRun and its pod"


def test_a_file_that_the_sidecar_refused_keeps_the_run_from_passing_and_says_why():
    told = make.said(make.file(), notes={"avouch.dev/finding.sbom": "bom.json is a symbolic link"})
    found = make.verdict(make.case(make.planned(make.asked()), make.snapshot(make.taskrun()), told))
    assert found.result is verdicts.VerdictResult.FAILED
    (refused,) = found.findings
    assert (refused.code, refused.material, refused.line) == ("EvidenceRefused", "sbom", "spec.materials[sbom]")
    assert "symbolic link" in refused.message


def test_a_silent_sidecar_is_told_by_its_taskrun_and_by_its_pod_where_no_taskrun_has_it():
    shot = make.snapshot(make.built(), make.taskrun("lint-1", "lint"), injected=["lint-1-pod-uid", "lost-uid"])
    first, second = make.verdict(make.case(make.planned(make.image()), shot)).findings
    assert first.message == "the sidecar of TaskRun lint-1 did not push its claim"
    assert "container avouch-sidecar of TaskRun lint-1" in first.fix
    assert second.message == "the sidecar of pod lost-uid did not push its claim"


def test_a_foreign_pod_is_told_by_its_name_and_by_its_uid_where_it_has_none():
    for name, told in (("somebodys-pod", "somebodys-pod"), ("", "somebody")):
        foreign = make.said(make.file(), pod="somebody", name=name)
        (finding,) = make.verdict(make.case(make.planned(), SHOT, HONEST, foreign)).findings
        assert (finding.code, f"came from pod {told}, which" in finding.message) == ("ClaimOfForeignPod", True)


def test_a_refusal_of_the_sidecar_that_names_no_material_is_none():
    told = make.said(make.file(), notes={"avouch.dev/finding.": "of nothing", "avouch.dev/findings": "of nothing"})
    assert make.verdict(make.case(make.planned(make.asked()), SHOT, told)).findings == ()


def test_a_record_that_cannot_be_stored_is_no_evidence_whatever_was_claimed():
    refused = replace(make.snapshot(), subject={}, refused="the database refuses a value")
    assert make.verdict(make.case(make.planned(), refused, HONEST)).evidence is E.NONE


def test_guessed_images_without_a_digest_are_no_image_that_stands_for_two():
    shot = make.snapshot(make.taskrun(results=[("IMAGE_URL", "reg/app:1")]))
    assert "MaterialAmbiguous" not in make.codes(make.verdict(make.case(TWO, shot)))


def of_run(kind, name="TEXT"):
    return plan.Source(kind, name=name)


def test_what_the_run_itself_shows_is_read_from_the_pipelinerun_and_from_a_taskrun_that_stands_alone():
    asked = make.planned(
        make.asked("text", "STRING", source=of_run(plan.From.PARAM)),
        annotations=(plan.PlannedAnnotation("ticket", source=of_run(plan.From.ANNOTATION, "example.com/ticket")),),
    )
    param, note = {"params": [{"name": "TEXT", "value": "v"}]}, {"example.com/ticket": "T-1"}
    other = {"params": [{"name": "TEXT", "value": "of the task"}]}
    shot = make.snapshot(make.taskrun() | {"spec": {**make.taskrun()["spec"], **other}})
    subject = {**shot.subject, "spec": param, "metadata": {**shot.subject["metadata"], "annotations": note}}
    alone = make.taskrun()
    alone["metadata"]["annotations"], alone["spec"] = note, {**alone["spec"], **param}
    alone["status"]["conditions"] = shot.subject["status"]["conditions"]
    for one in (replace(shot, subject=subject), replace(shot, subject=alone, taskruns=(alone,))):
        found = make.verdict(make.case(asked, one))
        assert (found.result, found.annotations) == (V.PASSED, {"ticket": "T-1"})
        assert [material.value for material in found.materials] == ["v"]
        seen = cluster_record.of_material(asked.materials[0], one.subject, cluster_record.executions(one))
        assert [(each.who, each.taskrun_uid) for each in seen] == [
            ("TaskRun build-1", "build-1-uid") if one.subject is alone else ("the run itself", "")
        ]


ENV = {"steps": [{"name": "s", "env": [{"name": "CI", "value": "yes"}, {"name": "KEY", "valueFrom": {"x": {}}}]}]}


def test_a_variable_is_a_param_of_the_run_or_a_literal_of_a_step_and_never_a_reference():
    for params, value in (([], "yes"), ([{"name": "CI", "value": "of the run"}], "of the run")):
        shot = make.snapshot(make.taskrun("first-1", "first"), make.taskrun())
        shot.taskruns[1]["status"]["taskSpec"] = ENV
        shot = replace(shot, subject={**shot.subject, "spec": {"params": params}})
        found = make.verdict(make.case(make.planned(env=("CI", "KEY")), shot))
        assert (make.codes(found), found.env) == (["EnvironmentMissing"], {"CI": value})


def test_a_file_is_judged_by_its_name_and_an_image_or_text_by_its_value():
    asked = make.planned(make.image(), make.asked(), text(plan.From.CONVENTION))
    shot = make.snapshot(make.built())
    shot.taskruns[0]["status"]["results"].append({"name": "text", "value": "v"})
    found = {one.name: (one.value, one.filename) for one in make.verdict(make.case(asked, shot, HONEST)).materials}
    assert found == {"image": ("reg/app:1", ""), "sbom": ("", "bom.json"), "text": ("v", "")}


@pytest.mark.parametrize(
    ("pod", "uid", "recorded", "standing"),
    [
        ("now", "now-uid", "now-uid", Standing.OWN),
        ("now", "other-uid", "now-uid", Standing.FOREIGN),
        ("now", "now-uid", "", Standing.OWN),
        ("other", "now-uid", "", Standing.FOREIGN),
        ("old", "old-uid", "now-uid", Standing.SUPERSEDED),
        ("old", "unknown", "now-uid", Standing.SUPERSEDED),
        ("now", "old-uid", "now-uid", Standing.SUPERSEDED),
        ("same", "same-uid", "same-uid", Standing.OWN),  # a retry in a pod of the same name
    ],
)
def test_where_the_record_places_a_pod(pod, uid, recorded, standing):
    name = "same" if pod == "same" else "now"
    earlier = frozenset({"old", "old-uid", "same"})
    found = cluster_record.Execution("uid", "build-1", "build", {}, name, recorded, earlier)
    assert found.standing(pod, uid) is standing


def test_a_run_whose_end_nobody_recorded_is_judged_without_waiting():
    assert make.verdict(make.case(BOTH, WORKING, HONEST, finished_at=None), make.DONE).result is V.PASSED


def test_an_image_of_which_the_taskrun_shows_no_digest_is_no_contradiction_of_a_claim_that_has_one():
    shot = make.snapshot(make.taskrun(results=[("IMAGE_URL", "reg/app:1")]))
    found = make.verdict(make.case(make.planned(make.image()), shot, make.said(make.claimed_image())))
    assert (found.result, make.codes(found)) == (V.FAILED, ["ImageDigestMissing"])


def test_one_image_in_the_artifacts_of_two_materials_that_name_them_is_not_guessed():
    source = plan.Source(plan.From.ARTIFACT, task="build", name="image")
    asked = make.planned(*(make.asked(name, make.IMAGE, source=source) for name in ("app", "web")))
    told = make.said(make.claimed_image(name="app"), make.claimed_image(name="web"))
    shot = make.snapshot(make.taskrun(), injected=["build-1-pod-uid"])
    found = make.verdict(make.case(asked, shot, told))
    assert (found.result, make.codes(found)) == (V.PASSED, [])


def test_what_is_missing_says_why_what_is_there_does_not_count():
    told = make.said(make.claimed_image(), make.claimed_text("text", "v"))
    secret = make.taskrun()
    secret["status"]["taskSpec"] = {"steps": [{"env": [{"name": "TEXT", "valueFrom": {"secretKeyRef": {}}}]}]}
    image = make.planned(make.image())
    env = make.planned(text(plan.From.ENV))
    file = make.planned(make.asked(source=plan.Source(plan.From.RESULT, task="build", name="BOM")))
    only = "only the claim of TaskRun build-1 (pod build-1-pod-uid) reports it, and that source does not count"
    for asked, taskrun, claims, why in (
        (image, make.taskrun(), (), ""),
        (image, make.taskrun(), (told,), f"; image: {only}"),
        (file, make.taskrun(results=[("BOM", "a file is no result")]), (), ""),
        (env, secret, (), "; text: environment variable TEXT comes from valueFrom: only literal values are recorded"),
        (
            env,
            secret,
            (told,),
            "; text: environment variable TEXT comes from valueFrom: only literal values are recorded",
        ),
    ):
        (finding,) = make.verdict(make.case(asked, make.snapshot(taskrun), *claims)).findings
        assert finding.message == f"material {finding.material} ({asked.materials[0].type}) was not delivered{why}"


@pytest.mark.parametrize("kind", [plan.From.RESULT, plan.From.PARAM, plan.From.ENV])
def test_a_file_is_taken_from_its_claim_whatever_names_it_for_no_status_ever_shows_one(kind):
    asked = make.planned(make.asked(source=plan.Source(kind, task="build", name="BOM")))
    found = make.verdict(make.case(asked, make.snapshot(make.taskrun(results=[("BOM", "bom.json")])), HONEST))
    assert (found.result, [one.digest for one in found.materials]) == (V.PASSED, [make.FILE])


def test_an_annotation_that_nobody_filled_is_missing_and_not_empty():
    asked = make.planned(
        make.asked(annotations=(plan.PlannedAnnotation("ticket"),)), annotations=(plan.PlannedAnnotation("who"),)
    )
    found = make.verdict(make.case(asked, SHOT, make.said(make.file(annotations={"ticket": ""}), notes={"who": ""})))
    assert (make.codes(found), found.annotations, found.materials[0].annotations) == (["AnnotationMissing"] * 2, {}, {})


def test_an_annotation_is_never_taken_from_a_reference():
    shot = make.snapshot(make.taskrun())
    shot.taskruns[0]["status"]["taskSpec"] = ENV
    for name, value in (("CI", {"key": "yes"}), ("KEY", {})):
        asked = (plan.PlannedAnnotation("key", source=plan.Source(plan.From.ENV, task="build", name=name)),)
        found = make.verdict(make.case(make.planned(annotations=asked), shot))
        assert (found.annotations, make.codes(found)) == (value, [] if value else ["AnnotationMissing"])


def test_one_image_that_a_step_attests_for_two_materials_by_their_names_is_not_guessed():
    told = make.said(make.claimed_image(name="app"), make.claimed_image(name="web"), explicit=True)
    assert make.verdict(make.case(TWO, make.snapshot(make.taskrun()), told)).result is V.PASSED


def test_a_file_with_the_digest_of_an_image_is_no_image_that_stands_for_two():
    asked = make.planned(make.guessed("app"), make.asked(source=plan.Source()))
    shot = make.snapshot(make.built(), injected=["build-1-pod-uid"])
    told = make.said(make.file(make.GOOD), make.claimed_image(name="app"))
    found = make.verdict(make.case(asked, shot, told, documents=make.fine(make.GOOD)))
    assert (found.result, make.codes(found)) == (V.PASSED, [])


def test_the_claims_of_two_taskruns_whose_pods_are_gone_both_count():
    shot = make.snapshot(make.built(), make.built(make.EVIL, "build-2"), matrix=["build"], pods={})
    told = (make.said(make.file()), make.said(make.file(make.EVIL), taskrun="build-2"))
    found = make.verdict(make.case(BOTH, shot, *told, documents=make.fine(make.FILE, make.EVIL)))
    assert (found.result, len(found.materials)) == (V.PASSED, 4)


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        (cluster_record.Seen("", "", "", "reg/app:1", make.GOOD, type=make.IMAGE), f"reg/app:1@{make.GOOD}"),
        (cluster_record.Seen("", "", "", "reg/app:1", type=make.IMAGE), "reg/app:1"),
        (cluster_record.Seen("", "", "", "x" * 301, make.GOOD), "x" * 300),
    ],
)
def test_a_value_is_shown_as_a_text_or_as_an_image_is_pulled(seen, shown):
    assert str(seen) == shown


def test_a_value_is_of_the_task_that_the_pipelinerun_names_whatever_the_taskruns_label_says():
    shot = make.snapshot(make.built())
    shot.taskruns[0]["metadata"]["labels"]["tekton.dev/pipelineTask"] = "forged"
    asked = make.asked("image", make.IMAGE, source=ANY_TASK)
    (seen,) = cluster_record.of_material(asked, shot.subject, cluster_record.executions(shot))
    assert (seen.task, seen.taskrun_uid, seen.who) == ("build", "build-1-uid", "TaskRun build-1")
