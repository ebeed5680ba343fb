import ast
import builtins
from pathlib import Path

import pytest

from tests.mutation import __main__ as mutation
from tests.mutation import reach, rooms

SOURCE = '''\
TABLE = (1, 2)
def f(a, b=TABLE):
    """Docstring."""
    if (a
            and b):
        for c in b:
            a += c
    elif a:
        return None
    else:
        try:
            raise KeyError
        except KeyError:
            return [d for d in
                    b]
    return a
'''


def test_a_line_belongs_to_the_innermost_statement_of_a_function_and_those_outside_to_none() -> None:
    assert reach.places(ast.parse(SOURCE)) == {
        3: 3, 4: 4, 5: 4, 6: 6, 7: 7, 8: 8, 9: 9, 10: 8, 11: 11, 12: 12, 13: 11, 14: 14, 15: 14, 16: 16,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "answer", "passed"),
    [
        ((1, (2,)), 3, [4, 6, 7, 16]),
        ((1, ()), None, [4, 8, 9]),
        ((0, (5,)), [5], [4, 8, 11, 12, 14]),
    ],
)
def test_marked_code_answers_as_before_and_says_which_statements_were_passed(
    arguments: tuple[object, ...], answer: object, passed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, object] = {}
    seen = set[reach.Place]()
    monkeypatch.setattr(builtins, "__came_by__", seen.add, raising=False)
    exec(compile(ast.fix_missing_locations(reach.mark(ast.parse(SOURCE), "a.py")), "a.py", "exec"), found)  # noqa: S102
    assert found["f"](*arguments) == answer  # type: ignore[operator]
    assert found["f"].__doc__ == "Docstring."
    assert sorted(seen) == [("a.py", line) for line in passed]


TESTS = """\
import builtins
import pytest

@pytest.fixture(scope="module")
def shared():
    builtins.__came_by__(("a.py", 1))

def test_first(shared):
    builtins.__came_by__(("a.py", 2))

def test_second(shared):
    pass

def test_alone():
    builtins.__came_by__(("a.py", 3))

def test_broken(shared):
    builtins.__came_by__(("a.py", 3))
    assert False
"""


def test_what_a_shared_fixture_passes_counts_for_each_of_its_tests_and_a_broken_test_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtins, "__came_by__", None, raising=False)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    watcher = reach.Watcher()
    pytest.main(
        ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio", f"--rootdir={tmp_path}", str(tmp_path)], plugins=[watcher]
    )
    watcher.write(tmp_path / "written")
    found = reach.Reach.read([tmp_path / "written"])
    named = {line: {test.split("::")[1] for test in tests} for (_, line), tests in found.by.items()}
    assert named == {1: {"test_first", "test_second"}, 2: {"test_first"}, 3: {"test_alone"}}
    assert {test.split("::")[1] for test in found.failed} == {"test_broken"}
    assert found.seconds.keys() == {f"test_it.py::{name}" for name in ("test_first", "test_second", "test_alone")}


SECONDS = {
    "tests/store/test_runs.py::test_slow": 4.0,
    "tests/store/test_verdicts.py::test_quick": 0.5,
    "tests/store/test_verdicts.py::test_slow": 3.0,
    "tests/store/test_verdicts.py::test_for_ever": 900.0,
    "tests/unit/oidc/test_checks.py::test_elsewhere": 0.1,
}


def case(begins: int | None) -> mutation.Case:
    module = rooms.Module("store", rooms.PACKAGE / "store" / "runs.py")
    return mutation.Case(module, 0, 7, begins, "f: a -> True")


def test_a_fault_is_shown_to_those_who_pass_it_the_mirror_of_its_module_first_and_then_the_quickest() -> None:
    found = reach.Reach(SECONDS, {("store/runs.py", 7): set(SECONDS)}, set())
    assert mutation.helpings(case(begins=7), found) == [
        ["tests/store/test_runs.py::test_slow", "tests/unit/oidc/test_checks.py::test_elsewhere",
         "tests/store/test_verdicts.py::test_quick"],
        ["tests/store/test_verdicts.py::test_slow"],
    ]  # fmt: skip


def test_one_test_is_asked_however_long_it_takes() -> None:
    slow = "tests/store/test_verdicts.py::test_for_ever"
    found = reach.Reach(SECONDS, {("store/runs.py", 7): {slow}}, set())
    assert mutation.helpings(case(begins=7), found) == [[slow]]


def test_a_fault_that_nobody_passes_is_shown_to_all_tests_that_load_its_module() -> None:
    asked = [
        test for helping in mutation.helpings(case(begins=None), reach.Reach(SECONDS, {}, set())) for test in helping
    ]
    assert {Path(test.split("::")[0]).name for test in asked} == {"test_runs.py", "test_verdicts.py"}
