"""A proxy on loopback for a client that resolves names and follows redirects itself, as that of object stores does.

Whatever host the client asks for, one that a redirect names included, is resolved here, once; every address is checked,
and what was checked is connected to. CONNECT tunnels what is encrypted. A request to an http address goes to what the
operator lists, one on each connection, so that no second one follows it unchecked.

Only who knows the secret of this process is served: other processes of the pod are not.
"""

import asyncio
import base64
import binascii
import contextlib
import hmac
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple, Self
from urllib.parse import quote, urlsplit

from avouch import errors, pinned
from avouch.destinations import Destinations

CONNECTIONS = 256  # at the same time
OF_ONE = 32  # of these, for one user, which is a namespace: stores that hang take none of another's
_HEAD = 64 * 1024  # bytes of a request before its body
_HEAD_SECONDS, _CONNECT_SECONDS = 5.0, 5.0
_SILENCE = 100.0  # seconds without a byte; the client keeps idle connections for 90
_PIECE = 256 * 1024
_PRIVATE = frozenset({b"proxy-authorization", b"proxy-connection", b"connection"})
_STATUSES = (
    (errors.Invalid, b"400 Bad Request"),
    (errors.Unauthenticated, b"407 Proxy Authentication Required"),
    (errors.Denied, b"421 Misdirected Request"),
    (errors.Overloaded, b"503 Service Unavailable"),
    (errors.Unavailable, b"502 Bad Gateway"),
)


class _Request(NamedTuple):
    """`head` is what is sent on before `length` bytes of a body; a tunnel has none."""

    host: str
    port: int
    authorization: bytes
    tunnel: bool
    head: bytes = b""
    length: int = 0


class Forwarder:
    """The proxy, while its block lasts."""

    def __init__(self, allowed: Destinations) -> None:
        self._allowed = allowed
        self._secret = secrets.token_urlsafe(32)
        self._users: Counter[str] = Counter()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=_HEAD)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def url(self, user: str) -> str:
        """The address of the proxy with the credentials of a user, whose connections are counted together."""
        if self._server is None:
            raise RuntimeError("the forwarder is not started")
        port = self._server.sockets[0].getsockname()[1]
        return f"http://{quote(user, safe='')}:{self._secret}@127.0.0.1:{port}"

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._serving) >= CONNECTIONS:
            return _refuse(writer, errors.Overloaded("too many connections"))
        task = asyncio.create_task(self._served(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return None

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            try:
                await self._serve(reader, writer)
            except errors.AvouchError as exc:
                _refuse(writer, exc)
            writer.close()
            async with asyncio.timeout(_SILENCE):
                await writer.wait_closed()  # who reads slowly gets all that came
        except (OSError, TimeoutError):  # one side went away, or said nothing for long: the other sees an end
            pass
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _requested(reader)
        with self._place(self._user(request.authorization)):
            beyond, there = await self._connected(request)
            try:
                if request.tunnel:
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                there.write(request.head)
                await _joined((reader, writer), (beyond, there), None if request.tunnel else request.length)
            finally:
                there.transport.abort()

    def _user(self, authorization: bytes) -> str:
        """Who asks. Raises errors.Unauthenticated."""
        scheme, _, value = authorization.partition(b" ")
        try:
            user, _, secret = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError) as exc:
            raise errors.Unauthenticated("no credentials") from exc
        if scheme.lower() != b"basic" or not hmac.compare_digest(secret.encode(), self._secret.encode()):
            raise errors.Unauthenticated("other credentials")
        return user

    @contextlib.contextmanager
    def _place(self, user: str) -> Iterator[None]:
        if self._users[user] >= OF_ONE:
            raise errors.Overloaded("too many connections")
        self._users[user] += 1
        try:
            yield
        finally:
            self._users[user] -= 1
            if not self._users[user]:
                del self._users[user]

    async def _connected(self, request: _Request) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first address that answers. Raises errors.Denied, errors.Unavailable."""
        allowed = self._allowed if request.tunnel else self._allowed.listed()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                *others, last = await pinned.resolve(request.host, request.port, allowed)
                for address in others:
                    with contextlib.suppress(OSError):  # the next one may answer
                        return await asyncio.open_connection(address, request.port, limit=_PIECE)
                return await asyncio.open_connection(last, request.port, limit=_PIECE)
        except (OSError, TimeoutError) as exc:
            raise errors.Unavailable(f"{request.host[:100]} was not reached") from exc


async def _requested(reader: asyncio.StreamReader) -> _Request:
    try:
        async with asyncio.timeout(_HEAD_SECONDS):
            return _read(await reader.readuntil(b"\r\n\r\n"))
    except (asyncio.LimitOverrunError, EOFError, ValueError) as exc:
        raise errors.Invalid("not a request of HTTP/1.1") from exc


def _read(head: bytes) -> _Request:
    """A request as clients send it to a proxy. Raises ValueError where it is none."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, version = first.split(b" ")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    authorization = fields.get(b"proxy-authorization", b"")
    if method == b"CONNECT":
        return _Request(*_address(target, 443), authorization, tunnel=True)
    scheme, found, rest = target.partition(b"://")
    if scheme != b"http" or not found or b"transfer-encoding" in fields:
        raise ValueError("another scheme, or a body of unknown length")
    authority, slash, path = rest.partition(b"/")
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() not in _PRIVATE]
    sent = b"\r\n".join((b" ".join((method, slash + path or b"/", version)), *kept, b"Connection: close", b"", b""))
    length = fields.get(b"content-length", b"0")
    if not length.isdigit():
        raise ValueError("a body of unknown length")
    return _Request(*_address(authority, 80), authorization, False, sent, int(length))


def _address(authority: bytes, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{authority.decode('ascii')}")
    if not parts.hostname or parts.netloc.encode("ascii") != authority or "@" in parts.netloc:
        raise ValueError("not a host and a port")
    return parts.hostname, parts.port or port


_Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _joined(near: _Ends, far: _Ends, length: int | None) -> None:
    """Pass bytes on both ways until one side ends; of the near side only `length` bytes, if that is said."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_SILENCE) as quiet:

        def heard() -> None:
            quiet.reschedule(loop.time() + _SILENCE)

        ways = {
            asyncio.create_task(_passed(near[0], far[1], length, heard)),
            asyncio.create_task(_passed(far[0], near[1], None, heard)),
        }
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in done:
                way.result()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _passed(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, length: int | None, heard: Callable[[], None]
) -> None:
    """Until the source ends, or sends more than `length` bytes."""
    while piece := await source.read(_PIECE):
        heard()
        if length is not None:
            if not length:
                return
            piece = piece[:length]
            length -= len(piece)
        target.write(piece)
        await target.drain()


def _refuse(writer: asyncio.StreamWriter, exc: errors.AvouchError) -> None:
    status = next(line for kind, line in _STATUSES if isinstance(exc, kind))
    writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()
