"""A misspelt name has one that was meant, in bounded time whatever the names are."""

import difflib

import pytest

from avouch import spelling


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("sbmo", ["image", "sbom"], "sbom"),
        ("relase", ["release", "released"], "release"),
        ("zzz", ["image", "sbom"], ""),
        ("x", [], ""),
        ("build", ["build-and-test-and-push"], ""),
        ("a" * 100 + "x", ["a" * 100], "a" * 100),
    ],
)
def test_the_nearest_name_is_the_one_that_was_meant(name: str, known: list[str], meant: str) -> None:
    assert spelling.nearest(name, known) == meant


def test_among_very_many_names_of_one_length_only_some_are_compared() -> None:
    known = [f"name-{number:06}" for number in range(100_000)]
    assert spelling.nearest("nmae-000199", known) == "name-000199"
    assert spelling.nearest("x99999-name", known) == ""


def test_names_that_are_made_to_be_compared_for_long_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred of the same letters took 0.3 s, for each run and each Workflow of whoever made them."""
    compared = []
    ratio = difflib.SequenceMatcher.ratio

    def counting(matcher: difflib.SequenceMatcher[str]) -> float:
        compared.append(matcher)
        return ratio(matcher)

    monkeypatch.setattr(difflib.SequenceMatcher, "ratio", counting)
    hostile = [f"{'a' * 29}{number:04}{'a' * 27}" for number in range(1000)]
    assert spelling.nearest("a" * 60, hostile) in hostile
    assert 0 < len(compared) <= 32  # difflib asks twice of each that is near
