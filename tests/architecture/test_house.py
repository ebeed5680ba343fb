"""The house keeps its shape."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_operator_is_a_plain_folder_because_a_package_of_that_name_would_shadow_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists(), "delete it"


def test_no_module_is_called_operator() -> None:
    assert [p for p in (ROOT / "operator" / "avouch").rglob("operator.py")] == []


def test_every_room_says_what_belongs_in_it() -> None:
    rooms = [p for p in (ROOT / "operator" / "avouch").rglob("__init__.py")]
    silent = [str(p) for p in rooms if not p.read_text().lstrip().startswith('"""')]
    assert silent == []


def test_every_make_target_has_a_one_line_help() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    targets = [line for line in lines if re.match(r"[a-z0-9-]+:(?!=)", line)]
    assert targets
    assert [t for t in targets if " ## " not in t] == []
