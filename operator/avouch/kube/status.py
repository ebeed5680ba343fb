"""Status by server-side apply, and only if it differs from the object's status."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias

from avouch.kube.resources import Resource

Json: TypeAlias = dict[str, Any]


class StatusApi(Protocol):
    """The verb that a status write needs."""

    async def apply(self, resource: Resource, body: Json, *, subresource: str = "") -> Json:
        """Server-side apply."""
        ...


def merged(current: Mapping[str, Any], desired: Mapping[str, Any], now: str) -> Json:
    """The status to apply: `lastTransitionTime` is kept while a condition's status is unchanged."""
    before = {c["type"]: c for c in current.get("conditions") or ()}
    return {**desired, "conditions": [_timed(c, before.get(c["type"]), now) for c in desired.get("conditions") or ()]}


def differs(current: Mapping[str, Any], desired: Mapping[str, Any], owned: Iterable[str]) -> bool:
    """Whether applying would change or remove one of avouch's fields."""
    return any(_plain(name, current.get(name)) != _plain(name, desired.get(name)) for name in owned)


def _timed(condition: Json, before: Mapping[str, Any] | None, now: str) -> Json:
    kept = before is not None and before.get("status") == condition["status"] and before.get("lastTransitionTime")
    return {**condition, "lastTransitionTime": kept or now}


def _plain(name: str, value: Any) -> Any:
    """Conditions are a map by type, without order. Absent and empty are the same."""
    if name == "conditions":
        return {c["type"]: {k: v for k, v in c.items() if v not in (None, "")} for c in value or ()}
    return None if value in (None, "", [], {}) else value


class StatusWriter:
    """Applies statuses under avouch's field manager and counts the writes."""

    def __init__(self, api: StatusApi) -> None:
        self._api = api
        self.writes = 0

    async def write(
        self, resource: Resource, obj: Mapping[str, Any], desired: Mapping[str, Any], now: str
    ) -> Json | None:
        """Apply `desired` to the object's status; None: unchanged. Raises errors.NotFound for a deleted object."""
        current = obj.get("status") or {}
        status = merged(current, desired, now)
        if not differs(current, status, {*current, *status}):
            return None
        meta = {"name": obj["metadata"]["name"]}
        if resource.namespaced:
            meta["namespace"] = obj["metadata"]["namespace"]
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "status": status}
        self.writes += 1
        return await self._api.apply(resource, body, subresource="status")
