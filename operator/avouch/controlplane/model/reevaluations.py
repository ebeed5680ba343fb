"""Runs that somebody wants judged again by what their Contract says now: what is asked, what is answered, the ports."""

import uuid
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from avouch.controlplane.model import judging
from avouch.controlplane.model.verdicts import VerdictResult
from avouch.values import dataclass

MAY_CHANGE = (VerdictResult.PASSED, VerdictResult.FAILED, VerdictResult.ERROR)  # verdicts that a contract may change
EARLIER = 10  # verdicts of one run that others took the place of: another one is refused, and none is forgotten
WAITING = 500  # requests of one namespace that are not answered yet
LEASE = timedelta(minutes=5)  # after which another worker begins anew
TRIES = 3  # workers that may end over one request
PATIENCE = timedelta(hours=1)  # since it was asked for, in which what does not answer is asked again


class State(StrEnum):
    """What became of a request."""

    WAITING = "Waiting"
    REPLACED = "Replaced"  # the run has another verdict
    UNCHANGED = "Unchanged"  # the same revision finds the same
    KEPT = "Kept"  # the verdict stays, for a reason that is told


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants a run judged again, why, and when that was said. `by` is the name of the cluster's user."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Request:
    """A request that a worker has. `tries` counts the workers that had it."""

    run_id: uuid.UUID
    asked: Asked
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request came to, and the verdict that is to be written with it, if there is one."""

    state: State
    message: str
    decided: judging.Decided | None = None


class Asking(Protocol):
    """Having runs judged again."""

    async def ask(self, namespace: str, name: str, asked: Asked, *, dry_run: bool = False) -> dict[str, Any]:
        """Have a judged run judged again; what is known of the request. One that waits is answered, not a second one.

        Raises:
            errors.NotFound: there is no such run.
            errors.Conflict: it has no verdict yet, or one that stays whatever its Contract says.
            errors.Overloaded: the namespace has too many requests that wait.
            errors.Unavailable: the database cannot answer now.
        """
        ...


class Requests(Protocol):
    """Requests that wait. One of a namespace is worked on at a time, after runs that are due."""

    async def take(self) -> Request | None:
        """One that is to be worked on now, for as long as `LEASE`; None where there is none."""
        ...

    async def record(self, run_id: uuid.UUID) -> judging.Record | None:
        """What is stored of a run."""
        ...

    async def settle(self, request: Request, answer: Answer) -> bool:
        """Write the verdict, if there is one, and the answer, all or nothing.

        False: nothing was written. The run changed since it was read, and the request waits again; or it is gone.
        """
        ...

    async def put_off(self, request: Request, pause: timedelta, message: str) -> None:
        """Let it be taken again after a pause."""
        ...
