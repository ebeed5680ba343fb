"""Which results name the image of a material, and which do not."""

import pytest

from avouch import image_references, plan
from avouch.tekton import hints

A, B = ("sha256:" + letter * 64 for letter in "ab")


def by(name: str, digest: str = "") -> plan.PlannedMaterial:
    return plan.PlannedMaterial("app", "CONTAINER_IMAGE", plan.Source(plan.From.RESULT, name=name, digest=digest))


CONVENTION = plan.PlannedMaterial("app", "CONTAINER_IMAGE")


@pytest.mark.parametrize(
    ("material", "results", "image", "guessed"),
    [
        # by the name of the result
        (by("ref"), {"ref": f"r@{A}"}, f"r@{A}", False),
        (by("ref"), {"ref": f"r@{A}", "refIMAGE_DIGEST": B, "IMAGE_DIGEST": B}, f"r@{A}", False),
        (by("IMAGE_URL"), {"IMAGE_URL": "r", "IMAGE_DIGEST": A}, f"r@{A}", False),
        (by("a-IMAGE_URL"), {"a-IMAGE_URL": "r", "a-IMAGE_DIGEST": A, "IMAGE_DIGEST": B}, f"r@{A}", False),
        (by("IMAGE_URL", "d"), {"IMAGE_URL": "r", "IMAGE_DIGEST": B, "d": A}, f"r@{A}", False),
        (by("IMAGES"), {"IMAGES": f"r@{A}\n"}, f"r@{A}", False),
        (by("ref"), {"ref": " ", "IMAGE_URL": "r", "IMAGE_DIGEST": A}, None, False),
        (by("IMAGE_URL"), {"IMAGE_URL": "", "IMAGE_DIGEST": " \n"}, None, False),
        (by("IMAGE_URL"), {}, None, False),
        # by convention: the material's own pair, then a text of its name, then the only image
        (CONVENTION, {"app-IMAGE_URL": "r", "app-IMAGE_DIGEST": A, "IMAGES": f"s@{B}"}, f"r@{A}", False),
        (CONVENTION, {"app-IMAGE_URL": "r", "app-IMAGE_DIGEST": A, "app": f"s@{B}"}, f"r@{A}", False),
        (CONVENTION, {"app": f"r@{A}"}, f"r@{A}", False),
        (CONVENTION, {"app": f"r@{A}", "IMAGES": f"s@{A},t@{B}"}, f"r@{A}", False),
        (CONVENTION, {"app": "said", "IMAGES": f"s@{B}"}, f"s@{B}", True),
        (CONVENTION, {"IMAGE_URL": "r", "IMAGE_DIGEST": A}, f"r@{A}", True),
        (CONVENTION, {"IMAGES": f"r@{A},,\n r:2@{A} "}, f"r@{A}", True),
        (CONVENTION, {"IMAGES": f"r@{A},s@{A}"}, None, False),
        (CONVENTION, {"app": " ", "IMAGE_URL": "r", "IMAGE_DIGEST": ""}, None, False),
        (CONVENTION, {"IMAGE_URL": " ", "IMAGE_DIGEST": A}, None, False),
        (CONVENTION, {"my-url": "r", "my-urlIMAGE_DIGEST": A}, None, False),
        (CONVENTION, {}, None, False),
    ],
)
def test_an_image_is_read_from_the_results_that_are_meant_for_it(
    material: plan.PlannedMaterial, results: dict[str, str], image: str | None, guessed: bool
) -> None:
    found = hints.of_material(material, results)
    assert (str(found.image) if found else None) == image
    assert found is None or isinstance(found.image, image_references.ImageReference)
    assert (found is not None and found.guessed) is guessed
    read = {name: results[name] for name in hints.read_by(material, results)}
    assert hints.of_material(material, read) == found, "the pod reads fewer results than the server"


@pytest.mark.parametrize(
    ("material", "results", "said"),
    [
        (by("ref"), {"ref": "r"}, "'r' is not pinned to a digest"),
        (by("IMAGE_URL"), {"IMAGE_URL": "", "IMAGE_DIGEST": A}, "there is a digest, but no reference"),
        (by("IMAGES"), {"IMAGES": f"r@{A},s@{B}"}, "IMAGES names 2 images"),
        (by("IMAGES"), {"IMAGES": ","}, "IMAGES names 0 images"),
        (by("IMAGES"), {"IMAGES": f'["r@{A}"]'}, "is an array, not a list in a text"),
        (by("IMAGES"), {"IMAGES": f"r@{A} s@{B}"}, "which is not one image reference"),
        (by("IMAGES", "d"), {"IMAGES": "", "d": A}, "there is a digest, but no reference"),
        (CONVENTION, {"app": "r"}, "'r' is not pinned to a digest"),
        (CONVENTION, {"app": "r", "IMAGES": f"s@{A},t@{B}"}, "'r' is not pinned to a digest"),
        (CONVENTION, {"app": f"r@{A}", "app-IMAGE_URL": "r", "app-IMAGE_DIGEST": "b"}, "'b' is not a sha256 digest"),
        (CONVENTION, {"IMAGES": f"r@{A},docker://s@{B}"}, "is not an image reference"),
        (CONVENTION, {"IMAGES": "r"}, "'r' is not pinned to a digest"),
    ],
)
def test_results_that_are_meant_for_it_and_name_no_image_say_why(
    material: plan.PlannedMaterial, results: dict[str, str], said: str
) -> None:
    found = hints.of_material(material, results)
    assert found is not None
    assert isinstance(found.image, image_references.Unusable)
    assert said in found.image.message


@pytest.mark.parametrize(
    ("material", "read"),
    [
        (by("ref"), ["ref"]),
        (by("ref", "dig"), ["dig", "ref"]),
        (by("IMAGE_URL"), ["IMAGE_DIGEST", "IMAGE_URL"]),
        (CONVENTION, ["IMAGES", "IMAGE_DIGEST", "IMAGE_URL", "a-IMAGE_DIGEST", "a-IMAGE_URL", "app"]),
    ],
)
def test_no_result_is_read_that_could_not_name_the_image(material: plan.PlannedMaterial, read: list[str]) -> None:
    names = ["IMAGES", "IMAGE_DIGEST", "IMAGE_URL", "a-IMAGE_DIGEST", "a-IMAGE_URL", "app", "dig", "ref", "secret"]
    assert sorted(hints.read_by(material, names)) == sorted(read)


def test_of_markers_that_differ_in_their_last_dash_neither_is_guessed() -> None:
    results = {"app-IMAGE_URL": "r", "app-IMAGE_DIGEST": A, "app_IMAGE_URL": "s", "app_IMAGE_DIGEST": B}
    assert hints.of_material(CONVENTION, results) is None
    assert [str(image) for image in hints.marked(results, "app")] == [f"r@{A}", f"s@{B}"]
    assert hints.marked(results, "ap") == ()
