import asyncio
import base64
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from avouch import destinations, errors
from avouch import pinned as transports
from avouch.oci import challenges, client, credentials
from tests import loopback

ANN = credentials.Credential("ann", "pw")
BASIC = "Basic " + base64.b64encode(b"ann:pw").decode()
CALL = client.Call("GET", "acme/app/manifests/1", "acme/app")


@pytest.fixture
def server() -> Iterator[loopback.Server]:
    with loopback.serving() as found:
        yield found


def send(
    server: loopback.Server,
    call: client.Call = CALL,
    credential: credentials.Credential | None = ANN,
    times: int = 1,
    **options: object,
) -> client.Answer:
    async def run() -> client.Answer:
        given = client.Options(**options)  # type: ignore[arg-type]  a test states only what differs
        async with client.Client(server.address, credential, given) as session:
            return [await session.send(call) for _ in range(times)][-1]

    return asyncio.run(run())


def guarded(server: loopback.Server, **challenge: str) -> loopback.Answers:
    """A registry that wants a token, and its realm beside it."""
    token = "-".join(("a", "token"))

    def answers(request: loopback.Request) -> loopback.Reply:
        if request.path.startswith("/token"):
            return loopback.Reply(200, json.dumps({"token": token}).encode())
        if request.headers.get("authorization") == f"Bearer {token}":
            return loopback.Reply(200, b"welcome")
        said = {"realm": f"{server.url}/token", "service": "r", **challenge}
        header = "Bearer " + ",".join(f'{key}="{value}"' for key, value in said.items())
        return loopback.Reply(401, b"", {"WWW-Authenticate": header})

    return answers


def test_nobody_is_told_who_we_are_without_asking(server: loopback.Server) -> None:
    server.answers = lambda _: loopback.Reply(200, b"x")
    assert send(server).body == b"x"
    assert "authorization" not in server.seen[0].headers


def test_a_token_is_fetched_once_for_its_scope(server: loopback.Server) -> None:
    server.answers = guarded(server)
    assert send(server, times=3).body == b"welcome"
    asked = [request for request in server.seen if request.path.startswith("/token")]
    assert [request.path for request in asked] == ["/token?service=r&scope=repository%3Aacme%2Fapp%3Apull"]
    assert asked[0].headers["authorization"] == BASIC


def test_the_scope_is_ours_whatever_the_registry_asks_for(server: loopback.Server) -> None:
    server.answers = guarded(server, scope="repository:other/app:pull,push,delete")
    send(server)
    assert "other" not in "".join(request.path for request in server.seen)


