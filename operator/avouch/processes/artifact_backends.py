"""Artifacts in the server, the one process that touches their bytes: backends opened, checked, and cleared of garbage.

The worker decides what is garbage; here it is removed, because only here are the artifact volume and the credentials.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from avouch import errors
from avouch.controlplane.artifacts import backends as backend_rules
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import cluster, quotas
from avouch.destinations import PUBLIC, Destinations
from avouch.kube import secrets
from avouch.store import artifacts, database, inline

if TYPE_CHECKING:  # httpcore, for installs with a CASBackend
    from avouch.cas import forwarding

_log = logging.getLogger(__name__)

_FRESH = 60.0  # seconds after which credentials are looked at again
_LOOK = 5.0  # seconds between looks for checks that are due, and for garbage
_AT_ONCE = 4  # checks at the same time, in each server
_REMOVED = 50  # pieces of garbage in one go
_SWEEP = 3600.0  # seconds between looks for uploads that a killed server left half-written
_DELETING = 4.0  # seconds for one removal: an upload of the same bytes waits that long (lock_timeout is 5 s)


@dataclass(slots=True)
class _Opened:
    """A backend with what it was built from."""

    generation: int
    secret: Mapping[str, bytes] = field(repr=False)
    backend: artifact_model.BlobStore
    at: float


class Backends:
    """Implements `artifacts.Opener`. A backend is built anew when its spec or its Secret is another one."""

    limits = quotas.Quotas()  # of what inline backends keep; whoever runs a server says its own

    def __init__(
        self,
        opened: database.Database,
        reader: secrets.Secrets,
        built_in: artifact_model.BlobStore,
        volume: Path | None,
        allowed: Destinations = PUBLIC,
    ) -> None:
        self._database, self._secrets, self._built_in = opened, reader, built_in
        self._volume, self._allowed = volume, allowed
        self._records = artifacts.Artifacts(opened)
        self._opened: dict[str, _Opened] = {}
        self._resources = contextlib.AsyncExitStack()
        self._forwarder: forwarding.Forwarder | None = None
        self._starting = asyncio.Lock()

    async def close(self) -> None:
        """End what backends were offered; none of them reaches its store any more."""
        await self._resources.aclose()

    async def open(self, uid: str) -> artifact_model.BlobStore:
        """The backend of this id.

        Raises:
            errors.Unavailable: it is not known, or its Secret is missing, not readable or incomplete.
        """
        if uid == artifact_model.BUILT_IN:
            return self._built_in
        known = self._opened.get(uid)
        if known is not None and time.monotonic() - known.at < _FRESH:
            return known.backend
        record = await self._records.get(uid)
        if record is None:
            raise errors.Unavailable(f"the CASBackend {uid} that holds this artifact is not known here")
        return await self._of(record, known)

    async def fresh(self, record: artifact_model.BackendRecord) -> artifact_model.BlobStore:
        """The backend of a record, with its Secret of now. Raises errors.Unavailable as `open`."""
        return await self._of(record, self._opened.get(record.uid))

    async def _of(self, record: artifact_model.BackendRecord, known: _Opened | None) -> artifact_model.BlobStore:
        secret = await self._secret(record)
        if known is not None and (known.generation, known.secret) == (record.generation, secret):
            known.at = time.monotonic()
            return known.backend
        backend = await self._build(record, secret)
        self._opened[record.uid] = _Opened(record.generation, secret, backend, time.monotonic())
        return backend

    async def _build(
        self, record: artifact_model.BackendRecord, secret: Mapping[str, bytes]
    ) -> artifact_model.BlobStore:
        if record.kind == "inline":
            return inline.Inline(self._database, record.uid, self.limits)
        from avouch.cas import backends  # lazy: 12 MB (obstore, httpx), for installs with a CASBackend

        try:
            forwarder = await self._forwarding()
            install = backends.Install(self._volume, self._allowed, forwarder, record.namespace_uid)
            return backends.build(record.spec.declared, secret, record.uid, install)
        except (errors.Invalid, OSError) as exc:
            raise errors.Unavailable(f"CASBackend {record.namespace}/{record.name}: {exc}") from exc

    async def _forwarding(self) -> "forwarding.Forwarder":
        from avouch.cas import forwarding  # lazy, as above

        async with self._starting:
            if self._forwarder is None:
                self._forwarder = await self._resources.enter_async_context(forwarding.Forwarder(self._allowed))
        return self._forwarder

    async def _secret(self, record: artifact_model.BackendRecord) -> Mapping[str, bytes]:
        name = record.spec.secret
        if not name:
            return {}
        try:
            return await self._secrets.read_all(record.namespace, name)
        except (errors.Denied, errors.NotFound) as exc:  # either may come: GitOps applies in any order
            raise errors.Unavailable(f"CASBackend {record.namespace}/{record.name}: {exc}") from exc


@dataclass(slots=True)
class Maintenance:
    """Background work of the server for backends: checks, removal of garbage, sweeps."""

    records: artifacts.Artifacts
    opener: Backends
    clock: cluster.Clock
    _swept: float = -_SWEEP

    async def run(self) -> None:
        """Until cancelled. A failure is logged and tried again: it is no reason to stop serving."""
        while True:
            try:
                await self.check_due()
                await self.remove_garbage()
                await self._sweep()
            except errors.AvouchError as exc:
                _log.warning("artifact backends: %s", exc)
            except Exception:  # what one backend's client trips over must not end the server
                _log.exception("checking artifact backends failed unexpectedly")
            await asyncio.sleep(_LOOK)

    async def check_due(self) -> int:
        """Check backends whose time has come; returns how many."""
        due = await self.records.due(_AT_ONCE)
        await asyncio.gather(*(self._check(record) for record in due))
        return len(due)

    async def remove_garbage(self) -> int:
        """Remove bytes that nothing refers to; returns how many."""
        removed = 0
        for one in await self.records.take_garbage(_REMOVED):
            try:
                removed += await self._remove(one)
            except (errors.AvouchError, TimeoutError) as exc:
                _log.warning("cannot remove %s from backend %s yet: %s", one.digest, one.backend, exc or "timed out")
        return removed

    async def _remove(self, one: artifacts.Garbage) -> bool:
        backend = await self.opener.open(one.backend)
        async with self.records.removing(one) as alone:
            if alone:
                async with asyncio.timeout(_DELETING):
                    await backend.delete(one.digest)
            return alone

    async def _check(self, record: artifact_model.BackendRecord) -> None:
        try:
            probed = await backend_rules.probe(await self.opener.fresh(record))
        except errors.AvouchError as exc:
            probed = artifact_model.Probed(False, False, str(exc))
        except Exception as exc:  # one backend's fault, not its neighbours'
            _log.exception("checking CASBackend %s/%s failed unexpectedly", record.namespace, record.name)
            probed = artifact_model.Probed(False, False, f"internal error: {type(exc).__name__}")
        now = self.clock.now()
        await self.records.checked(record, probed, now, backend_rules.next_check(record, probed, now))

    async def _sweep(self) -> None:
        if time.monotonic() - self._swept < _SWEEP:
            return
        self._swept = time.monotonic()
        uids = await self.records.of_kind("filesystem")
        for backend in [await self.opener.open(uid) for uid in (artifact_model.BUILT_IN, *uids)]:
            _log.info("abandoned uploads removed: %d", await backend.sweep())
