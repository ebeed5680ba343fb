"""The table of what moves a run, as SQL. That each row of `runs` meets one condition, the random histories see."""

import pytest

from avouch.controlplane.model import run_moves as model
from avouch.store import run_moves


def test_each_state_is_a_condition_of_its_own() -> None:
    assert set(run_moves.CONDITIONS) == set(model.State)
    assert len(set(run_moves.CONDITIONS.values())) == len(model.State)


@pytest.mark.parametrize("move", [move for move, rule in model.MOVES.items() if rule.before])
def test_a_run_makes_a_move_from_the_states_that_the_table_names_and_from_no_other(move: str) -> None:
    said = run_moves.may(move, "r")
    named = {state for state, condition in run_moves.CONDITIONS.items() if f"({condition.format('r')})" in said}
    assert named == set(model.MOVES[move].before)
    assert "{" not in said.replace('{"reevaluated": true}', ""), "each names its row"
