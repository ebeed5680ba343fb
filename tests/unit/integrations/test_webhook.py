"""The webhook against a real server on the loopback."""

import asyncio
import ipaddress
import uuid

import pytest

from avouch import errors
from avouch.controlplane.model import deliveries
from avouch.integrations import addresses, webhook


def delivery(url, **config):
    config = {"url": url, "allowPrivateAddresses": True, **config}
    return deliveries.Delivery(
        uuid.UUID(int=1), uuid.UUID(int=2), "u", "a", "ns", "webhook", config, b'{"a":1}', 1, b"key"
    )


async def answered(reply, **config):
    seen = bytearray()

    async def handle(reader, writer):
        seen.extend(await reader.readuntil(b"\r\n\r\n"))
        seen.extend(await reader.readexactly(7))
        try:
            writer.write(reply)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except OSError:  # the client left early, as it should from an endless answer
            pass

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await webhook.Webhook(lambda: 100.0).deliver(delivery(f"http://127.0.0.1:{port}/", **config))
    return bytes(seen)


async def test_a_delivery_carries_its_id_and_a_signature_over_time_and_body():
    seen = await answered(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert b"Avouch-Delivery: 00000000-0000-0000-0000-000000000001" in seen
    assert webhook.signature(b"key", b'{"a":1}', 100).encode() in seen


@pytest.mark.parametrize(("status", "wanted"), [(302, errors.Denied), (401, errors.Denied), (410, errors.Denied),
                                                (408, errors.Unavailable), (500, errors.Unavailable)])  # fmt: skip
async def test_an_answer_says_whether_to_try_again(status, wanted):
    with pytest.raises(wanted):
        await answered(b"HTTP/1.1 %d X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n" % status)


async def test_retry_after_is_honoured():
    with pytest.raises(errors.Overloaded) as caught:
        await answered(b"HTTP/1.1 429 X\r\nRetry-After: 77\r\nContent-Length: 0\r\n\r\n")
    assert caught.value.retry_after == 77


async def test_an_endless_answer_is_read_for_64_kib_only():
    await answered(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 200_000)


async def test_a_receiver_that_is_away_is_told_in_the_systems_words():
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    with pytest.raises(errors.Unavailable, match="not reached: connection refused"):
        await webhook.Webhook().deliver(delivery(f"http://127.0.0.1:{port}/"))


async def test_a_hanging_receiver_is_left_after_the_time_limit(monkeypatch):
    monkeypatch.setattr(webhook, "TIMEOUT", 0.05)
    with pytest.raises(errors.Unavailable):
        await answered(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "2130706433"]
)
async def test_addresses_that_are_not_public_are_refused_at_connect(host):
    with pytest.raises(errors.Denied):
        await webhook.Webhook().deliver(delivery(f"https://{host}/", allowPrivateAddresses=False))


@pytest.mark.parametrize("text", ["10.0.0.1", "100.64.0.1", "fd00::1", "fe80::1", "64:ff9b::7f00:1", "2002:7f00:1::"])
def test_no_private_range_is_public(text):
    assert not addresses.is_public(ipaddress.ip_address(text))


async def test_plain_http_needs_permission():
    with pytest.raises(errors.Invalid):
        await webhook.Webhook().deliver(delivery("http://example.com/", allowPrivateAddresses=False))


@pytest.mark.parametrize(("asked", "seconds"), [(None, 10), (3, 3), (60, 60), (0, 1), (3600, 60), ("5", 10)])
def test_an_integration_may_ask_for_another_time_limit_within_bounds(asked, seconds):
    assert webhook._patience(asked) == seconds


async def test_an_answer_that_breaks_off_on_a_kept_connection_is_a_failed_try_and_nothing_is_sent_twice():
    answers = [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"]
    got = []

    async def handle(reader, writer):
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            got.append(await reader.readexactly(7))
            writer.write(answer)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server, webhook.Webhook() as plugin:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await plugin.deliver(delivery(url))
        with pytest.raises(errors.Unavailable):
            await plugin.deliver(delivery(url))
    assert len(got) == 2
