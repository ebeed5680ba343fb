"""Leader election by a `Lease`, with a fencing number for writes.

A holder that does not renew is judged by how long *this* process has seen no change on its own monotonic clock; wall
clocks of two nodes are never compared. `leaseTransitions` grows with each change of holder: it is the epoch that the
database compares, so a leader that was paused and lost its Lease can no longer write.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

from avouch import errors, rfc3339
from avouch.kube.resources import LEASES, Resource

log = logging.getLogger(__name__)

Json: TypeAlias = dict[str, Any]

NOTE = "avouch.dev/database"  # annotation of the Lease


class LeaseApi(Protocol):
    """The verbs that election needs."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """One object, or None."""
        ...

    async def create(self, resource: Resource, body: Json) -> Json:
        """Create, or errors.Conflict."""
        ...

    async def replace(self, resource: Resource, body: Json) -> Json:
        """Replace at a resourceVersion, or errors.Conflict."""
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: how long a Lease lasts, after how long without renewal to give up, and how often to try."""

    duration: float = 15.0
    renew: float = 10.0  # less than `duration`: this process stops before another may start
    retry: float = 2.0


@dataclass(frozen=True, slots=True)
class Observation:
    """A Lease at its last observed change, on the monotonic clock."""

    version: str
    at: float


def may_take(spec: Json, identity: str, observed: Observation, now: float) -> bool:
    """Whether the Lease is held by this process, released, or unchanged for its whole duration."""
    holder = spec.get("holderIdentity") or ""
    duration = float(spec.get("leaseDurationSeconds") or 0)
    return holder in ("", identity) or now - observed.at >= duration


def claimed(spec: Json, identity: str, timing: Timing, wall: datetime) -> Json:
    """The spec with this process as holder: the epoch grows whenever the holder changes."""
    stamp = rfc3339.to_microseconds(wall)
    same = spec.get("holderIdentity") == identity
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": int(timing.duration),
        "acquireTime": spec.get("acquireTime") or stamp if same else stamp,
        "renewTime": stamp,
        "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (not same),
    }


_TRIES = 3  # to release it


class Lease:
    """One Lease, acquired under one identity, which must be unique for each process."""

    def __init__(self, api: LeaseApi, namespace: str, name: str, identity: str, timing: Timing | None = None) -> None:
        self._api, self._namespace, self._name = api, namespace, name
        self.identity = identity
        self._timing = timing or Timing()
        self._observed = Observation("", time.monotonic())
        self._held: Json | None = None
        self.note = ""  # what the cluster is to remember: written with the next renewal

    @property
    def noted(self) -> str:
        """What the cluster remembers, by the Lease as it was last written; "" if nothing."""
        meta = {} if self._held is None else self._held["metadata"]
        return str((meta.get("annotations") or {}).get(NOTE) or "")

    @property
    def leading(self) -> bool:
        """Whether this process holds it, as far as it knows."""
        return self._held is not None

    @property
    def epoch(self) -> int:
        """The fencing number. Raises errors.Conflict if this process does not lead."""
        if self._held is None:
            raise errors.Conflict("this controller does not hold the Lease")
        return int(self._held["spec"]["leaseTransitions"])

    async def acquire(self) -> int:
        """Wait until this process holds the Lease. Returns the epoch."""
        while not await self._try():
            await asyncio.sleep(self._timing.retry)
        log.info("leading with epoch %d as %s", self.epoch, self.identity)
        return self.epoch

    async def hold(self, lost: Callable[[], Awaitable[None] | None]) -> None:
        """Renew until it fails for too long or another one holds it; then call `lost`, which should end the process."""
        renewed = time.monotonic()
        while time.monotonic() - renewed < self._timing.renew:
            await asyncio.sleep(self._timing.retry)
            try:
                async with asyncio.timeout(max(0.1, self._timing.renew - (time.monotonic() - renewed))):
                    if not await self._try():
                        break
            except TimeoutError:
                break
            if self._renewed:
                renewed = time.monotonic()
        self._held = None
        log.error("lost the Lease %s/%s", self._namespace, self._name)
        outcome = lost()
        if outcome is not None:
            await outcome

    async def release(self) -> None:
        """Release the Lease so that the next holder need not wait. Never raises: the process is ending."""
        held, self._held = self._held, None
        if held is None:
            return
        try:
            await self._let_go(held)
        except errors.AvouchError as exc:
            log.warning("the Lease was not released; it expires by itself: %s", exc)

    async def _let_go(self, held: Json) -> None:
        """A renewal that was under way may have changed it meanwhile: then the Lease as it is now."""
        for _ in range(_TRIES):
            spec = {**held["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
            try:
                await self._api.replace(LEASES, self._noting({**held, "spec": spec}))
            except errors.Conflict:
                found = await self._api.get(LEASES, self._namespace, self._name)
                if found is None or (found.get("spec") or {}).get("holderIdentity") != self.identity:
                    return
                held = found
            else:
                return
        raise errors.Conflict(f"it changed {_TRIES} times meanwhile")

    async def _try(self) -> bool:
        """One attempt. False: another process holds it. Failed requests change nothing (see `_renewed`)."""
        self._renewed = False
        try:
            found = await self._api.get(LEASES, self._namespace, self._name)
            if found is None:
                self._held = await self._api.create(LEASES, self._new())
            elif self._may(found):
                spec = claimed(found.get("spec") or {}, self.identity, self._timing, datetime.now(UTC))
                self._held = await self._api.replace(LEASES, self._noting({**found, "spec": spec}))
            else:
                return False
        except errors.Conflict:
            return False if self._held is None else await self._still_ours()
        except errors.AvouchError as exc:
            log.warning("the Lease could not be renewed: %s", exc)
            return self._held is not None
        self._renewed = True
        return True

    _renewed = False

    async def _still_ours(self) -> bool:
        """After a conflicting write: continue after an edit by a user, stop if there is a new holder."""
        try:
            found = await self._api.get(LEASES, self._namespace, self._name)
        except errors.AvouchError:
            return True  # unknown: the deadline of `hold` decides
        return found is not None and (found.get("spec") or {}).get("holderIdentity") == self.identity

    def _noting(self, written: Json) -> Json:
        if not self.note:
            return written
        meta = written["metadata"]
        return {**written, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), NOTE: self.note}}}

    def _may(self, found: Json) -> bool:
        now = time.monotonic()
        version = str(found["metadata"].get("resourceVersion"))
        if version != self._observed.version:
            self._observed = Observation(version, now)
        spec = found.get("spec") or {}
        if self._held is not None and spec.get("holderIdentity") != self.identity:
            return False  # taken from us: never take it back in the same life
        return may_take(spec, self.identity, self._observed, now)

    def _new(self) -> Json:
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"namespace": self._namespace, "name": self._name},
            "spec": claimed({}, self.identity, self._timing, datetime.now(UTC)),
        }
