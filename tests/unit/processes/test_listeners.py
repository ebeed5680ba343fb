"""What clients of a listener may hold before anybody knows who they are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from avouch.processes import listeners

WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Endpoint = Callable[[Request], Awaitable[Response]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def early(request: Request) -> Response:
    """Answers without a look at the body."""
    return Response("seen")


@contextlib.asynccontextmanager
async def serving(bounds: listeners.Bounds, answer: Endpoint = early) -> AsyncIterator[int]:
    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])])
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


async def test_of_an_address_that_left_nothing_is_remembered() -> None:
    address = ("127.0.0.1", 0)
    listener = listeners.Listener(Starlette(), *address)
    held = listener.config.http.keywords["held"]  # type: ignore[union-attr]
    task = asyncio.create_task(listener.run_until_told())
    _, writer = await asyncio.open_connection("127.0.0.1", listener.socket.getsockname()[1])
    async with asyncio.timeout(10):
        while not held:
            await asyncio.sleep(0)
        writer.close()
        while held:
            await asyncio.sleep(0)
    listener.should_exit = True
    await task


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nX-A: "])
async def test_headers_that_do_not_end_are_not_waited_for(begun: bytes) -> None:
    async with serving(listeners.Bounds(headers=0.1)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        assert await ended(reader) == b""
        writer.close()


async def test_neither_are_those_of_a_second_request() -> None:
    async with serving(listeners.Bounds(headers=0.1)) as port:
        reader, writer = streams = await asyncio.open_connection("127.0.0.1", port)
        await answered(streams)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        async with asyncio.timeout(3):  # an idle connection may stay for longer
            assert await ended(reader) == b""
        writer.close()


LONG = b"x" * 2000


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/1.1\r\nX-A: " + LONG + b"\r\n\r\n",
        b"GET /" + LONG + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500 + b"\r\n",
        b"GET / HTTP/1.1\r\nX-A: " + LONG,
        b"GET / HTTP/1.1\r\n" + LONG,
        b"GET /" + LONG,
    ],
)
@pytest.mark.parametrize("piece", [10, 10_000])
async def test_more_headers_than_one_request_may_have_are_431_whether_they_end_or_not(
    request_line: bytes, piece: int
) -> None:
    async with serving(listeners.Bounds(head=1000, linger=0.2)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for start in range(0, len(request_line), piece):
            writer.write(request_line[start : start + piece])
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        async with asyncio.timeout(10):
            assert await reader.readline() == b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
        with contextlib.suppress(ConnectionError):
            writer.write(b"\r\n\r\n" + WHOLE)
        assert b"HTTP/1.1" not in await ended(reader)
        writer.close()


async def test_headers_that_are_too_long_are_no_answer_amid_that_to_the_request_before() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        begun.set()
        await go_on.wait()
        return Response("seen")

    async with serving(listeners.Bounds(head=1000), slow) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(WHOLE)
        async with asyncio.timeout(10):
            await begun.wait()
        writer.write(b"GET / HTTP/1.1\r\nX-A: " + LONG)
        assert await ended(reader) == b""
        go_on.set()
        writer.close()


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"x" * (1000 - 30), b"\r\n\r\n"],
        [b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"x" * (1000 - 9) + b"\r\n\r\n"],
    ],
    ids=["bytes until they are whole", "name and value of each, and the path"],
)
async def test_headers_may_be_as_long_as_is_said(pieces: list[bytes]) -> None:
    async with serving(listeners.Bounds(head=1000)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            assert b"200 OK" in await reader.readuntil(b"\r\n")
        writer.close()


async def test_what_was_given_out_counts_no_more() -> None:
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def reads(request: Request) -> Response:
        pieces.put_nowait(b"")
        async for piece in request.stream():
            pieces.put_nowait(piece)
        return Response("seen")

    async with serving(listeners.Bounds(head=1000), reads) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(10):
            head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-A: " + b"x" * 800 + b"\r\n\r\n"
            for _ in range(2):
                writer.write(head)
                await pieces.get()
                for _ in range(3):
                    writer.write(b"190;" + b"x" * 500)
                    await asyncio.sleep(0.05)
                    writer.write(b"\r\n" + b"b" * 400 + b"\r\n")
                    assert await pieces.get() == b"b" * 400
                writer.write(b"0\r\nX-B: " + b"x" * 500 + b"\r\n\r\n")
                assert b"200 OK" in await reader.readuntil(b"seen")
                assert await pieces.get() == b""
            writer.write(head[:600])
            await asyncio.sleep(0.05)
            writer.write(head[600:])
            await pieces.get()
        writer.close()


async def test_headers_as_long_as_they_may_be_are_read_request_after_request() -> None:
    async with serving(listeners.Bounds(head=1000)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nX-A: " + b"x" * 900 + b"\r\nContent-Length: 5000\r\n\r\n" + b"b" * 5000)
            async with asyncio.timeout(10):
                assert b"200 OK" in await reader.readuntil(b"seen")
        writer.close()


@pytest.mark.parametrize("endless", [b"0\r\nX-A: " + LONG, b"0\r\n" + LONG, b"5;" + LONG])
@pytest.mark.parametrize("piece", [10, 10_000])
async def test_trailers_and_extensions_of_a_chunk_that_do_not_end_are_cut_off(endless: bytes, piece: int) -> None:
    begun = asyncio.Event()

    async def reads(request: Request) -> Response:
        with contextlib.suppress(ClientDisconnect):
            async for _ in request.stream():
                begun.set()
        return Response("seen")

    async with serving(listeners.Bounds(head=1000), reads) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        async with asyncio.timeout(10):
            await begun.wait()
        for start in range(0, len(endless), piece):
            writer.write(endless[start : start + piece])
        assert await ended(reader) == b""
        writer.close()


async def test_a_trailer_is_no_header() -> None:
    async def told(request: Request) -> Response:
        await request.body()
        return Response(b" ".join(name for name, _ in request.scope["headers"]) + b".")

    async with serving(listeners.Bounds(), told) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Remote-User: root\r\n\r\n"
        )
        async with asyncio.timeout(10):
            assert await reader.readuntil(b"\r\n\r\nhost transfer-encoding.")
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


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        (((("commonName", "front-proxy"),),), "front-proxy"),
        (((("organizationName", "o"),), (("commonName", "front-proxy"),)), "front-proxy"),
        (((("organizationName", "front-proxy"),),), ""),
        (((("commonName", "front-proxy"),), (("commonName", "other"),)), ""),
        ((), ""),
    ],
)
def test_a_client_is_named_by_the_one_common_name_of_its_certificate(subject: object, name: str) -> None:
    assert listeners.common_name({"subject": subject}) == name
    assert listeners.common_name(None) == ""


async def test_whoever_is_slow_after_the_headers_or_between_requests_is_not_cut_off_for_it() -> None:
    async def reads(request: Request) -> Response:
        return Response(await request.body())

    async with serving(listeners.Bounds(headers=0.1, linger=0.1), reads) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
            await asyncio.sleep(0.3)
            writer.write(b"seen")
            async with asyncio.timeout(10):
                assert b"200 OK" in await reader.readuntil(b"seen")
            await asyncio.sleep(0.3)
        writer.close()
