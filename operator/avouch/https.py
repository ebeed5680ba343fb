"""HTTPS by the standard library, for the command line, CI adapters, downloads and the sidecar.

`Connection` is kept open between requests; `get` asks one question within a time that nothing can stretch. Both verify
the server by this machine's authorities or by a CA of the caller's, go through a proxy where one is given, bound time
and size, and never follow a redirect: callers that want to, see it as an answer.

Why not httpx: it takes 100 ms to import, and the sidecar has the standard library only (ADR 6).
"""

import contextlib
import http.client
import queue
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from avouch import clocks, errors, pem, proxies

LIMIT = 4 * 1024 * 1024  # bytes of an answer to `get`, unless its caller says otherwise
SILENCE = 60.0  # seconds without a byte after which a connection counts as broken
CHUNK = 256 * 1024
_GONE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError)

Body = bytes | Callable[[], Iterator[bytes]]
Response = http.client.HTTPResponse
Broken = (OSError, http.client.HTTPException)  # what a connection raises when it breaks


class Peer(NamedTuple):
    """A server. `ca`: PEM of the only authorities to trust, empty for this machine's. `plain`: without TLS.

    `dialled`: names or addresses to connect to without a proxy, the next where one cannot be; empty: `host` alone.
    Whichever answers has to be `host`: its certificate says so.
    """

    host: str
    port: int = 443
    ca: str = ""
    proxy: proxies.Proxy | None = None
    plain: bool = False
    dialled: tuple[str, ...] = ()


class Request(NamedTuple):
    """One request. It may be sent twice, so it must be safe to repeat; `body` as a function makes a body anew."""

    method: str
    target: str
    headers: Mapping[str, str] = {}  # never changed
    body: Body = b""


class Resource(NamedTuple):
    """What to `get`: a URL, headers that may hold a token, a CA, the variables that name a proxy, the most bytes."""

    url: str
    headers: Mapping[str, str] = {}  # never changed
    ca: str = ""
    environment: Mapping[str, str] = {}  # never changed
    limit: int = LIMIT

    def __repr__(self) -> str:
        """Without headers."""
        return f"Resource({self.url!r})"


class Answer(NamedTuple):
    """An answer, read whole. Names of headers are lower case."""

    status: int
    headers: Mapping[str, str] = {}  # never changed
    body: bytes = b""


class Connection:
    """One connection to a server, opened when it is first needed and kept. Not for several threads at once."""

    def __init__(self, to: Peer, clock: clocks.Clock | None = None) -> None:
        self.to = to
        self._clock = clock or clocks.Clock()
        self._open: http.client.HTTPConnection | None = None
        self._context: ssl.SSLContext | None = None

    def send(self, request: Request, deadline: float) -> Response:
        """Send a request; its answer, to be read by the caller.

        A server may close a connection that it has kept, at any moment between two requests. That is noticed when the
        next one gets no byte of an answer, which is then sent again over a new connection, once.

        Raises:
            OSError, HTTPException: the connection broke, and was closed.
        """
        kept = self._open is not None
        try:
            return self._exchange(request, deadline)
        except _GONE:
            self.close()
            if not kept:
                raise
            return self.send(request, deadline)
        except BaseException:
            self.close()
            raise

    def fetch(self, request: Request, deadline: float, limit: int) -> Answer:
        """Send a request and read all of its answer.

        Raises:
            OSError, HTTPException: the connection broke, and was closed.
            TooLarge: more bytes than the limit.
        """
        try:
            return self.read(self.send(request, deadline), deadline, limit)
        except BaseException:
            self.close()
            raise

    def read(self, response: Response, deadline: float, limit: int) -> Answer:
        """All of an answer. Raises as `fetch`."""
        found = self.first(response, deadline, limit + 1)
        if len(found) > limit:
            raise errors.TooLarge(f"{self.to.host} answers with more than {limit} bytes")
        if response.length:  # reading in pieces does not notice that the rest is missing
            raise http.client.IncompleteRead(b"", response.length)
        return Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, found)

    def first(self, response: Response, deadline: float, size: int) -> bytes:
        """At most so many bytes of an answer, taken as they come: who waits for many knows no deadline."""
        found = bytearray()
        while len(found) < size:
            piece = response.read1(min(CHUNK, size - len(found)))
            if not piece:
                response.close()  # its end; `read1` leaves that to be said
                break
            found += piece
            if self._clock.monotonic() > deadline:
                raise TimeoutError("the answer takes too long")
        return bytes(found)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def hang_up(self) -> None:
        """Wake the thread that waits for the other end. That thread closes the socket, whose number it uses."""
        sock = None if self._open is None else self._open.sock
        with contextlib.suppress(OSError):
            if sock is not None:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _exchange(self, request: Request, deadline: float) -> Response:
        remaining = deadline - self._clock.monotonic()
        if remaining <= 0:
            raise TimeoutError("no time left")
        connection = self._open = self._open or self._connection()
        connection.timeout = min(SILENCE, remaining)
        if connection.sock is not None:
            connection.sock.settimeout(connection.timeout)
        body = request.body() if callable(request.body) else request.body
        with contextlib.suppress(*_GONE):  # it may have said why before it hung up
            connection.request(request.method, request.target, body=body or None, headers=dict(request.headers))
        return self._head(connection, min(SILENCE, remaining))

    def _head(self, connection: http.client.HTTPConnection, seconds: float) -> Response:
        """Status and headers of an answer. Those of a server that drips are cut off: each byte renews a timeout."""
        over = threading.Event()

        def cut_off() -> None:
            over.set()
            self.hang_up()

        timer = threading.Timer(seconds, cut_off)
        timer.daemon = True
        timer.start()
        try:
            answer = connection.getresponse()
        except Broken:
            if not over.is_set():
                raise
        finally:
            timer.cancel()
        if over.is_set():  # half of the headers read like all of them
            raise TimeoutError("the answer takes too long")
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        to = self.to
        if to.plain:
            return http.client.HTTPConnection(to.host, to.port)
        if self._context is None:
            self._context = ssl.create_default_context(cadata=to.ca or None)
        if to.proxy is None:
            direct = http.client.HTTPSConnection(to.host, to.port, context=self._context)
            if to.dialled:
                direct._create_connection = self._dial  # type: ignore[attr-defined]  # the seam that http.client keeps
            return direct
        tunnel = http.client.HTTPSConnection(to.proxy.host, to.proxy.port, context=self._context)
        secret = {"Proxy-Authorization": to.proxy.authorization} if to.proxy.authorization else {}
        tunnel.set_tunnel(to.host, to.port, secret)
        return tunnel

    def _dial(self, _to: object, timeout: float, *_: object) -> socket.socket:
        failures: list[OSError] = []
        for each in self.to.dialled:
            try:
                return socket.create_connection((each, self.to.port), timeout / len(self.to.dialled))
            except OSError as exc:
                failures.append(exc)
        raise failures[0]  # the one that comes first is the one that ought to work


