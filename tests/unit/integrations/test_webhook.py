"""The webhook against a real server on the loopback."""

import asyncio
import uuid

import pytest

from avouch import destinations, errors
from avouch.controlplane.model import deliveries
from avouch.integrations import webhook

LISTED = destinations.Destinations.parse("127.0.0.0/8", "AVOUCH_DESTINATIONS")


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
        await webhook.Webhook(LISTED, lambda: 100.0).deliver(delivery(f"http://127.0.0.1:{port}/", **config))
    return bytes(seen)


async def test_a_delivery_carries_its_id_and_a_signature_over_id_time_and_body():
    seen = await answered(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert b"\r\nwebhook-id: 00000000-0000-0000-0000-000000000001\r\n" in seen
    assert b"\r\nwebhook-timestamp: 100\r\n" in seen
    # printf '%s' '00000000-0000-0000-0000-000000000001.100.{"a":1}' | openssl dgst -sha256 -hmac key -binary | base64
    assert b"\r\nwebhook-signature: v1,4YLJ7o3wsTm91MWbm5g2qJzixnWX/E9Djx2x7J/Ydgc=\r\n" in seen


async def test_receivers_of_the_last_release_find_the_headers_that_they_know():
    seen = await answered(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert b"\r\nAvouch-Delivery: 00000000-0000-0000-0000-000000000001\r\n" in seen
    # printf '100.{"a":1}' | openssl dgst -sha256 -hmac key
    assert (
        b"\r\nAvouch-Signature: t=100,v1=f186804bb814c5f520e65c2e8f9bf5d5a563d1d553e936889486c90b71d35801\r\n" in seen
    )


def test_a_signature_is_that_of_standard_webhooks():
    """The example that its libraries are tested with."""
    found = webhook.signature(
        b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_another_id_has_another_signature():
    assert webhook.signature(b"key", "a", 100, b"{}") != webhook.signature(b"key", "b", 100, b"{}")


def test_a_secret_that_only_begins_like_one_of_standard_webhooks_is_told():
    with pytest.raises(errors.Invalid, match="not base64 behind whsec_") as raised:
        webhook.signature(b"whsec_!secret", "a", 100, b"{}")
    assert "!secret" not in str(raised.value)


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
        await webhook.Webhook(LISTED).deliver(delivery(f"http://127.0.0.1:{port}/"))


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


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "http://127.0.0.1/", "http://localhost/"])
async def test_the_word_of_an_author_opens_nothing_that_the_operator_did_not_list(url):
    with pytest.raises(errors.Denied):
        await webhook.Webhook().deliver(delivery(url, allowPrivateAddresses=True))


async def test_plain_http_goes_to_listed_destinations_alone():
    with pytest.raises(errors.Denied, match="is not encrypted, and not listed"):
        await webhook.Webhook(LISTED).deliver(delivery("http://8.8.8.8/"))


@pytest.mark.parametrize("url", ["https://ann:pw@example.com/", "https://ann@example.com/"])
async def test_credentials_in_an_address_are_refused(url):
    with pytest.raises(errors.Invalid, match="credentials in the URL") as raised:
        await webhook.Webhook(LISTED).deliver(delivery(url))
    assert raised.value.fix


@pytest.mark.parametrize(
    "status", [301, 307, 400, 401, 403, 404, 405, 410, 413, 418, 422, 429, 451, 500, 502, 503, 599]
)
async def test_an_answer_is_told_in_few_words_and_never_as_it_is(status):
    with pytest.raises(errors.AvouchError) as raised:
        await answered(b"HTTP/1.1 %d Secret\r\nContent-Length: 0\r\n\r\n" % status)
    assert str(status) not in str(raised.value)
    assert "Secret" not in str(raised.value)


async def test_too_many_requests_without_a_time_are_tried_again():
    with pytest.raises(errors.Unavailable) as raised:
        await answered(b"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n")
    assert raised.value.retry
    assert not isinstance(raised.value, errors.Overloaded)


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

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server, webhook.Webhook(LISTED) as plugin:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await plugin.deliver(delivery(url))
        with pytest.raises(errors.Unavailable):
            await plugin.deliver(delivery(url))
    assert len(got) == 2
