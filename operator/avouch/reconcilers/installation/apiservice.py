"""The APIService of the runs API: there while a server is ready, gone while none is.

One whose backend is dead keeps every namespace deletion of the whole cluster in Terminating. So it is removed after 30
seconds without a ready server, and comes back with the first one.
"""

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from avouch import errors
from avouch.kube import resources
from avouch.kube.client import Json

log = logging.getLogger(__name__)

NAME = "v1alpha1.runs.avouch.dev"
GRACE = 30.0  # seconds without a ready server: a rolling update is over by then
TICK = 3.0  # seconds between looks


class Api(Protocol):
    """The verbs that the watchdog needs."""

    async def page(self, resource: resources.Resource, namespace: str = "", **query: str) -> Json:
        """One page of a list."""
        ...

    async def get(self, resource: resources.Resource, namespace: str, name: str) -> Json | None:
        """One object, or None."""
        ...

    async def apply(self, resource: resources.Resource, body: Json, *, subresource: str = "") -> Json:
        """Server-side apply."""
        ...

    async def delete(self, resource: resources.Resource, namespace: str, name: str) -> bool:
        """Delete an object."""
        ...


class Step(Enum):
    """What to do about the APIService now."""

    KEEP = auto()
    CREATE = auto()
    REMOVE = auto()


def ready(slices: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any endpoint of the Service takes requests."""
    endpoints = (e for s in slices for e in s.get("endpoints") or ())
    return any((e.get("conditions") or {}).get("ready") is True for e in endpoints)


def decide(*, ready: bool, right: bool, exists: bool, unready_for: float) -> Step:
    """`right`: it exists and says what it should. A dead backend is given its grace, a missing one none."""
    if ready:
        return Step.KEEP if right else Step.CREATE
    return Step.REMOVE if exists and unready_for >= GRACE else Step.KEEP


def wanted(namespace: str, service: str, ca_bundle: bytes) -> Json:
    """The APIService as it should be."""
    return {
        "apiVersion": resources.API_SERVICES.api_version,
        "kind": resources.API_SERVICES.kind,
        "metadata": {"name": NAME, "labels": {"app.kubernetes.io/managed-by": "avouch-controller"}},
        "spec": {
            "group": "runs.avouch.dev",
            "version": "v1alpha1",
            "groupPriorityMinimum": 1000,
            "versionPriority": 10,
            "service": {"namespace": namespace, "name": service, "port": 443},
            "caBundle": base64.b64encode(ca_bundle).decode(),
        },
    }


@dataclass(slots=True)
class Watchdog:
    """Keeps the APIService true. `ca_bundle` is asked each time, because certificates are rotated under it."""

    api: Api
    namespace: str
    service: str
    ca_bundle: Callable[[], bytes]
    clock: Callable[[], float] = time.monotonic
    _ready_at: float | None = None

    async def run(self) -> None:
        """Look for ever; a failure is tried again at the next look."""
        while True:
            try:
                await self.look()
            except errors.AvouchError as exc:
                log.warning("APIService: %s", exc)
            await asyncio.sleep(TICK)

    async def look(self) -> Step:
        """One look, and what was done."""
        selector = f"kubernetes.io/service-name={self.service}"
        page = await self.api.page(resources.ENDPOINT_SLICES, self.namespace, labelSelector=selector)
        now, up = self.clock(), ready(page.get("items") or ())
        if up or self._ready_at is None:
            self._ready_at = now
        body = wanted(self.namespace, self.service, self.ca_bundle())
        found = await self.api.get(resources.API_SERVICES, "", NAME)
        step = decide(ready=up, right=_says(found, body), exists=found is not None, unready_for=now - self._ready_at)
        if step is Step.CREATE:
            await self.api.apply(resources.API_SERVICES, body)
            log.info("APIService %s points to %s/%s", NAME, self.namespace, self.service)
        elif step is Step.REMOVE:
            await self.api.delete(resources.API_SERVICES, "", NAME)
            log.warning(
                "no server was ready for %.0f s: APIService %s removed, so that API discovery does not hang",
                GRACE,
                NAME,
            )
        return step

    async def remove(self) -> None:
        """Take the APIService away, e.g. because the aggregated API was switched off."""
        await self.api.delete(resources.API_SERVICES, "", NAME)


def _says(found: Json | None, body: Json) -> bool:
    return found is not None and all(found["spec"].get(name) == value for name, value in body["spec"].items())
