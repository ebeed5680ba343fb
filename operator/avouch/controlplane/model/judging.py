"""What judging takes out of the store and gives back: records of runs, outcomes, and the port of the queue."""

import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from avouch.controlplane.model import deliveries as delivery_model
from avouch.controlplane.model import external as external_model
from avouch.controlplane.model import runs, verdicts

CRASHES = 5  # workers that may end over one run before it is judged Error: it would take the next ones with it


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored about one run that is to be judged. `crashes` counts workers that ended over it.

    `problem`: why something of it cannot be read, which is then left out. Of a run that has not ended no claims are
    read, and after `CRASHES` deaths neither claims nor snapshot are. `heard` are the digests of the claims with which
    its verdict was reached; None where there is none that says so. `standing` is the verdict that it has.
    """

    run: runs.Run
    snapshot: runs.Snapshot | None
    claims: tuple[runs.Claim, ...] = ()
    external: external_model.ExternalPart | None = None
    crashes: int = 0
    problem: str = ""
    heard: frozenset[str] | None = None
    standing: verdicts.Standing | None = None

    @property
    def late(self) -> frozenset[str]:
        """Digests of the claims that came after the verdict; an external run takes none."""
        judged_at = self.run.judged_at
        if self.external is not None or judged_at is None:
            return frozenset()
        if self.heard is None:  # judged by a version that kept no list
            return frozenset(str(one.digest) for one in self.claims if one.received_at > judged_at)
        return frozenset(str(one.digest) for one in self.claims) - self.heard


@dataclass(frozen=True, slots=True)
class Decided:
    """The verdict, and where it is to be delivered.

    `over` is the resource version of the judged run whose verdict this one takes the place of; 0: it has none yet.
    """

    signed: verdicts.SignedVerdict
    deliveries: tuple[delivery_model.Delivery, ...] = ()
    over: int = 0

    @property
    def run_id(self) -> uuid.UUID:
        """Id of the run."""
        return self.signed.verdict.run_id


@dataclass(frozen=True, slots=True)
class Later:
    """Judge the run again, not before `at`. `reason`: what failed; "" where it only waits for something."""

    run_id: uuid.UUID
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outside:
    """Judge the run outside of batches: it needs the bytes of an artifact, or policies, or it could not be written."""

    run_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Settled:
    """The job is done: the run is judged and no late claim contradicts, or it will be queued again at its end."""

    run_id: uuid.UUID


Outcome: TypeAlias = Decided | Later | Outside | Settled


@dataclass(frozen=True, slots=True)
class Taken:
    """Runs that no other worker judges at the moment, and the attachments of their namespaces.

    `outside`: those that are in a batch by their jobs alone, for they have policies.
    """

    records: tuple[Record, ...] = ()
    attachments: Mapping[str, tuple[delivery_model.AttachmentRecord, ...]] = field(default_factory=dict)
    outside: frozenset[uuid.UUID] = frozenset()


class Work(Protocol):
    """Jobs that one worker holds."""

    @property
    def taken(self) -> Taken:
        """Records of the runs that were taken."""
        ...

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Write verdicts and deliveries and end the jobs of these runs: of each all or nothing.

        Raises:
            errors.Unavailable: the database cannot answer now.
            errors.AvouchError: the database refuses a value.
        """
        ...


class Queue(Protocol):
    """Judging jobs. A run is in the hands of one worker at a time, and comes back where that one dies."""

    def batch(self, limit: int) -> AbstractAsyncContextManager[Work]:
        """Take due jobs for one transaction; leaving it normally is COMMIT, otherwise all jobs are due again."""
        ...

    def few(self, limit: int) -> AbstractAsyncContextManager[Work]:
        """Take due jobs that are not for a batch, all of one namespace, and hold them for as long as they take.

        Each `settle` is COMMIT of some of them; those that are not settled when this is left are due again.
        """
        ...

    async def isolate(self, run_ids: Sequence[uuid.UUID]) -> None:
        """Have these runs judged one by one from now on."""
        ...
