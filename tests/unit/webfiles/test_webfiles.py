"""Files on the web, from a real server on the loopback."""

import ssl
from collections.abc import Iterator

import pytest

from avouch import destinations, errors, webfiles
from tests import loopback

LOCAL = destinations.Destinations.parse("127.0.0.0/8", "AVOUCH_DESTINATIONS")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> loopback.Tls:
    return loopback.tls(tmp_path_factory.mktemp("webfiles"))


def answers(request: loopback.Request) -> loopback.Reply:
    match request.path:
        case "/a.yaml":
            return loopback.Reply(200, b"policy")
        case "/large.yaml":
            return loopback.Reply(200, b"x" * 101)
        case "/moved.yaml":
            return loopback.Reply(302, headers={"Location": "/a.yaml"})
        case "/failing.yaml":
            return loopback.Reply(503, b"policy")
        case "/cut.yaml":
            return loopback.Reply(0)
        case "/dripping.yaml":
            return loopback.Reply(200, b"policy", drips=True)
    return loopback.Reply(404, b"policy")


@pytest.fixture
def server(secure: loopback.Tls) -> Iterator[loopback.Server]:
    with loopback.serving(answers, secure) as serving:
        yield serving


async def get(
    url: str, trusting: ssl.SSLContext | None, allowed: destinations.Destinations = LOCAL, limit: int = 100
) -> bytes:
    async with webfiles.WebFiles(allowed, trusting) as files:
        return await files.get(url, limit)


async def test_a_file_is_got_whole(server: loopback.Server, secure: loopback.Tls) -> None:
    assert await get(f"{server.url}/a.yaml", secure.trusting()) == b"policy"
    assert "authorization" not in server.seen[0].headers


@pytest.mark.parametrize(
    ("path", "error", "told"),
    [
        ("large.yaml", errors.TooLarge, "more than 100 bytes"),
        ("moved.yaml", errors.Denied, "redirected, and redirects are not followed"),
        ("failing.yaml", errors.Unavailable, "answered 503"),
        ("gone.yaml", errors.NotFound, "answered 404: there is no such file"),
        ("cut.yaml", errors.Unavailable, "was not reached"),
    ],
)
async def test_an_answer_that_is_no_file_is_none(
    server: loopback.Server, secure: loopback.Tls, path: str, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        await get(f"{server.url}/{path}", secure.trusting())
    assert [request.path for request in server.seen] == [f"/{path}"]


async def test_a_host_that_drips_is_left_after_a_while(
    server: loopback.Server, secure: loopback.Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webfiles, "SECONDS", 0.2)
    with pytest.raises(errors.Unavailable, match=r"did not answer within 0\.2 s"):
        await get(f"{server.url}/dripping.yaml", secure.trusting(), limit=2**20)


async def test_a_host_that_is_not_whom_it_says_is_not_believed(server: loopback.Server) -> None:
    with pytest.raises(errors.Unavailable, match="its certificate is not trusted"):
        await get(f"{server.url}/a.yaml", None)
    assert server.seen == []


async def test_a_host_that_is_down_is_told_by_its_name_alone(secure: loopback.Tls) -> None:
    with loopback.serving(answers, secure) as server:
        url = f"{server.url}/a.yaml"
    with pytest.raises(errors.Unavailable, match="was not reached: connection refused"):
        await get(url, secure.trusting())


async def test_an_inner_address_is_refused_unless_the_operator_lists_it(
    server: loopback.Server, secure: loopback.Tls
) -> None:
    with pytest.raises(errors.Denied, match="is not at a public address"):
        await get(f"{server.url}/a.yaml", secure.trusting(), destinations.PUBLIC)
    assert server.connections == 0


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/a.yaml", "file:///a.yaml", "https:///a.yaml", "https://u:p@h/a.yaml", "https://h:0/a.yaml",
     "https://h/ä.yaml", "https://h/a b.yaml", "https://h/a.yaml#x", "https://h:x/a.yaml", "https://[/a.yaml"],
)  # fmt: skip
async def test_what_is_no_https_address_is_not_asked(url: str, secure: loopback.Tls) -> None:
    with pytest.raises(errors.Invalid, match=r"https://host/path"):
        await get(url, secure.trusting())
