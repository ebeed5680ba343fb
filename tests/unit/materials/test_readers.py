"""Each type against its files in tests/assets/materials: the good are understood, the bad refused with the reason."""

import pytest

from avouch.materials import detection, validation
from avouch.materials import types as material_types
from tests.materials import table
from tests.materials.cases import Bad, Good

GOOD = list(table.good())
BAD = list(table.bad())
PACKED = (".zip", ".gz", ".tgz")


def _name(case: tuple[str, Good | Bad]) -> str:
    return f"{case[0]}/{case[1].file}"


@pytest.mark.parametrize("case", GOOD, ids=_name)
def test_a_good_file_is_accepted_with_its_annotations(case):
    name, good = case
    found = validation.read(name, (table.FOLDER / name / good.file).read_bytes())
    assert found.flaws == ()
    assert dict(found.annotations) == good.annotations
    assert good.noted in " ".join(found.notes)
    assert bool(found.notes) == bool(good.noted)


@pytest.mark.parametrize("case", BAD, ids=_name)
def test_a_bad_file_is_refused_with_the_reason_and_a_fix(case):
    name, bad = case
    (flaw,) = validation.read(name, (table.FOLDER / name / bad.file).read_bytes()).flaws
    assert bad.said in flaw.message
    assert len(flaw.message) <= 300
    assert flaw.fix
    assert flaw.message.isprintable()


@pytest.mark.parametrize("case", [case for case in GOOD if case[1].content], ids=_name)
def test_detection_recognises_a_good_file(case):
    name, good = case
    if material_types.of(name).form is not material_types.Form.FILE:
        assert detection.value(good.content.decode(), lambda _: name == "CONTAINER_IMAGE").type == name
        return
    assert detection.file(good.content).type == (good.detected or name)


@pytest.mark.parametrize("kind", material_types.MATERIALS, ids=lambda kind: kind.name)
def test_each_type_has_good_and_bad_files_and_says_only_what_the_table_lists(kind):
    cases = table.CASES[kind.name]
    assert sum(isinstance(case, Good) for case in cases) >= 1
    assert sum(isinstance(case, Bad) for case in cases) >= (1 if kind.checked == "not empty" else 3)
    said = {key for case in cases if isinstance(case, Good) for key in case.annotations}
    assert said == set(kind.annotations)


def test_the_files_are_those_that_the_script_makes():
    made = {table.FOLDER / name / case.file: case.content for name, case in (*GOOD, *BAD)}
    assert {path for path in table.FOLDER.rglob("*") if path.is_file()} == set(made)
    # What a compressor writes is its own business.
    differ = [path for path, content in made.items() if not path.name.endswith(PACKED) and path.read_bytes() != content]
    assert differ == []
