"""Events in `events.k8s.io/v1`: recorded on transitions only, repeats as a series, with a limit for each object."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

from avouch import digests, errors, rfc3339
from avouch.kube.resources import EVENTS, Resource

log = logging.getLogger(__name__)

Json: TypeAlias = dict[str, Any]

CONTROLLER = "avouch.dev/controller"
_SERIES = 360.0  # seconds in which a repeat belongs to the same series (client-go: 6 min)
_BURST, _REFILL = 25, 1 / 300  # events per object at once, and per second afterwards (client-go's spam filter)
_REMEMBERED = 4096  # objects and series kept in memory
_NOTE = 1024  # bytes that the API server takes


class EventApi(Protocol):
    """The verbs that recording needs."""

    async def create(self, resource: Resource, body: Json) -> Json:
        """Create an object."""
        ...

    async def merge(self, resource: Resource, namespace: str, name: str, body: Json) -> Json:
        """Merge patch."""
        ...


@dataclass(slots=True)
class _Series:
    name: str
    namespace: str
    count: int
    at: float


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(frozen=True, slots=True)
class Event:
    """One Event to record. `reason` and `action` are stable words in CamelCase; `note` is for people.

    `once`: while the Event is there, no other of its reason is recorded about the object, by whatever process.
    """

    reason: str
    note: str
    action: str = "Reconcile"
    warning: bool = False
    once: bool = False


def reference(resource: Resource, namespace: str, name: str, uid: str) -> Json:
    """The object that an Event regards."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"namespace": namespace, "name": name, "uid": uid},
    }


class Recorder:
    """Records Events. A failure is logged and never fails the caller."""

    def __init__(
        self, api: EventApi, instance: str, *, fallback_namespace: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api, self._instance, self._fallback, self._clock = api, instance, fallback_namespace, clock
        self._series: OrderedDict[tuple[str, str, str, str], _Series] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    async def record(self, regarding: Mapping[str, Any], event: Event) -> None:
        """Record an Event about an object (its whole JSON, with apiVersion and kind)."""
        uid = str(regarding["metadata"].get("uid") or "")
        if not self._allowed(uid):
            return
        try:
            await self._write(uid, regarding, event)
        except errors.AvouchError as exc:
            log.warning("cannot record Event %s: %s", event.reason, exc)

    async def _write(self, uid: str, regarding: Mapping[str, Any], event: Event) -> None:
        key = (uid, event.reason, event.action, event.note)
        series: _Series | None = self._series.get(key)
        now = self._clock()
        if series is not None and now - series.at < _SERIES:
            series.count, series.at = series.count + 1, now
            body = {"series": {"count": series.count, "lastObservedTime": _stamp()}}
            await self._api.merge(EVENTS, series.namespace, series.name, body)
            return
        body = self._body(uid, regarding, event)
        try:
            await self._api.create(EVENTS, body)
        except errors.Conflict:
            if event.once:  # an earlier process told it
                return
            raise
        _remember(self._series, key, _Series(str(body["metadata"]["name"]), str(body["metadata"]["namespace"]), 1, now))

    def _body(self, uid: str, regarding: Mapping[str, Any], event: Event) -> Json:
        meta = regarding["metadata"]
        stamp = _stamp()
        moment = "" if event.once else f"/{stamp}/{self._instance}"
        unique = digests.of_bytes(f"{uid}/{event.reason}{moment}".encode()).hex[:16]
        reference = {"apiVersion": regarding["apiVersion"], "kind": regarding["kind"], "name": meta["name"], "uid": uid}
        if meta.get("namespace"):
            reference["namespace"] = meta["namespace"]
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {
                "namespace": meta.get("namespace") or self._fallback,
                "name": f"{meta['name'][:200]}.{unique}",
            },
            "eventTime": stamp,
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance[:128],
            "action": event.action,
            "reason": event.reason,
            "regarding": reference,
            "note": _cut(event.note),
            "type": "Warning" if event.warning else "Normal",
        }

    def _allowed(self, uid: str) -> bool:
        now = self._clock()
        bucket = self._buckets.get(uid) or _Bucket(_BURST, now)
        bucket.tokens = min(_BURST, bucket.tokens + (now - bucket.at) * _REFILL)
        bucket.at = now
        _remember(self._buckets, uid, bucket)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


def _remember(memory: "OrderedDict[Any, Any]", key: Any, value: Any) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)


def _cut(note: str) -> str:
    raw = note.encode()
    return note if len(raw) <= _NOTE else raw[: _NOTE - 3].decode(errors="ignore") + "..."


def _stamp() -> str:
    return rfc3339.to_microseconds(datetime.now(UTC))
