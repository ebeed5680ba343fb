"""The webhook against a real server on the loopback."""

import asyncio
import sys
import threading
import uuid
from dataclasses import replace

import pytest

from avouch import destinations, errors
from avouch.controlplane.model import deliveries
from avouch.integrations import webhook
from tests import loopback

LISTED = destinations.Destinations.parse("127.0.0.0/8", "AVOUCH_DESTINATIONS")


def delivery(url, **config):
    config = {"url": url, "allowPrivateAddresses": True, **config}
    return deliveries.Delivery(
        uuid.UUID(int=1), uuid.UUID(int=2), "u", "a", "ns", "webhook", config, b'{"a":1}', 1, b"key"
    )


async def answered(reply, **config):
    seen, over = bytearray(), asyncio.Event()

    async def handle(reader, writer):
        seen.extend(await reader.readuntil(b"\r\n\r\n"))
        seen.extend(await reader.readexactly(7))
        try:
            writer.write(reply)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except OSError:  # the client left early, as it should from an endless answer
            writer.close()
        over.set()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        try:
            async with webhook.Webhook(LISTED, lambda: 100.0) as plugin:
                await plugin.deliver(delivery(url, **config))
        finally:
            if seen:
                await over.wait()
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


@pytest.mark.parametrize("secret", [b"key", b""])
async def test_a_delivery_says_what_it_is_who_sends_it_and_carries_a_signature_where_there_is_a_secret(secret):
    with loopback.serving(lambda _: loopback.Reply(204)) as receiver:
        async with webhook.Webhook(LISTED) as plugin:
            await plugin.deliver(replace(delivery(receiver.url), secret=secret))
    (seen,) = receiver.seen
    assert (seen.method, seen.path, seen.body) == ("POST", "/", b'{"a":1}')
    told = [seen.headers[name] for name in ("content-type", "user-agent", "avouch-event")]
    assert told == ["application/json", "avouch", "verdict"]
    assert {"webhook-id", "webhook-timestamp", "avouch-delivery"} < seen.headers.keys()
    assert ({"webhook-signature", "avouch-signature"} & seen.headers.keys() != set()) is bool(secret)


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


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "a byte at a time"])
async def test_a_hanging_receiver_is_left_after_the_time_limit(monkeypatch, drips):
    monkeypatch.setattr(webhook, "TIMEOUT", 0.05)
    over = threading.Event()

    def answer(_):
        over.wait(0 if drips else None)
        return loopback.Reply(drips=drips)

    with loopback.serving(answer) as receiver:
        async with webhook.Webhook(LISTED) as plugin:
            with pytest.raises(errors.Unavailable, match=r"^no answer in 0\.05 s"):
                await plugin.deliver(delivery(receiver.url))
        over.set()


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


@pytest.mark.parametrize("url", ["https://ann:pw@example.com/", "https://ann@example.com/", "https://:pw@example.com/"])
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


@pytest.mark.parametrize("allowed", [False, None, "true", 1])
async def test_plain_http_needs_permission_and_nothing_but_true_is_one(allowed):
    with pytest.raises(errors.Invalid, match="plain http") as raised:
        await webhook.Webhook(LISTED).deliver(delivery("http://127.0.0.1/", allowPrivateAddresses=allowed))
    assert (raised.value.field, bool(raised.value.fix)) == ("spec.webhook.url", True)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1", "https:///hook", "http://:80/", "ftp://127.0.0.1/", "file:///etc/passwd"]
)
async def test_what_is_no_address_of_http_is_refused_whatever_is_permitted(url):
    with pytest.raises(errors.Invalid, match=r"not an http\(s\) URL") as raised:
        await webhook.Webhook(LISTED).deliver(delivery(url))
    assert raised.value.field == "spec.webhook.url"


async def test_what_the_operator_listed_is_reached_where_the_integration_asks_for_it_alone(tmp_path):
    secure = loopback.tls(tmp_path)
    with loopback.serving(lambda _: loopback.Reply(204), secure) as receiver:
        async with webhook.Webhook(LISTED, tls=secure.trusting()) as plugin:
            for asked in (False, None, "true", 1):
                with pytest.raises(errors.Denied, match="is not at a public address"):
                    await plugin.deliver(delivery(receiver.url, allowPrivateAddresses=asked))
            assert receiver.connections == 0
            await plugin.deliver(delivery(receiver.url, allowPrivateAddresses=True))
    assert len(receiver.seen) == 1


