"""Namespaces whose quota of artifacts is nearly used up: an Event on the namespace, hourly for as long as it holds.

A status would have to be written for every namespace, also for those that declare nothing; Events live for an hour, so
an hourly one is there whenever somebody looks.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from avouch.controlplane.model import quotas
from avouch.kube import events, resources
from avouch.reconcilers import looking

_EVERY = 300.0  # seconds between looks
_AGAIN = 3600.0  # seconds after which the same is told again
_MOST = 500  # told in one look


class Recorder(Protocol):
    """Records Events."""

    async def record(self, regarding: events.Json, event: events.Event) -> None:
        """Record an Event about an object."""
        ...


def event_of(full: quotas.NearlyFull) -> events.Event:
    """What is nearly full, and what helps."""
    unit = "bytes of artifacts" if full.quota == "artifactBytes" else "artifacts"
    note = (
        f"{full.used} of {full.most} {unit} are used (quotas.{full.quota}); beyond them evidence is not stored: "
        f"{quotas.FIX}"
    )
    return events.Event("ArtifactQuotaNearlyFull", note, action="Count", warning=True)


@dataclass(slots=True)
class QuotaWatch:
    """Looks every five minutes."""

    uses: quotas.Uses
    recorder: Recorder
    clock: Callable[[], float] = time.monotonic
    _told: dict[tuple[str, str], float] = field(default_factory=dict)

    async def run(self) -> None:
        """For ever; a database that does not answer is asked again."""
        await looking.regularly(_EVERY, self.look, "quotas")

    async def look(self) -> None:
        """Tell of each that was not told of within the hour."""
        now = self.clock()
        found = {(one.namespace_uid, one.quota): one for one in await self.uses.nearly_full(quotas.NEAR, _MOST)}
        self._told = {which: at for which, at in self._told.items() if which in found and now - at < _AGAIN}
        for which in found.keys() - self._told.keys():
            one = found[which]
            namespace = events.reference(resources.NAMESPACES, one.namespace, one.namespace, one.namespace_uid)
            await self.recorder.record(namespace, event_of(one))
            self._told[which] = now
