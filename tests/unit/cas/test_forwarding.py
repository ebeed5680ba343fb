"""The proxy of the object stores' client: it serves this process alone, and leads to checked addresses alone."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable
from urllib.parse import unquote, urlsplit

import pytest

from avouch import destinations
from avouch.cas import forwarding
from tests.resolving import Resolver

HERE = destinations.Destinations.parse("127.0.0.1", "AVOUCH_DESTINATIONS")


class Client:
    """One connection to a forwarder."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *lines: str, body: bytes = b"") -> None:
        self.writer.write("\r\n".join((*lines, "", "")).encode() + body)

    async def status(self) -> int:
        """Of the answer whose head comes next."""
        return int((await self.reader.readuntil(b"\r\n\r\n")).split()[1])

    async def rest(self) -> bytes:
        """All until the forwarder hangs up."""
        return await self.reader.read()


class Upstream:
    """A server on loopback that notes what comes, and answers with it once it has `awaited` bytes of a body."""

    def __init__(self) -> None:
        self.came: list[bytes] = []
        self.connections = 0
        self.ended = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while piece := await reader.read(65536):
            self.came.append(piece)
            writer.write(piece)
        self.ended.set()
        writer.close()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    found = Upstream()
    async with await asyncio.start_server(found.serve, "127.0.0.1", 0) as server:
        found.port = server.sockets[0].getsockname()[1]
        yield found


@pytest.fixture
async def forwarder() -> AsyncIterator[forwarding.Forwarder]:
    async with forwarding.Forwarder(HERE) as started:
        yield started


@contextlib.asynccontextmanager
async def connected(forwarder: forwarding.Forwarder) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(forwarder.url("u")).port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def secret(forwarder: forwarding.Forwarder, user: str = "uid", change: Callable[[str], str] = str) -> str:
    password = change(unquote(urlsplit(forwarder.url(user)).password or ""))
    return f"Proxy-Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


async def test_a_tunnel_passes_bytes_both_ways_and_ends_with_either_side(forwarder, upstream):
    async with connected(forwarder) as client:
        client.send(f"CONNECT 127.0.0.1:{upstream.port} HTTP/1.1", secret(forwarder), body=b"early ")
        assert await client.status() == 200
        client.writer.write(b"late")
        assert await client.reader.readexactly(10) == b"early late"
    await upstream.ended.wait()


@pytest.mark.parametrize("change", [lambda _: "", lambda s: s[:-1], lambda s: s + "x", str.upper])
@pytest.mark.parametrize("verb", ["CONNECT", "GET"])
async def test_who_does_not_know_the_secret_of_the_process_is_connected_to_nothing(forwarder, upstream, verb, change):
    target = f"127.0.0.1:{upstream.port}" if verb == "CONNECT" else f"http://127.0.0.1:{upstream.port}/"
    async with connected(forwarder) as client:
        client.send(f"{verb} {target} HTTP/1.1", secret(forwarder, change=change))
        assert await client.status() == 407
        assert await client.rest() == b""
    assert upstream.connections == 0


@pytest.mark.parametrize("header", ["X: y", "Proxy-Authorization: Basic", "Proxy-Authorization: Basic /w==",
                                    "Proxy-Authorization: Bearer x"])  # fmt: skip
async def test_a_request_without_readable_credentials_is_not_served(forwarder, upstream, header):
    async with connected(forwarder) as client:
        client.send(f"CONNECT 127.0.0.1:{upstream.port} HTTP/1.1", header)
        assert await client.status() == 407
    assert upstream.connections == 0


def test_each_process_has_a_secret_of_its_own_that_no_address_of_a_store_shows():
    async def made() -> str:
        async with forwarding.Forwarder(HERE) as started:
            return urlsplit(started.url("a:b@c")).password

    first, second = asyncio.run(made()), asyncio.run(made())
    assert first != second
    assert len(first) >= 43  # 32 random bytes


@pytest.mark.parametrize(
    "first",
    ["CONNECT 127.0.0.2:{port} HTTP/1.1", "CONNECT 10.0.0.1:443 HTTP/1.1", "CONNECT [::1]:{port} HTTP/1.1",
     "GET http://127.0.0.2:{port}/ HTTP/1.1", "GET http://8.8.8.8/ HTTP/1.1"],
)  # fmt: skip
async def test_an_address_that_is_not_allowed_is_not_connected_to_and_plain_http_goes_to_listed_ones_only(
    forwarder, upstream, first
):
    async with connected(forwarder) as client:
        client.send(first.format(port=upstream.port), secret(forwarder))
        assert await client.status() == 421
        assert await client.rest() == b""
    assert upstream.connections == 0


