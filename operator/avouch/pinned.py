"""Connections to addresses that were checked: a name is resolved once for each, and what was checked is connected to.

So a name that resolves otherwise the second time (DNS rebinding) gains nothing.
"""

import asyncio
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable, Sequence

import httpcore
import httpx

from avouch import errors
from avouch.destinations import Destinations

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


Broken = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError)
"""What a connection of httpcore raises when it breaks; `reason` says why."""


async def resolve(host: str, port: int, allowed: Destinations) -> Sequence[str]:
    """The addresses to connect to, in order. Every address of the name must be allowed, not just one.

    Raises:
        Unavailable: the name does not resolve now.
        Denied: it resolves to an address that may not be connected to.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise errors.Unavailable(f"host {host[:100]} does not resolve") from exc
    addresses = [str(item[4][0]).partition("%")[0] for item in found]
    for text in addresses:
        allowed.check(host, ipaddress.ip_address(text))
    return addresses


def reason(exc: BaseException) -> str:
    """The system's words for a connection that failed; the texts of libraries may hold addresses, so none is shown."""
    found: BaseException | None = exc
    while found is not None:
        if isinstance(found, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({found.verify_message})"
        if isinstance(found, OSError) and found.errno:
            return os.strerror(found.errno).lower()
        found = found.__cause__ or found.__context__
    return type(exc).__name__


class Backend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked; TLS still names the host."""

    def __init__(self, allowed: Destinations) -> None:
        self._allowed = allowed
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check, connect; the next address if one does not answer."""
        *others, last = await resolve(host, port, self._allowed)
        for address in others:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(last, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """As httpcore asks."""
        await self._inner.sleep(seconds)


class Transport(httpx.AsyncHTTPTransport):
    """The way of httpx to checked addresses alone, and through no proxy."""

    def __init__(self, tls: ssl.SSLContext, allowed: Destinations) -> None:
        super().__init__(verify=tls, trust_env=False)
        # httpx has no parameter for this; a test holds that it takes effect.
        self._pool = httpcore.AsyncConnectionPool(ssl_context=tls, network_backend=Backend(allowed))
