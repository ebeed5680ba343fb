"""Detection beyond the good files: what is nobody's, what came near, and which texts are asked for in a registry."""

import pytest

from avouch import errors
from avouch.materials import detection
from avouch.materials import types as material_types
from tests.materials import packing


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b"[1]",
        b"null",
        b'{"a": 1',
        b"text",
        b"<html/>",
        b"\0\1\2",
        packing.zip_of(("a", b"b")),
        b"\x1f\x8b",
    ],
)
def test_what_no_reader_knows_is_an_artifact(content):
    assert detection.file(content).type == "ARTIFACT"


def test_what_came_near_says_why_it_was_not_it():
    found = detection.file(b'{"bomFormat": "CycloneDX", "specVersion": "0.9"}')
    ((name, flaw),) = found.near
    assert (found.type, name) == ("ARTIFACT", "SBOM_CYCLONEDX_JSON")
    assert "specVersion '0.9' is not one of" in flaw.message


def test_an_empty_file_has_no_type():
    with pytest.raises(errors.Invalid, match="its type cannot be detected"):
        detection.file(b"")


def test_a_text_is_a_string_and_no_registry_is_asked_where_nobody_wants_it():
    assert detection.value("nginx:1.25").type == "STRING"


def test_a_text_that_its_registry_knows_is_an_image():
    assert detection.value("nginx:1.25", lambda name: name == "nginx:1.25").type == "CONTAINER_IMAGE"
    assert detection.value("nginx:1.25", lambda _: False).type == "STRING"


@pytest.mark.parametrize("text", ["two words", "Upper/Case", "https://example.com/x", "a\nb"])
def test_a_text_that_could_not_be_an_image_is_never_asked_for(text):
    def ask(name: str) -> bool:
        raise AssertionError(f"asked for {name}")

    assert detection.value(text, ask).type == "STRING"


@pytest.mark.parametrize("text", ["", "a\0b", "x" * 70_000, "\ud800"])
def test_a_text_that_is_none_is_refused(text):
    with pytest.raises(errors.Invalid):
        detection.value(text)


def test_the_types_found_by_themselves_are_asked_one_after_the_other_and_the_last_resorts_are_not_among_them():
    asked = [kind.detected.place for kind in material_types.MATERIALS if kind.detected]
    assert sorted(asked) == list(range(1, len(detection.ORDER) + 1))
    assert detection.ORDER[:3] == ("OPENVEX", "SBOM_CYCLONEDX_JSON", "SBOM_SPDX_JSON")
    assert not {"CONTAINER_IMAGE", "ARTIFACT", "STRING"} & {*detection.ORDER}


# What only a person can tell: evidence, and reports without a mark of their own.
@pytest.mark.parametrize("name", ["EVIDENCE", "GHAS_CODE_SCAN", "RADAMSA_REPORT", "TRUFFLEHOG_JSON", "CHECKMARX_JSON"])
def test_what_only_a_person_can_tell_is_never_guessed(name: str):
    assert material_types.of(name).detected is None
