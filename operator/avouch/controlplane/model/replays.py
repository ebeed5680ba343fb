"""What a change of a Contract would have done to past runs: what is asked, what is found, and the ports of both."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from avouch.values import dataclass

LAST = 50  # runs that a new revision is tried on
EXAMPLES = 10  # runs that a result tells of
LEASE = timedelta(minutes=5)  # after which another worker begins anew
TRIES = 3  # workers that may end over one replay


@dataclass(frozen=True, slots=True)
class Asked:
    """One revision of a Contract that past runs are to be held to. `at` tells two requests for one revision apart."""

    namespace: str
    namespace_uid: str
    name: str
    revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Example:
    """A run that would have failed, and the first reason. `verdict` is the one that it would have got."""

    namespace: str
    workflow: str
    run: str
    verdict: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Result:
    """What the last runs would have got.

    Attributes:
        replayed: runs that were judged again.
        would_fail: of those, runs that passed and would not have.
        would_pass: of those, runs that did not pass and would have.
        unknown: runs that could not be judged again: evidence that is gone, or no time was left.
        examples: of those that would have failed, the newest first.
    """

    replayed: int = 0
    would_fail: int = 0
    would_pass: int = 0
    unknown: int = 0
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Replay:
    """A result, and when it was reached."""

    asked: Asked
    result: Result
    at: datetime


def told(result: Result) -> str:
    """One sentence.

    >>> told(Result(replayed=50, would_pass=2, unknown=1))
    'of the last 50 runs 2 would have passed; 1 could not be judged again'
    >>> told(Result(replayed=50))
    'none of the last 50 runs would have got another verdict'
    """
    numbers = ((result.would_fail, "would have failed"), (result.would_pass, "would have passed"))
    changed = " and ".join(f"{number} {what}" for number, what in numbers if number)
    of = f"the last {result.replayed} runs"
    said = f"of {of} {changed}" if changed else f"none of {of} would have got another verdict"
    examples = [f"{one.namespace}/{one.run} ({one.reason}: {one.message})" for one in result.examples[:1]]
    more = [f"{result.unknown} could not be judged again"] if result.unknown else []
    return "; ".join([": ".join([said, *examples]), *more])


class Requests(Protocol):
    """Replays that somebody asked for. One of a namespace is worked on at a time, after runs that are due."""

    async def take(self) -> Asked | None:
        """One that is to be worked on now, for as long as `LEASE`; None where there is none."""
        ...

    async def wanted(self, asked: Asked) -> bool:
        """Whether to go on: nothing newer was asked for, and no more runs are due than one batch takes."""
        ...

    async def runs(self, asked: Asked, limit: int) -> Sequence[uuid.UUID]:
        """The newest judged runs of Workflows that are bound to the Contract, the newest first."""
        ...

    async def settle(self, asked: Asked, result: Result) -> None:
        """Keep the result, unless something newer was asked for meanwhile."""
        ...

    async def give_back(self, asked: Asked) -> None:
        """Let it be taken again: from its beginning, or whatever was asked for meanwhile."""
        ...


class Results(Protocol):
    """Replays that are done."""

    async def done(self, since: datetime) -> Sequence[Replay]:
        """Those that were done at this time or later, of namespaces that are there."""
        ...
