"""One poller for all who watch: it misses nothing, costs one query while nothing happens, and holds little."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors
from avouch.controlplane.model import selectors, verdicts
from avouch.store import database, rundocuments, runfeed, tables, versions, views
from avouch.store import runs as run_store
from avouch.store import verdicts as verdict_rows
from tests import postgres
from tests.store.conftest import a_delivery, a_run, a_verdict, decide

pytestmark = pytest.mark.postgres

PATIENCE = 20.0


class Counted(database.Database):
    """Counts what is asked outside of transactions that write."""

    looks = 0
    reads = 0
    deaf = False  # PostgreSQL tells nothing

    @contextlib.asynccontextmanager
    async def statements(self) -> AsyncIterator[AsyncConnection]:
        self.looks += 1
        async with super().statements() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        self.reads += 1
        async with super().snapshot() as connection:
            yield connection

    async def notifications(self, *channels: str, every: float | None = None) -> AsyncGenerator[psycopg.Notify | None]:
        if self.deaf:
            raise errors.Unavailable("no LISTEN behind this pooler")
        async for notification in super().notifications(*channels, every=every):
            yield notification


@pytest.fixture
async def counted(server: postgres.Postgres) -> AsyncIterator[Counted]:
    async with Counted(server.url) as opened:
        yield opened


async def newest(opened: database.Database) -> int:
    async with opened.transaction() as connection:
        return await versions.newest(connection)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.001)


class Watching:
    """A watcher that takes what comes, as fast as it comes."""

    def __init__(self, shown: views.RunViews, namespace: str | None, since: int, **filters: str) -> None:
        self.changes: list[tuple[str, dict[str, Any]]] = []
        self.watch = shown.watch(namespace, since, filters, whole=False)
        self.task = asyncio.create_task(self._take())

    async def _take(self) -> None:
        async for change in self.watch:
            self.changes.append(change)

    def names(self) -> list[tuple[str, str]]:
        return [(kind, document["name"]) for kind, document in self.changes if kind != "BOOKMARK"]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.watch.aclose()  # type: ignore[attr-defined]


async def test_two_thousand_idle_watchers_cost_one_small_query_a_look(counted: Counted) -> None:
    counted.deaf = True
    shown, since = views.RunViews(counted, poll_seconds=0.01), await newest(counted)
    feed = shown._feed
    for number in range(2000):
        assert feed.join(runfeed.Watcher(f"team-{number % 50}", {}, False, since))
    before = counted.looks
    await until(lambda: counted.looks >= before + 20)
    assert counted.reads == 0
    assert counted.looks < before + 40
    feed._end(errors.Unavailable("done"))


async def test_more_changes_at_once_than_one_turn_reads_are_all_told_in_order(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runfeed, "TURN", 3)
    counted.deaf = True
    shown, made = views.RunViews(counted, poll_seconds=0.2), [a_run("many") for _ in range(10)]
    repository = run_store.Runs(counted)
    await repository.open(a_run("many"))
    watching = Watching(shown, None, await newest(counted))
    await until(lambda: shown._feed._number == 1)
    await asyncio.gather(*map(repository.open, made))
    await until(lambda: len(watching.names()) >= 10)
    versions_ = [int(document["resourceVersion"]) for kind, document in watching.changes if kind != "BOOKMARK"]
    assert {name for _, name in watching.names()} == {run.name for run in made}
    assert versions_ == sorted(set(versions_))
    await watching.stop()
    await repository.close()


async def test_who_is_behind_the_others_is_told_to_catch_up_first(counted: Counted) -> None:
    shown, behind = views.RunViews(counted, poll_seconds=0.01), await newest(counted)
    watching = Watching(shown, None, behind)
    repository = run_store.Runs(counted)
    await repository.open(a_run())
    await until(lambda: len(watching.names()) == 1)
    seen = shown._feed._seen
    assert not shown._feed.join(runfeed.Watcher(None, {}, False, behind))
    assert shown._feed.join(runfeed.Watcher(None, {}, False, seen))
    shown._feed._end(errors.Unavailable("done"))
    await watching.stop()
    await repository.close()


async def test_nothing_is_asked_after_the_last_watcher_has_left(counted: Counted) -> None:
    shown = views.RunViews(counted, poll_seconds=0.001)
    watching = Watching(shown, None, await newest(counted))
    await until(lambda: counted.looks > 0)
    poller = shown._feed._poller
    assert poller is not None
    await watching.stop()
    assert shown._feed._poller is None
    assert (shown._feed._number, shown._feed._waiting, shown._feed._by_namespace) == (0, 0, {})
    with pytest.raises(asyncio.CancelledError):
        await poller


async def test_while_postgresql_tells_of_changes_nothing_else_is_asked(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runfeed, "_LOOK", 3600.0)
    store, namespace = run_store.Runs(counted), f"quiet-{uuid.uuid4()}"
    shown = views.RunViews(counted, poll_seconds=0.001)
    watching = Watching(shown, namespace, await newest(counted))
    await until(lambda: shown._feed._listening)
    run = await store.open(a_run(namespace))
    await until(lambda: watching.names() == [("ADDED", run.name)])
    await until(lambda: not shown._feed._wake.is_set())
    looks = counted.looks
    for _ in range(100):  # as long as a hundred questions take
        await counted.ping()
    assert counted.looks <= looks + 2
    await watching.stop()
    await store.close()


async def test_whoever_follows_is_told_to_list_again_when_runs_are_deleted(counted: Counted) -> None:
    shown, since = views.RunViews(counted, poll_seconds=0.01), await newest(counted)
    waiting = asyncio.create_task(anext(shown.watch(None, since, {})))  # type: ignore[arg-type]
    await until(lambda: shown._feed._number == 1)
    async with counted.transaction() as connection:
        await versions.expire(connection)
    with pytest.raises(errors.Conflict, match="runs were deleted"):
        async with asyncio.timeout(PATIENCE):
            await waiting
    assert shown._feed._number == 0


async def test_whole_runs_are_told_turn_by_turn_as_far_as_they_fit(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rundocuments.of, "__defaults__", (1,))
    namespace, store = f"whole-{uuid.uuid4()}", run_store.Runs(counted)
    made = [await store.open(a_run(namespace)) for _ in range(5)]
    shown, since = views.RunViews(counted, poll_seconds=0.01), await newest(counted)
    whole, table = runfeed.Watcher(namespace, {}, True, since), runfeed.Watcher("elsewhere", {}, False, since)
    assert shown._feed.join(whole)
    assert shown._feed.join(table)
    elsewhere = await store.open(a_run("elsewhere"))
    async with counted.transaction() as connection:
        await verdict_rows.write(connection, [(a_verdict(run), [], 0) for run in made])
    await until(lambda: len(whole.waiting) == 5 and len(table.waiting) == 1)
    found = [(kind, told.document["name"]) for kind, told in whole.waiting]
    assert sorted(found) == sorted(("MODIFIED", run.name) for run in made)
    assert all("findings" in told.document for _, told in whole.waiting)
    ((kind, told),) = table.waiting
    assert (kind, told.document["name"], "findings" in told.document) == ("ADDED", elsewhere.name, False)
    shown._feed._end(errors.Unavailable("done"))
    await store.close()


async def test_a_version_that_no_run_has_is_passed_by(counted: Counted) -> None:
    shown, since = views.RunViews(counted, poll_seconds=0.01), await newest(counted)
    watching = Watching(shown, None, since)
    await until(lambda: shown._feed._number == 1)
    async with counted.transaction() as connection:
        await versions.take(connection, 3)
    await until(lambda: shown._feed._seen == since + 3)
    assert (watching.names(), watching.task.done()) == ([], False)
    await watching.stop()


async def test_a_change_is_told_by_postgresql_and_not_waited_for(counted: Counted) -> None:
    """Looks come once an hour here."""
    store, namespace = run_store.Runs(counted), f"told-{uuid.uuid4()}"
    shown = views.RunViews(counted, poll_seconds=3600)
    watching = Watching(shown, namespace, await newest(counted))
    await until(lambda: shown._feed._listening)
    run = await store.open(a_run(namespace))
    await until(lambda: watching.names() == [("ADDED", run.name)])
    await watching.stop()
    await store.close()


async def test_where_postgresql_tells_nothing_a_look_finds_it(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runfeed, "_LOOK", 3600.0)
    counted.deaf = True
    store, namespace = run_store.Runs(counted), f"found-{uuid.uuid4()}"
    watching = Watching(views.RunViews(counted, poll_seconds=0.01), namespace, await newest(counted))
    run = await store.open(a_run(namespace))
    await until(lambda: watching.names() == [("ADDED", run.name)])
    await watching.stop()
    await store.close()


async def test_each_watcher_gets_what_it_asked_for(counted: Counted) -> None:
    store, shown, since = run_store.Runs(counted), views.RunViews(counted, poll_seconds=0.01), await newest(counted)
    mine, theirs = f"mine-{uuid.uuid4()}", f"theirs-{uuid.uuid4()}"
    here, there = a_run(mine, labels={"app": "shop"}), a_run(theirs, workflow="other")
    asked = {
        "all": Watching(shown, None, since),
        "mine": Watching(shown, mine, since),
        "failed": Watching(shown, mine, since, verdict="Failed"),
        "pending": Watching(shown, mine, since, verdict="Pending"),
        "labelled": Watching(shown, None, since, labels=selectors.labels("app=shop")),
        "workflow": Watching(shown, None, since, workflow="other"),
        "named": Watching(shown, mine, since, name="nobody"),
    }
    await until(lambda: len(shown._feed._by_namespace.get(mine, ())) == 4)
    for run in (here, there):
        await store.open(run)
    await until(lambda: len(asked["all"].names()) == 2)
    await decide(counted, a_verdict(here, verdicts.VerdictResult.FAILED), ())
    await until(lambda: len(asked["all"].names()) == 3)
    await until(lambda: len(asked["pending"].names()) == 2)
    added, changed, gone = ("ADDED", here.name), ("MODIFIED", here.name), ("DELETED", here.name)
    assert {name: watching.names() for name, watching in asked.items()} == {
        "all": [added, ("ADDED", there.name), changed],
        "mine": [added, changed],
        "failed": [added],
        "pending": [added, gone],
        "labelled": [added, changed],
        "workflow": [("ADDED", there.name)],
        "named": [],
    }
    for watching in asked.values():
        await watching.stop()
    await store.close()


async def test_whoever_comes_while_others_write_misses_nothing(counted: Counted) -> None:
    """Watchers begin at any version, at any time; each ends with every run that changed since in its last state."""
    store, shown, namespace = (
        run_store.Runs(counted),
        views.RunViews(counted, poll_seconds=0.005),
        f"busy-{uuid.uuid4()}",
    )
    begun, few = await newest(counted), asyncio.Semaphore(4)
    watchers: list[tuple[int, Watching]] = []

    async def life() -> None:
        async with few:
            run = await store.open(a_run(namespace))
            await decide(counted, a_verdict(run), [a_delivery(run, "hook")])

    async def come() -> None:
        for number in range(12):
            async with few:
                since = begun if number % 3 == 0 else await newest(counted)
            watchers.append((since, Watching(shown, namespace if number % 2 else None, since)))

    await asyncio.gather(come(), *(life() for _ in range(60)))
    async with counted.transaction() as connection:
        columns = (tables.runs.c.name, tables.runs.c.resource_version, tables.runs.c.created_version)
        found = (await connection.execute(sa.select(*columns).where(tables.runs.c.namespace == namespace))).all()
    final = {row.name: row.resource_version for row in found}
    assert len(final) == 60
    for since, watching in watchers:
        expected = {name: version for name, version in final.items() if version > since}
        await until(lambda expected=expected, watching=watching: _last(watching, namespace) == expected)  # type: ignore[misc]
        order = [document["resourceVersion"] for kind, document in watching.changes if kind != "BOOKMARK"]
        assert order == sorted(set(order))
        kinds = {name: [kind for kind, told in watching.names() if told == name] for name in expected}
        made = {row.name for row in found if row.created_version > since}
        assert {name: told[0] == "ADDED" for name, told in kinds.items()} == {name: name in made for name in expected}
        assert {kind for told in kinds.values() for kind in told[1:]} <= {"MODIFIED"}
        await watching.stop()
    await store.close()


def _last(watching: Watching, namespace: str) -> dict[str, int]:
    mine = [document for _, document in watching.changes if document.get("namespace") == namespace]
    return {document["name"]: document["resourceVersion"] for document in mine}


async def test_who_joins_while_changes_are_read_gets_them_as_it_asked_for(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documents of the turn were being made for a watcher of columns when one of whole runs joined."""
    store, namespace, since = run_store.Runs(counted), f"joined-{uuid.uuid4()}", await newest(counted)
    shown, late = views.RunViews(counted, poll_seconds=0.01), runfeed.Watcher(namespace, {}, True, since)
    make = rundocuments.of

    async def joined_meanwhile(connection: AsyncConnection, found: Any, whole: Any) -> rundocuments.Documents:
        made = await make(connection, found, whole)
        if found and not late.told.is_set() and late not in shown._feed._all():
            assert shown._feed.join(late)
        return made

    monkeypatch.setattr(rundocuments, "of", joined_meanwhile)
    quick = Watching(shown, namespace, since)
    await until(lambda: shown._feed._number == 1)
    run = await store.open(a_run(namespace))
    await until(lambda: len(late.waiting) == 1)
    ((kind, told),) = late.waiting
    document = told.document
    assert (kind, document["name"], document["findings"]) == ("ADDED", run.name, [])
    await until(lambda: quick.names() == [("ADDED", run.name)])
    shown._feed.leave(late)
    await quick.stop()
    await store.close()


