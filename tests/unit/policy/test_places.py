"""Scripts that a policy names instead of having them in it."""

from collections.abc import Mapping
from typing import Any

import pytest

from avouch import digests, errors
from avouch.api import policy as kind
from avouch.policy import identity, places, scripts

WEB = "https://policies.example/a/sbom.yaml"


def policy(**spec: Any) -> kind.Policy:
    return kind.Policy.model_validate({"metadata": {"name": "sbom"}, "spec": spec})


class Files:
    """What lies somewhere, by its reference; and what was asked for."""

    def __init__(self, **said: bytes) -> None:
        self.said: Mapping[str, bytes] = said
        self.asked: list[str] = []

    def __call__(self, reference: str) -> bytes:
        self.asked.append(reference)
        name = reference.partition("@")[0].rpartition("/")[2].partition(".")[0]
        if name not in self.said:
            raise errors.NotFound(f"there is no {name}")
        return self.said[name]


@pytest.mark.parametrize(
    ("place", "reference", "there"),
    [
        ("file://", "sbom.rego", "file://sbom.rego"),
        ("file://", "file://sbom.rego", "file://sbom.rego"),
        ("file://a/p.yaml", "b/sbom.rego", "file://a/b/sbom.rego"),
        ("file:///a/p.yaml", "../sbom.rego", "file:///a/../sbom.rego"),
        ("file://a/p.yaml", "https://h/x.rego", "https://h/x.rego"),
        ("file://a/p.yaml@sha256:00", "x.rego@sha256:11", "file://a/x.rego@sha256:11"),
        (WEB, "sbom.rego", "https://policies.example/a/sbom.rego"),
        (WEB, "../b/sbom.rego", "https://policies.example/b/sbom.rego"),
        (WEB, "/sbom.rego", "https://policies.example/sbom.rego"),
        ("http://policies.example/p.yaml", "sbom.rego", "http://policies.example/sbom.rego"),
        (WEB, "https://other.example/x.rego", "https://other.example/x.rego"),
        (f"{WEB}?v=1", "sbom.rego", "https://policies.example/a/sbom.rego"),
        (f"{WEB}@sha256:00", "sbom.rego", "https://policies.example/a/sbom.rego"),
        ("oci://registry.example/p", "https://h/x.rego", "https://h/x.rego"),
    ],
)
def test_a_script_is_where_it_says_or_beside_its_policy(place: str, reference: str, there: str) -> None:
    assert places.beside(place, reference) == there


@pytest.mark.parametrize(
    ("place", "reference", "told"),
    [
        (WEB, "file://etc/passwd.rego", "names no file of others"),
        (WEB, "//[x/sbom.rego", "is no path"),
        ("oci://registry.example/p", "sbom.rego", "nothing lies beside a policy of a registry"),
        ("oci://registry.example/p", "file://sbom.rego", "nothing lies beside a policy of a registry"),
        ("file://a/p.yaml", "/etc/passwd", "is an absolute path"),
        ("file://a/p.yaml", "file:///etc/passwd", "is an absolute path"),
    ],
)
def test_nobody_is_led_where_he_may_not_look(place: str, reference: str, told: str) -> None:
    with pytest.raises(errors.Invalid, match=told):
        places.beside(place, reference)


def test_scripts_become_part_of_the_policy_and_of_its_digest() -> None:
    said = policy(policies=[{"kind": "SARIF", "ref": "a.rego"}, {"path": "b.rego"}, {"embedded": "package c"}])
    found = places.whole(said, "file://", Files(a=b"package a", b=b"package b"))
    assert [one.embedded for one in scripts.of(found.spec)] == ["package a", "package b", "package c"]
    assert [one.reference for one in scripts.of(found.spec)] == ["", "", ""]
    embedded = policy(policies=[
        {"kind": "SARIF", "embedded": "package a"}, {"embedded": "package b"}, {"embedded": "package c"}
    ])  # fmt: skip
    assert identity.canonical(found) == identity.canonical(embedded)
    other = places.whole(said, "file://", Files(a=b"package a", b=b"package other"))
    assert identity.digest(other) != identity.digest(found)


def test_the_older_form_has_one_script() -> None:
    found = places.whole(policy(path="a.rego", type="SARIF"), WEB, files := Files(a=b"package a"))
    assert identity.canonical(found) == identity.canonical(policy(embedded="package a", type="SARIF"))
    assert files.asked == ["https://policies.example/a/a.rego"]


def test_a_policy_with_all_in_it_stays_as_it_is_and_nothing_is_read() -> None:
    said = policy(embedded="package a")
    assert places.whole(said, WEB, files := Files()) is said
    assert files.asked == []


def test_a_digest_is_held_to() -> None:
    digest = digests.of_bytes(b"package a")
    found = places.whole(policy(path=f"a.rego@{digest}"), "file://", Files(a=b"package a"))
    assert found.spec.embedded == "package a"
    with pytest.raises(errors.Invalid, match=f"digest mismatch: got sha256:.*, want {digest}") as caught:
        places.whole(policy(path=f"a.rego@{digest}"), "file://", Files(a=b"package b"))
    assert caught.value.field == "spec.path"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\0asm\xff", "is no text in UTF-8"),
        (b"a" * (places.MOST + 1), "has more than"),
    ],
)
def test_what_is_no_script_is_refused_by_its_place(content: bytes, told: str) -> None:
    with pytest.raises(errors.Invalid, match=told) as caught:
        places.whole(policy(policies=[{"embedded": "package a"}, {"ref": "a.rego"}]), "file://", Files(a=content))
    assert caught.value.field == "spec.policies[1].ref"


@pytest.mark.parametrize("letter", ["a", "é"])
def test_all_scripts_together_are_bounded(letter: str) -> None:
    many = policy(policies=[{"ref": "a.rego"}] * 3)
    with pytest.raises(errors.TooLarge, match="more than 1048576 bytes in all"):
        places.whole(many, "file://", Files(a=letter.encode() * (places.MOST // len(letter.encode()))))


def test_a_mark_of_bytes_at_its_beginning_is_no_part_of_a_script() -> None:
    found = places.whole(policy(path="a.rego"), "file://", Files(a=b"\xef\xbb\xbfpackage a"))
    assert found.spec.embedded == "package a"


def test_what_is_not_there_is_told_with_its_place() -> None:
    with pytest.raises(errors.NotFound, match=r"spec.path: there is no b"):
        places.whole(policy(path="b.rego"), "file://", Files())
