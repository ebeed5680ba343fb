"""Pages and watches of runs as their callers ask for them."""

import asyncio
import contextlib
from typing import Any

import pytest
import sqlalchemy as sa

from avouch import errors
from avouch.controlplane.model import runs, verdicts
from avouch.store import database, runfeed, tables, views
from avouch.store import runs as run_store
from tests.store.conftest import a_run, a_verdict, decide

pytestmark = pytest.mark.postgres


async def opened_runs(opened: database.Database, number: int) -> list[runs.Run]:
    store = run_store.Runs(opened)
    made = [await store.open(a_run("team-a")) for _ in range(number)]
    await store.close()
    return made


async def newest(opened: database.Database) -> int:
    async with opened.transaction() as connection:
        return int((await connection.execute(sa.select(tables.versions.c.value))).scalar_one())


async def told(shown: views.RunViews, since: int, count: int, **filters: str) -> list[tuple[str, str]]:
    """The first changes that a watch from there tells."""
    found = []
    async with asyncio.timeout(20), contextlib.aclosing(shown.watch("team-a", since, filters)) as watching:  # type: ignore[type-var]
        while len(found) < count:
            kind, document = await anext(watching)
            found.append((kind, document["name"]))
    return found


async def test_a_page_is_as_large_as_asked_and_no_larger_than_may_be(
    opened: database.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_WHOLE", 2)
    monkeypatch.setattr(views, "LIMIT", 4)
    shown = views.RunViews(opened)
    await opened_runs(opened, 5)

    async def size(limit: int, *, whole: bool) -> int:
        page, token, _ = await shown.page("team-a", limit=limit, after="", filters={}, whole=whole)
        assert token
        return len(page)

    assert [await size(limit, whole=True) for limit in (0, 1, 2, 100)] == [2, 1, 2, 2]
    assert [await size(limit, whole=False) for limit in (0, 3, 4, 100)] == [4, 3, 4, 4]


async def test_each_page_answers_the_version_of_the_first_one(opened: database.Database) -> None:
    shown = views.RunViews(opened)
    made = await opened_runs(opened, 3)
    first, token, version = await shown.page("team-a", limit=1, after="", filters={})
    assert version == await newest(opened)
    (late,) = await opened_runs(opened, 1)
    rest, end, again = await shown.page("team-a", limit=10, after=token, filters={})
    assert (again, end) == (version, "")
    names = {document["name"] for document in (*first, *rest)}
    assert {run.name for run in made} <= names
    assert await told(shown, again, 1) == [("ADDED", late.name)]


async def test_a_watch_catches_up_turn_by_turn_and_misses_nothing(
    opened: database.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runfeed, "TURN", 2)
    for number in (3, 4):  # a turn that is full may be the last one
        since = await newest(opened)
        made = await opened_runs(opened, number)
        assert await told(views.RunViews(opened), since, number) == [("ADDED", run.name) for run in made]


async def test_a_watch_that_catches_up_tells_what_left_its_filter_and_nothing_of_others(
    opened: database.Database,
) -> None:
    pending, failed, passed = await opened_runs(opened, 3)
    since = await newest(opened)
    await decide(opened, a_verdict(failed, verdicts.VerdictResult.FAILED), [])
    await decide(opened, a_verdict(passed), [])
    (late,) = await opened_runs(opened, 1)
    shown = views.RunViews(opened)
    assert await told(shown, since, 1, verdict="Passed") == [("ADDED", passed.name)]
    assert await told(shown, since, 3, verdict="Pending") == [
        ("DELETED", failed.name), ("DELETED", passed.name), ("ADDED", late.name),
    ]  # fmt: skip
    assert await told(shown, since, 1, name=late.name) == [("ADDED", late.name)]
    assert pending.name not in {name for _, name in await told(shown, since, 3)}


@pytest.mark.parametrize(("filters", "said"), [({"colour": "red"}, "colour"), ({"labels": "a!=b"}, "requirements")])
async def test_a_watch_by_what_nobody_can_filter_by_is_refused(
    opened: database.Database, filters: dict[str, Any], said: str
) -> None:
    shown = views.RunViews(opened)
    with pytest.raises(errors.Invalid, match=said):
        await told(shown, 0, 1, **filters)
    assert shown._feed._number == 0
