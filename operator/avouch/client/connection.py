"""One HTTPS connection to the server, kept open between requests, with retries that end.

A request is tried again after a broken connection, 408, 425, 429 and 5xx: with jittered back-off, or as late as
Retry-After says, until the tries or the time of all of them together are used up. Every request of ours may be
repeated: runs are opened by an id of our own, bytes and bundles are named by their digest.
"""

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from avouch import clocks, errors, https
from avouch.client import access, problems

TRIES = 6  # of a request that begins something: 6 seconds, and a build need not wait longer to go on without us
PATIENT = 14  # of a request with evidence to lose: about a minute, in which a killed server is replaced
FIRST_WAIT = 0.25  # seconds; doubles each time
LONGEST_WAIT = 8.0
TOTAL = 120.0  # seconds for a request with all its tries
PATIENCE = 2.0  # seconds of trying before people are told
MAX_ANSWER = 8 * 1024 * 1024  # bytes of an answer that is held in memory
CHUNK = https.CHUNK
_MAX_PROBLEM = 64 * 1024

T = TypeVar("T")
Response = https.Response


class Request(NamedTuple):
    """One request. `size` is the length of a body that comes in pieces; `total` and `tries` bound all tries of it."""

    method: str
    path: str
    body: https.Body = b""
    headers: Mapping[str, str] = {}  # never changed
    size: int | None = None
    total: float = TOTAL
    accept: frozenset[int] = frozenset({200, 201, 202, 204})
    tries: int = TRIES


class _Failed(NamedTuple):
    """Why a try failed, and how long to wait before the next; None: never again."""

    error: errors.AvouchError
    wait: float | None


def _silent(message: str) -> None:
    """Does nothing."""


class Connection:
    """The server. Not for several threads at once. `report` gets a message if a request takes several tries."""

    def __init__(
        self, to: access.Access, agent: str, clock: clocks.Clock | None = None, report: Callable[[str], None] = _silent
    ) -> None:
        self.to = to
        self._report = report
        self._clock = clock or clocks.Clock()
        self._link = https.Connection(https.Peer(to.host, to.port, to.ca, to.proxy), self._clock)
        self._headers = {
            "User-Agent": agent,
            "Accept": "application/json",
            **({"Authorization": f"Bearer {to.token}"} if to.token else {}),
        }

    def send(self, request: Request) -> https.Answer:
        """Send a request and read all of its answer.

        Raises:
            AvouchError: the problem that the server answered with, as `problems.error` tells it apart.
            Unavailable: it could not be reached in time.
        """
        end = self._clock.monotonic() + request.total
        return self.stream(request, lambda response: self._link.read(response, end, MAX_ANSWER))

    def stream(self, request: Request, read: Callable[[Response], T]) -> T:
        """Send a request and let a function read its answer; after a broken connection both are repeated.

        Raises:
            AvouchError: as `send`, and whatever the function raises that is no broken connection.
        """
        begun, attempt, told = self._clock.monotonic(), 0, False
        deadline = begun + request.total
        while True:
            found = self._try(request, read, deadline, attempt)
            if not isinstance(found, _Failed):
                return found[0]
            attempt += 1
            if found.wait is None or attempt >= request.tries or self._clock.monotonic() + found.wait >= deadline:
                raise found.error
            if not told and self._clock.monotonic() + found.wait - begun > PATIENCE:
                told = True
                left = request.tries - attempt
                self._report(f"{found.error}; trying again, {left} more {'time' if left == 1 else 'times'}")
            self._clock.sleep(found.wait)

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _try(
        self, request: Request, read: Callable[[Response], T], deadline: float, attempt: int
    ) -> tuple[T] | _Failed:
        try:
            response = self._link.send(self._sent(request), deadline)
            if response.status in request.accept:
                return (read(response),)
            text = self._link.first(response, deadline, _MAX_PROBLEM)
            said = problems.read(response.status, text, response.getheader("Retry-After"))
        except https.Broken as exc:
            self.close()
            return self._broken(exc, attempt)
        if not response.isclosed():
            self.close()  # part of the answer is still on its way
        wait = backoff(attempt) if said.retry_after is None else said.retry_after
        return _Failed(problems.error(said), wait if said.status in problems.RETRIED else None)

    def _broken(self, exc: Exception, attempt: int) -> _Failed:
        where, proxy = self.to.server, self.to.proxy
        if isinstance(exc, ssl.SSLCertVerificationError):
            message = f"the certificate of {where} is not trusted ({exc.verify_message})"
            failure = errors.Unavailable(f"{message} (fix: set AVOUCH_CA to the CA that issued it)")
            wait = None
        else:
            way = f" through the proxy {proxy.host}:{proxy.port}" if proxy else ""
            failure = errors.Unavailable(f"{where} cannot be reached{way}: {str(exc) or type(exc).__name__}")
            unknown = isinstance(exc, socket.gaierror) and exc.errno == socket.EAI_NONAME
            wait = None if unknown else backoff(attempt)
        failure.__cause__ = exc
        return _Failed(failure, wait)

    def _sent(self, request: Request) -> https.Request:
        length = {} if request.size is None else {"Content-Length": str(request.size)}
        headers = {**self._headers, **length, **request.headers}
        return https.Request(request.method, f"{self.to.path}{request.path}", headers, request.body)


def backoff(attempt: int) -> float:
    """Seconds before the next try."""
    return clocks.backoff(attempt, FIRST_WAIT, LONGEST_WAIT)
