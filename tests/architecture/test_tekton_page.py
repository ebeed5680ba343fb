"""The table of Tekton's features says what was seen: each row names the test on a cluster that shows it."""

import re

from tests import docs

PAGE = docs.ROOT / "docs" / "tekton.md"
TESTS = docs.ROOT / "tests" / "e2e"
OWN = "test_tekton_features.py"
_ROW = re.compile(r"^\| (?!feature|---)(.*) \|$", re.M)
_NAMED = re.compile(r"`(test_[a-z_]+\.py)::(test_[a-z0-9_]+)`")


def rows() -> dict[str, list[tuple[str, str]]]:
    """The tests of each row, as file and function."""
    cells = [row.split(" | ") for row in _ROW.findall(PAGE.read_text(encoding="utf-8"))]
    return {" | ".join(cell[:-1]): _NAMED.findall(cell[-1]) for cell in cells}


def functions(file: str) -> set[str]:
    text = (TESTS / file).read_text(encoding="utf-8")
    assert "pytestmark = pytest.mark.cluster" in text
    return set(re.findall(r"^def (test_[a-z0-9_]+)\(", text, re.M))


def test_every_row_names_a_test_that_exists() -> None:
    assert len(rows()) > 20
    without = [row for row, named in rows().items() if not named]
    assert without == [], "write a test on a cluster, and name it in the last column"
    unknown = [f"{file}::{name}" for named in rows().values() for file, name in named if name not in functions(file)]
    assert unknown == []


def test_every_test_of_a_feature_has_its_row() -> None:
    told = {name for named in rows().values() for file, name in named if file == OWN}
    assert functions(OWN) - told == set(), "add a row to docs/tekton.md"
