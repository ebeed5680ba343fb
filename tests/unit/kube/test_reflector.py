"""The reflector against a scripted API: lists and streams as a real server would send them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from avouch import errors
from avouch.kube import client, resources
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.kube.reflector import Reflector, Tail


def pod(name: str, version: int) -> Object:
    return {"metadata": {"name": name, "namespace": "n", "uid": name, "resourceVersion": str(version)}}


class Script:
    """Lists and streams in order; the last stream stays open."""

    def __init__(self, lists: list[list[Object]], streams: list[list[Object | Exception]]) -> None:
        self.lists, self.streams = lists, streams
        self.since: list[str] = []
        self.idle = asyncio.Event()

    async def list_all(self, resource: Any, namespace: str = "", **query: str) -> tuple[list[Object], str]:
        return self.lists.pop(0), "100"

    async def watch(
        self, resource: Any, since: str, *, inactivity: float, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[Object]:
        self.since.append(since)
        for step in self.streams.pop(0):
            if isinstance(step, Exception):
                raise step
            yield step
        if not self.streams:
            self.idle.set()
            await asyncio.Event().wait()


async def run(script: Script) -> tuple[list[tuple[str, str]], ObjectCache, Reflector]:
    told: list[tuple[str, str]] = []

    def handler(key: Key, old: Object | None, new: Object | None) -> None:
        told.append((key.name, "gone" if new is None else "new" if old is None else "changed"))

    cache = ObjectCache()
    reflector = Reflector(script, resources.PODS, cache, handler)
    reflector._pause = lambda: 0.0  # type: ignore[method-assign]  # no test waits for a backoff
    task = asyncio.ensure_future(reflector.run())
    async with asyncio.timeout(5):
        await script.idle.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return told, cache, reflector


async def test_a_deletion_in_a_410_gap_is_synthesised_from_the_next_list() -> None:
    script = Script([[pod("a", 1), pod("b", 2)], [pod("a", 1)]], [[client.Gone("too old")], []])
    told, cache, reflector = await run(script)
    assert told == [("a", "new"), ("b", "new"), ("b", "gone")]
    assert len(cache) == 1
    assert reflector.progress.repairs == 1


async def test_an_ended_stream_goes_on_from_the_last_bookmark_without_a_list() -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "150"}}}
    script = Script([[pod("a", 1)]], [[bookmark], []])
    told, _, reflector = await run(script)
    assert script.since == ["100", "150"]
    assert reflector.progress.relists == 1
    assert told == [("a", "new")]


async def test_a_silent_watch_is_dropped_and_listed_anew() -> None:
    script = Script([[pod("a", 1)], [pod("a", 9)]], [[errors.Unavailable("nothing came for 70 s")], []])
    told, _, reflector = await run(script)
    assert told == [("a", "new"), ("a", "changed")]
    assert reflector.progress.relists == 2


async def test_events_reach_the_cache_and_the_handler_once_each() -> None:
    events: list[Object | Exception] = [
        {"type": "ADDED", "object": pod("b", 101)},
        {"type": "MODIFIED", "object": pod("b", 102)},
        {"type": "MODIFIED", "object": pod("b", 102)},
        {"type": "DELETED", "object": pod("b", 103)},
    ]
    told, cache, _ = await run(Script([[]], [events, []]))
    assert told == [("b", "new"), ("b", "changed"), ("b", "gone")]
    assert len(cache) == 0


async def test_a_tail_lists_one_object_tells_of_what_comes_and_keeps_nothing() -> None:
    script = Script(
        [], [[{"type": "ADDED", "object": pod("a", 101)}, {"type": "DELETED", "object": pod("b", 102)}], []]
    )
    pages: list[dict[str, str]] = []

    async def page(resource: Any, namespace: str = "", **query: str) -> Object:
        pages.append(query)
        return {"metadata": {"resourceVersion": "100"}, "items": [pod("old", 1)]}

    script.page = page  # type: ignore[attr-defined]
    told: list[str] = []
    tail = Tail(script, resources.PODS, lambda key, old, new: told.append(key.name), fieldSelector="f")  # type: ignore[arg-type]
    tail._pause = lambda: 0.0  # type: ignore[method-assign]  # no test waits for a backoff
    task = asyncio.ensure_future(tail.run())
    async with asyncio.timeout(5):
        await script.idle.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (told, pages, script.since) == (["a"], [{"limit": "1"}], ["100", "102"])
