"""The states of a run stand in one table: the page draws it, and the database lets write who it says."""

import re
from pathlib import Path

import pytest

from avouch.controlplane.model import run_moves
from avouch.controlplane.model.run_moves import MOVES, State, Writer
from avouch.store import grants
from avouch.store import run_moves as conditions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
SECTION = PAGE.partition("## The states of a run")[2].partition("\n## ")[0]
EDGE = re.compile(r"^  (\S+) --> (\S+): (\w+)$", re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \| ([a-z, ]+) \| (.+) \|$", re.MULTILINE)
# Columns of `runs` that each move writes.
WRITES = {
    "end": "finished_at", "close": "finished_at", "judge": "result", "supersede": "superseded",
    "reevaluate": "superseded",
}  # fmt: skip


def test_the_page_draws_the_table() -> None:
    drawn = {(name, "" if a == "[*]" else a, "" if b == "[*]" else b) for a, b, name in EDGE.findall(SECTION)}
    moves = {(name, before, move.after or "") for name, move in MOVES.items() for before in move.before or ("",)}
    assert drawn == moves


def test_the_page_says_of_each_move_who_writes_it_and_when() -> None:
    told = {name: (tuple(by.split(", ")), when) for name, by, when in ROW.findall(SECTION)}
    assert told == {name: (move.by, move.when) for name, move in MOVES.items()}


@pytest.mark.parametrize("writer", Writer)
@pytest.mark.parametrize("move", WRITES)
def test_who_does_not_write_a_move_has_no_right_to_where_the_database_can_tell(move: str, writer: Writer) -> None:
    rights = " ".join(grants.GRANTS[writer]["runs"])
    both = {by for name, column in WRITES.items() if column == WRITES[move] for by in MOVES[name].by}
    assert (WRITES[move] in rights) is (writer in both)


def test_only_the_worker_deletes_and_it_opens_nothing() -> None:
    may = {verb: {by for by in Writer if verb in grants.GRANTS[by]["runs"]} for verb in ("INSERT", "DELETE")}
    assert may == {"INSERT": set(MOVES["open"].by), "DELETE": set(MOVES["forget"].by)}


def test_each_state_has_a_way_in_and_a_way_out_and_a_condition() -> None:
    assert {move.after for move in MOVES.values()} == {*State, None}
    assert {before for move in MOVES.values() for before in move.before} == {*State}
    assert conditions.CONDITIONS.keys() == {*State}


def test_statements_that_move_runs_ask_the_table() -> None:
    """Who writes one of these columns of `runs`, or deletes rows of it, names the move."""
    writes = re.compile(
        r"UPDATE runs SET (finished_at|result|superseded)|DELETE FROM runs\b|delete\(tables\.runs\)|values\(finished_at"
    )
    found = [path for path in sorted((ROOT / "operator/avouch/store").glob("*.py")) if writes.search(path.read_text())]
    assert [path.stem for path in found] == ["deletions", "external_runs", "lifecycle", "retention", "verdicts"]
    assert all("run_moves.may(" in path.read_text() for path in found)


def test_a_run_is_in_the_state_that_its_row_says() -> None:
    assert run_moves.may("end", State.OPEN)
    assert not run_moves.may("end", State.ENDED)
    assert not any(run_moves.may(name, State.SUPERSEDED) for name in MOVES if name != "forget")
