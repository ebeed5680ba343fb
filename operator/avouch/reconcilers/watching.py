"""Everything that users declared, from the cluster into the cache: by kopf's watches, and by a list every ten minutes.

A watch never tells of what was deleted while no controller ran: `absent` finds it by what the database knows.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import kopf

from avouch import errors
from avouch.kube import resources
from avouch.kube.cache import Key, Object, ObjectCache, key_of, same_wish
from avouch.kube.client import Json
from avouch.kube.reflector import Progress
from avouch.reconcilers.context import Context

log = logging.getLogger(__name__)

RESYNC = 600.0  # seconds, give or take a tenth

Changed = Callable[[Key, Object | None], None]
"""Told (key, what was known of a deleted object). Must only enqueue."""
Login = Callable[..., kopf.ConnectionInfo | None]
"""A kopf login handler."""


class Lister(Protocol):
    """The verb that resync needs."""

    async def list_all(self, resource: resources.Resource, namespace: str = "", **query: str) -> tuple[list[Json], str]:
        """Every object and the resource version of the list."""
        ...


@dataclass(frozen=True, slots=True)
class Declarations:
    """Everything users declared: kept in the cache; `changed` hears of each object whose wish is another one."""

    api: Lister
    cache: ObjectCache
    changed: Changed
    kinds: Sequence[resources.Resource] = resources.OURS
    progress: Progress = field(default_factory=Progress)

    def take(self, kind: str, event: str | None, obj: Json) -> None:
        """One watch event. Our own status writes come back as events too; they ask for nothing."""
        self.progress.alive()
        self.progress.events += 1
        key = key_of(kind, obj)
        if event == "DELETED":
            self._gone(key)
            return
        old = self.cache.get(key)
        if self.cache.put(key, obj) and not same_wish(old, obj):
            self.changed(key, None)

    async def resync(self) -> list[Key]:
        """List every kind, drop what is gone, keep what is there. Returns every live key.

        Raises:
            errors.AvouchError: the API server did not answer, or a CRD is not installed.
        """
        live: list[Key] = []
        for resource in self.kinds:
            items, _ = await self.api.list_all(resource)
            found = {key_of(resource.kind, item): item for item in items}
            for key in self.cache.gone(resource.kind, found):
                self.progress.repairs += 1
                log.warning("%s %s/%s was deleted without a watch event", *key)
                self._gone(key)
            for key, item in found.items():
                self.cache.put(key, item)
            live += found
        self.progress.relists += 1
        self.progress.synced = True
        self.progress.alive()
        return live

    async def resync_forever(self, then: Callable[[Sequence[Key]], Awaitable[None]]) -> None:
        """Resync every ten minutes; `then` gets the live keys. A failure is logged; the next round mends it."""
        while True:
            await asyncio.sleep(RESYNC * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load, guards nothing
            try:
                await then(await self.resync())
            except errors.AvouchError as exc:
                self.progress.failed(str(exc))
                log.warning("resync: %s", exc)

    def _gone(self, key: Key) -> None:
        old = self.cache.drop(key)
        if old is not None:
            self.changed(key, old)


async def absent(context: Context, live: Collection[Key]) -> list[tuple[Key, Object | None]]:
    """Every recorded object that is not among the live ones, with what is known of it."""
    workflows = await context.workflows.keys()
    known: list[tuple[Key, Object | None]] = [
        (Key("Workflow", namespace, name), {"metadata": {"namespace": namespace, "name": name, "uid": uid}})
        for namespace, name, uid in workflows
    ]
    for namespace in sorted({key[0] for key in workflows}):
        attachments = await context.workflows.attachments(namespace)
        known += [(Key("IntegrationAttachment", namespace, attachment.name), None) for attachment in attachments]
    known += [
        (Key("CASBackend", namespace, name), {"metadata": {"namespace": namespace, "name": name, "uid": uid}})
        for namespace, name, uid in await context.backends.keys()
    ]
    known += [(Key("PolicyException", *each), None) for each in await context.exceptions.keys()]
    tokens = await context.issuing.store.keys()
    known += [(Key("APIToken", namespace, name), None) for namespace, name, _ in tokens]
    known += [(Key("Organization", "", name), None) for name in await context.organizations.names()]
    return [(key, old) for key, old in known if key not in live]


def registry(declarations: Declarations, login: Login) -> kopf.OperatorRegistry:
    """A kopf registry of its own (the default one is global) with one event handler per kind, and our settings."""
    registered = kopf.OperatorRegistry()
    kopf.on.startup(registry=registered, id="settings")(_configure)
    kopf.on.login(registry=registered, id="login")(login)
    for resource in declarations.kinds:
        handler = _handler(declarations, resource.kind)
        kopf.on.event(resource.group, resource.version, resource.plural, registry=registered, id=resource.plural)(
            handler
        )
    return registered


async def watch(declarations: Declarations, login: Login, stop: asyncio.Event, ready: asyncio.Event) -> None:
    """Run kopf until `stop` is set; it must be the last thing that stops, for it cancels the loop's younger tasks.

    It also takes SIGTERM and SIGINT for itself: whoever wants them puts its handlers back once `ready` is set.
    """
    logging.getLogger("kopf").setLevel(logging.WARNING)  # it logs every event at INFO
    registered = registry(declarations, login)
    await kopf.operator(registry=registered, clusterwide=True, stop_flag=stop, ready_flag=ready, standalone=True)


class _NoDiffs(kopf.DiffBaseStorage):
    """Kopf copies and compares each object for handlers that we do not have: half of what an event costs."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Nothing is kept."""


class _NoProgress(kopf.ProgressStorage):
    """Our handlers end at once, so there is no progress to keep on the objects."""

    def fetch(self, *, key: str, body: kopf.Body) -> None:
        return None

    def store(self, *, key: str, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Nothing is kept."""

    def purge(self, *, key: str, body: kopf.Body, patch: kopf.Patch) -> None:
        """Nothing was kept."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Nothing is written to a user's object."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


async def _configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False  # our own Events
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.persistence.progress_storage = _NoProgress()
    settings.scanning.disabled = True  # CRDs are there before we start
    settings.peering.standalone = True  # the Lease decides
    settings.process.ultimate_exiting_timeout = None  # else it arms a SIGKILL against us
    settings.watching.chunk_size = 500
    settings.watching.inactivity_timeout = 70
    settings.queueing.idle_timeout = 0.2  # a worker per object lives this long: 5 s costs 100 MiB at 10,000 objects
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5


def _handler(declarations: Declarations, kind: str) -> Callable[..., Any]:
    async def handle(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's own name
        declarations.take(kind, type, _plain(body))

    return handle


def _plain(body: kopf.Body) -> Json:
    """Kopf hands out read-only views; ours are plain and its own copy must not change under it."""
    raw: Json = {**body}
    return {**raw, "metadata": {**raw["metadata"]}}
