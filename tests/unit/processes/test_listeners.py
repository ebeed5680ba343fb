"""What clients of a listener may hold before anybody knows who they are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from avouch.processes import listeners

WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def early(request: Request) -> Response:
    """Answers without a look at the body."""
    return Response("seen")


@contextlib.asynccontextmanager
async def serving(bounds: listeners.Bounds) -> AsyncIterator[int]:
    app = Starlette(routes=[Route("/", early, methods=["GET", "POST"])])
    listener = listeners.Listener(app, "127.0.0.1", 0, bounds=bounds)
    task = asyncio.create_task(listener.run_until_told())
    try:
        yield listener.socket.getsockname()[1]
    finally:
        listener.should_exit = True
        await task


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that is said until the other side closes."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionResetError):
            return await reader.read()
    return b""


async def answered(streams: Streams) -> bytes:
    streams[1].write(WHOLE)
    async with asyncio.timeout(10):
        return await streams[0].readuntil(b"seen")


async def test_one_address_holds_no_more_than_its_share_and_gets_it_back() -> None:
    async with serving(listeners.Bounds(each=3)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for one in held:
            assert b"200 OK" in await answered(one)
        more, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await ended(more) == b""
        writer.close()
        another = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
        assert b"200 OK" in await answered(another)
        held[0][1].write(b"no HTTP at all\r\n\r\n")
        assert b"400" in await ended(held[0][0])
        again = await asyncio.open_connection("127.0.0.1", port)
        assert b"200 OK" in await answered(again)
        for _, one in (*held, another, again):
            one.close()


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nX-A: "])
async def test_headers_that_do_not_end_are_not_waited_for(begun: bytes) -> None:
    async with serving(listeners.Bounds(headers=0.1)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        assert await ended(reader) == b""
        writer.close()


async def test_a_body_that_nobody_reads_does_not_hold_its_connection() -> None:
    async with serving(listeners.Bounds(linger=0.1)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbegun")
        assert b"200 OK" in await ended(reader)
        writer.close()


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (("192.0.2.1", 9), "192.0.2.1"),
        (("::ffff:192.0.2.1", 9, 0, 0), "192.0.2.1"),
        (("2001:db8:1:2:3::4", 9, 0, 0), "2001:db8:1:2::"),
        (("fe80::1%eth0", 9, 0, 2), "fe80::"),
        (None, ""),
    ],
)
def test_a_client_is_an_address_and_of_ipv6_a_network(peer: tuple[object, ...] | None, address: str) -> None:
    assert listeners.address_of(peer) == address
