import ast

import pytest

from tests.mutation import equivalent, faults, rooms, trial


def changed(source: str) -> list[str]:
    """The source with each of its faults in turn."""
    tree = ast.parse(source)
    found = []
    for fault in faults.of(tree):
        undo = fault.change()
        found.append(ast.unparse(ast.fix_missing_locations(tree)))
        undo()
    assert ast.unparse(tree) == ast.unparse(ast.parse(source)), "a fault was not undone"
    return found


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("if a:\n    b", {"if True:\n    b", "if False:\n    b"}),
        ("x = a and b", {"x = a or b", "x = True and b", "x = a and True"}),
        ("x = a or {}", set()),
        ("x = a < b", {"x = a <= b"}),
        ("x = not a", {"x = a"}),
        ("x = [a for a in b if c]", {"x = [a for a in b]"}),
        ("check(a)", {"pass"}),
        ("async def f():\n    await own(a)", {"async def f():\n    pass"}),
        ("_log.info(a)", set()),
        ("raise A", {"pass"}),
        ("def f():\n    return a == b", {f"def f():\n    return {v}" for v in ("True", "False", "a != b")}),
        ("def f():\n    return (a, b)", {"def f():\n    return ()"}),
        ("def f():\n    return ()", set()),
        ("TABLE = (a, b)", {"TABLE = (b,)", "TABLE = (a,)"}),
        ("TABLE = {a: 1, b: 2}", {"TABLE = {b: 2}", "TABLE = {a: 1}"}),
        ("q.where(a, b)", {"pass", "q.where(__import__('sqlalchemy').true(), b)",
                           "q.where(a, __import__('sqlalchemy').true())"}),
        ("x = 'SELECT a FROM b WHERE c = 1 AND d = 2 ORDER BY e'", {"x = 'SELECT a FROM b WHERE c = 1  ORDER BY e'"}),
        ("x = 'SELECT a FROM b WHERE c AND d FOR UPDATE'", {"x = 'SELECT a FROM b WHERE c  FOR UPDATE'",
                                                            "x = 'SELECT a FROM b WHERE c AND d '"}),
    ],
)  # fmt: skip
def test_each_fault_is_one_change_and_is_undone(source: str, wanted: set[str]) -> None:
    assert set(changed(source)) == wanted


def test_a_fault_has_the_same_name_wherever_it_lies() -> None:
    source = "def f():\n    if a:\n        b()\n"
    names = [[fault.named() for fault in faults.of(ast.parse(above + source))] for above in ("", "\n\n")]
    assert names[0] == names[1] == ["f: a -> True", "f: a -> False", "f: b() -> pass"]


def test_a_fault_inside_brackets_has_a_line() -> None:
    tree = ast.parse("def f():\n    return [a\n            for a in b if c]\n")
    assert [fault.line for fault in faults.of(tree)] == [2, 2]


def test_a_fault_that_is_said_to_change_nothing_is_one_that_can_be_made() -> None:
    made = {
        (module.inside, name)
        for module in rooms.modules(list(rooms.ROOMS))
        if any(module.inside == inside for inside, _ in equivalent.EQUIVALENT)
        for _, _, _, name in trial.counted(module)
    }
    assert set(equivalent.EQUIVALENT) - made == set()
