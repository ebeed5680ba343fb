"""Where a delivery may go: names are resolved once, and only public addresses are connected to.

The address that was checked is the one connected to, so a name that resolves otherwise the second time (DNS rebinding)
gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

import httpcore

from avouch import errors

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_CGNAT = ipaddress.IPv4Network("100.64.0.0/10")  # RFC 6598; cloud metadata of some providers lies here
SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


def is_public(address: Address) -> bool:
    """Whether this is an address of the open Internet: no loopback, private, link-local, ULA, multicast or metadata."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    elif address in _CGNAT:
        return False
    return address.is_global and not address.is_multicast


async def resolve(host: str, port: int, *, allow_private: bool) -> str:
    """The one address to connect to. Every address of the name must be allowed, not just one.

    Raises:
        Unavailable: the name does not resolve now.
        Denied: it resolves to an address that is not public.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise errors.Unavailable(f"host {host[:100]} does not resolve") from exc
    resolved = [str(item[4][0]).partition("%")[0] for item in found]
    for text in resolved:
        if not allow_private and not is_public(ipaddress.ip_address(text)):
            raise errors.Denied(f"host {host[:100]} is at {text}, which is not a public address")
    return resolved[0]


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the address that was checked; TLS still names the host."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check, connect."""
        address = await resolve(host, port, allow_private=self._allow_private)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """As httpcore asks."""
        await self._inner.sleep(seconds)
