"""Tells the database which namespaces there are, so that one made anew shows nothing of its predecessor.

Changes are written together: ten thousand namespaces that are seen at once are one statement, and an idle cluster costs
none. All are compared at the start, because namespaces go while no controller watches, too.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from avouch import errors
from avouch.kube import cache

log = logging.getLogger(__name__)

_REST = 0.1  # seconds between two writes: what changes meanwhile shares the next one
_AGAIN = 2.0  # seconds until a write that failed is tried again


class Store(Protocol):
    """Where it is written."""

    async def record(self, seen: Mapping[str, str], *, epoch: int) -> None:
        """Namespaces (name to uid) that are new or changed; an empty uid for one that was deleted."""
        ...

    async def record_all(self, present: Mapping[str, str], *, epoch: int) -> None:
        """Every namespace that there is."""
        ...


class NamespaceRecorder:
    """Writes what the watch of namespaces tells."""

    def __init__(self, store: Store, known: cache.ObjectCache, epoch: Callable[[], int]) -> None:
        self._store, self._cache, self._epoch = store, known, epoch
        self._changed: set[str] = set()
        self._told = asyncio.Event()

    def changed(self, key: cache.Key, old: cache.Object | None, new: cache.Object | None) -> None:
        """One namespace was created, deleted or made anew; other changes are none of ours."""
        if _uid(old) != _uid(new):
            self._changed.add(key.name)
            self._told.set()

    async def begin(self) -> None:
        """Write all of them. Raises errors.Unavailable."""
        self._changed.clear()
        present = {key.name: self._seen(key.name) for key in self._cache.keys("Namespace")}
        await self._store.record_all(present, epoch=self._epoch())

    async def run(self) -> None:
        """Write each change, for ever."""
        while True:
            await self._told.wait()
            self._told.clear()
            names, self._changed = self._changed, set()
            try:
                await self._store.record({name: self._seen(name) for name in names}, epoch=self._epoch())
            except errors.Unavailable as exc:
                log.warning("namespaces are not recorded yet: %s", exc)
                self._changed |= names
                self._told.set()
                await asyncio.sleep(_AGAIN)
            await asyncio.sleep(_REST)

    def _seen(self, name: str) -> str:
        return _uid(self._cache.get(cache.Key("Namespace", "", name)))


def _uid(namespace: cache.Object | None) -> str:
    return str(namespace["metadata"]["uid"]) if namespace else ""
