"""Keys of an issuer: its discovery document, then its JWKS, both over HTTPS, bounded, and cached for an hour.

An unknown kid causes another request, but at most every ten seconds: tokens with invented kids must not put load on
an issuer. Redirects are not followed: an issuer has one address.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import jwt

from avouch import errors, https
from avouch.oidc import checks
from avouch.oidc.allowed import Issuer, is_address

KEPT = 3600.0  # seconds
AGAIN = 10.0  # seconds between two questions to one issuer
_SECONDS = 10.0  # for both documents together
_LIMIT = 512 * 1024  # bytes of a document
_DISCOVERY = "/.well-known/openid-configuration"


@dataclass(slots=True)
class _Kept:
    keys: checks.Keys = field(default_factory=checks.Keys)
    until: float = 0.0
    again: float = 0.0  # not asked before
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeySets:
    """Keys of issuers, fetched on demand."""

    def __init__(
        self,
        ca: str = "",
        environment: Mapping[str, str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keys of issuers.

        Args:
            ca: PEM of the only authorities to trust; empty: those of this machine.
            environment: variables that name a proxy.
            monotonic: seconds.
        """
        self._ca, self._environment = ca, environment or {}
        self._monotonic = monotonic
        self._kept: dict[str, _Kept] = {}

    async def key(self, issuer: Issuer, unverified: checks.Unverified) -> jwt.PyJWK:
        """The key that should have signed a token.

        Raises:
            NotVerified: the issuer has no such key.
            Unavailable: the issuer cannot be reached now, or its documents are malformed.
        """
        kept = self._kept.setdefault(issuer.url, _Kept())
        found = self._recall(kept, unverified)
        if found is not None:
            return found
        async with kept.lock:
            found = self._recall(kept, unverified)  # another task has asked meanwhile
            if found is None:
                await self._renew(issuer, kept)
                found = self._recall(kept, unverified)
        if found is None:
            raise errors.NotVerified("3", "the issuer has no such key")
        return found

    def _recall(self, kept: _Kept, unverified: checks.Unverified) -> jwt.PyJWK | None:
        return kept.keys.of(unverified) if self._monotonic() < kept.until else None

    async def _renew(self, issuer: Issuer, kept: _Kept) -> None:
        now = self._monotonic()
        if now < kept.again:
            if now < kept.until:
                return
            raise errors.Unavailable(f"the keys of issuer {issuer.url} could not be fetched a moment ago")
        kept.again = now + AGAIN
        keys = await self._fetch(issuer)
        kept.keys, kept.until = keys, now + KEPT

    async def _fetch(self, issuer: Issuer) -> checks.Keys:
        until = self._monotonic() + _SECONDS
        document = await self._document(issuer, f"{issuer.url.rstrip('/')}{_DISCOVERY}", until)
        if document.get("issuer") != issuer.url:
            raise errors.Unavailable(f"the discovery document of issuer {issuer.url} names another issuer")
        where = document.get("jwks_uri")
        if not isinstance(where, str) or not is_address(where, query=True):
            raise errors.Unavailable(f"the discovery document of issuer {issuer.url} has no https address for keys")
        keys = checks.keys_of(await self._document(issuer, where, until))
        if not keys.found:
            raise errors.Unavailable(f"issuer {issuer.url} has no usable key")
        return keys

    async def _document(self, issuer: Issuer, url: str, until: float) -> dict[str, Any]:
        asked = https.Resource(url, {"Accept": "application/json"}, self._ca, self._environment, _LIMIT)
        try:
            answer = await asyncio.to_thread(https.get, asked, until - self._monotonic())
        except errors.Unavailable as exc:
            raise errors.Unavailable(f"issuer {issuer.url} cannot be reached: {exc}") from exc
        if answer.status != HTTPStatus.OK:
            raise errors.Unavailable(f"{url} answered {answer.status}")
        return _object(answer.body, url)


def _object(content: bytes, url: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise errors.Unavailable(f"{url} is not a JSON object")
    return found
