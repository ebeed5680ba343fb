"""Every integration in the table, against a receiver on the loopback: what `deliveries.Integration` promises.

A plugin is held to this by a line in `CASES`: what it is configured with to reach the receiver, and how its receiver
spells the answers. A type without a line fails.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from avouch import destinations, errors
from avouch.controlplane.model import deliveries
from avouch.integrations import registry

CLOSED = b""  # instead of an answer


@dataclass
class Receiver:
    """Speaks HTTP on the loopback; `answers` are used in turn, then the last one again."""

    answers: list[bytes]
    hang: asyncio.Event | None = None
    got: list[bytes] = field(default_factory=list)  # heads, with their bodies
    connections: int = 0
    port: int = 0
    _open: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length")
                )
                self.got.append(head + await reader.readexactly(length))
                if self.hang is not None:
                    await self.hang.wait()
                answer = self.answers[min(len(self.got), len(self.answers)) - 1]
                if answer == CLOSED:
                    writer.close()
                    return
                writer.write(answer)
                await writer.drain()

    async def drop(self) -> None:
        """Close every connection, as a receiver does that was restarted."""
        for writer in self._open:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self._open.clear()


HERE = destinations.Destinations.parse("127.0.0.0/8", "AVOUCH_DESTINATIONS")


@contextlib.asynccontextmanager
async def receiving(*answers: bytes, hang: asyncio.Event | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver(list(answers), hang)
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver
        await receiver.drop()


@dataclass(frozen=True)
class Case:
    """How one type is tried."""

    config: Callable[[int], dict[str, Any]]  # by the receiver's port
    taken: bytes
    busy: bytes  # comes again in 77 s
    failing: bytes
    refused: bytes  # for good
    lacking: Mapping[str, Any]  # a section that does not say enough
    impatient: Mapping[str, Any]  # added to the section: one second


def _answer(status: int, *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status} X", "Content-Length: 0", *headers, "", "")
    return "\r\n".join(lines).encode()


CASES = {
    "webhook": Case(
        config=lambda port: {"url": f"http://127.0.0.1:{port}/hook", "allowPrivateAddresses": True},
        taken=_answer(204),
        busy=_answer(429, "Retry-After: 77"),
        failing=_answer(500),
        refused=_answer(410),
        lacking={},
        impatient={"timeoutSeconds": 1},
    ),
}


def test_every_type_is_tried_here() -> None:
    assert CASES.keys() == registry.TABLE.keys()


@pytest.fixture(params=sorted(CASES))
def type_(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def send(type_: str, port: int, *, times: int = 1, **changes: Any) -> None:
    config = {**CASES[type_].config(port), **changes}
    one = deliveries.Delivery(
        uuid.UUID(int=1), uuid.UUID(int=2), "uid", "chat", "shop", type_, config, b'{"verdict":"Passed"}', 1, b"key"
    )
    async with registry.opened(HERE) as plugins:
        for _ in range(times):
            await plugins[type_].deliver(one)


async def test_a_delivery_that_is_taken_returns_and_carries_its_id_and_the_verdict(type_: str) -> None:
    async with receiving(CASES[type_].taken) as receiver:
        await send(type_, receiver.port)
    (got,) = receiver.got
    assert str(uuid.UUID(int=1)).encode() in got
    assert b"Passed" in got


async def test_one_connection_serves_many_deliveries(type_: str) -> None:
    async with receiving(CASES[type_].taken) as receiver:
        await send(type_, receiver.port, times=5)
    assert (len(receiver.got), receiver.connections) == (5, 1)


async def test_a_connection_that_the_receiver_closed_meanwhile_costs_no_try(type_: str) -> None:
    config = CASES[type_].config
    async with receiving(CASES[type_].taken) as receiver, registry.opened(HERE) as plugins:
        one = deliveries.Delivery(
            uuid.UUID(int=1), uuid.UUID(int=2), "uid", "chat", "shop", type_, config(receiver.port), b"{}", 1
        )
        await plugins[type_].deliver(one)
        await receiver.drop()
        await plugins[type_].deliver(one)
    assert receiver.connections == 2


async def test_a_kept_connection_that_closes_under_a_delivery_costs_no_try(type_: str) -> None:
    async with receiving(CASES[type_].taken, CLOSED, CASES[type_].taken) as receiver:
        await send(type_, receiver.port, times=2)
    assert (len(receiver.got), receiver.connections) == (3, 2)


async def test_a_new_connection_that_closes_without_an_answer_is_a_failed_try(type_: str) -> None:
    async with receiving(CLOSED) as receiver:
        with pytest.raises(errors.Unavailable):
            await send(type_, receiver.port)
    assert len(receiver.got) == 1


async def test_what_may_pass_is_tried_again(type_: str) -> None:
    async with receiving(CASES[type_].failing) as receiver:
        with pytest.raises(errors.Unavailable):
            await send(type_, receiver.port)


async def test_a_receiver_that_asks_for_time_is_given_it(type_: str) -> None:
    async with receiving(CASES[type_].busy) as receiver:
        with pytest.raises(errors.Overloaded) as caught:
            await send(type_, receiver.port)
    assert caught.value.retry_after == 77


async def test_a_refusal_for_good_is_not_tried_again(type_: str) -> None:
    async with receiving(CASES[type_].refused) as receiver:
        with pytest.raises(errors.AvouchError) as caught:
            await send(type_, receiver.port)
    assert not caught.value.retry


async def test_a_receiver_that_is_not_there_is_tried_again(type_: str) -> None:
    async with receiving(b"") as receiver:
        port = receiver.port
    with pytest.raises(errors.Unavailable):
        await send(type_, port)


async def test_a_receiver_that_hangs_is_left_after_the_time_it_was_given(type_: str) -> None:
    hang = asyncio.Event()
    async with receiving(CASES[type_].taken, hang=hang) as receiver:
        with pytest.raises(errors.Unavailable, match="in 1 s"):
            await send(type_, receiver.port, **CASES[type_].impatient)
        hang.set()


async def test_private_addresses_are_not_spoken_to_unless_the_integration_allows_it(type_: str) -> None:
    async with receiving(CASES[type_].taken) as receiver:
        with pytest.raises(errors.AvouchError) as caught:
            await send(type_, receiver.port, allowPrivateAddresses=False)
    assert not caught.value.retry
    assert receiver.connections == 0


def test_a_section_that_says_enough_is_handed_to_the_plugin_as_it_is(type_: str) -> None:
    section = CASES[type_].config(80)
    assert registry.Types().config({"type": type_, type_: section}) == section


@pytest.mark.parametrize("absent", [True, False])
def test_a_section_that_is_missing_or_lacks_something_is_refused_with_its_field(type_: str, absent: bool) -> None:
    spec = {"type": type_, **({} if absent else {type_: CASES[type_].lacking})}
    with pytest.raises(errors.Invalid) as caught:
        registry.Types().config(spec)
    assert caught.value.field.startswith(f"spec.{type_}")


def test_a_type_that_is_not_in_the_table_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(errors.Invalid, match="webhook"):
        registry.Types().config({"type": "pigeon"})
