"""Which namespaces there are is written together, at once, and again after a failure."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import pytest

from avouch import errors
from avouch.kube import cache
from avouch.reconcilers import namespaces


class Store:
    """Remembers what is written."""

    def __init__(self) -> None:
        self.uids: dict[str, str] = {}
        self.writes = 0
        self.failures = 0

    async def record(self, seen: Mapping[str, str], *, epoch: int) -> None:
        self.writes += 1
        if self.failures:
            self.failures -= 1
            raise errors.Unavailable("no database")
        self.uids |= seen

    async def record_all(self, present: Mapping[str, str], *, epoch: int) -> None:
        self.writes += 1
        self.uids = dict(present)


class Watch:
    """A watch of namespaces: a cache and whoever is told."""

    def __init__(self) -> None:
        self.store, self.known = Store(), cache.ObjectCache()
        self.recorder = namespaces.NamespaceRecorder(self.store, self.known, lambda: 1)

    def sees(self, name: str, uid: str, version: str = "1") -> None:
        key, new = (
            cache.Key("Namespace", "", name),
            {"metadata": {"name": name, "uid": uid, "resourceVersion": version}},
        )
        old = self.known.get(key)
        self.known.put(key, new)
        self.recorder.changed(key, old, new)

    def loses(self, name: str) -> None:
        key = cache.Key("Namespace", "", name)
        self.recorder.changed(key, self.known.drop(key), None)


@pytest.fixture
async def watch(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watch]:
    monkeypatch.setattr(namespaces, "_AGAIN", 0.0)
    monkeypatch.setattr(namespaces, "_REST", 0.0)
    watch = Watch()
    running = asyncio.create_task(watch.recorder.run())
    yield watch
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def until(watch: Watch, uids: dict[str, str]) -> None:
    async with asyncio.timeout(10):
        while watch.store.uids != uids:
            await asyncio.sleep(0)


async def test_ten_thousand_that_are_seen_at_once_are_one_write(watch: Watch) -> None:
    for number in range(10_000):
        watch.sees(f"team-{number}", f"uid-{number}")
    await until(watch, {f"team-{number}": f"uid-{number}" for number in range(10_000)})
    assert watch.store.writes == 1


async def test_one_made_anew_has_its_new_uid_and_one_that_is_gone_has_none(watch: Watch) -> None:
    watch.sees("shop", "old")
    await until(watch, {"shop": "old"})
    watch.loses("shop")
    await until(watch, {"shop": ""})
    watch.sees("shop", "new")
    await until(watch, {"shop": "new"})


async def test_a_label_that_changes_is_not_written(watch: Watch) -> None:
    watch.sees("shop", "uid")
    await until(watch, {"shop": "uid"})
    watch.sees("shop", "uid", version="2")
    watch.sees("other", "uid-2")
    await until(watch, {"shop": "uid", "other": "uid-2"})
    assert watch.store.writes == 2


async def test_a_write_that_failed_is_made_again_with_what_is_known_by_then(watch: Watch) -> None:
    watch.store.failures = 2
    watch.sees("shop", "old")
    watch.sees("shop", "new")
    await until(watch, {"shop": "new"})


async def test_all_are_written_at_the_start_so_that_what_vanished_unseen_is_gone(watch: Watch) -> None:
    watch.store.uids = {"gone": "uid-1", "shop": "old"}
    watch.sees("shop", "new")
    await watch.recorder.begin()
    assert watch.store.uids == {"shop": "new"}
