"""Results of honest steps: the pod's files and the TaskRun's status are read alike, so nobody is called a liar."""

import json

import pytest

from avouch import image_references, plan
from avouch.attestation import materials
from avouch.sidecar import claim, collect
from avouch.tekton import hints
from tests.unit.controlplane.judging import tekton_cases as make

A, B = (f"sha256:{letter * 64}" for letter in "ab")
CONVENTION = plan.Source()


def judged(root, type_, written, kept, source=CONVENTION):
    """The verdict on a run in whose pod a step wrote these results, of which Tekton kept those."""
    (root / "results").mkdir()
    for key, text in written.items():
        (root / "results" / key).write_text(text)
    asked = make.asked("m", type_, source=source)
    pod = collect.Pod(tekton=root, workspaces={}, steps=1, max_file=10**9)
    found = collect.collect([asked], pod, {})
    told = [claim.material(one) for one in found if one.present]
    taskrun = make.taskrun(results=kept.items())
    shot = make.snapshot(taskrun, injected=["build-1-pod-uid"])
    return make.verdict(make.case(make.planned(asked), shot, make.said(*told, notes=claim.findings(found))))


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1.2\n", "1.2\n"),
        ('["a","b"]', ["a", "b"]),
        (json.dumps(["a", "b"]), ["a", "b"]),
        (json.dumps(["a", "b"], indent=2) + "\n", ["a", "b"]),
        ('{"version": "1", "commit": "x"}', {"commit": "x", "version": "1"}),
        ('{"by": "José"}', {"by": "José"}),
        ('["a", null]', ["a", ""]),
        ('{"a": "1", "a": "2"}', {"a": "2"}),
        ('["a", "b"]', '["a", "b"]'),  # declared as a string
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_a_text_array_or_object_is_one_value_in_the_pod_and_in_the_record(tmp_path, written, kept):
    found = judged(tmp_path, "STRING", {"m": written}, {"m": kept})
    assert (found.result.value, found.findings) == ("Passed", ())


@pytest.mark.parametrize(
    "results",
    [
        {"IMAGE_URL": "reg.io/a:v1\n", "IMAGE_DIGEST": f"{A}\n"},
        {"IMAGE_URL": f"reg.io/a:v1@{A}", "IMAGE_DIGEST": A},
        {"IMAGE_URL": "reg.io/a:v1", "IMAGE_DIGEST": A, "IMAGES": f"reg.io/a@{A}"},
        {"IMAGE_URL": "REG.io/a:v1", "IMAGE_DIGEST": A, "IMAGES": f"reg.io/a@{A}"},
        {"IMAGES": f"reg.io/a:1@{A},\n reg.io/a:latest@{A}\n"},
        {"IMAGE_URL": "nginx", "IMAGE_DIGEST": A, "IMAGES": f"docker.io/library/nginx:1@{A}"},
        {"m": f"reg.io/a@{A}", "IMAGES": f"reg.io/a@{A},reg.io/b@{B}"},
        {"m": f"reg.io/a@{A}", "IMAGES": f"reg.io/a@{A} reg.io/b@{B}"},
    ],
)
def test_one_image_that_is_named_more_than_once_is_one_image(tmp_path, results):
    found = judged(tmp_path, "CONTAINER_IMAGE", results, results)
    assert (found.result.value, [one.digest for one in found.materials]) == ("Passed", [A])


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        (plan.Source(plan.From.RESULT, name="tags"), {"results": [("tags", ["a", "é"])]}),
        (
            plan.Source(plan.From.PARAM, "build", "tags"),
            {"spec": {**make.taskrun()["spec"], "params": [{"name": "tags", "value": ["a", "é"]}]}},
        ),
    ],
)
@pytest.mark.parametrize(("told", "expected"), [('[ "a",\n"é" ]', "Passed"), ('["a"]', "Rejected")])
def test_an_annotation_is_one_value_in_a_claim_and_in_the_record(source, changes, told, expected):
    asked = plan.PlannedAnnotation("tags", source=source)
    taskrun = make.taskrun(results=changes.get("results", ())) | changes
    said = make.said(notes={"tags": told})
    found = make.verdict(make.case(make.planned(annotations=(asked,)), make.snapshot(taskrun), said))
    assert (found.result.value, found.annotations) == (expected, {"tags": '["a","é"]'})


URL = plan.Source(plan.From.RESULT, name="IMAGE_URL")
LIST = plan.Source(plan.From.RESULT, name="IMAGES")