def test_a_token_that_is_refused_is_fetched_anew_and_only_once(server: loopback.Server) -> None:
    server.answers = guarded(server)
    good = guarded(server)
    calls = iter(range(100))

    def expiring(request: loopback.Request) -> loopback.Reply:
        if not request.path.startswith("/token") and next(calls) == 2:
            return loopback.Reply(401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'})
        return good(request)

    server.answers = expiring
    assert send(server, times=2).status == 200
    server.answers = lambda request: good(request) if request.path.startswith("/token") else loopback.Reply(401)
    server.seen.clear()
    assert send(server).status == 401
    assert len(server.seen) == 2


def test_an_identity_token_is_exchanged_in_a_body_not_in_an_address(server: loopback.Server) -> None:
    server.answers = guarded(server)
    send(server, credential=credentials.Credential("", "", "refresh"))
    asked = next(request for request in server.seen if request.path.startswith("/token"))
    assert (asked.method, asked.path) == ("POST", "/token")
    assert b"refresh_token=refresh" in asked.body
    assert "authorization" not in asked.headers


def test_a_password_is_sent_where_basic_is_asked_for(server: loopback.Server) -> None:
    server.answers = lambda request: loopback.Reply(
        200 if request.headers.get("authorization") == BASIC else 401, b"", {"WWW-Authenticate": 'Basic realm="r"'}
    )
    assert send(server).status == 200
    assert send(server, credential=None).status == 401


def test_a_redirect_to_another_host_gets_no_credentials(server: loopback.Server) -> None:
    with loopback.serving(lambda _: loopback.Reply(200, b"blob")) as other:
        guard = guarded(server)

        def answers(request: loopback.Request) -> loopback.Reply:
            reply = guard(request)
            moved = loopback.Reply(307, b"", {"Location": f"{other.url}/blob?signature=s"})
            return moved if reply.body == b"welcome" else reply

        server.answers = answers
        assert send(server).body == b"blob"
        assert [request.headers.get("authorization") for request in other.seen] == [None]


def test_another_host_that_asks_who_we_are_is_not_told(server: loopback.Server) -> None:
    with loopback.serving() as other:
        other.answers = lambda _: loopback.Reply(401, b"", {"WWW-Authenticate": f'Bearer realm="{other.url}/token"'})
        server.answers = lambda _: loopback.Reply(302, b"", {"Location": other.url})
        assert send(server).status == 401
        assert [request.path for request in other.seen] == ["/"]


def test_a_realm_that_redirects_is_not_followed(server: loopback.Server) -> None:
    with loopback.serving() as other:
        server.answers = lambda request: (
            loopback.Reply(302, b"", {"Location": other.url})
            if request.path.startswith("/token")
            else loopback.Reply(401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'})
        )
        with pytest.raises(errors.Unavailable, match="realm answered: a redirect"):
            send(server)
        assert other.seen == []


def test_https_never_becomes_http(tmp_path: Path) -> None:
    secure = loopback.tls(tmp_path)
    with loopback.serving(secure=secure) as server, loopback.serving() as plain:
        server.answers = lambda _: loopback.Reply(302, b"", {"Location": plain.url})
        with pytest.raises(errors.Denied, match="from https to http"):
            send(server, plain=False, tls=secure.trusting())
        server.answers = lambda _: loopback.Reply(401, b"", {"WWW-Authenticate": f'Bearer realm="{plain.url}/token"'})
        with pytest.raises(errors.Denied, match="not an https address"):
            send(server, plain=False, tls=secure.trusting())
        assert plain.seen == []


def test_an_unknown_authority_is_not_trusted(tmp_path: Path) -> None:
    with loopback.serving(secure=loopback.tls(tmp_path)) as server:
        with pytest.raises(errors.Unavailable, match="cannot be reached"):
            send(server, plain=False)
        assert server.seen == []


def test_redirects_end(server: loopback.Server) -> None:
    server.answers = lambda _: loopback.Reply(302, b"", {"Location": "/v2/again"})
    with pytest.raises(errors.Unavailable, match="more than 5 times"):
        send(server)
    assert len(server.seen) == 6


def test_a_write_is_not_redirected(server: loopback.Server) -> None:
    server.answers = lambda _: loopback.Reply(307, b"", {"Location": "/elsewhere"})
    assert send(server, client.Call("PUT", "acme/app/manifests/1", "acme/app", content=b"{}")).status == 307
    assert len(server.seen) == 1


def test_an_upload_is_not_sent_to_another_host(server: loopback.Server) -> None:
    with loopback.serving() as other, pytest.raises(errors.Denied):
        send(server, client.Call("PUT", f"{other.url}/upload", "acme/app", content=b"x"))


def test_too_much_is_not_read(server: loopback.Server) -> None:
    server.answers = lambda _: loopback.Reply(200, b"x" * (client.MANIFEST_LIMIT + 1))
    with pytest.raises(errors.TooLarge):
        send(server)


def test_what_hangs_is_left(server: loopback.Server) -> None:
    server.answers = lambda _: loopback.Reply(200, drips=True)
    with pytest.raises(errors.Unavailable, match=r"did not answer in 0\.3 s"):
        send(server, seconds=0.3)


def test_nobody_there_is_unavailable(server: loopback.Server) -> None:
    with loopback.serving() as gone:
        address = gone
    with pytest.raises(errors.Unavailable, match="cannot be reached"):
        send(address)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, errors.Denied),
        (403, errors.Denied),
        (404, errors.NotFound),
        (429, errors.Overloaded),
        (500, errors.Unavailable),
        (301, errors.Unavailable),
        (204, errors.Unavailable),
    ],
)
def test_each_status_is_an_error_of_its_own(status: int, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        client.expect(client.Answer(status, {"retry-after": "7"}, b"secret"), 200, what="image x")
    assert "secret" not in str(raised.value)
    assert getattr(raised.value, "retry_after", 7) == 7


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\nb: c"}', b'{"token": ""}', b"[" * 100_000]
)
def test_what_is_no_token_is_none(body: bytes) -> None:
    assert challenges.token_in(body) == ""


@pytest.mark.parametrize(
    "realm",
    [
        "http://auth.example/token",
        "https://ann:pw@auth.example/token",
        "ftp://auth.example",
        "/token",
        "https://",
        "https://[::1",
        "http://127.0.0.1.example/token",
        "http://127.0.0.1@auth.example/token",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize("plain", ["", "127.0.0.1:5000"])
def test_no_credential_goes_to_such_a_realm(realm: str, plain: str) -> None:
    with pytest.raises(errors.Denied):
        challenges.token_request(challenges.Challenge("bearer", {"realm": realm}), ANN, "s", plain)


def test_several_challenges_in_one_header_are_told_apart() -> None:
    found = challenges.parse('Basic realm="a, b=\\"c\\"", Bearer realm="https://x/t",service=r, scope="s:t:u,v"')
    assert [each.scheme for each in found] == ["basic", "bearer"]
    assert found[0].parameters == {"realm": 'a, b="c"'}
    assert found[1].parameters == {"realm": "https://x/t", "service": "r", "scope": "s:t:u,v"}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "=",
        '"',
        "Bearer realm=",
        "Negotiate abc==",
        "," * 10_000,
        "a " * 9000,
        " " * 8000 + "!",
        "Bearer" + " ," * 4000,
    ],
)
def test_headers_without_sense_are_no_challenge(header: str) -> None:
    assert challenges.chosen([header], ANN) is None


@pytest.mark.parametrize("no_proxy", ["127.0.0.1,localhost,::1,fd00::/8", "localhost,[::1]:5000", "10.0.0.0/8,*.svc"])
def test_no_list_of_exceptions_stops_a_client(no_proxy: str) -> None:
    """A list as dual-stack clusters have it; httpx's own reading refuses it at construction."""
    with loopback.serving() as proxy, pytest.raises(errors.Unavailable, match="cannot be reached"):
        _through({"HTTPS_PROXY": f"http://ann:pw@{proxy.address}", "NO_PROXY": no_proxy})
    assert [(seen.method, seen.path) for seen in proxy.seen] == [("CONNECT", "registry.example:443")]
    assert proxy.seen[0].headers["proxy-authorization"] == "Basic " + base64.b64encode(b"ann:pw").decode()


@pytest.mark.parametrize("no_proxy", ["*.example", "registry.example", "fd00::/8,example"])
def test_a_registry_that_is_excepted_is_asked_directly(no_proxy: str) -> None:
    with loopback.serving() as proxy, pytest.raises(errors.Unavailable):
        _through({"HTTPS_PROXY": f"http://{proxy.address}", "NO_PROXY": no_proxy})
    assert proxy.seen == []


def test_a_variable_that_names_no_proxy_is_told() -> None:
    with pytest.raises(errors.Invalid, match="HTTPS_PROXY: only HTTP proxies"):
        _through({"HTTPS_PROXY": "socks5://127.0.0.1:1"})


def _through(environment: dict[str, str]) -> None:
    async def run() -> None:
        async with client.Client("registry.example", None, client.Options(environment=environment)) as session:
            await session.send(CALL)

    asyncio.run(run())


def pinned(allowed: destinations.Destinations) -> transports.Transport:
    return transports.Transport(ssl.create_default_context(), allowed)


def test_nothing_is_connected_to_but_what_may_be(server: loopback.Server) -> None:
    server.answers = lambda _: loopback.Reply(200, b"x")
    with pytest.raises(errors.Denied, match="is not at a public address"):
        send(server, transport=pinned(destinations.PUBLIC))
    assert server.connections == 0
    here = destinations.Destinations.parse("127.0.0.0/8", "x")
    assert send(server, transport=pinned(here)).body == b"x"


def test_a_redirect_and_a_realm_are_held_to_the_same_destinations(server: loopback.Server) -> None:
    here = destinations.Destinations.parse("127.0.0.1", "x")
    with loopback.serving(lambda _: loopback.Reply(200, b'{"token":"t"}')) as other:
        away = other.url.replace("127.0.0.1", "127.0.0.2")
        server.answers = lambda _: loopback.Reply(307, b"", {"Location": f"{away}/x"})
        with pytest.raises(errors.Denied, match=r"127\.0\.0\.2 is not at a public address"):
            send(server, transport=pinned(here))
        server.answers = guarded(server, realm=f"{away}/token")
        with pytest.raises(errors.Denied, match=r"127\.0\.0\.2 is not at a public address"):
            send(server, transport=pinned(here))
    assert other.connections == 0


@pytest.mark.parametrize("status", [400, 401, 403, 405, 418, 500, 502])
def test_an_answer_is_told_in_few_words(status: int) -> None:
    with pytest.raises(errors.AvouchError) as raised:
        client.expect(client.Answer(status, {}, b""), 200, what="image x")
    assert str(status) not in str(raised.value)
