"""The house keeps its shape."""

import ast
import re
from pathlib import Path

from tests.architecture import sources

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


def _imported() -> dict[str, set[str]]:
    """The rooms that each room imports."""
    found: dict[str, set[str]] = {room.name: set() for room in _rooms()}
    for room in _rooms():
        for path in room.rglob("*.py"):
            for node in sources.nodes(path):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "avouch":
                    names = [f"{node.module}.{alias.name}" for alias in node.names]
                    found[room.name] |= {name.split(".")[1] for name in names} - {room.name}
    return found


def _rooms() -> list[Path]:
    return [path.parent for path in (ROOT / "operator" / "avouch").glob("*/__init__.py")]


def _said(room: Path, about: str) -> set[str]:
    """The rooms that a sentence of a charter names; none where it has no such sentence."""
    charter = " ".join((room / "__init__.py").read_text().split())
    sentence = re.search(rf"{about}: (.+?)(?:\. |; |, which |\.? \"\"\")", charter)
    known = {path.name for path in _rooms()} | {path.stem for path in (ROOT / "operator" / "avouch").glob("*.py")}
    return {word.split(".")[0] for word in re.findall(r"[a-z_0-9.]+", sentence[1])} & known if sentence else set()


def test_charters_name_the_rooms_that_are_imported() -> None:
    imported = _imported()
    wrong = []
    for room in _rooms():
        said, real = _said(room, "What it imports"), imported[room.name]
        below = re.search(r"What it imports: [^.]*below", " ".join((room / "__init__.py").read_text().split()))
        if said and not below and said != real:
            wrong.append(f"{room.name} imports {sorted(real)}, its charter says {sorted(said)}")
        importers = {other for other, rooms in imported.items() if room.name in rooms}
        wrong += [f"{other} does not import {room.name}" for other in _said(room, "Who imports it") - importers]
    assert wrong == []
