"""The table of `controlplane.model.run_moves` as conditions on rows of `runs`, for the statements that move them."""

from collections.abc import Mapping
from typing import Final

from avouch.controlplane.model import run_moves
from avouch.controlplane.model.run_moves import State

# Each row meets exactly one of them.
CONDITIONS: Final[Mapping[State, str]] = {
    State.OPEN: "{0}.result = 'Pending' AND {0}.finished_at IS NULL",
    State.ENDED: "{0}.result = 'Pending' AND {0}.finished_at IS NOT NULL",
    State.JUDGED: "{0}.result <> 'Pending' AND {0}.superseded IS NULL",
    State.REEVALUATED: "{0}.result <> 'Pending' AND {0}.superseded @> '{{\"reevaluated\": true}}'",
    State.SUPERSEDED: "{0}.result <> 'Pending' AND NOT {0}.superseded @> '{{\"reevaluated\": true}}'",
}


def may(move: str, row: str = "runs") -> str:
    """SQL: whether a row of `runs`, by this name in the statement, can make the move."""
    return "(" + " OR ".join(f"({CONDITIONS[state].format(row)})" for state in run_moves.MOVES[move].before) + ")"
