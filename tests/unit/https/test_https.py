import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from avouch import errors, https, proxies
from tests import loopback


def test_an_answer_is_read(tmp_path: Path) -> None:
    secure = loopback.tls(tmp_path)
    with loopback.serving(secure=secure) as server:
        server.answers = lambda _: loopback.Reply(418, b"tea", {"X-Leaf": "green"})
        request = https.Resource(f"{server.url}/a?b=c", {"Authorization": "x"}, secure.authority.read_text())
        answer = https.get(request, 5)
        assert (answer.status, answer.body, answer.headers["x-leaf"]) == (418, b"tea", "green")
        assert (server.seen[0].path, server.seen[0].headers["authorization"]) == ("/a?b=c", "x")


def test_what_drips_is_left_when_the_time_is_over(tmp_path: Path) -> None:
    secure = loopback.tls(tmp_path)
    with loopback.serving(lambda _: loopback.Reply(200, drips=True), secure) as server:
        start = time.monotonic()
        with pytest.raises(errors.Unavailable, match=r"no answer from localhost in 0\.3 s"):
            https.get(https.Resource(server.url, {}, secure.authority.read_text()), 0.3)
        assert time.monotonic() - start < 3


@contextlib.contextmanager
def dripping(whole: bytes, then: bytes = b"") -> Iterator[https.Peer]:
    """A server that sends the first bytes of its answer at once and the others one by one, for ever."""
    over = threading.Event()

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(whole)
            while not over.wait(0.02):
                connection.sendall(then or b"z")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve, args=(listening,))
        serving.start()
        yield https.Peer("127.0.0.1", listening.getsockname()[1], plain=True)
        over.set()
        serving.join()


@pytest.mark.parametrize(
    "sent", [b"HTTP/1.", b"HTTP/1.1 200 OK\r\nX-Leaf: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"]
)
def test_a_connection_that_drips_is_left_at_its_deadline_and_half_an_answer_is_none(sent: bytes) -> None:
    with dripping(sent) as peer:
        link, start = https.Connection(peer), time.monotonic()
        with pytest.raises(TimeoutError):
            link.fetch(https.Request("GET", "/"), start + 0.3, 1_000_000)
        assert time.monotonic() - start < 3


def test_too_much_is_refused(tmp_path: Path) -> None:
    secure = loopback.tls(tmp_path)
    with (
        loopback.serving(lambda _: loopback.Reply(200, b"x" * 11), secure) as server,
        pytest.raises(errors.Unavailable, match="more than 10 bytes"),
    ):
        https.get(https.Resource(server.url, {}, secure.authority.read_text(), limit=10), 5)


def test_a_redirect_is_an_answer_and_is_not_followed(tmp_path: Path) -> None:
    secure = loopback.tls(tmp_path)
    with loopback.serving() as other, loopback.serving(secure=secure) as server:
        server.answers = lambda _: loopback.Reply(302, b"", {"Location": other.url})
        request = https.Resource(server.url, {"Authorization": "x"}, secure.authority.read_text())
        assert https.get(request, 5).status == 302
        assert other.seen == []


def test_another_authority_is_not_trusted(tmp_path: Path) -> None:
    with loopback.serving(secure=loopback.tls(tmp_path)) as server:
        with pytest.raises(errors.Unavailable, match="unable to get local issuer certificate"):
            https.get(https.Resource(server.url), 5)
        assert server.seen == []


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "https://", "https://user:pw@x.example/", "file:///etc/passwd", "", "https://x y/",
     "https://x.example/\r\nX: y", "https://[::1", "https://x:0/", "https://x:99999/"],
)  # fmt: skip
def test_only_an_https_address_is_asked(url: str) -> None:
    with pytest.raises(errors.Unavailable, match="not asked"):
        https.get(https.Resource(url, {"Authorization": "secret"}), 1)


def test_nobody_there_and_no_authority_are_named() -> None:
    with loopback.serving() as gone:
        address = gone.address
    with pytest.raises(errors.Unavailable, match="Connection refused"):
        https.get(https.Resource(f"https://{address}/"), 5)
    with pytest.raises(errors.Unavailable, match="not asked"):
        https.get(https.Resource(f"https://{address}/", ca="nonsense"), 5)


def test_a_proxy_is_asked_for_a_tunnel_and_sees_no_header_of_ours() -> None:
    with loopback.serving() as proxy:
        said = {"HTTPS_PROXY": f"http://ann:pw@{proxy.address}", "NO_PROXY": "direct.example"}
        with pytest.raises(errors.Unavailable):
            https.get(https.Resource("https://forge.example/", {"Authorization": "secret"}, environment=said), 5)
    assert [(seen.method, seen.path) for seen in proxy.seen] == [("CONNECT", "forge.example:443")]
    assert "authorization" not in proxy.seen[0].headers
    assert proxy.seen[0].headers["proxy-authorization"] == "Basic YW5uOnB3"


