"""Every verb we use on the API server, over the room's one connection, in plain JSON.

Neither generated models nor a dynamic client: they cost memory and hide which requests are made. Every failure becomes
one of ours, by the one table below.
"""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from avouch import errors
from avouch.kube import connection
from avouch.kube.resources import Resource

Json = dict[str, Any]

FIELD_MANAGER = "avouch-controller"
PAGE = 500
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)  # seconds; a page of 500 objects takes longer than a single read

_JSON = "application/json"
_APPLY = "application/apply-patch+yaml"  # JSON is YAML
_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"


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
    """The error that an HTTP status of the API server stands for; what is not listed may work on another try."""
    return _FAILURES.get(code, errors.Unavailable)(message)


class KubeClient:
    """A connection pool to one API server."""

    def __init__(self, api: connection.Connection) -> None:
        self._http = api.client

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
        """Create an object. Raises errors.Conflict where it exists."""
        return await self._call("POST", resource.path(_namespace(body)), body=body)

    async def replace(self, resource: Resource, body: Json) -> Json:
        """Replace an object; a resourceVersion in it makes that conditional (errors.Conflict)."""
        return await self._call("PUT", resource.path(_namespace(body), body["metadata"]["name"]), body=body)

    async def apply(self, resource: Resource, body: Json, *, subresource: str = "") -> Json:
        """Server-side apply under our field manager: only the fields in `body` are ours."""
        path = resource.path(_namespace(body), body["metadata"]["name"], subresource)
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._call("PATCH", path, query=query, body=body, content_type=_APPLY)

    async def merge(self, resource: Resource, namespace: str, name: str, body: Json, *, subresource: str = "") -> Json:
        """RFC 7386 merge patch."""
        path = resource.path(namespace, name, subresource)
        return await self._call("PATCH", path, body=body, content_type=_MERGE_PATCH)

    async def strategic(self, resource: Resource, namespace: str, name: str, body: Json) -> Json:
        """Kubernetes' own patch, which knows list items by their merge key."""
        return await self._call("PATCH", resource.path(namespace, name), body=body, content_type=_STRATEGIC)

    async def json_patch(self, resource: Resource, namespace: str, name: str, patch: list[Json]) -> Json:
        """RFC 6902 patch; its `test` operations make it conditional (errors.Invalid)."""
        return await self._call("PATCH", resource.path(namespace, name), body=patch, content_type=_JSON_PATCH)

    async def delete(self, resource: Resource, namespace: str, name: str) -> bool:
        """Delete an object; False where there was none."""
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
        timeout = httpx.Timeout(inactivity, connect=5.0)
        path = resource.path()
        try:
            async with self._http.stream("GET", path, params=query, timeout=timeout) as response:
                if response.is_error:
                    await response.aread()
                    raise failure(response.status_code, f"watch {path}: {_message(response)}")
                async for line in response.aiter_lines():
                    yield _event(line, path)
        except (httpx.HTTPError, ValueError) as exc:
            raise errors.Unavailable(f"watch {path}: {_words(exc)}") from exc

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = _JSON,
    ) -> Json:
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"Content-Type": content_type} if content else {}
        try:
            response = await self._http.request(
                method, path, params=query, content=content, headers=headers, timeout=_TIMEOUT
            )
            if response.is_error:
                raise failure(response.status_code, f"{method} {path}: {_message(response)}")
            answer: Json = response.json()
        except (httpx.HTTPError, OSError, ValueError) as exc:
            raise errors.Unavailable(f"{method} {path}: {_words(exc)}") from exc
        return answer


def _event(line: str, path: str) -> Json:
    event: Json = json.loads(line)
    if event["type"] == "ERROR":
        status = event["object"]
        raise failure(int(status.get("code") or 500), f"watch {path}: {status.get('message')}")
    return event


def _message(response: httpx.Response) -> str:
    """What the API server's Status says, or the head of whatever answered instead of it."""
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code} {response.text[:200]}"


def _namespace(body: Json) -> str:
    return str(body["metadata"].get("namespace") or "")


def _words(exc: BaseException) -> str:
    return str(exc) or type(exc).__name__