async def test_a_slow_watcher_is_told_to_list_again_and_holds_nothing(counted: Counted) -> None:
    store, namespace = run_store.Runs(counted), f"slow-{uuid.uuid4()}"
    shown = views.RunViews(counted, poll_seconds=0.01, limits=runfeed.Limits(changes=5))
    since = await newest(counted)
    quick, slow = Watching(shown, namespace, since), shown.watch(namespace, since, {}, whole=False)
    await until(lambda: shown._feed._number == 1)
    first = asyncio.create_task(anext(slow))  # type: ignore[arg-type]
    await until(lambda: shown._feed._number == 2)
    made = []
    for number in range(1, 21):  # one after the other, so that what one look finds is not too much for the quick one
        made.append(await store.open(a_run(namespace)))
        await until(lambda number=number: len(quick.names()) == number)  # type: ignore[misc]
    assert (await first)[1]["name"] == made[0].name
    await until(lambda: shown._feed._number == 1)
    assert shown._feed._waiting == 0
    with pytest.raises(errors.Conflict, match="list again"):
        await anext(slow)
    await quick.stop()
    await store.close()


async def test_all_together_hold_no_more_than_a_bound_and_the_slowest_one_goes() -> None:
    feed = runfeed.RunFeed(database.Database("postgresql://"), poll_seconds=1, limits=runfeed.Limits(together=10))
    some = [runfeed.Watcher(f"n{number}", {}, False, 1) for number in range(3)]
    for watcher in some:
        assert feed.join(watcher)
    for number in range(9):
        feed._tell(some[1] if number < 6 else some[2], "ADDED", runfeed._Told({}))
    for _ in range(2):
        feed._tell(some[0], "ADDED", runfeed._Told({}))
    assert [watcher.over is not None for watcher in some] == [False, True, False]
    assert feed._waiting == sum(len(watcher.waiting) for watcher in some) == 5
    feed._end(errors.Unavailable("done"))