def test_a_proxy_that_is_none_is_named_and_nothing_is_asked() -> None:
    said = {"HTTPS_PROXY": "socks5://127.0.0.1:1"}
    with pytest.raises(errors.Unavailable, match="only HTTP proxies"):
        https.get(https.Resource("https://forge.example/", environment=said), 5)


def connection(server: loopback.Server, secure: loopback.Tls) -> https.Connection:
    host, _, port = server.address.partition(":")
    return https.Connection(https.Peer(host, int(port), secure.authority.read_text()))


def test_a_connection_serves_one_request_after_another(tmp_path: Path) -> None:
    secure = loopback.tls(tmp_path)
    with loopback.serving(lambda _: loopback.Reply(200, b"ok"), secure) as server:
        link = connection(server, secure)
        for _ in range(3):
            assert link.fetch(https.Request("GET", "/"), time.monotonic() + 5, 10).body == b"ok"
        link.close()
    assert server.connections == 1


def test_a_server_that_closes_between_two_requests_is_asked_again_over_a_new_connection(tmp_path: Path) -> None:
    secure, made = loopback.tls(tmp_path), []

    def body() -> Iterator[bytes]:
        made.append(1)
        yield b"content"

    with loopback.serving(lambda _: loopback.Reply(200, b"ok", hangs_up=True), secure) as server:
        link = connection(server, secure)
        for _ in range(3):
            request = https.Request("PUT", "/", {"Content-Length": "7"}, body)
            assert link.fetch(request, time.monotonic() + 5, 10).status == 200
        link.close()
    assert [seen.body for seen in server.seen] == [b"content"] * 3
    assert server.connections == 3


def test_a_server_that_never_answers_is_not_asked_for_ever(tmp_path: Path) -> None:
    secure = loopback.tls(tmp_path)
    with loopback.serving(lambda _: loopback.Reply(0), secure) as server:
        link = connection(server, secure)
        with pytest.raises(http.client.RemoteDisconnected):
            link.fetch(https.Request("GET", "/"), time.monotonic() + 5, 10)
    assert len(server.seen) == 1


def test_without_time_nothing_is_sent_and_what_is_too_large_is_not_kept(tmp_path: Path) -> None:
    secure = loopback.tls(tmp_path)
    with loopback.serving(lambda _: loopback.Reply(200, b"x" * 11), secure) as server:
        link = connection(server, secure)
        with pytest.raises(TimeoutError):
            link.fetch(https.Request("GET", "/"), time.monotonic() - 1, 10)
        assert server.seen == []
        with pytest.raises(errors.TooLarge):
            link.fetch(https.Request("GET", "/"), time.monotonic() + 5, 10)
        assert link._open is None


def test_passwords_and_tokens_are_in_no_repr() -> None:
    proxy = proxies.of({"HTTPS_PROXY": "http://ann:hunter2@proxy.example:3128"}, "x.example", 443)
    assert "hunter2" not in repr(https.Peer("x.example", proxy=proxy))
    assert "secret" not in repr(https.Resource("https://x.example", {"Authorization": "secret"}))


def test_what_cannot_be_connected_to_is_passed_over_and_the_certificate_names_the_host(tmp_path: Path) -> None:
    secure = loopback.tls(tmp_path)
    with loopback.serving(lambda _: loopback.Reply(200, b"ok"), secure) as server:
        port, ca = int(server.address.partition(":")[2]), secure.authority.read_text()
        link = https.Connection(https.Peer("localhost", port, ca, dialled=("name.invalid", "127.0.0.2", "127.0.0.1")))
        assert link.fetch(https.Request("GET", "/"), time.monotonic() + 5, 10).body == b"ok"
        link.close()
        other = https.Connection(https.Peer("avouch.example", port, ca, dialled=("127.0.0.1",)))
        with pytest.raises(ssl.SSLCertVerificationError):
            other.fetch(https.Request("GET", "/"), time.monotonic() + 5, 10)


def test_where_nothing_can_be_connected_to_the_first_reason_is_told() -> None:
    link = https.Connection(https.Peer("localhost", 1, dialled=("name.invalid", "127.0.0.2")))
    with pytest.raises(socket.gaierror):
        link.fetch(https.Request("GET", "/"), time.monotonic() + 5, 10)


def test_an_address_of_ipv6_is_connected_to() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        link = https.Connection(https.Peer("localhost", listening.getsockname()[1], dialled=("::1",)))
        with pytest.raises(TimeoutError):  # connected; nobody speaks TLS there
            link.fetch(https.Request("GET", "/"), time.monotonic() + 0.3, 10)
        listening.accept()[0].close()
