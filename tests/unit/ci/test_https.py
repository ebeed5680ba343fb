import time
from pathlib import Path

import pytest

from avouch import errors
from avouch.ci import https
from tests import loopback


def test_an_answer_is_read(tmp_path: Path) -> None:
    secure = loopback.tls(tmp_path)
    with loopback.serving(secure=secure) as server:
        server.answers = lambda _: loopback.Reply(418, b"tea", {"X-Leaf": "green"})
        request = https.Request(f"{server.url}/a?b=c", {"Authorization": "x"}, secure.authority.read_text(), False)
        answer = https.get(request, 5)
        assert (answer.status, answer.body, answer.headers["x-leaf"]) == (418, b"tea", "green")
        assert (server.seen[0].path, server.seen[0].headers["authorization"]) == ("/a?b=c", "x")


def test_what_drips_is_left_when_the_time_is_over(tmp_path: Path) -> None:
    secure = loopback.tls(tmp_path)
    with loopback.serving(lambda _: loopback.Reply(200, drips=True), secure) as server:
        start = time.monotonic()
        with pytest.raises(errors.Unavailable, match=r"no answer from localhost in 0\.3 s"):
            https.get(https.Request(server.url, {}, secure.authority.read_text(), False), 0.3)
        assert time.monotonic() - start < 3


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "LIMIT", 10)
    secure = loopback.tls(tmp_path)
    with (
        loopback.serving(lambda _: loopback.Reply(200, b"x" * 11), secure) as server,
        pytest.raises(errors.Unavailable, match="more than 10 bytes"),
    ):
        https.get(https.Request(server.url, {}, secure.authority.read_text(), False), 5)


def test_a_redirect_is_an_answer_and_is_not_followed(tmp_path: Path) -> None:
    secure = loopback.tls(tmp_path)
    with loopback.serving() as other, loopback.serving(secure=secure) as server:
        server.answers = lambda _: loopback.Reply(302, b"", {"Location": other.url})
        request = https.Request(server.url, {"Authorization": "x"}, secure.authority.read_text(), False)
        assert https.get(request, 5).status == 302
        assert other.seen == []


def test_another_authority_is_not_trusted(tmp_path: Path) -> None:
    with loopback.serving(secure=loopback.tls(tmp_path)) as server:
        with pytest.raises(errors.Unavailable, match="unable to get local issuer certificate"):
            https.get(https.Request(server.url, proxies=False), 5)
        assert server.seen == []


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "https://", "https://user:pw@x.example/", "file:///etc/passwd", "", "https://x y/",
     "https://x.example/\r\nX: y", "https://[::1", "https://x:0/", "https://x:99999/"],
)  # fmt: skip
def test_only_an_https_address_is_asked(url: str) -> None:
    with pytest.raises(errors.Unavailable, match="not asked"):
        https.get(https.Request(url, {"Authorization": "secret"}, proxies=False), 1)


def test_nobody_there_and_no_authority_are_named() -> None:
    with loopback.serving() as gone:
        address = gone.address
    with pytest.raises(errors.Unavailable, match="Connection refused"):
        https.get(https.Request(f"https://{address}/", proxies=False), 5)
    with pytest.raises(errors.Unavailable, match="not asked"):
        https.get(https.Request(f"https://{address}/", ca="nonsense", proxies=False), 5)


def test_a_proxy_is_asked_for_a_tunnel_and_sees_no_header_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback.serving() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ann:pw@{proxy.address}")
        monkeypatch.setenv("NO_PROXY", "direct.example")
        with pytest.raises(errors.Unavailable):
            https.get(https.Request("https://forge.example/", {"Authorization": "secret"}), 5)
    assert [(seen.method, seen.path) for seen in proxy.seen] == [("CONNECT", "forge.example:443")]
    assert "authorization" not in proxy.seen[0].headers
    assert proxy.seen[0].headers["proxy-authorization"] == "Basic YW5uOnB3"
