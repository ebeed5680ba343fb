"""A misspelt name has one that was meant, in bounded time whatever the names are."""

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
