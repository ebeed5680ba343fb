"""The `Secrets` port: values of one Secret, read on demand and never cached."""

import base64
import binascii
import json
from http import HTTPStatus
from urllib.parse import quote

from avouch import errors
from avouch.kube import connection


class Secrets:
    """Reads Secrets over a plain connection."""

    def __init__(self, api: connection.Connection) -> None:
        self._api = api

    async def read_all(self, namespace: str, name: str) -> dict[str, bytes]:
        """Every value. Raises errors.NotFound, errors.Denied or errors.Unavailable."""
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets/{quote(name, safe='')}"
        answer = await self._api.request("GET", path)
        if answer.status == HTTPStatus.FORBIDDEN:
            raise errors.Denied(f"this process may not read Secret {namespace}/{name}")
        if answer.status == HTTPStatus.NOT_FOUND:
            raise errors.NotFound(f"no Secret {namespace}/{name}")
        if answer.failed:
            raise errors.Unavailable(f"the API server answered {answer.status} for Secret {namespace}/{name}")
        try:
            found = json.loads(answer.content).get("data") or {}
            return {key: base64.b64decode(value, validate=True) for key, value in found.items()}
        except ValueError as exc:
            raise errors.Unavailable(f"the API server did not return a Secret for {name}") from exc

    async def read(self, namespace: str, name: str, key: str) -> bytes:
        """One value. Raises errors.NotFound or errors.Unavailable."""
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets/{quote(name, safe='')}"
        found = await self._api.get(path)
        value = ((found or {}).get("data") or {}).get(key)
        if not isinstance(value, str):
            raise errors.NotFound(f"no key {key!r} in secret {name!r}")
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error as exc:
            raise errors.Invalid(f"key {key!r} of secret {name!r} is not base64") from exc