async def test_documents_that_wait_hold_no_more_bytes_than_a_bound_and_each_counts_once() -> None:
    feed = runfeed.RunFeed(database.Database("postgresql://"), poll_seconds=1, limits=runfeed.Limits(size=100))
    some = [runfeed.Watcher(None, {}, True, 1) for _ in range(300)]
    for watcher in some:
        assert feed.join(watcher)
    first, second = runfeed._Told({"n": 1}, 60), runfeed._Told({"n": 2}, 60)
    for watcher in some:
        feed._tell(watcher, "ADDED", first)
    assert (feed._size, feed._number) == (60, 300)
    for watcher in some[1:]:
        assert feed._taken(watcher) == ("ADDED", {"n": 1})
    feed._tell(some[1], "ADDED", second)
    assert feed._size <= 100
    assert (feed._waiting, feed._number) == (1, 299)  # one of the two that had something waiting lists again
    feed._end(errors.Unavailable("done"))
    assert (feed._waiting, feed._size) == (0, 0)


async def test_more_watchers_than_a_bound_are_turned_away(counted: Counted) -> None:
    shown = views.RunViews(counted, limits=runfeed.Limits(watchers=1))
    since = await newest(counted)
    watching = Watching(shown, None, since)
    await until(lambda: shown._feed._number == 1)
    with pytest.raises(errors.Overloaded, match="too many"):
        await anext(shown.watch(None, since, {}))  # type: ignore[arg-type]
    await watching.stop()