def get(resource: Resource, seconds: float) -> Answer:
    """Get a resource over HTTPS, and read all of it.

    Names may take long to resolve and servers may drip, so no timeout of a socket bounds the whole: a thread of its own
    does the work, and is left behind when the time is over.

    Raises:
        Unavailable: no https address, not reached, not within this time, or more than `limit` bytes.
    """
    parts = _parts(resource.url)
    host, port = parts.hostname or "", parts.port or 443
    answers: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()
    try:
        authority = pem.certificates(resource.ca, "CA") if resource.ca else ""
        connection = Connection(Peer(host, port, authority, proxies.of(resource.environment, host, port)))
        connection._open = connection._connection()
    except errors.Invalid as exc:
        raise errors.Unavailable(f"not asked: {exc}") from exc
    except (OSError, ValueError) as exc:
        raise errors.Unavailable(f"not asked: {reason(exc)}") from exc
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    headers = {"User-Agent": "avouch", "Accept-Encoding": "identity", **resource.headers}
    request = Request("GET", target, headers)
    thread = threading.Thread(target=_work, args=(connection, request, (seconds, resource.limit), answers), daemon=True)
    thread.start()
    try:
        found = answers.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        connection.hang_up()
        raise errors.Unavailable(f"no answer from {host} in {seconds:g} s") from None
    if isinstance(found, errors.TooLarge):
        raise errors.Unavailable(str(found)) from found
    if isinstance(found, Exception):
        raise errors.Unavailable(f"{host} was not reached: {reason(found)}") from found
    return found


def _work(
    connection: Connection,
    request: Request,
    bounds: tuple[float, int],
    answers: "queue.SimpleQueue[Answer | Exception]",
) -> None:
    seconds, limit = bounds
    try:
        answers.put(connection.fetch(request, clocks.Clock().monotonic() + seconds, limit))
    except (*Broken, ValueError, errors.TooLarge) as exc:
        answers.put(exc)
    finally:
        connection.close()


def reason(exc: Exception) -> str:
    """Why a connection broke. An exception's own text may hold the address or a header, so it is not shown."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return exc.verify_message
    return getattr(exc, "strerror", None) or type(exc).__name__


def _parts(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        fits = parts.scheme == "https" and parts.hostname and not parts.username and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not url.isascii() or not url.isprintable() or " " in url:
        raise errors.Unavailable("not asked: a token goes nowhere but to an https address")
    return parts
