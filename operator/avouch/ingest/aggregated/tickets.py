"""Tickets: one download of one artifact, for somebody who may see a run that used it.

A ticket is 32 random bytes; only its sha256 is kept. The request that uses it takes it out of the store, and it is good
for five minutes. It is a bearer token of its own kind, so nothing else can be done with it.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from avouch import digests, errors, rfc3339
from avouch.attestation import strictjson
from avouch.ingest.aggregated import objects

PREFIX = "avouch-ticket-"
MAX_BODY = 4096  # bytes
_LIFETIME = timedelta(minutes=5)


class Store(Protocol):
    """Where tickets are kept."""

    async def issue(self, ticket: bytes, run_id: str, artifact: digests.Digest, expires_at: datetime) -> None:
        """Keep the sha256 of a ticket."""
        ...

    async def take(self, ticket: bytes, artifact: digests.Digest, now: datetime) -> str | None:
        """Use a ticket up: the namespace (uid) of its run. None: there is none for this artifact, or it has expired."""
        ...


@dataclass(frozen=True, slots=True)
class Tickets:
    """Gives them out. `url`: where people reach the server; `ca`: PEM that verifies it there, or empty."""

    store: Store
    url: str
    ca: Callable[[], str] = str

    async def taken(self, token: str, artifact: digests.Digest, now: datetime) -> str | None:
        """The namespace (uid) whose artifact a bearer token opens, once; None: it is no ticket for this one.

        Raises:
            Unauthenticated: a ticket that is used up, has expired, or is for something else.
        """
        if not token.startswith(PREFIX):
            return None
        opened = await self.store.take(_kept(token), artifact, now)
        if opened is None:
            raise errors.Unauthenticated("the ticket is not valid here")
        return opened

    async def issue(self, run: Mapping[str, Any], digest: digests.Digest, now: datetime) -> dict[str, Any]:
        """A ticket for something that this run used. Raises errors.NotFound where it did not."""
        used = {material.get("digest") for material in run.get("materials") or () if material.get("uploaded")}
        if str(digest) not in used:
            raise errors.NotFound(f"run {run['name']} stored no artifact with digest {digest}")
        text, until = PREFIX + secrets.token_urlsafe(32), now + _LIFETIME
        await self.store.issue(_kept(text), str(run["id"]), digest, until)
        return {
            "apiVersion": objects.API_VERSION,
            "kind": "Ticket",
            "metadata": {"name": run["name"], "namespace": run["namespace"], "creationTimestamp": rfc3339.write(now)},
            "spec": {"digest": str(digest)},
            "status": {
                "ticket": text,
                "url": f"{self.url}/v1/artifacts/{digest}",
                "expiresAt": rfc3339.write(until),
                **({"ca": ca} if (ca := self.ca()) else {}),
            },
        }


def digest_of(body: bytes) -> digests.Digest:
    """The artifact that a request names: {"spec": {"digest"}}. Raises errors.Invalid."""
    found = strictjson.loads(body, max_bytes=MAX_BODY)
    named = found.get("spec") if isinstance(found, dict) else None
    digest = named.get("digest") if isinstance(named, dict) else None
    if not isinstance(digest, str):
        raise errors.Invalid("no digest", field="spec.digest", fix='{"spec": {"digest": "sha256:..."}}')
    return digests.Digest.parse(digest)


def _kept(text: str) -> bytes:
    return bytes.fromhex(digests.of_bytes(text.encode()).hex)
