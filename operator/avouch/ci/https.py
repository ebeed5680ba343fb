"""A GET over HTTPS by the standard library: bounded in time as a whole, and in size; redirects are not followed.

httpx would cost each command line 100 ms to import. Names may take long to resolve and servers may drip, so that no
timeout of a socket bounds the whole: a thread of its own does the work, and is left behind when the time is over.
"""

import contextlib
import http.client
import os
import queue
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from avouch import errors

LIMIT = 4 * 1024 * 1024  # bytes of an answer


@dataclass(frozen=True, slots=True)
class Request:
    """What to get. `ca`: PEM of the only authority to trust, empty for this machine's. `proxies`: heed HTTPS_PROXY."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca: str = field(default="", repr=False)
    proxies: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Names of headers are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def get(request: Request, seconds: float) -> Answer:
    """Send it, and read all of the answer.

    Raises:
        Unavailable: no https address, not reached, not within this time, or more than `LIMIT` bytes.
    """
    parts = _parts(request.url)
    answers: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()
    try:
        connection = _connection(parts, request, seconds)
    except (OSError, ValueError) as exc:
        raise errors.Unavailable(f"not asked: {_reason(exc)}") from exc
    thread = threading.Thread(target=_work, args=(connection, parts, request, answers), daemon=True)
    thread.start()
    try:
        found = answers.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        _hang_up(connection)
        raise errors.Unavailable(f"no answer from {parts.hostname} in {seconds:g} s") from None
    if isinstance(found, Exception):
        raise errors.Unavailable(f"{parts.hostname} was not reached: {_reason(found)}") from found
    if len(found.body) > LIMIT:
        raise errors.Unavailable(f"{parts.hostname} answers with more than {LIMIT} bytes")
    return found


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        fits = parts.scheme == "https" and parts.hostname and not parts.username and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not url.isascii() or not url.isprintable() or " " in url:
        raise errors.Unavailable("not asked: a token goes nowhere but to an https address")
    return parts


def _connection(parts: SplitResult, request: Request, seconds: float) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cadata=request.ca or None)
    host, port = parts.hostname or "", parts.port or 443
    proxy = _proxy(host, port) if request.proxies else None
    if proxy is None:
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
    connection = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or 80, timeout=seconds, context=context)
    known = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}" if proxy.username else ""
    headers = {"Proxy-Authorization": f"Basic {b64encode(known.encode()).decode()}"} if known else {}
    connection.set_tunnel(host, port, headers)
    return connection


def _proxy(host: str, port: int) -> SplitResult | None:
    if not any(name.lower() in ("https_proxy", "all_proxy") for name in os.environ):
        return None
    from urllib import request  # lazy: 10 ms, for jobs behind a proxy

    found = request.getproxies().get("https", "")
    if not found or request.proxy_bypass(f"{host}:{port}"):
        return None
    return urlsplit(found if "://" in found else f"http://{found}")


def _work(
    connection: http.client.HTTPSConnection,
    parts: SplitResult,
    request: Request,
    answers: "queue.SimpleQueue[Answer | Exception]",
) -> None:
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    headers = {"User-Agent": "avouch", "Accept-Encoding": "identity", **request.headers}
    try:
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        body = response.read(LIMIT + 1)
        said = {name.lower(): value for name, value in response.getheaders()}
        answers.put(Answer(response.status, said, body))
    except (OSError, http.client.HTTPException, ValueError) as exc:
        answers.put(exc)
    finally:
        connection.close()


def _hang_up(connection: http.client.HTTPSConnection) -> None:
    """Wake the thread that waits for the other end, which closes the socket itself: its number is for that to free."""
    sock = connection.sock
    with contextlib.suppress(OSError):
        if sock is not None:
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _reason(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return exc.verify_message
    return getattr(exc, "strerror", None) or type(exc).__name__  # an exception's text may hold the address or a header