@pytest.mark.parametrize("source", [CONVENTION, URL])
@pytest.mark.parametrize(
    ("url", "digest", "code", "fix"),
    [
        ("docker://reg.io/a:v1", A, "ImageReferenceInvalid", "leave out docker://"),
        ("https://reg.io/a:v1", A, "ImageReferenceInvalid", "leave out https://"),
        ("\ufeffreg.io/a:v1", A, "ImageReferenceInvalid", image_references.PINNED),
        ("reg.io/A", A, "ImageReferenceInvalid", image_references.PINNED),
        ("reg.io/a reg.io/b", A, "ImageReferenceInvalid", "name one image"),
        ("pkg:oci/a?repository_url=reg.io/a", A, "ImageReferenceInvalid", image_references.PINNED),
        ("reg.io/a", "sha256:1", "ImageDigestMissing", image_references.PINNED),
        (f"reg.io/a@{A}", B, "ImageDigestAmbiguous", "write one digest"),
        (f"reg.io/a@{A}@{B}", A, "ImageReferenceInvalid", image_references.PINNED),
    ],
)
def test_a_text_that_names_no_image_is_one_finding_that_says_what_to_write(tmp_path, source, url, digest, code, fix):
    results = {"IMAGE_URL": url, "IMAGE_DIGEST": digest}
    found = judged(tmp_path, "CONTAINER_IMAGE", results, results, source)
    (finding,) = found.findings
    assert (found.result.value, finding.code, finding.material) == ("Failed", code, "m")
    assert finding.message.startswith("TaskRun build-1 shows m: ")
    assert finding.fix.startswith(fix)


@pytest.mark.parametrize("source", [CONVENTION, LIST])
@pytest.mark.parametrize(
    ("images", "fix"),
    [
        (f"reg.io/a@{A} reg.io/b@{B}", "separate images by commas or line ends"),
        (f"reg.io/a@{A},reg.io/b@{B} reg.io/c@{A}", "separate images by commas or line ends"),
        (f'["reg.io/a@{A}"]', "declare the result as a string: references separated by commas or line ends"),
        (f"docker://reg.io/a@{A}", "leave out docker://"),
    ],
)
def test_a_list_that_is_none_is_one_finding_that_says_how_lists_are_written(tmp_path, source, images, fix):
    found = judged(tmp_path, "CONTAINER_IMAGE", {"IMAGES": images}, {"IMAGES": images}, source)
    (finding,) = found.findings
    assert (found.result.value, finding.code, finding.fix) == ("Failed", "ImageReferenceInvalid", fix)


def test_a_list_of_several_images_is_none_of_them_where_one_is_asked_for(tmp_path):
    results = {"IMAGES": f"reg.io/a@{A},reg.io/b@{B}"}
    found = judged(tmp_path, "CONTAINER_IMAGE", results, results, LIST)
    (finding,) = found.findings
    assert (finding.code, finding.fix) == ("ImageReferenceInvalid", "name a result that holds one image")
    assert hints.of_material(make.asked("m", "CONTAINER_IMAGE", source=CONVENTION), results) is None


def test_a_text_that_names_no_image_is_no_image_of_two_materials():
    taskrun = make.taskrun(results=[("IMAGES", f"reg.io/a@{A} reg.io/b@{B}")])
    found = make.verdict(make.case(make.planned(make.guessed("m"), make.guessed("n")), make.snapshot(taskrun)))
    assert make.codes(found) == ["ImageReferenceInvalid", "ImageReferenceInvalid"]


def test_a_digest_without_a_reference_says_so(tmp_path):
    results = {"IMAGE_URL": "\n", "IMAGE_DIGEST": A}
    found = judged(tmp_path, "CONTAINER_IMAGE", results, results, URL)
    assert [finding.code for finding in found.findings] == ["ImageReferenceMissing"]


def test_an_image_by_param_is_held_to_the_same_grammar():
    asked = make.asked("m", "CONTAINER_IMAGE", source=plan.Source(plan.From.PARAM, name="image"))
    taskrun = make.taskrun() | {
        "spec": {**make.taskrun()["spec"], "params": [{"name": "image", "value": f"docker://reg.io/a@{A}"}]}
    }
    found = make.verdict(make.case(make.planned(asked), make.snapshot(taskrun)))
    assert [finding.code for finding in found.findings] == ["ImageReferenceInvalid"]


def test_a_claim_of_another_image_than_the_record_shows_is_still_a_contradiction():
    asked = make.asked("m", "CONTAINER_IMAGE", source=CONVENTION)
    told = make.said(make.claimed_image(B, "m"))
    shot = make.snapshot(make.built(A), injected=["build-1-pod-uid"])
    found = make.verdict(make.case(make.planned(asked), shot, told))
    assert found.result.value == "Rejected"


def test_an_image_without_reference_in_a_claim_is_a_finding():
    asked = make.asked("m", "CONTAINER_IMAGE", source=plan.Source(plan.From.ARTIFACT, name="m"))
    told = make.said(materials.Material("m", "CONTAINER_IMAGE", make.claimed_image(A).digest, ""))
    shot = make.snapshot(make.taskrun(), injected=["build-1-pod-uid"])
    found = make.verdict(make.case(make.planned(asked), shot, told))
    assert [finding.code for finding in found.findings] == ["ImageReferenceMissing"]
