"""uvicorn with several listeners in one loop, the client certificate in the scope, and bounds on its connections.

A connection costs a client nothing, so what it may hold is bounded before anybody knows who it is: so many in all, so
many of one address, so many seconds and bytes until its headers are whole. Bodies have their own bounds
(`ingest.bodies`).
"""

import asyncio
import contextlib
import functools
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from avouch.ingest.aggregated import frontproxy


@dataclass(frozen=True, slots=True)
class Bounds:
    """What clients of one port may hold.

    Attributes:
        connections: in all; whoever comes then is answered 503.
        each: of one address (of IPv6: one /64); more are closed at once. An Ingress controller is one address and
            needs one connection for each request under way.
        headers: seconds from connecting, or from the first byte of a request, to the end of its headers.
        head: bytes of one request's line and headers; more are answered 431 (RFC 6585 section 5).
        linger: seconds from an answer to the end of a body that is no longer read: closing at once would lose it.
    """

    connections: int = 4096
    each: int = 1024
    headers: float = 10.0
    head: int = 64 * 1024
    linger: float = 15.0


class Protocol(HttpToolsProtocol):
    """Adds to uvicorn the verified client's name (ASGI `tls` extension) and bounds for clients.

    For those that are slow in sending headers, that send headers without end, that still send a body that was refused,
    or that are too many. The parser itself keeps what it is sent until a header, or a trailer, is whole.
    """

    def __init__(self, *args: Any, bounds: Bounds, held: Counter[str], **kwargs: Any) -> None:
        """`held`: connections of the listener, by address."""
        super().__init__(*args, **kwargs)
        self._bounds = bounds
        self._held = held
        self._address = ""

    _slow: asyncio.TimerHandle | None = None
    _whole = True  # the newest request was read to its end
    _headed = True  # and so were its headers
    _refused = False  # nothing that comes is read any more
    _unread = 0  # bytes that came since the parser last gave out headers or a piece of a body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin a connection: TLS is done, so the client's certificate is known."""
        super().connection_made(transport)
        self._address = address_of(transport.get_extra_info("peername"))
        self._held[self._address] += 1
        if self._held[self._address] > self._bounds.each:
            transport.abort()
            return
        name = common_name(transport.get_extra_info("peercert"))
        if name:
            self.app = _named(self.app, name)
        self._arm(self._bounds.headers)

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._disarm()
        self._held[self._address] -= 1
        if not self._held[self._address]:
            del self._held[self._address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read; a client that never ends a header, a trailer or the extension of a chunk is cut off."""
        if self._refused:
            return
        self._unread += len(data)
        super().data_received(data)
        if self._unread <= self._bounds.head or self.transport.is_closing():
            return
        self._refused = True
        if not self._headed and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(_TOO_LONG)
            self._arm(self._bounds.linger)
        else:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._whole = self._headed = False
        self._arm(self._bounds.headers)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header. A trailer is none: nothing reads it, and it may say what a proxy in front takes out."""
        if not self._headed:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The last byte of its headers."""
        self._disarm()
        self._headed, self._unread = True, 0
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self._bounds.head:
            self.app = _too_long
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The last byte of its body."""
        super().on_message_complete()
        self._whole = True
        self._unread = 0
        self._disarm()

    def on_response_complete(self) -> None:
        """The last byte of the answer; a body that was refused may still be arriving."""
        super().on_response_complete()
        if not self._whole and self.cycle.response_complete:
            self._arm(self._bounds.linger)

    def _arm(self, seconds: float) -> None:
        """Abort at the deadline: with TLS, closing waits for another 30 seconds for the client to agree."""
        self._disarm()
        self._slow = self.loop.call_later(seconds, self.transport.abort)

    def _disarm(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None


def address_of(peer: tuple[Any, ...] | None) -> str:
    """What counts as one client: an IPv4 address, or the network of an IPv6 one."""
    try:
        found = ipaddress.ip_address(str(peer[0]).partition("%")[0]) if peer else None
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or ipaddress.IPv6Address(int(found) >> 64 << 64)
    return str(found or "")


def common_name(certificate: dict[str, Any] | None) -> str:
    """The one common name of a verified certificate, as `getpeercert` returns it; empty if there is none or several."""
    parts = (part for group in (certificate or {}).get("subject", ()) for part in group)
    names = [value for key, value in parts if key == "commonName"]
    return names[0] if len(names) == 1 else ""


class Listener(uvicorn.Server):
    """One port. The process handles signals, so that all listeners stop together."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        context: ssl.SSLContext | None = None,
        bounds: Bounds = Bounds(),  # frozen
    ) -> None:
        self.socket = _bound(host, port)
        super().__init__(
            uvicorn.Config(
                app,
                http=functools.partial(Protocol, bounds=bounds, held=Counter()),  # type: ignore[arg-type]  # makes one
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=True,
                proxy_headers=False,  # no proxy in front is trusted to name the client
                limit_concurrency=bounds.connections,
                backlog=512,
                timeout_graceful_shutdown=10,
                ssl_context_factory=(lambda config, default: context) if context is not None else None,
            )
        )

    async def run_until_told(self) -> None:
        """Serve until `should_exit` is set."""
        await self.serve(sockets=[self.socket])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: the process handles signals."""
        yield


def _bound(host: str, port: int) -> socket.socket:
    """An empty host means all addresses, also of IPv6 if the machine has it."""
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=512)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, backlog=512, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", port), backlog=512)  # noqa: S104  # a Service's endpoint must be reachable


_LINES = (b"connection: close", b"content-length: 0")
_TOO_LONG = b"\r\n".join((b"HTTP/1.1 431 Request Header Fields Too Large", *_LINES, b"", b""))


async def _too_long(_scope: Scope, _receive: Receive, send: Send) -> None:
    headers = [tuple(line.split(b": ")) for line in _LINES]
    await send({"type": "http.response.start", "status": 431, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _named(app: Callable[..., Any], name: str) -> ASGIApp:
    async def with_name(scope: Scope, receive: Receive, send: Send) -> None:
        extensions = {**(scope.get("extensions") or {}), frontproxy.EXTENSION: {frontproxy.CLIENT_NAME: name}}
        await app({**scope, "extensions": extensions}, receive, send)

    return with_name