async def test_a_receiver_whose_certificate_nobody_vouches_for_is_told_so(tmp_path):
    with loopback.serving(lambda _: loopback.Reply(204), loopback.tls(tmp_path)) as receiver:
        async with webhook.Webhook(LISTED) as plugin:
            with pytest.raises(errors.Unavailable, match="not reached: its certificate is not trusted"):
                await plugin.deliver(delivery(receiver.url))
    assert not receiver.seen


@pytest.mark.parametrize(("size", "connections"), [(0, 1), (webhook.MAX_ANSWER, 1), (webhook.MAX_ANSWER + 1, 2)])
async def test_an_answer_of_64_kib_is_read_whole_and_its_connection_kept(size, connections):
    with loopback.serving(lambda _: loopback.Reply(200, b"x" * size)) as receiver:
        async with webhook.Webhook(LISTED) as plugin:
            for _ in range(2):
                await plugin.deliver(delivery(receiver.url))
    assert (len(receiver.seen), receiver.connections) == (2, connections)


async def test_a_kept_connection_that_closes_without_an_answer_costs_no_try_and_a_new_one_does():
    replies = [204, 0, 204, 0, 0]  # 0: closed without an answer
    with loopback.serving(lambda _: loopback.Reply(replies[len(receiver.seen) - 1])) as receiver:
        async with webhook.Webhook(LISTED) as plugin:
            await plugin.deliver(delivery(receiver.url))
            await plugin.deliver(delivery(receiver.url))
            assert (len(receiver.seen), receiver.connections) == (3, 2)
            with pytest.raises(errors.Unavailable, match="not reached"):
                await plugin.deliver(delivery(receiver.url))
    assert (len(receiver.seen), receiver.connections) == (5, 3)  # the second one was made for this delivery


def test_nothing_looks_in_vain_for_what_is_not_installed_with_each_request():
    assert sys.modules["sniffio"] is None


async def test_a_first_connection_that_closes_without_an_answer_is_a_failed_try():
    with loopback.serving(lambda _: loopback.Reply(0)) as receiver:
        async with webhook.Webhook(LISTED) as plugin:
            with pytest.raises(errors.Unavailable, match="not reached"):
                await plugin.deliver(delivery(receiver.url))
    assert len(receiver.seen) == 1


async def test_a_plugin_that_is_closed_keeps_no_connection():
    over = asyncio.Event()

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(7)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert await reader.read() == b""
        over.set()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server, asyncio.timeout(60):
        async with webhook.Webhook(LISTED) as plugin:
            await plugin.deliver(delivery(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        await over.wait()


AUTHORIZED, NOTHING = "is not authorized: given up", "there is nothing at this address: given up"
REDIRECTED, REFUSED = "redirected, and redirects are not followed", "it refused the delivery: given up"
AGAIN, FAILED, WAITING = "it asked for another try", "it answered that it failed", "left alone for a while"
ANSWERS = [
    *((status, "", errors.Denied, REDIRECTED) for status in (300, 302, 399)),
    *((status, "", errors.Denied, REFUSED) for status in (400, 422, 499)),
    *((status, "", errors.Denied, AUTHORIZED) for status in (401, 403)),
    *((status, "", errors.Denied, NOTHING) for status in (404, 410)),
    (413, "", errors.Denied, "the delivery is too large: given up"),
    *((status, "", errors.Unavailable, AGAIN) for status in (408, 425, 429)),
    *((status, "", errors.Unavailable, FAILED) for status in (500, 503, 599)),
    *((status, "77", errors.Overloaded, WAITING) for status in (429, 503)),
    *((status, "77", errors.Unavailable, FAILED) for status in (500, 502, 504)),  # for nobody says when it is back
    (408, "77", errors.Unavailable, AGAIN),
    *(
        (503, wait, errors.Unavailable, FAILED)
        for wait in ("soon", "-1", "1.5", "\xb2", "Fri, 01 Jan 2027 00:00:00 GMT")
    ),
]


@pytest.mark.parametrize(("status", "wait", "wanted", "told"), ANSWERS)
async def test_an_answer_says_whether_and_why_to_try_again(status, wait, wanted, told):
    with loopback.serving(lambda _: loopback.Reply(status, headers={"Retry-After": wait})) as receiver:
        async with webhook.Webhook(LISTED) as plugin:
            with pytest.raises(errors.AvouchError, match=told) as raised:
                await plugin.deliver(delivery(receiver.url))
    assert type(raised.value) is wanted


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_every_answer_of_success_is_one(status):
    with loopback.serving(lambda _: loopback.Reply(status)) as receiver:
        async with webhook.Webhook(LISTED) as plugin:
            await plugin.deliver(delivery(receiver.url))


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
