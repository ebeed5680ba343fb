"""The threat model says what is tested: each row names tests that exist, and each invariant has some."""

import ast
import re

from tests import docs
from tests.architecture import sources

PAGE = docs.ROOT / "docs" / "threat-model.md"
INVARIANTS = 10
_ROW = re.compile(r"^\| (?!who \||invariant|---)(.*) \|$", re.M)
_NAMED = re.compile(r"`([a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")


def rows(text: str) -> dict[str, list[tuple[str, str]]]:
    """What each row of the tables says, and the tests of its last column as file and function."""
    cells = [row.rsplit(" | ", 1) for row in _ROW.findall(text)]
    return {said: _NAMED.findall(tests) for said, tests in cells}


def exists(file: str, name: str) -> bool:
    """Whether the file has this test."""
    path = docs.ROOT / "tests" / file
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return path.is_file() and any(isinstance(node, functions) and node.name == name for node in sources.nodes(path))


def test_every_row_names_tests_and_all_of_them_exist() -> None:
    found = rows(PAGE.read_text(encoding="utf-8"))
    assert len(found) > 30
    assert [said for said, named in found.items() if not named] == [], "name a test that would see it break"
    assert [f"{file}::{name}" for named in found.values() for file, name in named if not exists(file, name)] == []


def test_every_name_of_a_test_stands_where_it_is_looked_for() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("::test_") == sum(len(named) for named in rows(text).values())


def test_every_invariant_is_there_and_has_a_test() -> None:
    part = PAGE.read_text(encoding="utf-8").split("## What must hold")[1].split("\n## ")[0]
    numbers = [int(said.split(".")[0]) for said, named in rows(part).items() if named]
    assert numbers == list(range(1, INVARIANTS + 1))


def test_a_test_that_does_not_exist_is_seen() -> None:
    assert exists("architecture/test_threat_model.py", "test_a_test_that_does_not_exist_is_seen")
    assert not exists("architecture/test_threat_model.py", "test_nothing")
    assert not exists("architecture/test_none.py", "test_nothing")
