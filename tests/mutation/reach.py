"""Which tests come by which statement, and how long each takes: only those can notice a fault there."""

import ast
import builtins
import json
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Place = tuple[str, int]  # a module below operator/avouch, and the line where a statement begins
_MARK = "__came_by__"


def places(tree: ast.AST) -> dict[int, int]:
    """Of each line of a function, where the innermost statement begins that it belongs to."""
    found: dict[int, int] = {}
    for function in _functions(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.stmt) and node is not function:
                found.update(dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), node.lineno))
    return found


def mark(tree: ast.Module, inside: str) -> ast.Module:
    """The same code, each statement of whose functions says first that somebody comes by."""
    blocks = {id(block): block for function in _functions(tree) for block in _blocks(function)}
    for block in blocks.values():
        block[:] = [each for statement in block for each in (*_marks(statement, inside), statement)]
    return tree


def _functions(tree: ast.AST) -> Iterator[ast.AST]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _blocks(function: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(function):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield block


def _marks(statement: ast.stmt, inside: str) -> list[ast.stmt]:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return []  # a docstring stays the first
    return ast.parse(f"{_MARK}(({inside!r}, {statement.lineno}))").body


@dataclass(eq=False)  # pytest asks for a hash
class Watcher:
    """A plugin of pytest. What a fixture of more than one test comes by counts for each of them."""

    now: set[Place] = field(default_factory=set)
    shared: dict[str, set[Place]] = field(default_factory=dict)
    found: dict[str, tuple[float, set[Place]]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        setattr(builtins, _MARK, self.now.add)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        before = set(self.now)
        self.now.clear()
        try:
            return (yield)
        finally:
            if fixturedef.scope != "function":
                self.shared.setdefault(fixturedef.argname, set()).update(self.now)
            self.now.update(before)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self.now.clear()
        since = time.monotonic()
        done = yield
        self.found[item.nodeid] = (
            time.monotonic() - since,
            self.now.union(*(self.shared.get(name, ()) for name in getattr(item, "fixturenames", ()))),
        )
        return done

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)

    def write(self, file: Path) -> None:
        """Of tests that pass: one that fails without a fault would notice all."""
        sound = {test: (seconds, sorted(by)) for test, (seconds, by) in self.found.items() if test not in self.failed}
        file.write_text(json.dumps({"tests": sound, "failed": sorted(self.failed)}), encoding="utf-8")


@dataclass(frozen=True)
class Reach:
    """What was watched."""

    seconds: dict[str, float]
    by: dict[Place, set[str]]
    failed: set[str]

    @classmethod
    def read(cls, files: list[Path]) -> "Reach":
        """What each of some processes wrote."""
        reach = cls({}, {}, set())
        for file in files:
            written = json.loads(file.read_text(encoding="utf-8"))
            reach.failed.update(written["failed"])
            for test, (seconds, by) in written["tests"].items():
                reach.seconds[test] = seconds
                for inside, line in by:
                    reach.by.setdefault((inside, line), set()).add(test)
        return reach
