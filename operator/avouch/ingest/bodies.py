"""Reading request bodies within limits: of bytes, before and while reading, and of time.

A declared length over the limit is refused before a byte is read. While reading, a client may pause for `PAUSE` seconds
and must keep a lowest pace over the whole body, so that neither a silent nor a dripping one holds a connection.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from avouch import errors
from avouch.ingest import problems


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a client may be."""

    pause: float = 15.0  # seconds without a byte
    grace: float = 30.0  # seconds until the pace counts
    lowest: int = 16 * 1024  # bytes a second from then on: 4 MiB take four minutes at most


async def chunks(request: Request, limit: int, pace: Pace) -> AsyncIterator[bytes]:
    """The body in pieces as they arrive; at most one piece is held.

    Raises:
        TooLarge: more than `limit` bytes, declared or sent.
        SlowBody: slower than `pace`.
        Invalid: the client went away, or its length is no number.
    """
    _check_declared(request, limit)
    started, size = time.monotonic(), 0
    stream = request.stream()
    while True:
        chunk = await _next(stream, pace)
        if chunk is None:
            return
        size += len(chunk)
        if size > limit:
            raise errors.TooLarge(f"the body is over {limit} bytes")
        took = time.monotonic() - started
        if took > pace.grace and size < (took - pace.grace) * pace.lowest:
            raise problems.SlowBody(f"{size} bytes in {took:.0f} seconds")
        yield chunk


async def whole(request: Request, limit: int, pace: Pace) -> bytes:
    """The whole body. Raises what `chunks` raises."""
    return b"".join([chunk async for chunk in chunks(request, limit, pace)])


async def _next(stream: AsyncIterator[bytes], pace: Pace) -> bytes | None:
    try:
        async with asyncio.timeout(pace.pause):
            return await anext(stream)
    except StopAsyncIteration:
        return None
    except TimeoutError as exc:
        raise problems.SlowBody(f"no byte for {pace.pause:.0f} seconds") from exc
    except ClientDisconnect as exc:
        raise errors.Invalid("the client went away before its body was complete") from exc


def _check_declared(request: Request, limit: int) -> None:
    declared = request.headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit():
        raise errors.Invalid("not a length", field="Content-Length")
    if int(declared[:20]) > limit:
        raise errors.TooLarge(f"the body is over {limit} bytes")
