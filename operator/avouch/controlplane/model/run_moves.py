"""The states of a run: the one table of what moves it, and who writes that. `store` writes by it; docs show it.

A run of the cluster is opened, ended and judged, each once. Its verdict is its end, but for two things: somebody has it
judged again by what its Contract says now; and a claim that comes later contradicts it, once, after which nothing
follows. `docs/architecture.md` draws the table, and a test compares the two.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from avouch.controlplane.model import runs, verdicts


class State(StrEnum):
    """Where a run stands."""

    OPEN = "Open"  # verdict Pending: the build works
    ENDED = "Ended"  # verdict Pending: the record is stored, and a job to judge it
    JUDGED = "Judged"  # it has its verdict
    REEVALUATED = "Reevaluated"  # it has another verdict, by another revision: somebody asked
    SUPERSEDED = "Superseded"  # it has its last verdict, Rejected: a late claim contradicts


class Writer(StrEnum):
    """Whose database role writes a move."""

    CONTROLLER = "controller"
    SERVER = "server"
    WORKER = "worker"


class Move(NamedTuple):
    """From one of these states (none: there is no run) into another (None: the run is gone)."""

    before: tuple[State, ...]
    after: State | None
    by: tuple[Writer, ...]
    when: str


MOVES: Final[Mapping[str, Move]] = {
    "open": Move(
        (),
        State.OPEN,
        (Writer.CONTROLLER, Writer.SERVER),
        "a Workflow takes the build, which the watch sees or a pod tells; or an attester opens an external run",
    ),
    "end": Move(
        (State.OPEN,),
        State.ENDED,
        (Writer.CONTROLLER,),
        "its PipelineRun or TaskRun is Done and each sidecar has ended or its time is over; or it was deleted",
    ),
    "close": Move(
        (State.OPEN,),
        State.ENDED,
        (Writer.SERVER,),
        "its attester pushes the attestation of an external run, or gives it up",
    ),
    "judge": Move(
        (State.ENDED, State.OPEN),
        State.JUDGED,
        (Writer.WORKER,),
        "the record and the claims are weighed; an external run that nobody closed, once its time is over",
    ),
    "reevaluate": Move(
        (State.JUDGED, State.REEVALUATED),
        State.REEVALUATED,
        (Writer.WORKER,),
        "somebody asked for it, and what its Contract, its policies or exceptions say now makes another verdict",
    ),
    "supersede": Move(
        (State.JUDGED, State.REEVALUATED),
        State.SUPERSEDED,
        (Writer.WORKER,),
        "a claim that came after the verdict contradicts it",
    ),
    "forget": Move(
        (State.JUDGED, State.REEVALUATED, State.SUPERSEDED),
        None,
        (Writer.WORKER,),
        "it is older than the retention says, and its deliveries have arrived or were given up; or somebody deletes it",
    ),
}


def of(run: runs.Run, superseded: Mapping[str, Any] | None = None) -> State:
    """The state of a run as it is stored, with what is kept of the verdict that its present one took the place of."""
    if run.result is not verdicts.VerdictResult.PENDING:
        if superseded is None:
            return State.JUDGED
        return State.REEVALUATED if superseded.get("reevaluated") else State.SUPERSEDED
    return State.OPEN if run.finished_at is None else State.ENDED


def may(move: str, state: State) -> bool:
    """Whether a run in this state can make the move."""
    return state in MOVES[move].before
