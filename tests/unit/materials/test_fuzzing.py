"""What fuzzing holds, held for its seeds and for each input that once broke it: no atheris is needed for that."""

import pytest

from avouch.materials import types as material_types
from tests.fuzz import targets

TARGETS = {target.name: target for target in targets.all_targets()}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_has_seeds_for_each_of_its_functions_and_they_hold(name):
    target = TARGETS[name]
    assert {takes for takes, _ in target.seeds} == {takes for takes, _ in target.takes}
    for data in target.inputs():
        target.check(data)


@pytest.mark.parametrize(("target", "path"), [pytest.param(*each, id=each[1].name) for each in targets.kept()])
def test_what_once_broke_a_reader_holds(target, path):
    target.check(path.read_bytes())


def test_each_reader_is_a_target():
    aimed = {name for target in TARGETS.values() for name, _ in target.takes}
    assert aimed >= {kind.name for kind in material_types.MATERIALS if kind.reader}


def test_an_error_of_another_family_and_a_second_answer_are_found():
    answers = iter(range(9))
    breaks = targets.Target("x", (("a", lambda content: 1 // len(content)), ("b", lambda _: next(answers))), ())
    with pytest.raises(ZeroDivisionError):
        breaks.check(b"\0")
    with pytest.raises(AssertionError, match="two readings differ"):
        breaks.check(b"\1")
