"""One HTTPS connection to the server, kept open between requests, with retries that end.

A request is tried again after a broken connection, 408, 425, 429 and 5xx: with jittered back-off, or as late as
Retry-After says, until the tries or the time of all of them together are used up. Every request of ours may be
repeated: runs are opened by an id of our own, bytes and bundles are named by their digest.
"""

import http.client
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from avouch import errors
from avouch.client import access, problems

TRIES = 6  # of a request that begins something: 6 seconds, and a build need not wait longer to go on without us
PATIENT = 14  # of a request with evidence to lose: about a minute, in which a killed server is replaced
FIRST_WAIT = 0.25  # seconds; doubles each time
LONGEST_WAIT = 8.0
TOTAL = 120.0  # seconds for a request with all its tries
SILENCE = 60.0  # seconds without a byte after which a connection counts as broken
MAX_ANSWER = 8 * 1024 * 1024  # bytes of an answer that is held in memory
CHUNK = 256 * 1024
_MAX_PROBLEM = 64 * 1024
_HUNG_UP = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError)

T = TypeVar("T")
Response = http.client.HTTPResponse
Body = bytes | Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and waiting, so that tests need neither."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `size` is the length of a body that comes in pieces; `total` and `tries` bound all tries of it."""

    method: str
    path: str
    body: Body = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    total: float = TOTAL
    accept: frozenset[int] = frozenset({200, 201, 202, 204})
    tries: int = TRIES


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was asked for."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why a try failed, and how long to wait before the next; None: never again."""

    error: errors.AvouchError
    wait: float | None


class Connection:
    """The server. Not for several threads at once."""

    def __init__(self, to: access.Access, agent: str, clock: Clock | None = None) -> None:
        self.to = to
        self._agent = agent
        self._clock = clock or Clock()
        self._open: http.client.HTTPSConnection | None = None
        self._context: ssl.SSLContext | None = None

    def send(self, request: Request) -> Answer:
        """Send a request and read all of its answer.

        Raises:
            AvouchError: the problem that the server answered with, as `problems.error` tells it apart.
            Unavailable: it could not be reached in time.
        """
        return self.stream(request, lambda response: self._whole(response, request.total))

    def stream(self, request: Request, read: Callable[[Response], T]) -> T:
        """Send a request and let a function read its answer; after a broken connection both happen anew.

        Raises:
            AvouchError: as `send`, and whatever the function raises that is no broken connection.
        """
        deadline = self._clock.monotonic() + request.total
        attempt = 0
        while True:
            kept = self._open is not None
            found = self._try(request, read, deadline, attempt)
            if not isinstance(found, _Failed):
                return found[0]
            if kept and found.wait is not None and attempt == 0:
                kept_was_stale = isinstance(found.error.__cause__, (OSError, http.client.HTTPException))
                if kept_was_stale:  # the server closed it between two requests: no failure, and nothing to wait for
                    continue
            attempt += 1
            if found.wait is None or attempt >= request.tries or self._clock.monotonic() + found.wait >= deadline:
                raise found.error
            self._clock.sleep(found.wait)

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _try(
        self, request: Request, read: Callable[[Response], T], deadline: float, attempt: int
    ) -> tuple[T] | _Failed:
        try:
            response = self._exchange(request, deadline)
            if response.status in request.accept:
                return (read(response),)
            said = problems.read(response.status, response.read(_MAX_PROBLEM), response.getheader("Retry-After"))
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            return self._broken(exc, attempt)
        if not response.isclosed():
            self.close()  # part of the answer is still on its way
        wait = backoff(attempt) if said.retry_after is None else said.retry_after
        return _Failed(problems.error(said), wait if said.status in problems.RETRIED else None)

    def _broken(self, exc: Exception, attempt: int) -> _Failed:
        where = self.to.server
        if isinstance(exc, ssl.SSLCertVerificationError):
            message = f"{where} is not who it says ({exc.verify_message})"
            failure = errors.Unavailable(f"{message} (fix: name the CA that certified it: AVOUCH_CA)")
            wait = None
        else:
            failure = errors.Unavailable(f"{where} cannot be reached: {str(exc) or type(exc).__name__}")
            unknown = isinstance(exc, socket.gaierror) and exc.errno == socket.EAI_NONAME
            wait = None if unknown else backoff(attempt)
        failure.__cause__ = exc
        return _Failed(failure, wait)

    def _exchange(self, request: Request, deadline: float) -> Response:
        connection = self._open or self._connect(deadline)
        self._open = connection
        headers = {
            "User-Agent": self._agent,
            "Accept": "application/json",
            **({"Authorization": f"Bearer {self.to.token}"} if self.to.token else {}),
            **({} if request.size is None else {"Content-Length": str(request.size)}),
            **request.headers,
        }
        body = request.body() if callable(request.body) else request.body
        try:
            connection.request(request.method, f"{self.to.path}{request.path}", body=body or None, headers=headers)
        except _HUNG_UP:
            return connection.getresponse()  # it may have said why before it hung up
        return connection.getresponse()

    def _connect(self, deadline: float) -> http.client.HTTPSConnection:
        remaining = deadline - self._clock.monotonic()
        if remaining <= 0:
            raise TimeoutError("no time left")
        if self._context is None:
            self._context = ssl.create_default_context(cadata=self.to.ca or None)
        proxy, timeout = self.to.proxy, min(SILENCE, remaining)
        if proxy is None:
            return http.client.HTTPSConnection(self.to.host, self.to.port, timeout=timeout, context=self._context)
        tunnel = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=timeout, context=self._context)
        secret = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
        tunnel.set_tunnel(self.to.host, self.to.port, secret)
        return tunnel

    def _whole(self, response: Response, total: float) -> Answer:
        end = self._clock.monotonic() + total
        found = bytearray()
        while piece := response.read(CHUNK):
            found += piece
            if len(found) > MAX_ANSWER:
                raise errors.TooLarge(f"the server's answer has over {MAX_ANSWER} bytes")
            if self._clock.monotonic() > end:
                raise TimeoutError("the answer takes too long")
        if response.length:  # reading in pieces does not notice that the rest is missing
            raise http.client.IncompleteRead(bytes(found[:0]), response.length)
        headers = {key.lower(): value for key, value in response.getheaders()}
        return Answer(response.status, headers, bytes(found))


def backoff(attempt: int) -> float:
    """Seconds before the next try: doubling, capped, with half of it random so that jobs do not march in step."""
    whole: float = min(LONGEST_WAIT, FIRST_WAIT * 2**attempt)
    return whole * (0.5 + 0.5 * os.urandom(1)[0] / 255)
