"""Content of another server: what does not answer now is never taken for content, or for its absence."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from avouch import digests, errors
from avouch.cas import remote
from tests import loopback

CONTENT = b"a report"
DIGEST = digests.of_bytes(CONTENT)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> loopback.Tls:
    return loopback.tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(secure: loopback.Tls) -> Iterator[loopback.Server]:
    with loopback.serving(secure=secure) as found:
        found.answers = lambda request: loopback.Reply(200, CONTENT)
        yield found


@pytest.fixture
def content(server: loopback.Server, secure: loopback.Tls, tmp_path: Path) -> remote.Remote:
    (tmp_path / "token").write_text("the worker's\n")
    return remote.Remote(server.url, secure.authority, tmp_path / "token")


async def read(content: remote.Remote) -> bytes:
    return b"".join([piece async for piece in content.get(DIGEST, namespace_uid="shop-uid")])


async def test_content_is_asked_for_with_the_token_and_the_namespace(
    server: loopback.Server, content: remote.Remote
) -> None:
    assert await read(content) == CONTENT
    (asked,) = server.seen
    assert asked.path == f"/v1/artifacts/{DIGEST}?namespaceUid=shop-uid"
    assert asked.headers["authorization"] == "Bearer the worker's"


@pytest.mark.parametrize("status", [301, 401, 403, 429, 500, 502, 503])
async def test_an_answer_that_is_none_puts_off_whoever_reads(
    server: loopback.Server, content: remote.Remote, status: int
) -> None:
    server.answers = lambda request: loopback.Reply(status, CONTENT)
    with pytest.raises(errors.Unavailable, match=f"answered {status}"):
        await read(content)


async def test_a_server_that_closes_the_connection_puts_off_whoever_reads(
    server: loopback.Server, content: remote.Remote
) -> None:
    server.answers = lambda request: loopback.Reply(0)
    with pytest.raises(errors.Unavailable):
        await read(content)


async def test_content_that_is_not_there_is_not_found(server: loopback.Server, content: remote.Remote) -> None:
    server.answers = lambda request: loopback.Reply(404)
    with pytest.raises(errors.NotFound):
        await read(content)


async def test_other_bytes_than_were_asked_for_are_damaged(server: loopback.Server, content: remote.Remote) -> None:
    server.answers = lambda request: loopback.Reply(200, b"another report")
    with pytest.raises(errors.Corrupt):
        await read(content)
