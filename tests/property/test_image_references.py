"""One grammar and one way to cut an image reference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avouch import errors, image_references
from avouch.materials.readers import values
from avouch.oci import references

PARTS = st.from_regex(r"[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}", fullmatch=True)
REGISTRIES = st.sampled_from(["", "ghcr.io/", "localhost/", "registry:5000/", "[::1]:5000/", "docker.io/", "10.0.0.1/"])
TAGS = st.just("") | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
DIGESTS = st.just("") | st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)
NAMES = st.builds(lambda registry, path: registry + "/".join(path), REGISTRIES, st.lists(PARTS, min_size=1, max_size=3))
# A first part with a dot is a registry, and no registry has an underscore in its name.
NAMES = NAMES.filter(lambda name: "/" not in name or not {".", "_"} <= set(name.partition("/")[0]))
REFERENCES = st.builds(image_references.ImageReference, NAMES, TAGS, DIGESTS)


@given(REFERENCES)
def test_what_was_written_is_read_back(reference: image_references.ImageReference) -> None:
    assert image_references.parse(str(reference)) == reference
    assert image_references.split(f" {reference}\n") == reference
    assert reference.pinned is bool(reference.digest)


@given(REFERENCES)
def test_every_room_reads_the_same(reference: image_references.ImageReference) -> None:
    asked = references.parse(str(reference))
    assert (asked.registry, asked.repository) == image_references.complete(reference.name)
    assert asked.identifier == (reference.digest or reference.tag or "latest")
    assert values.image(str(reference).encode()).flaws == ()


@given(st.text(max_size=200))
def test_a_text_is_read_as_it_is_written_or_not_at_all(text: str) -> None:
    if image_references.is_reference(text):
        assert str(image_references.parse(text)) == text


@given(NAMES)
def test_completing_twice_changes_nothing(name: str) -> None:
    whole = "/".join(image_references.complete(name))
    assert "/".join(image_references.complete(whole)) == whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        "App",
        "app:",
        "app@",
        "app:1@",
        "app::1",
        "a//b",
        "/app",
        "app/",
        "-app",
        "app_-x",
        "app:.tag",
        f"app:{'t' * 129}",
        "app@sha256:00",
        f"app@sha256:{'A' * 64}",
        f"app@sha512:{'0' * 128}",
        f"app@x@sha256:{'0' * 64}",
        f"{'a' * 1025}",
        "registry:port/app",
        "app 1",
        " app",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(errors.Invalid):
        image_references.parse(text)


def test_only_a_repository_at_a_well_formed_digest_is_pinned() -> None:
    good = "sha256:" + "0" * 64
    assert image_references.split(f"app:1@{good}").pinned
    assert not image_references.split("app:1").pinned
    assert not image_references.split(f"@{good}").pinned
    assert not image_references.split(f"app@x@{good}").pinned
    assert str(image_references.split("app:1@sha256:00").at(good)) == f"app:1@{good}"
