"""Who is told of a change, and who waits too long for it: without a database."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from avouch.store import database, runfeed


@pytest.fixture
async def feed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[runfeed.RunFeed]:
    async def nothing(_: runfeed.RunFeed) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(runfeed.RunFeed, "_run", nothing)
    async with database.Database("postgresql://") as opened:
        limits = runfeed.Limits(watchers=10, changes=3, together=5, size=100)
        yield runfeed.RunFeed(opened, poll_seconds=1, limits=limits)


def row(version: int, **changes: object) -> Any:
    facts = {
        "name": "r", "namespace": "team-a", "workflow": "build", "labels": {}, "own_labels": {},
        "subject_kind": "TaskRun",
        "subject_name": "t", "subject_uid": "u", "result": "Pending", "evidence": "",
        "resource_version": version, "created_version": version, "judged_version": 0, "superseded": None,
    }  # fmt: skip
    return SimpleNamespace(**{**facts, **changes})


def joined(feed: runfeed.RunFeed, namespace: str | None = "team-a", since: int = 1, **filters: str) -> runfeed.Watcher:
    watcher = runfeed.Watcher(namespace, filters, False, since)
    assert feed.join(watcher)
    return watcher


def versions_of(watcher: runfeed.Watcher) -> list[int]:
    return [told.document["version"] for _, told in watcher.waiting]


async def test_a_watcher_is_told_what_came_after_what_it_knows(feed: runfeed.RunFeed) -> None:
    early, late = joined(feed), joined(feed, since=5)
    for version in (4, 5, 6):
        feed._pass_on(row(version), runfeed._Told({"version": version}), 3)
    assert (versions_of(early), versions_of(late)) == ([4, 5, 6], [6])
    feed._pass_on(row(7), runfeed._Told({"version": 7}), 7)  # the turn began behind it
    assert versions_of(late) == [6]


async def test_a_watcher_is_told_of_its_namespace_and_its_filter_alone(feed: runfeed.RunFeed) -> None:
    all_, mine, other = joined(feed, None), joined(feed), joined(feed, "team-b")
    failed, named = joined(feed, verdict="Failed"), joined(feed, name="another")
    feed._pass_on(row(2), runfeed._Told({"version": 2}), 1)
    assert [versions_of(one) for one in (all_, mine, other, failed, named)] == [[2], [2], [], [], []]
    feed.leave(mine)
    feed.leave(mine)  # again: nobody is forgotten for it
    assert (feed._number, feed._waiting) == (4, 1)
    feed._pass_on(row(3), runfeed._Told({"version": 3}), 1)
    assert (versions_of(all_), versions_of(failed)) == ([2, 3], [])
    for one in (all_, other, failed, named):
        feed.leave(one)
    assert (feed._number, feed._waiting, feed._by_namespace, feed._poller) == (0, 0, {}, None)


async def test_what_one_may_let_wait_is_used_up_before_it_is_too_slow(feed: runfeed.RunFeed) -> None:
    watcher = joined(feed)
    for _ in range(3):
        feed._tell(watcher, "ADDED", runfeed._Told({}))
    assert (watcher.over, len(watcher.waiting)) == (None, 3)
    feed._tell(watcher, "ADDED", runfeed._Told({}))
    assert (watcher.over is not None, feed._number, feed._waiting) == (True, 0, 0)


async def test_what_all_may_let_wait_is_used_up_before_the_slowest_is_too_slow(feed: runfeed.RunFeed) -> None:
    slow, other = joined(feed), joined(feed, None)
    for watcher, number in ((slow, 3), (other, 2)):
        for _ in range(number):
            feed._tell(watcher, "ADDED", runfeed._Told({}))
    assert (slow.over, other.over, feed._waiting) == (None, None, 5)
    feed._tell(other, "ADDED", runfeed._Told({}))
    assert [one.over is None for one in (slow, other)] == [False, True]
    assert feed._waiting == 3


async def test_one_document_may_be_larger_than_all_that_may_wait_together(feed: runfeed.RunFeed) -> None:
    first, second = joined(feed), joined(feed)
    feed._tell(first, "ADDED", runfeed._Told({}, 101))
    assert (first.over, feed._size) == (None, 101)
    feed._taken(first)
    for told in (runfeed._Told({}, 60), runfeed._Told({}, 40)):
        feed._tell(first, "ADDED", told)
    assert (first.over, feed._size) == (None, 100)
    feed._tell(second, "ADDED", runfeed._Told({}, 1))
    assert [one.over is None for one in (first, second)] == [False, True]
    assert (feed._size, feed._waiting) == (1, 1)
