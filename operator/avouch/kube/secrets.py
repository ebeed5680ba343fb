"""The `Secrets` port: values of one Secret, read on demand and never cached.

Errors become conditions and answers that people read who may not list Secrets, such as those of a project about an
Integration of its Organization. So they name the field that refers to a Secret; only the log names the Secret.
"""

import base64
import json
import logging
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from avouch import errors
from avouch.kube import connection

log = logging.getLogger(__name__)

FIELD = "spec.secretRef"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Reads Secrets over a plain connection. `account` and `value`: whose Roles the chart makes of which value."""

    api: connection.Connection
    account: str
    value: str

    async def read_all(self, namespace: str, name: str) -> dict[str, bytes]:
        """Every value. Raises errors.NotFound, errors.Denied or errors.Unavailable."""
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets/{quote(name, safe='')}"
        answer = await self.api.request("GET", path)
        if answer.failed:
            log.warning("the API server answered %d for Secret %s/%s", answer.status, namespace, name)
        if answer.status == HTTPStatus.FORBIDDEN:
            raise errors.Denied(
                f"{FIELD}: {self.account} may not read this Secret (fix: list it in the chart's {self.value}, or bind a"
                " Role for it in its namespace: docs/access.md)"
            )
        if answer.status == HTTPStatus.NOT_FOUND:
            raise errors.NotFound(f"{FIELD}: this Secret does not exist (fix: create it)")
        if answer.failed:
            raise errors.Unavailable(f"{FIELD}: the API server answered {answer.status} for this Secret")
        try:
            found = json.loads(answer.content).get("data") or {}
            return {key: base64.b64decode(value, validate=True) for key, value in found.items()}
        except (ValueError, AttributeError) as exc:
            raise errors.Unavailable(f"{FIELD}: the API server answered with something that is no Secret") from exc

    async def read(self, namespace: str, name: str, key: str) -> bytes:
        """One value. Raises as `read_all`, and errors.NotFound for a key that the Secret does not have."""
        try:
            return (await self.read_all(namespace, name))[key]
        except KeyError as exc:
            raise errors.NotFound(f"{FIELD}.key: the Secret has no such key (fix: add it to the Secret)") from exc
