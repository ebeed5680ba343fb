"""Notices that the database was emptied, replaced or put back to an earlier state, and says since when its history is.

The cluster remembers the database's identity and mark in an annotation of the controller's Lease, which is written
with each renewal anyway. A database that became another one under a controller that leads makes everything wrong that
this process remembers: it ends, and begins anew.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from avouch import errors
from avouch.controlplane.model.history import Change, Histories, History
from avouch.kube import events

log = logging.getLogger(__name__)

_EVERY = 5.0  # seconds between looks, which is how much of a rewind may stay unseen

_NOTES = {
    Change.ANOTHER: "The database is another one than before ({0}). Builds that ended before get no run; of those that "
    "worked then, evidence may be lost, and their verdicts say so (fix: if it should be the old one, restore it).",
    Change.REWOUND: "The database was put back to an earlier state: {0}. Builds that ended before that was noticed get "
    "no run if they have none; of those that worked then, evidence may be lost, and their verdicts say so.",
}


class Memory(Protocol):
    """What the cluster remembers: the Lease."""

    note: str  # written with the next renewal

    @property
    def noted(self) -> str:
        """What was written last, by whichever controller."""
        ...


class Recorder(Protocol):
    """Records Events."""

    async def record(self, regarding: Mapping[str, Any], event: events.Event) -> None:
        """Record an Event about an object."""
        ...


@dataclass(slots=True)
class HistoryWatch:
    """`release` is the namespace of the install, as the object of an Event; `changed` ends the process."""

    store: Histories
    memory: Memory
    recorder: Recorder
    release: Callable[[], Mapping[str, Any]]
    epoch: Callable[[], int]
    changed: Callable[[], None]
    known: History | None = None

    async def begin(self) -> None:
        """Compare with what the cluster remembers, before any run is opened. Raises errors.Unavailable."""
        found = await self.store.look(epoch=self.epoch())
        change = found.since(self.memory.noted)
        if change is Change.REWOUND:
            found = await self.store.rewound(int(self.memory.noted.partition("/")[2]), epoch=self.epoch())
        if change is not Change.NONE:
            note = _NOTES[change].format(found.why)
            log.error("%s", note)
            await self.recorder.record(self.release(), events.Event(str(change), note, action="Compare", warning=True))
        self._remember(found)

    async def run(self) -> None:
        """Look for ever; a database that does not answer is asked again."""
        while True:
            await asyncio.sleep(_EVERY)
            try:
                await self.look()
            except errors.AvouchError as exc:
                log.warning("the history of the database was not read: %s", exc)

    async def look(self) -> None:
        """Move the mark; where the database became another one, begin anew. Nothing before `begin` has compared."""
        if self.known is None:
            return
        found = await self.store.look(epoch=self.epoch())
        if found.since(self.known.remembered) is not Change.NONE:
            log.error("the database is not the one of before: this controller begins anew")
            self.changed()
            return
        self._remember(found)

    def _remember(self, found: History) -> None:
        self.known, self.memory.note = found, found.remembered
