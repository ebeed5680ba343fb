"""What the worker does with files of policies that are due."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from avouch import destinations, digests, errors, pinned
from avouch.controlplane.model import fetches
from avouch.oci import client
from avouch.processes import policyfetching
from tests import loopback

URL = "https://policies.example/a.yaml"


class Store:
    """What is due, and what became of it."""

    def __init__(self, *references: str) -> None:
        self.waiting = [fetches.Asked("uid", each) for each in references]
        self.kept: dict[str, bytes] = {}
        self.failed: dict[str, str] = {}

    async def due(self, most: int) -> Sequence[fetches.Asked]:
        taken, self.waiting = self.waiting[:most], self.waiting[most:]
        return taken

    async def keep(self, asked: fetches.Asked, content: bytes) -> None:
        self.kept[asked.reference] = content

    async def fail(self, asked: fetches.Asked, why: str) -> None:
        self.failed[asked.reference] = why

    async def forget(self) -> int:
        return 1


class Web:
    """Answers with one thing, and notes what was asked for."""

    def __init__(self, answer: bytes | errors.AvouchError = b"policy") -> None:
        self.answer, self.asked = answer, list[str]()

    async def get(self, url: str, limit: int) -> bytes:
        assert limit == fetches.MOST
        self.asked.append(url)
        if isinstance(self.answer, bytes):
            return self.answer
        raise self.answer


async def stepped(store: Store, web: Web) -> bool:
    return await policyfetching.Fetching(store, web, client.Options).step()  # type: ignore[arg-type]


async def test_what_is_due_is_fetched_without_its_digest_and_held_to_it() -> None:
    right, wrong = f"{URL}@{digests.of_bytes(b'policy')}", f"{URL}@{digests.of_bytes(b'other')}"
    store, web = Store(URL, right, wrong), Web()
    assert not await stepped(store, web)
    assert web.asked == [URL] * 3
    assert store.kept == {URL: b"policy", right: b"policy"}
    assert "digest mismatch: got sha256:" in store.failed[wrong]


@pytest.mark.parametrize(
    "error",
    [errors.Unavailable("down"), errors.Denied("down"), errors.NotFound("down"), errors.Invalid("down"),
     errors.TooLarge("down")],
)  # fmt: skip
async def test_one_that_fails_stops_no_other(error: errors.AvouchError) -> None:
    store = Store(URL)
    await stepped(store, Web(error))
    assert store.failed == {URL: "down"}


async def test_there_may_be_more_where_as_many_were_due_as_are_fetched_at_once() -> None:
    store = Store(*(f"{URL}{number}" for number in range(policyfetching.TOGETHER)))
    assert await stepped(store, Web())
    assert not await stepped(store, Web())


LAYER = b"policy"


def manifest(*layers: bytes) -> bytes:
    said = [{"digest": str(digests.of_bytes(layer)), "size": len(layer)} for layer in layers]
    return json.dumps({"schemaVersion": 2, "layers": said}).encode()


ONE, TWO, HUGE = manifest(LAYER), manifest(LAYER, b"other"), manifest(b"x" * (fetches.MOST + 1))


def registry(layer: bytes = LAYER) -> loopback.Answers:
    """One that has three artifacts, and this for any layer."""
    known = {str(digests.of_bytes(each)): each for each in (ONE, TWO, HUGE)}

    def answers(request: loopback.Request) -> loopback.Reply:
        kind, name = request.path.split("/")[-2:]
        assert "authorization" not in request.headers
        if kind == "blobs":
            return loopback.Reply(200, layer)
        return loopback.Reply(200, known[name]) if name in known else loopback.Reply(404)

    return answers


async def fetched(tmp_path: Path, answers: loopback.Answers, of: bytes, allowed: str = "127.0.0.0/8") -> Store:
    secure = loopback.tls(tmp_path)
    listed = destinations.Destinations.parse(allowed, "AVOUCH_DESTINATIONS")
    with loopback.serving(answers, secure) as server:
        store = Store(f"oci://{server.address}/policies/sbom@{digests.of_bytes(of)}")
        options = client.Options(plain=False, transport=pinned.Transport(secure.trusting(), listed))
        await policyfetching.Fetching(store, Web(), lambda: options).step()  # type: ignore[arg-type]
    return store


async def test_an_artifact_of_a_registry_is_its_one_layer(tmp_path: Path) -> None:
    assert list((await fetched(tmp_path, registry(), ONE)).kept.values()) == [LAYER]


@pytest.mark.parametrize(
    ("layer", "artifact", "allowed", "told"),
    [
        (b"other", ONE, "127.0.0.0/8", "has other bytes than its digest"),
        (LAYER, TWO, "127.0.0.0/8", "is no artifact of one layer"),
        (b"x" * (fetches.MOST + 1), HUGE, "127.0.0.0/8", "more than 1048576 bytes"),
        (LAYER, manifest(b"unknown"), "127.0.0.0/8", "is not in its registry"),
        (LAYER, ONE, "", "is not at a public address"),
    ],
)
async def test_an_artifact_that_is_not_what_its_digest_says_is_none(
    tmp_path: Path, layer: bytes, artifact: bytes, allowed: str, told: str
) -> None:
    store = await fetched(tmp_path, registry(layer), artifact, allowed)
    assert store.kept == {}
    assert told in next(iter(store.failed.values()))
