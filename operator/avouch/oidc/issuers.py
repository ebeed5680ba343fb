"""Keys of an issuer: its discovery document, then its JWKS, both over HTTPS, bounded, and cached for an hour.

An unknown kid causes another request, but at most every ten seconds: tokens with invented kids must not put load on
an issuer. Redirects are not followed: an issuer has one address.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import jwt

from avouch import errors
from avouch.oidc import checks
from avouch.oidc.allowed import Issuer, is_address

if TYPE_CHECKING:  # 5 MB that only installs with issuers pay
    import httpx

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

    def __init__(self, tls: ssl.SSLContext | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tls = tls
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
        import httpx  # lazy: 5 MB

        if self._tls is None:
            self._tls = ssl.create_default_context()  # 2 MB: the authorities of this machine
        try:
            async with (
                asyncio.timeout(_SECONDS),
                httpx.AsyncClient(verify=self._tls, follow_redirects=False, timeout=_SECONDS) as client,
            ):
                document = await _document(client, f"{issuer.url.rstrip('/')}{_DISCOVERY}")
                if document.get("issuer") != issuer.url:
                    raise errors.Unavailable(f"the discovery document of issuer {issuer.url} names another issuer")
                where = document.get("jwks_uri")
                if not isinstance(where, str) or not is_address(where, query=True):
                    raise errors.Unavailable(
                        f"the discovery document of issuer {issuer.url} has no https address for keys"
                    )
                keys = checks.keys_of(await _document(client, where))
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as exc:
            raise errors.Unavailable(f"issuer {issuer.url} cannot be reached: {type(exc).__name__}") from exc
        if not keys.found:
            raise errors.Unavailable(f"issuer {issuer.url} has no usable key")
        return keys


async def _document(client: "httpx.AsyncClient", url: str) -> dict[str, Any]:
    async with client.stream("GET", url, headers={"Accept": "application/json"}) as response:
        if response.status_code != HTTPStatus.OK:
            raise errors.Unavailable(f"{url} answered {response.status_code}")
        content = bytearray()
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > _LIMIT:
                raise errors.Unavailable(f"{url} has more than {_LIMIT} bytes")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise errors.Unavailable(f"{url} is not a JSON object")
    return found
