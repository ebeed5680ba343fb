"""What is connected to is what was checked, whatever the resolver says next."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from avouch import destinations, errors, pinned
from tests.resolving import Resolver

HERE = destinations.Destinations.parse("127.0.0.0/8 ::1", "x")


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    return Resolver(monkeypatch)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("answer", [["10.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["8.8.8.8", "::1"]])
async def test_one_address_that_is_not_allowed_refuses_the_name(resolver: Resolver, answer: list[str]):
    resolver.answers = [answer]
    with pytest.raises(errors.Denied, match=r"name\.example is not at a public address"):
        await pinned.resolve("name.example", 443, destinations.PUBLIC)


async def test_public_addresses_are_taken_in_order(resolver: Resolver):
    resolver.answers = [["8.8.8.8", "1.1.1.1"]]
    assert await pinned.resolve("name.example", 443, destinations.PUBLIC) == ["8.8.8.8", "1.1.1.1"]


async def test_a_name_that_resolves_otherwise_the_next_moment_gains_nothing(resolver: Resolver, port: int):
    resolver.answers = [["127.0.0.1"], ["127.0.0.2"]]
    stream = await pinned.Backend(HERE).connect_tcp("name.example", port)
    assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
    assert resolver.asked == 1
    await stream.aclose()


async def test_an_address_that_does_not_answer_gives_way_to_the_next(resolver: Resolver, port: int):
    resolver.answers = [["127.0.0.9", "127.0.0.1"]]
    stream = await pinned.Backend(HERE).connect_tcp("name.example", port)
    assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
    await stream.aclose()


@pytest.mark.parametrize("host", ["a" * 64, "a..b", "name.invalid"])
async def test_a_name_that_is_none_does_not_resolve(host: str):
    with pytest.raises(errors.Unavailable, match="does not resolve"):
        await pinned.resolve(host, 443, destinations.PUBLIC)
