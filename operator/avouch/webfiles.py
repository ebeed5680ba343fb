"""The bytes of files on the web that namespaces name, such as policies: for the worker, within what it may connect to.

Over HTTPS with a certificate that this machine trusts; bounded in bytes and time; never through a redirect, which could
lead to a host that nobody allowed, and never through a proxy, which would resolve names in our place.
"""

import asyncio
import ssl
from typing import Self
from urllib.parse import SplitResult, urlsplit

import httpcore

from avouch import destinations, errors, pinned

SECONDS = 15.0  # for one file, all in all
_HEADERS: dict[bytes | str, bytes | str] = {"User-Agent": "avouch", "Accept-Encoding": "identity", "Accept": "*/*"}
_FIX = "write https://host/path"


class WebFiles:
    """Gets files. Close it before its loop ends."""

    def __init__(self, allowed: destinations.Destinations, tls: ssl.SSLContext | None = None) -> None:
        """A getter. `allowed`: beside public addresses; `tls`: the trusted authorities, None: those of this machine."""
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or ssl.create_default_context(), network_backend=pinned.Backend(allowed), retries=0
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.aclose()

    async def get(self, url: str, limit: int) -> bytes:
        """All bytes of a file.

        Raises:
            errors.Invalid: no address that may be asked, or more than `limit` bytes.
            errors.Denied: its host is at an address that may not be connected to, or redirects.
            errors.NotFound: the host has no such file.
            errors.Unavailable: the host does not answer, or not in time, or with something else.
        """
        host = _checked(url).hostname or ""
        try:
            async with asyncio.timeout(SECONDS), self._pool.stream("GET", url, headers=_HEADERS) as response:
                _judge(host, response.status)
                return await _read(host, response, limit)
        except TimeoutError as exc:
            raise errors.Unavailable(f"{host} did not answer within {SECONDS:g} s") from exc
        except pinned.Broken as exc:
            raise errors.Unavailable(f"{host} was not reached: {pinned.reason(exc)}") from exc


async def _read(host: str, response: httpcore.Response, limit: int) -> bytes:
    found = bytearray()
    async for piece in response.aiter_stream():
        found += piece
        if len(found) > limit:
            raise errors.TooLarge(f"{host} answers with more than {limit} bytes", fix="name a smaller file")
    return bytes(found)


def _judge(host: str, status: int) -> None:
    if status == 200:
        return
    if status in (404, 410):
        raise errors.NotFound(f"{host} answered {status}: there is no such file (fix: correct the address)")
    if 300 <= status < 400:
        fix = "name the address that it leads to"
        raise errors.Denied(errors.with_fix(f"{host} redirected, and redirects are not followed", fix))
    raise errors.Unavailable(f"{host} answered {status}")


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        fits = parts.scheme == "https" and parts.hostname and not parts.username and parts.port != 0
    except ValueError as exc:
        raise errors.Invalid(f"{url[:200]!r} is not a URL: {exc}", fix=_FIX) from exc
    if not fits or parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
        raise errors.Invalid(f"{url[:200]!r} cannot be fetched", fix=_FIX)
    return parts
