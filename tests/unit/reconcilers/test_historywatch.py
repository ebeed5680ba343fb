"""A database that was emptied, replaced or put back is noticed, said, and remembered by the cluster."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avouch import errors
from avouch.controlplane.model.history import Change, History
from avouch.kube import events
from avouch.reconcilers import historywatch

BORN = datetime(2026, 1, 1, tzinfo=UTC)
NOTICED = BORN + timedelta(days=3)
OURS = History("ours", BORN, 100)


class Store:
    """A database with its history, which moves as runs are written."""

    def __init__(self, found: History) -> None:
        self.found, self.down, self.full = found, False, False

    async def look(self, *, epoch: int) -> History:
        if self.down:
            raise errors.Unavailable("down")
        return self.found

    async def rewound(self, remembered: int, *, epoch: int) -> History:
        if self.full:
            raise errors.Unavailable("no room for a row")
        self.found = replace(self.found, mark=remembered + 1, rewound_at=NOTICED)
        return self.found


class Memory:
    def __init__(self, noted: str) -> None:
        self.note, self.noted = "", noted


class Recorder:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def record(self, regarding: Mapping[str, Any], event: events.Event) -> None:
        self.told.append((event.reason, event.note))


class Scene:
    def __init__(self, found: History, noted: str) -> None:
        self.store, self.memory, self.recorder, self.ended = Store(found), Memory(noted), Recorder(), 0
        self.watch = historywatch.HistoryWatch(
            self.store, self.memory, self.recorder, lambda: {}, lambda: 1, self._changed
        )

    def _changed(self) -> None:
        self.ended += 1


@pytest.mark.parametrize(
    ("noted", "change"),
    [
        ("", Change.NONE),
        ("ours/100", Change.NONE),
        ("ours/99", Change.NONE),
        ("ours/101", Change.REWOUND),
        ("theirs/1", Change.ANOTHER),
        ("nonsense", Change.NONE),
        ("ours/", Change.NONE),
        ("theirs/²", Change.NONE),
    ],
)
async def test_what_became_of_the_database_is_told_by_what_the_cluster_remembers(noted: str, change: Change) -> None:
    assert OURS.since(noted) is change
    scene = Scene(OURS, noted)
    await scene.watch.begin()
    assert [reason for reason, _ in scene.recorder.told] == ([str(change)] if change else [])
    known = scene.watch.known
    assert known is not None
    assert known.begins == (NOTICED if change is Change.REWOUND else BORN)
    assert scene.memory.note == known.remembered == ("ours/102" if change is Change.REWOUND else "ours/100")
    again = Scene(scene.store.found, scene.memory.note)
    await again.watch.begin()
    assert again.recorder.told == [], "it is said once"


def test_the_history_says_since_when_it_is_and_why() -> None:
    assert OURS.why == "the database was made at 2026-01-01T00:00:00Z"
    rewound = replace(OURS, rewound_at=NOTICED + timedelta(milliseconds=900))
    assert rewound.begins == NOTICED, "a build of the same second is not called older"
    assert rewound.why == "the database was put back to an earlier state (noticed at 2026-01-04T00:00:00Z)"


async def test_what_the_cluster_remembers_is_not_overwritten_before_it_was_compared() -> None:
    scene = Scene(OURS, "theirs/1")
    await scene.watch.look()
    assert (scene.memory.note, scene.watch.known) == ("", None)
    await scene.watch.begin()
    assert [reason for reason, _ in scene.recorder.told] == ["DatabaseReplaced"]


async def test_what_the_cluster_remembers_stays_until_a_rewind_is_on_record() -> None:
    scene = Scene(OURS, "ours/101")
    scene.store.full = True
    with pytest.raises(errors.Unavailable):
        await scene.watch.begin()
    assert (scene.memory.note, scene.watch.known) == ("", None)
    scene.store.full = False
    await scene.watch.begin()
    assert [reason for reason, _ in scene.recorder.told] == ["DatabaseRewound"]


async def test_a_look_that_fails_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(historywatch, "_EVERY", 0)
    scene, tries = Scene(OURS, ""), 0
    await scene.watch.begin()

    async def look(*, epoch: int) -> History:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise errors.Unavailable("down")
        return replace(OURS, mark=120)

    scene.store.look = look  # type: ignore[method-assign]
    running = asyncio.create_task(scene.watch.run())
    async with asyncio.timeout(5):
        while scene.memory.note != "ours/120":
            await asyncio.sleep(0)
    running.cancel()


async def test_a_database_that_becomes_another_one_ends_the_controller_and_one_that_is_away_does_not() -> None:
    scene = Scene(OURS, "")
    await scene.watch.begin()
    scene.store.found = replace(OURS, mark=120)
    await scene.watch.look()
    assert (scene.memory.note, scene.ended) == ("ours/120", 0)
    scene.store.down = True
    with pytest.raises(errors.Unavailable):
        await scene.watch.look()
    scene.store.down = False
    for other in (replace(OURS, mark=119), History("theirs", NOTICED)):
        scene.store.found, before = other, scene.ended
        await scene.watch.look()
        assert (scene.memory.note, scene.ended) == ("ours/120", before + 1)
