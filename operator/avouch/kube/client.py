"""All verbs that avouch uses on the API server, over the package's one connection, in plain JSON.

Neither generated models nor a dynamic client: they cost memory and hide which requests are made. The one table below
turns failures into avouch's errors.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import msgspec

from avouch import errors
from avouch.kube import connection
from avouch.kube.resources import Resource

Json = dict[str, Any]

FIELD_MANAGER = "avouch-controller"
PAGE = 500
_PATIENCE = 30.0  # seconds; a page of 500 objects takes longer than a single read

_APPLY = "application/apply-patch+yaml"  # JSON is YAML
_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"


class Gone(errors.Unavailable):
    """410: the resource version or continue token is too old. List again."""


_FAILURES: dict[int, type[errors.AvouchError]] = {
    400: errors.Invalid,
    401: errors.Unauthenticated,
    403: errors.Denied,
    404: errors.NotFound,
    409: errors.Conflict,
    410: Gone,
    413: errors.TooLarge,
    415: errors.Invalid,
    422: errors.Invalid,
}


def failure(code: int, message: str) -> errors.AvouchError:
    """The error for an HTTP status of the API server; statuses that are not listed may be retried."""
    return _FAILURES.get(code, errors.Unavailable)(message)


class KubeClient:
    """A connection pool to one API server."""

    def __init__(self, api: connection.Connection) -> None:
        self._api = api

    def now(self) -> datetime:
        """The present by the API server's clock, which writes creationTimestamp; UTC. Before any answer by ours."""
        return datetime.now(UTC) + self._api.ahead

    async def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """One object, or None."""
        try:
            return await self._call("GET", resource.path(namespace, name))
        except errors.NotFound:
            return None

    async def page(self, resource: Resource, namespace: str = "", **query: str) -> Json:
        """One page of a list: give `limit`, `continue`, `labelSelector`, `fieldSelector`, `resourceVersion`."""
        return await self._call("GET", resource.path(namespace), query=query)

    async def list_all(self, resource: Resource, namespace: str = "", **query: str) -> tuple[list[Json], str]:
        """Every object, page by page, and the resource version of the list."""
        items: list[Json] = []
        token = ""
        while True:
            more = {"continue": token} if token else {}
            page = await self.page(resource, namespace, **{"limit": str(PAGE), **query, **more})
            items += page.get("items") or []
            token = page["metadata"].get("continue") or ""
            if not token:
                return items, str(page["metadata"]["resourceVersion"])

    async def create(self, resource: Resource, body: Json) -> Json:
        """Create an object. Raises errors.Conflict if it exists."""
        return await self._call("POST", resource.path(_namespace(body)), body=body)

    async def replace(self, resource: Resource, body: Json) -> Json:
        """Replace an object; a resourceVersion in it makes that conditional (errors.Conflict)."""
        return await self._call("PUT", resource.path(_namespace(body), body["metadata"]["name"]), body=body)

    async def apply(self, resource: Resource, body: Json, *, subresource: str = "") -> Json:
        """Server-side apply under avouch's field manager, which owns only the fields in `body`."""
        path = resource.path(_namespace(body), body["metadata"]["name"], subresource)
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._call("PATCH", path, query=query, body=body, content_type=_APPLY)

    async def apply_own(self, resource: Resource, body: Json, manager: str) -> Json:
        """Server-side apply under a separate field manager, without force.

        Raises:
            errors.Conflict: another manager set one of these fields to another value.
            errors.Invalid: the object exists, and one of these fields is immutable.
        """
        path = resource.path(_namespace(body), body["metadata"]["name"])
        query = {"fieldManager": manager, "force": "false"}
        return await self._call("PATCH", path, query=query, body=body, content_type=_APPLY)

    async def merge(self, resource: Resource, namespace: str, name: str, body: Json, *, subresource: str = "") -> Json:
        """RFC 7386 merge patch."""
        path = resource.path(namespace, name, subresource)
        return await self._call("PATCH", path, body=body, content_type=_MERGE_PATCH)

    async def json_patch(self, resource: Resource, namespace: str, name: str, patch: list[Json]) -> Json:
        """RFC 6902 patch; its `test` operations make it conditional (errors.Invalid)."""
        return await self._call("PATCH", resource.path(namespace, name), body=patch, content_type=_JSON_PATCH)

    async def delete(self, resource: Resource, namespace: str, name: str) -> bool:
        """Delete an object; False if it did not exist."""
        try:
            await self._call("DELETE", resource.path(namespace, name))
        except errors.NotFound:
            return False
        return True

    async def watch(
        self, resource: Resource, since: str, *, inactivity: float, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[Json]:
        """Events after a resource version, bookmarks included, until the server ends the stream.

        Raises:
            Gone: the resource version is too old.
            errors.Unavailable: nothing came for `inactivity` seconds, or the connection broke.
        """
        query = {**(query or {}), "watch": "true", "allowWatchBookmarks": "true", "resourceVersion": since}
        path = resource.path()
        async with aclosing(self._api.lines(path, query, inactivity=inactivity)) as stream:
            async for line in stream:
                if isinstance(line, connection.Answer):
                    raise failure(line.status, f"watch {path}: {_message(line)}")
                yield _event(line, path)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = connection.JSON,
    ) -> Json:
        content = None if body is None else (content_type, msgspec.json.encode(body))
        answer = await self._api.request(method, path, query=query, body=content, patience=_PATIENCE)
        if answer.failed:
            raise failure(answer.status, f"{method} {path}: {_message(answer)}")
        try:
            found: Json = msgspec.json.decode(answer.content)
        except ValueError as exc:
            raise errors.Unavailable(f"{method} {path}: {exc}") from exc
        return found


def _event(line: bytes, path: str) -> Json:
    try:
        event: Json = msgspec.json.decode(line)
    except ValueError as exc:
        raise errors.Unavailable(f"watch {path}: {exc}") from exc
    if event["type"] == "ERROR":
        status = event["object"]
        raise failure(int(status.get("code") or 500), f"watch {path}: {status.get('message')}")
    return event


def _message(answer: connection.Answer) -> str:
    """The message of the API server's Status, or the beginning of another answer."""
    try:
        return str(json.loads(answer.content)["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status} {answer.content[:200].decode('utf-8', 'replace')}"


def _namespace(body: Json) -> str:
    return str(body["metadata"].get("namespace") or "")
