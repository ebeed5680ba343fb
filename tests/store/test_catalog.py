"""The catalog over a real PostgreSQL: what it answers without asking, how it hears of changes, and when it asks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa

from avouch import digests, errors
from avouch.controlplane.model import contracts as contract_model
from avouch.store import catalog, contracts, database, tables, workflows
from tests import postgres
from tests.store.conftest import NOW

pytestmark = pytest.mark.postgres

EPOCH = 1_000
PATIENCE = 10.0


def a_workflow(namespace: str, name: str = "w", generation: int = 1) -> contract_model.WorkflowRecord:
    spec = {"tekton": {"tasks": [{"name": f"t{generation}"}]}}
    return contract_model.WorkflowRecord(
        namespace, f"{namespace}-uid", name, f"{name}-uid", generation, spec, {}, namespace, "c"
    )


def a_revision(namespace: str, content: bytes, hours: int = 0) -> contract_model.ContractRevision:
    at = NOW + timedelta(hours=hours)
    return contract_model.ContractRevision(
        namespace, f"{namespace}-uid", "c", "c-uid", 0, digests.of_bytes(content), content, at
    )


@pytest.fixture
async def store(opened: database.Database) -> AsyncIterator[workflows.Workflows]:
    made = workflows.Workflows(opened)
    yield made
    await made.close()


class Counted(catalog.Catalog):
    """Counts how often it asks the database for what changed."""

    reads = 0

    async def _read(self, namespace: str, known: catalog._Namespace) -> None:
        self.reads += 1
        await super()._read(namespace, known)


@contextlib.asynccontextmanager
async def listening(opened: database.Database) -> AsyncIterator[Counted]:
    """A catalog that has heard of its database."""
    known = Counted(opened)
    running = asyncio.create_task(known.run())
    try:
        async with asyncio.timeout(PATIENCE):
            while known._heard_at < 0:
                await asyncio.sleep(0.01)
        yield known
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def names(known: catalog.Catalog, namespace: str) -> list[str]:
    return sorted(f"{one.name}{one.generation}" for one in await known.index(namespace))


async def until(known: catalog.Catalog, namespace: str, expected: list[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while await names(known, namespace) != expected:
            await asyncio.sleep(0.01)


async def test_nothing_is_asked_twice_until_a_change_is_told(
    opened: database.Database, store: workflows.Workflows, namespace: str
) -> None:
    await store.upsert(a_workflow(namespace), epoch=EPOCH)
    async with listening(opened) as known:
        for _ in range(5):
            assert await names(known, namespace) == ["w1"]
        assert known.reads == 1
        await store.upsert(a_workflow(f"{namespace}-other"), epoch=EPOCH)
        await store.upsert(a_workflow(namespace, generation=2), epoch=EPOCH)
        await until(known, namespace, ["w2"])
        await store.upsert(a_workflow(namespace, "x"), epoch=EPOCH)
        await until(known, namespace, ["w2", "x1"])
        await store.remove(namespace, "w", uid="w-uid", epoch=EPOCH)
        await until(known, namespace, ["x1"])
        assert known.reads == 4


async def test_without_a_listener_every_answer_is_checked(
    opened: database.Database, store: workflows.Workflows, namespace: str
) -> None:
    known = Counted(opened)
    assert await names(known, namespace) == []
    await store.upsert(a_workflow(namespace), epoch=EPOCH)
    assert await names(known, namespace) == ["w1"]
    await store.remove(namespace, "w", uid="w-uid", epoch=EPOCH)
    assert await names(known, namespace) == []
    assert known.reads == 3


async def test_a_listener_that_is_cut_off_is_replaced_and_nothing_is_missed(
    opened: database.Database, store: workflows.Workflows, namespace: str, server: postgres.Postgres
) -> None:
    async with listening(opened) as known:
        assert await names(known, namespace) == []
        with psycopg.connect(server.url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        await store.upsert(a_workflow(namespace), epoch=EPOCH)
        await until(known, namespace, ["w1"])


async def test_behind_another_connection_there_may_be_a_database_whose_versions_count_anew(
    opened: database.Database, store: workflows.Workflows, namespace: str, server: postgres.Postgres
) -> None:
    await store.upsert(a_workflow(namespace), epoch=EPOCH)
    async with listening(opened) as known:
        assert await names(known, namespace) == ["w1"]
        with psycopg.connect(server.url, autocommit=True, options="-c search_path=avouch") as other:
            other.execute("UPDATE workflows SET generation = 9 WHERE namespace = %s", (namespace,))  # its version stays
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        await until(known, namespace, ["w9"])


async def test_a_new_leader_has_every_copy_read_anew_for_its_predecessor_may_have_told_nothing(
    opened: database.Database, store: workflows.Workflows, namespace: str
) -> None:
    await store.upsert(a_workflow(namespace), epoch=EPOCH)
    async with listening(opened) as known:
        assert await names(known, namespace) == ["w1"]
        changed = sa.update(tables.workflows).where(tables.workflows.c.namespace == namespace).values(generation=7)
        async with opened.transaction() as connection:
            await connection.execute(changed)  # as versions did that raised nothing
        await store.announce(epoch=EPOCH)
        await until(known, namespace, ["w7"])


async def test_a_new_leader_is_heard_before_the_next_look(
    opened: database.Database, store: workflows.Workflows, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_LOOK", 3600.0)
    async with listening(opened) as known:
        assert await names(known, namespace) == []
        await store.announce(epoch=EPOCH)
        async with asyncio.timeout(PATIENCE):
            while not known._known[namespace].stale:
                await asyncio.sleep(0.01)


async def test_a_lost_notification_is_found_by_the_next_look(
    opened: database.Database, store: workflows.Workflows, namespace: str
) -> None:
    async with listening(opened) as known:
        assert await names(known, namespace) == []
        await store.upsert(a_workflow(namespace), epoch=EPOCH)
        known._known[namespace].stale = False  # as if nobody had told
        await known._look()
        assert await names(known, namespace) == ["w1"]


class Unsteady(catalog.Catalog):
    """Hears of its database for a moment in some of its connections, and then in none any more."""

    def __init__(self, opened: database.Database, heard: list[bool]) -> None:
        super().__init__(opened)
        self.left = heard

    async def _listen(self) -> None:
        if not self.left:
            raise asyncio.CancelledError
        if self.left.pop(0):
            self._heard_at = self._clock()
        raise errors.Unavailable("gone")


async def test_a_lost_listener_is_told_once_until_the_next_one_was_heard(
    opened: database.Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(catalog, "_PAUSE", 0.0)
    for heard, told in (([False, False, False], 1), ([True, True], 2), ([False, True, False, False, True, False], 3)):
        caplog.clear()
        with pytest.raises(asyncio.CancelledError):
            await Unsteady(opened, heard).run()
        assert len(caplog.records) == told


async def test_a_silent_listener_is_believed_for_seconds_only(
    opened: database.Database, store: workflows.Workflows, namespace: str
) -> None:
    now = 0.0
    known = Counted(opened, clock=lambda: now)
    await known._look()
    assert await names(known, namespace) == []
    await store.upsert(a_workflow(namespace), epoch=EPOCH)
    assert await names(known, namespace) == []
    now = 10.1
    assert await names(known, namespace) == ["w1"]


async def test_the_newest_revision_is_remembered_and_one_of_before_is_asked_for(
    opened: database.Database, namespace: str
) -> None:
    recorder = contracts.Contracts(opened)
    async with listening(opened) as known:
        assert await known.newest(namespace, "c") is None
        one = await recorder.record(a_revision(namespace, b"1"), epoch=EPOCH)
        two = await recorder.record(a_revision(namespace, b"2", hours=2), epoch=EPOCH)
        async with asyncio.timeout(PATIENCE):
            while await known.newest(namespace, "c") != two:
                await asyncio.sleep(0.01)
        assert await known.newest(namespace, "c", before=NOW + timedelta(hours=3)) == two
        assert await known.newest(namespace, "c", before=NOW + timedelta(hours=1)) == one


async def test_a_remembered_revision_that_is_old_enough_is_not_asked_for(
    opened: database.Database, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await contracts.Contracts(opened).record(a_revision(namespace, b"1"), epoch=EPOCH)
    async with listening(opened) as known:
        assert await known.newest(namespace, "c") == one
        monkeypatch.setattr(known._contracts, "newest", None)
        assert await known.newest(namespace, "c") == one
        assert await known.newest(namespace, "c", before=one.recorded_at) == one


async def test_a_namespace_made_anew_hides_the_revisions_of_its_predecessor(
    opened: database.Database, store: workflows.Workflows, namespace: str
) -> None:
    await contracts.Contracts(opened).record(a_revision(namespace, b"1"), epoch=EPOCH)
    async with listening(opened) as known:
        assert await known.newest(namespace, "c") is not None
        await store.upsert(replace(a_workflow(namespace), namespace_uid="another"), epoch=EPOCH)
        async with asyncio.timeout(PATIENCE):
            while await known.newest(namespace, "c") is not None:
                await asyncio.sleep(0.01)


async def test_workflows_written_at_once_are_all_kept_and_older_generations_are_refused(
    store: workflows.Workflows, namespace: str
) -> None:
    many = [a_workflow(namespace, f"w{number}", 2) for number in range(50)]
    assert all(await asyncio.gather(*(store.upsert(one, epoch=EPOCH) for one in many)))
    assert not await store.upsert(replace(many[0], generation=1), epoch=EPOCH)
    assert await store.upsert(replace(many[0], generation=1, uid="made-anew"), epoch=EPOCH)
    found = await store.get(namespace, "w0")
    assert found is not None
    assert (found.uid, found.generation) == ("made-anew", 1)


async def test_who_asks_while_the_first_answer_is_read_waits_for_it(
    opened: database.Database, store: workflows.Workflows, namespace: str
) -> None:
    await store.upsert(a_workflow(namespace), epoch=EPOCH)
    async with listening(opened) as known:
        together = await asyncio.gather(*(known.index(namespace) for _ in range(5)))
        assert [[one.name for one in each] for each in together] == [["w"]] * 5
        assert known.reads == 1


async def test_a_read_that_fails_is_told_and_the_next_one_who_asks_reads_again(
    opened: database.Database, store: workflows.Workflows, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object) -> workflows.Changes:
        raise errors.Unavailable("the database is gone")

    await store.upsert(a_workflow(namespace), epoch=EPOCH)
    async with listening(opened) as known:
        with monkeypatch.context() as away:
            away.setattr(known._workflows, "changed_since", gone)
            with pytest.raises(errors.Unavailable, match="the database is gone"):
                await known.index(namespace)
        assert await names(known, namespace) == ["w1"]