async def test_a_fault_of_the_poller_ends_every_watch_instead_of_silencing_it(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(connection: AsyncConnection) -> int:
        raise AssertionError("a bug")

    shown = views.RunViews(counted, poll_seconds=0.01)
    watch = shown.watch(None, await newest(counted), {})
    waiting = asyncio.create_task(anext(watch))  # type: ignore[arg-type]
    await until(lambda: shown._feed._number == 1)
    monkeypatch.setattr(versions, "newest", broken)
    with pytest.raises(errors.Unavailable, match="list again"):
        await waiting
    assert shown._feed._poller is None


async def test_a_version_that_was_never_handed_out_is_refused(counted: Counted) -> None:
    with pytest.raises(errors.Conflict, match="not of this database"):
        await anext(views.RunViews(counted).watch(None, await newest(counted) + 1000, {}))  # type: ignore[arg-type]


async def test_a_quiet_watch_says_now_and_then_how_far_it_has_come(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "BOOKMARK_SECONDS", 0.01)
    since = await newest(counted)
    watch = views.RunViews(counted).watch("nobody", since, {})
    assert await anext(watch) == ("BOOKMARK", {"resourceVersion": since})  # type: ignore[arg-type]
    await watch.aclose()  # type: ignore[attr-defined]


async def test_a_restarted_database_is_read_on(mortal: postgres.Postgres) -> None:
    async with Counted(mortal.url) as counted:
        store, namespace = run_store.Runs(counted), f"restarted-{uuid.uuid4()}"
        watching = Watching(views.RunViews(counted, poll_seconds=0.01), namespace, await newest(counted))
        first = await store.open(a_run(namespace))
        await until(lambda: watching.names() == [("ADDED", first.name)])
        await asyncio.to_thread(mortal.kill)
        await asyncio.to_thread(mortal.start)
        second = await store.open(a_run(namespace))
        await until(lambda: ("ADDED", second.name) in watching.names())
        await watching.stop()
        await store.close()
        async with counted.transaction() as connection:
            assert (await connection.execute(sa.select(tables.versions.c.id))).scalar() is True
