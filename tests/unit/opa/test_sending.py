"""Requests that scripts ask for: which are made, and every way to reach more than is allowed."""

import ipaddress
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from avouch import destinations, errors
from avouch.opa import sending
from tests import loopback, resolving

HERE = destinations.Destinations(networks=(ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128")))
METADATA = "169.254.169.254"


@pytest.fixture
def tls(tmp_path: Path) -> loopback.Tls:
    return loopback.tls(tmp_path)


@pytest.fixture
def served(tls: loopback.Tls) -> Iterator[loopback.Server]:
    with loopback.serving(lambda _: loopback.Reply(body=b"{}"), tls) as server:
        yield server


async def sent(
    said: Any, *hosts: str, allowed: destinations.Destinations = HERE, tls: Callable[[], ssl.SSLContext] | None = None
) -> dict[str, Any]:
    """What a script that asks for this is told."""
    reach = sending.Reach(frozenset(hosts or ("localhost",)), allowed)
    return await sending.send(sending.read(said, reach), reach, tls or ssl.create_default_context)


def request(served: loopback.Server, tls: loopback.Tls, **said: Any) -> dict[str, Any]:
    return {"method": "get", "url": f"{served.url}/a", "tls_ca_cert": tls.authority.read_text(), **said}


DENIED = {
    "another host": ({"url": "https://other.example/"}, "may not ask other.example, but localhost"),
    "a subdomain": ({"url": "https://a.localhost/"}, "may not ask a.localhost"),
    "a name with a dot at its end": ({"url": "https://localhost./"}, "may not ask"),
    "metadata": ({"url": f"https://{METADATA}/"}, f"may not ask {METADATA}"),
    "a service": ({"url": "https://kubernetes.default.svc/"}, "may not ask kubernetes"),
    "an address of IPv6": ({"url": "https://[::1]/"}, "may not ask ::1"),
    "IPv4 within IPv6": ({"url": f"https://[::ffff:{METADATA}]/"}, "may not ask"),
    "a number": ({"url": "https://2130706433/"}, "may not ask"),
    "plain HTTP": ({"url": "http://localhost/"}, "asks localhost by http"),
    "a user": ({"url": "https://localhost@other.example/"}, "by https"),
    "a socket of this machine": ({"url": "unix://localhost/v1/data?socket=%2Ftmp%2Fopa.sock"}, "by unix"),
    "a file": ({"url": "file:///etc/passwd"}, "no URL"),
    "letters that look alike": ({"url": "https://ⓛocalhost/"}, "no URL"),
    "a line break": ({"url": "https://localhost/\r\nX: y"}, "no URL"),
    "a long URL": ({"url": f"https://localhost/{'a' * 9000}"}, "no URL"),
    "another host's name": ({"headers": {"Host": "internal.example"}}, "Host cannot be chosen"),
    "a header for a proxy": ({"headers": {"Proxy-Authorization": "a"}}, "cannot be chosen"),
    "a header in a header": ({"headers": {"X": "a\r\nHost: b"}}, "is no header"),
    "headers of another sort": ({"headers": {"X": 1}}, "is no header"),
    "a list of headers": ({"headers": ["X"]}, "headers is no object"),
    "certificates from a file": ({"tls_ca_cert_file": "/etc/hostname"}, "tls_ca_cert_file has no place"),
    "a key from a file": ({"tls_client_key_file": "/tls/key"}, "tls_client_key_file has no place"),
    "a certificate from a variable": ({"tls_client_cert_env_variable": "HOME"}, "has no place"),
    "authorities from a variable": ({"tls_ca_cert_env_variable": "HOME"}, "has no place"),
    "trusting anybody": ({"tls_insecure_skip_verify": True}, "tls_insecure_skip_verify has no place"),
    "another name for the server": ({"tls_server_name": "other"}, "tls_server_name has no place"),
    "a method of two lines": ({"method": "GET / HTTP/1.1\r\nX:"}, "no method of HTTP"),
    "a method that is a number": ({"method": 1}, "method is no text"),
    "no certificate": ({"tls_ca_cert": "nothing"}, "tls_ca_cert"),
    "no time": ({"timeout": "0s"}, "timeout is no duration"),
    "time of another sort": ({"timeout": True}, "timeout is no duration"),
    "a flag of another sort": ({"raise_error": "no"}, "neither true nor false"),
    "what nobody knows": ({"proxy": "http://a"}, "proxy has no place"),
}


@pytest.mark.parametrize(("said", "words"), DENIED.values(), ids=DENIED)
async def test_what_is_not_allowed_is_refused(
    served: loopback.Server, tls: loopback.Tls, said: dict[str, Any], words: str
) -> None:
    with pytest.raises((errors.Invalid, errors.Denied), match=words):
        await sent(request(served, tls, **said))
    assert served.seen == []


async def test_what_is_no_request_is_refused() -> None:
    with pytest.raises(errors.Invalid, match="takes an object"):
        await sent(["https://localhost/"])


def test_what_a_script_says_is_read() -> None:
    reach = sending.Reach(frozenset({"a.example"}))
    found = sending.read({"method": "put", "url": "https://a.example:8443/b?c", "raw_body": "é", "body": 1}, reach)
    assert (found.method, str(found.url), found.body) == ("PUT", "https://a.example:8443/b?c", "é".encode())
    assert (found.patience, found.redirects, found.raises) == (sending.PATIENCE, False, True)
    said = {"method": "get", "url": "https://A.example/", "cache": True, "tls_insecure_skip_verify": False}
    assert sending.read({**said, "timeout": 2_000_000_000}, reach).patience == 2.0
    assert sending.within(sending.read({**said, "timeout": "1.5m"}, reach), 4.0).patience == 4.0


@pytest.mark.parametrize(
    ("content_type", "forced", "decode"),
    [
        ("text/plain", {}, ""),
        ("application/json; charset=utf-8", {}, "json"),
        ("application/vnd.cyclonedx+json", {}, "json"),
        ("application/yaml", {}, "yaml"),
        ("text/plain", {"force_json_decode": True}, "json"),
        ("application/yaml", {"force_json_decode": True}, "json"),
        ("", {"force_yaml_decode": True}, "yaml"),
    ],
)
async def test_how_a_body_is_read_is_told(
    tls: loopback.Tls, content_type: str, forced: dict[str, bool], decode: str
) -> None:
    reply = loopback.Reply(404, b"\xff", {"Content-Type": content_type})
    with loopback.serving(lambda _: reply, tls) as served:
        found = await sent(request(served, tls, **forced))
    assert (found["decode"], found["answer"]["status_code"], found["answer"]["raw_body"]) == (decode, 404, "\ufffd")


async def test_a_redirect_is_an_answer_unless_it_is_to_be_followed_and_each_hop_is_checked(tls: loopback.Tls) -> None:
    def answers(seen: loopback.Request) -> loopback.Reply:
        if seen.path == "/a":
            return loopback.Reply(302, headers={"Location": where})
        return loopback.Reply(body=json.dumps(dict(seen.headers)).encode())

    with loopback.serving(answers, tls) as served:
        port = served.address.partition(":")[2]
        where = f"https://127.0.0.1:{port}/b"
        going = request(served, tls, enable_redirect=True, headers={"Authorization": "Bearer secret"})
        with pytest.raises(errors.Denied, match=r"may not ask 127\.0\.0\.1"):
            await sent(going)
        assert [each.path for each in served.seen] == ["/a"]
        found = (await sent(going, "localhost", "127.0.0.1"))["answer"]
        assert found["status_code"] == 200
        assert "authorization" not in json.loads(found["raw_body"])
        assert (await sent(request(served, tls)))["answer"]["status_code"] == 302
        where = f"http://localhost:{port}/b"
        with pytest.raises(errors.Invalid, match="by http"):
            await sent(going)


async def test_redirects_without_end_are_followed_a_few_times(tls: loopback.Tls) -> None:
    with loopback.serving(lambda _: loopback.Reply(302, headers={"Location": "/a"}), tls) as served:
        with pytest.raises(errors.Unavailable, match="redirects more than 10 times"):
            await sent(request(served, tls, enable_redirect=True))
        assert len(served.seen) == sending.REDIRECTS + 1


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", METADATA, "::1", "fd00::1", "::ffff:10.0.0.1"])
async def test_an_allowed_name_at_an_address_of_the_cluster_is_refused(
    served: loopback.Server, tls: loopback.Tls, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    resolver = resolving.Resolver(monkeypatch)
    resolver.answers = [[address]]
    said = request(served, tls, url=served.url.replace("localhost", "name.example"))
    with pytest.raises(errors.Denied, match=r"name\.example is not at a public address"):
        await sent(said, "name.example", allowed=destinations.PUBLIC)
    assert served.connections == 0


async def test_a_name_that_moves_is_connected_to_where_it_was_checked(
    served: loopback.Server, tls: loopback.Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the second answer would be another machine's."""
    resolver = resolving.Resolver(monkeypatch)
    resolver.answers = [["127.0.0.1"], ["10.0.0.1"]]
    said = request(served, tls, url=served.url.replace("localhost", "name.example"))
    with pytest.raises(errors.Unavailable, match="its certificate is not trusted"):  # it reached the first, not itself
        await sent(said, "name.example")
    assert resolver.asked == 1
    with pytest.raises(errors.Denied, match="not at a public address"):
        await sent(said, "name.example")


async def test_a_host_whose_certificate_nobody_trusts_is_not_asked(served: loopback.Server, tls: loopback.Tls) -> None:
    said = {"method": "get", "url": served.url}
    with pytest.raises(errors.Unavailable, match="its certificate is not trusted"):
        await sent(said)
    assert (await sent(said, tls=tls.trusting))["answer"]["status_code"] == 200


async def test_no_proxy_of_this_process_is_asked(
    served: loopback.Server, tls: loopback.Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@127.0.0.1:1")
    assert (await sent(request(served, tls)))["answer"]["status_code"] == 200


async def test_a_host_that_drips_has_the_time_that_the_script_gives(tls: loopback.Tls) -> None:
    with loopback.serving(lambda _: loopback.Reply(drips=True), tls) as served:
        with pytest.raises(errors.Unavailable, match=r"localhost: no answer in 0\.3 s"):
            await sent(request(served, tls, timeout="300ms"))


async def test_an_answer_that_is_too_large_is_refused(tls: loopback.Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "BODY", 1000)
    with loopback.serving(lambda _: loopback.Reply(body=b"x" * 1001), tls) as served:
        with pytest.raises(errors.TooLarge, match="answers with more than"):
            await sent(request(served, tls))
