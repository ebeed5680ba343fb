"""Reading request bodies within limits: of bytes, before and while reading, and of time.

A declared length over the limit is refused before a byte is read. While reading, a client may pause for `PAUSE` seconds
and must keep a lowest rate over the whole body, so that neither a silent nor a dripping one holds a connection.

Bodies that are held in memory until their COMMIT share one `BodyBudget`: without it a slow database and many large
bundles would end in the kernel killing the server, which is the worst way to say "later". It also counts them, because
each holds a connection for as long as its client likes: those of one namespace never take the place of others.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from avouch import errors
from avouch.ingest import problems


@dataclass(frozen=True, slots=True)
class MinDataRate:
    """The lowest rate at which a client may send its body."""

    pause: float = 15.0  # seconds without a byte
    grace: float = 30.0  # seconds until the rate counts
    lowest: int = 16 * 1024  # bytes a second from then on: 4 MiB take four minutes at most


class Reservation:
    """What one request holds of a `BodyBudget`, and for whom."""

    def __init__(self, budget: "BodyBudget", owner: str) -> None:
        self._budget = budget
        self._owner = owner
        self.held = 0

    def take(self, size: int) -> None:
        """Hold so many bytes more. Raises errors.Overloaded."""
        self._budget.take(self._owner, size)
        self.held += size


class BodyBudget:
    """Bytes of bodies that all requests together may hold, and bytes and bodies of one owner. Owned by one event loop.

    Whoever sends all but the last byte of large bodies holds their bytes for minutes: that is its own loss alone.
    """

    def __init__(
        self, size: int = 32 * 1024 * 1024, each: int | None = None, bodies: int = 256, *, retry_after: int = 1
    ) -> None:
        """`size`: 1,700 bundles as they are, 8 of the largest.

        `each`: bytes of one owner, a quarter where it is not said; `bodies`: of one owner, at a time; `retry_after`:
        seconds until there may be room again.
        """
        self.size = size
        self.retry_after = retry_after
        self.each = size // 4 if each is None else each
        self.bodies = bodies
        self._held: Counter[str] = Counter()
        self._bodies: Counter[str] = Counter()

    @property
    def held(self) -> int:
        """Bytes of all."""
        return self._held.total()

    def take(self, owner: str, size: int) -> None:
        """Hold so many bytes more for an owner. Raises errors.Overloaded."""
        if self.held + size > self.size or self._held[owner] + size > self.each:
            raise errors.Overloaded(
                "too many bodies are in memory until they are stored; send this request again",
                retry_after=self.retry_after,
            )
        self._held[owner] += size

    @contextlib.contextmanager
    def reservation(self, owner: str) -> Iterator[Reservation]:
        """A reservation that grows with what is read, and is released at the end. Raises errors.Overloaded."""
        if self._bodies[owner] >= self.bodies:
            raise errors.Overloaded("too many requests of your namespace send a body; send this one again")
        self._bodies[owner] += 1
        reservation = Reservation(self, owner)
        try:
            yield reservation
        finally:
            self._held[owner] -= reservation.held
            self._bodies[owner] -= 1
            for counter in (self._held, self._bodies):
                if not counter[owner]:
                    del counter[owner]


async def chunks(request: Request, limit: int, min_rate: MinDataRate) -> AsyncIterator[bytes]:
    """The body in pieces as they arrive; at most one piece is held.

    Raises:
        TooLarge: more than `limit` bytes, declared or sent.
        SlowBody: slower than `min_rate`.
        Invalid: the client went away, or its length is no number.
    """
    _check_declared(request, limit)
    started, size = time.monotonic(), 0
    stream = request.stream()
    while True:
        chunk = await _next(stream, min_rate)
        if chunk is None:
            return
        size += len(chunk)
        if size > limit:
            raise errors.TooLarge(f"the body is over {limit} bytes")
        took = time.monotonic() - started
        if took > min_rate.grace and size < (took - min_rate.grace) * min_rate.lowest:
            raise problems.SlowBody(f"only {size} bytes of the body arrived in {took:.0f} seconds")
        yield chunk


async def whole(request: Request, limit: int, min_rate: MinDataRate, reservation: Reservation | None = None) -> bytes:
    """The whole body, counted in `reservation`. Raises what `chunks` raises, and errors.Overloaded."""
    pieces = []
    async for chunk in chunks(request, limit, min_rate):
        if reservation is not None:
            reservation.take(len(chunk))
        pieces.append(chunk)
    return b"".join(pieces)


async def _next(stream: AsyncIterator[bytes], min_rate: MinDataRate) -> bytes | None:
    try:
        async with asyncio.timeout(min_rate.pause):
            return await anext(stream)
    except StopAsyncIteration:
        return None
    except TimeoutError as exc:
        raise problems.SlowBody(f"no byte of the body arrived for {min_rate.pause:.0f} seconds") from exc
    except ClientDisconnect as exc:
        raise errors.Invalid("the client disconnected before its body was complete") from exc


def _check_declared(request: Request, limit: int) -> None:
    declared = request.headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit():
        raise errors.Invalid("not a number of bytes", field="Content-Length")
    if int(declared[:20]) > limit:
        raise errors.TooLarge(f"the body is over {limit} bytes")
