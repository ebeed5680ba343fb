"""Changes of runs for all watchers of one process: one poller reads them, each watcher gets those it asked for.

PostgreSQL tells when something was committed (`NOTIFY`); a look now and then finds what a lost connection did not tell.
While nobody watches, nothing is asked. Memory is bounded: a watcher that does not take what waits for it is told to
list again, and so is the slowest one where all together hold too much.
"""

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from avouch import errors
from avouch.controlplane.model import selectors
from avouch.store import database, rundocuments, runqueries, versions

CHANNEL = "avouch_runs"  # the triggers of migration 0005 tell there
TURN = 200  # changes read at a time
_log = logging.getLogger(__name__)
_GAP = 0.1  # seconds between two looks: many commits are read at once
_LOOK = 5.0  # seconds between looks where PostgreSQL tells of changes
_AGAIN = 2.0  # seconds until a lost connection is tried again

Change = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What all watchers of a process may take."""

    watchers: int = 5_000
    changes: int = 1_000  # that wait for one watcher
    together: int = 20_000  # that wait for all
    size: int = 16 * 1024 * 1024  # bytes of JSON of the documents that wait; one that several wait for counts once


@dataclass(slots=True)
class _Told:
    """A document that watchers are told of: its bytes of JSON, and how many have not taken it yet."""

    document: dict[str, Any]
    size: int = 0
    waiting: int = 0


@dataclass(slots=True, eq=False)
class Watcher:
    """What one asked for, and what waits for it. `since`: the version up to which it knows everything."""

    namespace: str | None
    filters: selectors.Filters
    whole: bool
    since: int
    waiting: deque[tuple[str, _Told]] = field(default_factory=deque)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    over: errors.AvouchError | None = None


@dataclass(frozen=True, slots=True)
class _Turn:
    """One look: rows with their documents, and the version up to which that is all."""

    changed: Sequence[tuple["sa.Row[Any]", _Told]]
    whole: frozenset[uuid.UUID]
    newest: int
    more: bool


class RunFeed:
    """Over one database; `poll_seconds` is how often it looks while PostgreSQL does not tell it anything."""

    def __init__(self, opened: database.Database, *, poll_seconds: float, limits: Limits | None = None) -> None:
        self._database = opened
        self._poll = poll_seconds
        self._limits = limits or Limits()
        self._by_namespace: dict[str | None, set[Watcher]] = {}
        self._number = 0
        self._waiting = 0
        self._size = 0
        self._seen = 0
        self._wake = asyncio.Event()
        self._listening = False
        self._poller: asyncio.Task[None] | None = None

    def join(self, watcher: Watcher) -> bool:
        """Tell it what happens from now on. False: it is behind the others, and has to catch up by itself.

        Raises:
            errors.Overloaded: too many watch already.
        """
        if self._number >= self._limits.watchers:
            raise errors.Overloaded("this server has too many watches of runs: try again later")
        if self._poller is None:
            self._seen = watcher.since
            self._poller = asyncio.create_task(self._run())
        elif watcher.since < self._seen:
            return False
        self._by_namespace.setdefault(watcher.namespace, set()).add(watcher)
        self._number += 1
        return True

    def leave(self, watcher: Watcher) -> None:
        """Forget it; after the last one nothing is polled any more."""
        present = self._by_namespace.get(watcher.namespace, set())
        if watcher not in present:
            return
        present.discard(watcher)
        if not present:
            del self._by_namespace[watcher.namespace]
        self._number -= 1
        while watcher.waiting:
            self._taken(watcher)
        if not self._number and self._poller is not None:
            self._poller.cancel()
            self._poller = None

    async def changes(self, watcher: Watcher, bookmark_seconds: float) -> AsyncGenerator[Change, None]:
        """What happens, as it happens, and a bookmark where nothing did for so long.

        Raises:
            errors.Conflict: list again.
        """
        while True:
            while watcher.waiting:
                yield self._taken(watcher)
            if watcher.over is not None:
                raise watcher.over
            watcher.told.clear()
            try:
                async with asyncio.timeout(bookmark_seconds):
                    await watcher.told.wait()
            except TimeoutError:
                watcher.since = max(watcher.since, self._seen)
                yield "BOOKMARK", {"resourceVersion": watcher.since}

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._look_for_ever())
        except Exception:
            _log.exception("changes of runs cannot be read")
            self._end(errors.Unavailable("changes of runs cannot be read: list again"))

    async def _listen(self) -> None:
        while True:
            try:
                async for _ in self._database.notifications(CHANNEL, every=_LOOK):
                    self._listening = True
                    self._wake.set()
            except errors.Unavailable as exc:
                _log.warning(
                    "no notifications of changed runs, so the database is polled every %.1f s: %s", self._poll, exc
                )
            self._listening = False
            await asyncio.sleep(_AGAIN)

    async def _look_for_ever(self) -> None:
        while True:
            self._wake.clear()
            try:
                while await self._look():
                    pass
            except errors.Unavailable as exc:
                _log.warning("changes of runs were not read: %s", exc)
            except errors.Conflict as exc:
                self._end(exc)
            await asyncio.sleep(min(_GAP, self._poll))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(_LOOK, self._poll) if self._listening else self._poll):
                    await self._wake.wait()

    async def _look(self) -> bool:
        """One turn; whether there may be more. One small query where nothing happened."""
        async with self._database.statements() as connection:
            newest = await versions.newest(connection)
        if newest == self._seen:
            return False
        poller, seen, turn = self._poller, self._seen, await self._read()
        if poller is not self._poller:
            return False  # everybody left meanwhile, and whoever came since has a poller that began with it
        # Nothing waits from here on: who joined meanwhile gets these changes, or knows them already.
        if not self._wanted_whole([row for row, _ in turn.changed]) <= turn.whole:
            return True  # somebody who wants more of them joined: read them again
        for row, told in turn.changed:
            self._pass_on(row, told, seen)
        self._seen = turn.newest
        return turn.more

    async def _read(self) -> _Turn:
        async with self._database.snapshot() as connection:
            window = await versions.window(connection)
            versions.must_reach(self._seen, window)
            changed = (await connection.execute(runqueries.changed(self._seen, TURN))).all()
            whole = self._wanted_whole(changed)
            read = await rundocuments.of(connection, changed, whole)
        rows = changed[: len(read.shown)]
        more = len(changed) == TURN or len(rows) < len(changed)
        newest = rows[-1].resource_version if more else window[1]
        told = map(_Told, read.shown, read.sizes)
        return _Turn(list(zip(rows, told, strict=True)), whole, newest, more)

    def _wanted_whole(self, rows: "Sequence[sa.Row[Any]]") -> frozenset[uuid.UUID]:
        return frozenset(row.id for row in rows if any(one.whole for one in self._watchers(row.namespace)))

    def _watchers(self, namespace: str) -> Sequence[Watcher]:
        return [*self._by_namespace.get(namespace, ()), *self._by_namespace.get(None, ())]

    def _pass_on(self, row: "sa.Row[Any]", told: _Told, seen: int) -> None:
        for watcher in self._watchers(row.namespace):
            since = max(watcher.since, seen)
            if row.resource_version <= since or not rundocuments.chosen(row, watcher.filters):
                continue
            kind = rundocuments.event(row, since, watcher.filters)
            if kind:
                self._tell(watcher, kind, told)

    def _tell(self, watcher: Watcher, kind: str, told: _Told) -> None:
        watcher.waiting.append((kind, told))
        watcher.told.set()
        self._waiting += 1
        self._size += told.size if not told.waiting else 0
        told.waiting += 1
        if len(watcher.waiting) > self._limits.changes:
            self._too_slow(watcher)
        while self._waiting > self._limits.together or (self._size > self._limits.size and self._waiting > 1):
            self._too_slow(max(self._all(), key=lambda one: len(one.waiting)))

    def _taken(self, watcher: Watcher) -> Change:
        kind, told = watcher.waiting.popleft()
        self._waiting -= 1
        told.waiting -= 1
        self._size -= told.size if not told.waiting else 0
        return kind, told.document

    def _too_slow(self, watcher: Watcher) -> None:
        self._dismiss(watcher, errors.Conflict("the client reads changes more slowly than they are made: list again"))

    def _all(self) -> Sequence[Watcher]:
        return [watcher for present in self._by_namespace.values() for watcher in present]

    def _end(self, reason: errors.AvouchError) -> None:
        for watcher in self._all():
            self._dismiss(watcher, reason)

    def _dismiss(self, watcher: Watcher, reason: errors.AvouchError) -> None:
        watcher.over = reason
        self.leave(watcher)
        watcher.told.set()
