"""uvicorn with several listeners in one loop, the client certificate in the scope, a limit on headers."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from avouch.ingest.aggregated import frontproxy

HEADER_SECONDS = 10.0  # from the first byte of a request, or from connecting, to the end of its headers
# From an answer to the end of a body that is no longer read: closing at once would lose the answer.
LINGER_SECONDS = 15.0


class Protocol(HttpToolsProtocol):
    """Adds to uvicorn the verified client's name (ASGI `tls` extension) and timeouts for slow clients.

    Slow in sending headers, or still sending a body that was refused.
    """

    _slow: asyncio.TimerHandle | None = None
    _whole = True  # the newest request was read to its end

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin a connection: TLS is done, so the client's certificate is known."""
        super().connection_made(transport)
        name = common_name(transport.get_extra_info("peercert"))
        if name:
            self.app = _named(self.app, name)
        self._arm(HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._disarm()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._whole = False
        self._arm(HEADER_SECONDS)

    def on_headers_complete(self) -> None:
        """The last byte of its headers."""
        self._disarm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The last byte of its body."""
        super().on_message_complete()
        self._whole = True
        self._disarm()

    def on_response_complete(self) -> None:
        """The last byte of the answer; a body that was refused may still be arriving."""
        super().on_response_complete()
        if not self._whole and self.cycle.response_complete:
            self._arm(LINGER_SECONDS)

    def _arm(self, seconds: float) -> None:
        """Abort at the deadline: with TLS, closing waits for another 30 seconds for the client to agree."""
        self._disarm()
        self._slow = self.loop.call_later(seconds, self.transport.abort)

    def _disarm(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None


def common_name(certificate: dict[str, Any] | None) -> str:
    """The one common name of a verified certificate, as `getpeercert` returns it; empty if there is none or several."""
    parts = (part for group in (certificate or {}).get("subject", ()) for part in group)
    names = [value for key, value in parts if key == "commonName"]
    return names[0] if len(names) == 1 else ""


class Listener(uvicorn.Server):
    """One port. The process handles signals, so that all listeners stop together."""

    def __init__(self, app: ASGIApp, host: str, port: int, context: ssl.SSLContext | None = None) -> None:
        self.socket = _bound(host, port)
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=True,
                proxy_headers=False,  # no proxy in front is trusted to name the client
                limit_concurrency=4096,
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


def _named(app: Callable[..., Any], name: str) -> ASGIApp:
    async def with_name(scope: Scope, receive: Receive, send: Send) -> None:
        extensions = {**(scope.get("extensions") or {}), frontproxy.EXTENSION: {frontproxy.CLIENT_NAME: name}}
        await app({**scope, "extensions": extensions}, receive, send)

    return with_name
