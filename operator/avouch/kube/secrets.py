"""The `Secrets` port: one value of one Secret, read when a delivery needs it and kept nowhere."""

import base64
import binascii
from urllib.parse import quote

from avouch import errors
from avouch.kube import connection


class Secrets:
    """Reads Secrets over a plain connection."""

    def __init__(self, api: connection.Connection) -> None:
        self._api = api

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
