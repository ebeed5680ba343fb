"""What names content, what names none and why, and which repository a short name is."""

import pytest

from avouch import errors, image_references
from avouch.image_references import Flaw, ImageReference

A, B = ("sha256:" + letter * 64 for letter in "ab")
MISSING, INVALID, NO_DIGEST, AMBIGUOUS = (
    Flaw.REFERENCE_MISSING,
    Flaw.REFERENCE_INVALID,
    Flaw.DIGEST_MISSING,
    Flaw.DIGEST_AMBIGUOUS,
)


@pytest.mark.parametrize(
    ("text", "digest", "expected"),
    [
        (f"app@{A}", "", ImageReference("app", "", A)),
        (f"app:1@{A}", "", ImageReference("app", "1", A)),
        (f" reg:5000/team/app:1@{A}\n", "", ImageReference("reg:5000/team/app", "1", A)),
        ("app:1", A, ImageReference("app", "1", A)),
        ("reg:5000/app", f" {A}\n", ImageReference("reg:5000/app", "", A)),
        (f"app:1@{A}", A, ImageReference("app", "1", A)),
    ],
)
def test_a_reference_is_pinned_by_its_own_digest_or_by_the_one_beside_it(
    text: str, digest: str, expected: ImageReference
) -> None:
    assert image_references.pinned(text, digest) == expected


@pytest.mark.parametrize(
    ("text", "digest", "flaw", "said"),
    [
        ("", A, MISSING, A),
        (" \n", A, MISSING, A),
        ("", "", INVALID, ""),
        ("app@", A, INVALID, "app@"),
        ("app:", A, INVALID, "app:"),
        ("App", A, INVALID, "App"),
        (f"@{A}", "", INVALID, f"@{A}"),
        (f"app@{A} app@{B}", "", INVALID, f"app@{A} app@{B}"),
        (f"app@{A},b", "", INVALID, f"app@{A},b"),
        (f"app@{A}@{B}", "", INVALID, f"app@{A}@{B}"),
        ("app:1", "", NO_DIGEST, "app:1"),
        ("app@sha256:00", "", NO_DIGEST, "app@sha256:00"),
        ("app@sha256:00", A, NO_DIGEST, "app@sha256:00"),
        ("app", "sha256:00", NO_DIGEST, "app"),
        (f"app@{A}", "sha256:00", NO_DIGEST, f"app@{A}"),
        (f"app@{A}", B, AMBIGUOUS, f"app@{A}"),
    ],
)
def test_what_is_not_pinned_says_what_was_said_and_why_it_does_not_do(
    text: str, digest: str, flaw: Flaw, said: str
) -> None:
    found = image_references.pinned(text, digest)
    assert isinstance(found, image_references.Unusable)
    assert (found.flaw, found.said, str(found)) == (flaw, said, said)
    assert found.message
    assert found.fix


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("docker://app", "leave out docker://"),
        ("oci+x://app b", "leave out oci+x://"),
        ("a b", f"name one image, without blanks or commas: {image_references.PINNED}"),
        ("a,b", f"name one image, without blanks or commas: {image_references.PINNED}"),
        ("App", image_references.PINNED),
        ("app:1", image_references.PINNED),
    ],
)
def test_the_fix_is_the_smallest_change(text: str, fix: str) -> None:
    found = image_references.pinned(text)
    assert isinstance(found, image_references.Unusable)
    assert found.fix == fix


@pytest.mark.parametrize(
    ("name", "complete"),
    [
        ("nginx", ("index.docker.io", "library/nginx")),
        ("acme/app", ("index.docker.io", "acme/app")),
        ("docker.io/nginx", ("index.docker.io", "library/nginx")),
        ("docker.io/acme/app", ("index.docker.io", "acme/app")),
        ("index.docker.io/acme/app", ("index.docker.io", "acme/app")),
        ("registry-1.docker.io/nginx", ("index.docker.io", "library/nginx")),
        ("ghcr.io/app", ("ghcr.io", "app")),
        ("reg:5000/app", ("reg:5000", "app")),
        ("localhost/app", ("localhost", "app")),
        ("localhosts/app", ("index.docker.io", "localhosts/app")),
        ("[::1]:5000/a/b", ("[::1]:5000", "a/b")),
        ("ghcr.io", ("index.docker.io", "library/ghcr.io")),
    ],
)
def test_a_name_is_made_complete_as_docker_does(name: str, complete: tuple[str, str]) -> None:
    assert image_references.complete(name) == complete


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("app", ImageReference("app")),
        ("app:1", ImageReference("app", "1")),
        ("reg:5000/app", ImageReference("reg:5000/app")),
        ("reg:5000/app:1", ImageReference("reg:5000/app", "1")),
        ("app@d", ImageReference("app", "", "d")),
        ("app:1@d@e", ImageReference("app", "1", "d@e")),
    ],
)
def test_a_text_is_cut_at_its_first_at_sign_and_at_the_colon_of_its_tag(text: str, expected: ImageReference) -> None:
    assert image_references.split(f" {text}\n") == expected
    assert str(expected) == text


def test_two_names_of_one_content_are_the_same() -> None:
    names = [f"nginx@{A}", f"nginx:1@{A}", f"docker.io/library/nginx:2@{A}", f"INDEX.docker.io/library/nginx@{A}"]
    assert {image_references.split(name).content for name in names} == {("index.docker.io/library/nginx", A)}
    assert image_references.split(f"nginx@{B}").content != image_references.split(names[0]).content
    assert image_references.split(f"reg.io/nginx@{A}").content != image_references.split(names[0]).content


@pytest.mark.parametrize(("length", "fits"), [(1024, True), (1025, False)])
def test_a_reference_may_be_as_long_as_is_said_and_no_longer(length: int, fits: bool) -> None:
    text = f"reg.io/{'a' * (length - 7)}"
    assert image_references.is_reference(text) is fits
    if not fits:
        with pytest.raises(errors.Invalid, match="a reference of more than 1024 characters") as caught:
            image_references.parse(text, "spec.image")
        assert caught.value.field == "spec.image"


@pytest.mark.parametrize("text", ["reg.io/app", "reg.io/app:1", f"reg.io/app@{A}", f"reg.io:443/a/b_c/d--e:x.Y-z@{A}"])
def test_a_reference_is_parsed_into_what_was_written(text: str) -> None:
    assert str(image_references.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["reg_io.x/app", "reg.io/App", "reg.io/app:", "app:.x", f"app:{'t' * 129}", "app@", "app@sha256:0", "app@x@y"],
)
def test_one_part_that_breaks_the_grammar_breaks_the_reference(text: str) -> None:
    with pytest.raises(errors.Invalid):
        image_references.parse(text)
