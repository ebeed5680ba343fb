"""Workflows and newest Contract revisions of namespaces, in memory for as long as the database says they are current.

Every change raises the version of its namespace (`declared`) and is told by NOTIFY at its COMMIT, so an answer costs no
statement while the listener hears. How old can an answer be? Milliseconds, the way of the notification; where one were
lost, until the next look at the versions; where the connection is silent, `_TRUST` seconds, after which every question
asks for the version first. That is safe: an answer from here decides which runs are opened, which sidecar is injected
and against which revision, all of which a change that comes a moment later would decide differently, too. Who may push
to a run is read from the database with the run, for each push.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from avouch import errors
from avouch.controlplane.model import contracts as contract_model
from avouch.store import contracts, database, declared, workflows
from avouch.tekton import matching

log = logging.getLogger(__name__)

_LOOK = 5.0  # seconds between two looks at the versions
_TRUST = 10.0  # seconds after the last sign of life for which the listener is believed
_PAUSE = 1.0  # seconds before a lost listener is replaced
_NAMESPACES = 1024  # kept in memory: the least recently asked for goes first


@dataclass(slots=True)
class _Namespace:
    version: int | None = None
    stale: bool = True
    workflows: matching.Index[contract_model.WorkflowRecord] = field(default_factory=matching.Index)
    revisions: dict[str, contract_model.ContractRevision | None] = field(default_factory=dict)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Catalog:
    """Answers what planning asks. Until `run` listens, and whenever it does not, each answer is checked."""

    def __init__(self, opened: database.Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._clock = opened, clock
        self._workflows, self._contracts = workflows.Workflows(opened), contracts.Contracts(opened)
        self._known: OrderedDict[str, _Namespace] = OrderedDict()
        self._heard_at = -_TRUST
        self._said = False

    async def index(self, namespace: str) -> matching.Index[contract_model.WorkflowRecord]:
        """All Workflows of a namespace. Raises errors.Unavailable."""
        return (await self._current(namespace)).workflows

    async def newest(
        self, namespace: str, name: str, *, before: datetime | None = None
    ) -> contract_model.ContractRevision | None:
        """The newest revision, or the newest recorded not after `before` (the first one where none is that old)."""
        revisions = (
            await self._current(namespace)
        ).revisions  # replaced as a whole: a late answer lands in the old one
        if name not in revisions:
            revisions[name] = await self._contracts.newest(namespace, name)
        newest = revisions[name]
        if newest is None or before is None or newest.recorded_at <= before:
            return newest
        return await self._contracts.newest(namespace, name, before=before)

    async def run(self) -> None:
        """Listen for ever; a lost connection is replaced, and meanwhile every answer is checked.

        With a connection goes all that was read: behind the next one may be a database whose versions count anew.
        """
        while True:
            try:
                await self._listen()
            except errors.AvouchError as exc:
                self.forget()
                if self._heard_at > -_TRUST or not self._said:  # once, not once a second
                    log.warning("no notifications of changed Workflows, so each answer is checked: %s", exc)
                self._said = True
            self._heard_at = -_TRUST
            await asyncio.sleep(_PAUSE)

    async def _listen(self) -> None:
        async with aclosing(self._database.notifications(declared.CHANNEL, every=_LOOK)) as notifications:
            async for notification in notifications:
                if notification is None:
                    await self._look()
                else:
                    self._changed(notification.payload)

    def _changed(self, namespace: str) -> None:
        """One namespace changed, or all did: that is told without a name."""
        for name, known in self._known.items():
            known.stale = known.stale or namespace in ("", name)

    def forget(self) -> None:
        """Read everything anew when it is asked for: the database may be another one."""
        for known in self._known.values():
            known.version, known.stale = None, True

    async def _look(self) -> None:
        """Compare versions: proves that the database answers, and finds what no notification told."""
        asked = self._clock()
        async with self._database.transaction() as connection:
            now = await declared.versions(connection, list(self._known))
        for name, known in self._known.items():
            known.stale = known.stale or known.version != now.get(name, 0)
        self._heard_at = asked

    async def _current(self, namespace: str) -> _Namespace:
        known = self._known.setdefault(namespace, _Namespace())
        self._known.move_to_end(namespace)
        if len(self._known) > _NAMESPACES:
            self._known.popitem(last=False)
        if known.stale or known.reading.locked() or self._silent():
            async with known.reading:  # who asks while somebody reads waits for the answer: before it there is none
                if known.stale or self._silent():
                    await self._read(namespace, known)
        return known

    def _silent(self) -> bool:
        return self._clock() - self._heard_at > _TRUST

    async def _read(self, namespace: str, known: _Namespace) -> None:
        known.stale = False  # before the read: a change that is told meanwhile makes it stale again
        try:
            changes = await self._workflows.changed_since(namespace, known.version)
        except BaseException:
            known.stale = True
            raise
        if changes.whole:
            known.workflows = matching.Index(changes.workflows)
        else:
            for workflow in changes.workflows:
                known.workflows.put(workflow)
        if changes.version != known.version:
            known.revisions = {}
        known.version = changes.version
