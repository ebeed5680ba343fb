"""What the worker does with files of policies that are due."""

from collections.abc import Sequence

import pytest

from avouch import digests, errors
from avouch.controlplane.model import fetches
from avouch.processes import policyfetching

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
    return await policyfetching.Fetching(store, web).step()  # type: ignore[arg-type]


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
