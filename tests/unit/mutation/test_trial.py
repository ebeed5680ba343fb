import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutation import trial

SOURCE = """\
import contextlib
import functools


class Base:
    def own(self):
        return "base"


class Made(Base):
    def own(self):
        return super().own()

    @functools.cached_property
    def kept(self):
        return [number for number in (1, 2) if number != 2]


@contextlib.contextmanager
def opened():
    yield "closed"
"""


class There:
    """Stands for a module of a room."""

    def __init__(self, path: Path) -> None:
        self.path = path


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    path = tmp_path / "changed_by_a_fault.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("changed_by_a_fault", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "changed_by_a_fault", module)
    spec.loader.exec_module(module)
    trial.functions.cache_clear()
    yield module
    trial.functions.cache_clear()


def put(module: ModuleType, before: str, after: str) -> bool:
    path = Path(str(module.__file__))
    tree = ast.parse(SOURCE.replace(before, after))
    return trial.put(There(path), compile(tree, str(path), "exec"))  # type: ignore[arg-type]


def test_a_fault_is_in_functions_that_others_hold_already(loaded: ModuleType) -> None:
    opened, made = loaded.opened, loaded.Made()
    assert put(loaded, '"closed"', '"open"')
    with opened() as found:
        assert found == "open"
    assert made.own() == "base"


def test_a_fault_is_in_what_a_decorator_wraps_and_inside_of_brackets(loaded: ModuleType) -> None:
    assert put(loaded, "number != 2", "number == 2")
    assert loaded.Made().kept == [2]


def test_a_function_that_would_hold_other_variables_takes_a_new_process(loaded: ModuleType) -> None:
    assert not put(loaded, "super().own()", "'none'")


@pytest.mark.parametrize("names", [["b", "a"], ["a", "gone"]])
def test_tests_are_asked_in_the_order_they_were_chosen(names: list[str]) -> None:
    class Item:
        def __init__(self, nodeid: str) -> None:
            self.nodeid = nodeid

    items = [Item("a"), Item("b"), Item("c")]
    assert [item.nodeid for item in trial.chosen(items, names)] == [name for name in names if name != "gone"]  # type: ignore[arg-type]