@pytest.mark.parametrize("answer", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"]])
async def test_a_name_is_resolved_once_and_every_address_of_it_must_be_allowed(
    forwarder, upstream, monkeypatch, answer
):
    names = Resolver(monkeypatch)
    names.answers = [answer, ["127.0.0.1"]]
    for expected in (421, 200):
        async with connected(forwarder) as client:
            client.send(f"CONNECT name.example:{upstream.port} HTTP/1.1", secret(forwarder))
            assert await client.status() == expected
    assert (names.asked, upstream.connections) == (2, 1)


async def test_an_address_that_does_not_answer_gives_way_to_the_next(upstream, monkeypatch):
    names = Resolver(monkeypatch)
    names.answers = [["127.0.0.9", "127.0.0.1"]]
    everywhere = destinations.Destinations.parse("127.0.0.0/8", "AVOUCH_DESTINATIONS")
    async with forwarding.Forwarder(everywhere) as forwarder, connected(forwarder) as client:
        client.send(f"CONNECT name.example:{upstream.port} HTTP/1.1", secret(forwarder))
        assert await client.status() == 200


@pytest.mark.parametrize("name", ["name.invalid:443", "127.0.0.1:1"])
async def test_what_does_not_answer_is_said_to_be_not_reached(forwarder, name):
    async with connected(forwarder) as client:
        client.send(f"CONNECT {name} HTTP/1.1", secret(forwarder))
        assert await client.status() == 502


@pytest.mark.parametrize(
    "lines",
    [
        ("GET / HTTP/1.1",), ("GET https://127.0.0.1:{port}/ HTTP/1.1",), ("GET ftp://127.0.0.1:{port}/ HTTP/1.1",),
        ("GET http:///x HTTP/1.1",), ("GET http://user@127.0.0.1:{port}/ HTTP/1.1",), ("CONNECT HTTP/1.1",),
        ("CONNECT :443 HTTP/1.1",), ("CONNECT 127.0.0.1:99999 HTTP/1.1",), ("CONNECT a@127.0.0.1:{port} HTTP/1.1",),
        ("PUT http://127.0.0.1:{port}/ HTTP/1.1", "Transfer-Encoding: chunked"),
        ("PUT http://127.0.0.1:{port}/ HTTP/1.1", "Content-Length: -5"), ("\xff",),
    ],
)  # fmt: skip
async def test_what_is_no_request_to_a_proxy_is_refused(forwarder, upstream, lines):
    async with connected(forwarder) as client:
        client.send(*(line.format(port=upstream.port) for line in lines), secret(forwarder))
        assert await client.status() == 400
    assert upstream.connections == 0


async def test_a_request_without_an_end_is_not_read_for_ever(forwarder, upstream):
    async with connected(forwarder) as client:
        client.send(f"CONNECT 127.0.0.1:{upstream.port} HTTP/1.1", "X: " + "y" * 300_000, secret(forwarder))
        with contextlib.suppress(ConnectionError):  # by the answer, or by a reset that overtakes it
            await client.rest()
    assert upstream.connections == 0


@pytest.mark.parametrize(
    ("target", "path"), [("/b/k%2Fx?a=%20", "/b/k%2Fx?a=%20"), ("", "/")]
)  # fmt: skip
async def test_a_plain_request_goes_on_as_it_came_without_what_is_for_the_proxy(forwarder, upstream, target, path):
    async with connected(forwarder) as client:
        at = f"127.0.0.1:{upstream.port}"
        client.send(
            f"PUT http://{at}{target} HTTP/1.1", f"host: {at}", "proxy-connection: x", "connection: keep-alive",
            secret(forwarder), "content-length: 4", body=b"body",
        )  # fmt: skip
        expected = f"PUT {path} HTTP/1.1\r\nhost: {at}\r\ncontent-length: 4\r\nConnection: close\r\n\r\nbody"
        assert (await client.reader.readexactly(len(expected))).decode() == expected


async def test_a_second_request_on_the_connection_of_a_first_is_never_passed_on_unchecked(forwarder, upstream):
    async with connected(forwarder) as client:
        at = f"127.0.0.1:{upstream.port}"
        client.send(f"PUT http://{at}/first HTTP/1.1", secret(forwarder), "content-length: 4", body=b"body")
        await client.reader.readuntil(b"body")
        client.send("GET http://10.0.0.1/second HTTP/1.1", secret(forwarder))
        assert await client.rest() == b""
    assert b"second" not in b"".join(upstream.came)


async def test_more_connections_of_one_store_than_its_part_are_put_off_and_take_none_from_another(
    forwarder, upstream, monkeypatch
):
    monkeypatch.setattr(forwarding, "OF_ONE", 2)
    async with contextlib.AsyncExitStack() as stack:
        for user, expected in (("a", 200), ("a", 200), ("a", 503), ("b", 200)):
            client = await stack.enter_async_context(connected(forwarder))
            client.send(f"CONNECT 127.0.0.1:{upstream.port} HTTP/1.1", secret(forwarder, user))
            assert await client.status() == expected
    async with connected(forwarder) as client:  # theirs have ended
        client.send(f"CONNECT 127.0.0.1:{upstream.port} HTTP/1.1", secret(forwarder, "a"))
        assert await client.status() == 200


async def test_connections_beyond_the_bound_are_put_off_before_anything_is_read(forwarder, monkeypatch):
    monkeypatch.setattr(forwarding, "CONNECTIONS", 1)
    async with connected(forwarder) as first:
        first.send("CONNECT 127.0.0.1:1 HTTP/1.1\r\nX: not yet all")
        async with connected(forwarder) as second:
            assert await second.status() == 503


@pytest.mark.parametrize(("bound", "begun"), [("_SILENCE", True), ("_HEAD_SECONDS", False)])
async def test_who_says_nothing_for_long_is_hung_up_on(forwarder, upstream, monkeypatch, bound, begun):
    monkeypatch.setattr(forwarding, bound, 0.05)
    async with connected(forwarder) as client:
        if begun:
            client.send(f"CONNECT 127.0.0.1:{upstream.port} HTTP/1.1", secret(forwarder))
            assert await client.status() == 200
        assert await client.rest() == b""


async def test_its_end_ends_every_connection(upstream):
    async with contextlib.AsyncExitStack() as stack:
        async with forwarding.Forwarder(HERE) as forwarder:
            client = await stack.enter_async_context(connected(forwarder))
            client.send(f"CONNECT 127.0.0.1:{upstream.port} HTTP/1.1", secret(forwarder))
            assert await client.status() == 200
        assert await client.rest() == b""
        await upstream.ended.wait()
