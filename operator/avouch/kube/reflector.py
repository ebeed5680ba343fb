"""avouch's reflector: a paged LIST, then a WATCH with bookmarks, repeatedly, into the object cache.

Deletions without a watch are found by comparing each LIST with the cache, so a handler sees every object that was
created, changed or deleted at least once. A silent connection is dropped after `INACTIVITY` seconds:
bookmarks come about once a minute, so silence means that the server is gone.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from avouch import errors
from avouch.kube import client
from avouch.kube.cache import Key, Object, ObjectCache, key_of
from avouch.kube.resources import Resource

log = logging.getLogger(__name__)

INACTIVITY = 70.0  # seconds; the API server bookmarks about every 60
_BACKOFF = (0.5, 30.0)  # seconds: first and longest wait after a failure

Handler: TypeAlias = Callable[[Key, Object | None, Object | None], None]
"""Called with (key, old, new): old None means created, new None means deleted. Must only enqueue."""


class Lister(Protocol):
    """The two verbs that a reflector needs."""

    def list_all(
        self, resource: Resource, namespace: str = "", **query: str
    ) -> Coroutine[Any, Any, tuple[list[Object], str]]:
        """Every object and the resource version of the list."""
        ...

    def watch(
        self, resource: Resource, since: str, *, inactivity: float, query: Mapping[str, str] | None = None
    ) -> Any:
        """An async generator of watch events."""
        ...


class Pager(Lister, Protocol):
    """The verbs that a tail needs."""

    async def page(self, resource: Resource, namespace: str = "", **query: str) -> Object:
        """One page of a list."""
        ...


@dataclass(slots=True)
class Progress:
    """When a watch last showed that it is alive, and how often it had to start over. Monotonic seconds."""

    synced: bool = False
    seen_at: float = field(default_factory=time.monotonic)
    tried_at: float = field(default_factory=time.monotonic)  # as seen_at, or a failure that was noticed
    events: int = 0
    relists: int = 0
    repairs: int = 0  # deletions that only a list showed
    problem: str = ""  # message of the last failure; "" while the watch works

    def alive(self) -> None:
        """An event or bookmark arrived."""
        self.seen_at = self.tried_at = time.monotonic()
        self.problem = ""

    def failed(self, problem: str) -> None:
        """The watch failed and is retried: no events, but it is not stuck."""
        self.tried_at = time.monotonic()
        self.problem = problem

    def idle(self) -> float:
        """Seconds since the last event or failure: large only if the watch is stuck."""
        return time.monotonic() - self.tried_at

    def age(self) -> float:
        """Seconds since the last event."""
        return time.monotonic() - self.seen_at


class Reflector:
    """Mirrors one resource into a cache and calls a handler for every change. Run it as a task; cancel it to stop."""

    def __init__(self, api: Lister, resource: Resource, cache: ObjectCache, handler: Handler, **query: str) -> None:
        self.resource = resource
        self.progress = Progress()
        self.synced = asyncio.Event()
        self.name = resource.plural
        self._api, self._cache, self._handler, self._query = api, cache, handler, query  # labelSelector, fieldSelector
        self._failures = 0

    async def run(self) -> None:
        """List and watch forever; after a failure it waits with jittered backoff and lists again."""
        while True:
            try:
                since = await self._list()
                while True:
                    since = await self._watch(since)
            except client.Gone as exc:
                self.progress.failed(str(exc))  # nothing is wrong with the server: list again at once
            except errors.AvouchError as exc:
                self.progress.failed(str(exc))
                log.warning("reflector of %s: %s", self.resource.plural, exc)
                await asyncio.sleep(self._pause())

    async def _list(self) -> str:
        items, version = await self._api.list_all(self.resource, **self._query)
        live = {key_of(self.resource.kind, item): item for item in items}
        for key in self._cache.gone(self.resource.kind, live):
            self.progress.repairs += 1
            self._deleted(key)
        for key, item in live.items():
            self._changed(key, item)
        self.progress.relists += 1
        self.progress.synced = True
        self.progress.alive()
        self.synced.set()
        return version

    async def _watch(self, since: str) -> str:
        """One stream until the server ends it; returns the resource version to continue from."""
        stream = self._api.watch(self.resource, since, inactivity=INACTIVITY, query=self._query)
        started = time.monotonic()
        async with aclosing(stream):
            async for event in stream:
                self._failures = 0
                self.progress.alive()
                since = self._take(event) or since
        if time.monotonic() - started < 1.0:  # a server that hangs up at once must not be asked in a tight loop
            await asyncio.sleep(self._pause())
        return since

    def _take(self, event: Object) -> str:
        obj: Object = event["object"]
        if event["type"] != "BOOKMARK":
            self.progress.events += 1
            key = key_of(self.resource.kind, obj)
            if event["type"] == "DELETED":
                self._deleted(key)
            else:
                self._changed(key, obj)
        return str(obj["metadata"].get("resourceVersion") or "")

    def _changed(self, key: Key, new: Object) -> None:
        old = self._cache.get(key)
        if old is not None and old["metadata"].get("resourceVersion") == new["metadata"].get("resourceVersion"):
            return
        if self._cache.put(key, new):
            self._handler(key, old, new)

    def _deleted(self, key: Key) -> None:
        old = self._cache.drop(key)
        if old is not None:
            self._handler(key, old, None)

    def _pause(self) -> float:
        self._failures += 1
        first, longest = _BACKOFF
        return min(longest, first * float(1 << min(self._failures - 1, 10))) * random.uniform(0.5, 1.0)  # noqa: S311


class Abridged(Reflector):
    """Keeps of each object no more than `keep` leaves of it; the handler is told of that."""

    def __init__(
        self, api: Lister, resource: Resource, cache: ObjectCache, handler: Handler, keep: Callable[[Object], Object]
    ) -> None:
        super().__init__(api, resource, cache, handler)
        self._keep = keep

    def _changed(self, key: Key, new: Object) -> None:
        super()._changed(key, self._keep(new))


class Tail(Reflector):
    """Tells of what changes from now on, and keeps nothing: of what is there already nobody is told.

    After a gap it goes on from then: whoever must not miss a change looks by other means, too.
    """

    def __init__(self, api: Pager, resource: Resource, handler: Handler, **query: str) -> None:
        super().__init__(api, resource, ObjectCache(), handler, **query)
        self.name = f"tail of {resource.plural}"
        self._pages = api

    async def _list(self) -> str:
        """Only the resource version of a list: there may be thousands of objects."""
        version = str((await self._pages.page(self.resource, limit="1"))["metadata"]["resourceVersion"])
        self.progress.relists += 1
        self.progress.synced = True
        self.progress.alive()
        self.synced.set()
        return version

    def _changed(self, key: Key, new: Object) -> None:
        self._handler(key, None, new)

    def _deleted(self, key: Key) -> None:
        """Nothing was kept."""
