"""Versions in the order of COMMIT: the row that hands them out is held last."""

import asyncio
import uuid

import pytest
import sqlalchemy as sa

from avouch.store import database, lifecycle, tables, versions
from avouch.store import runs as run_store
from tests.store.conftest import a_run, waits_for_a_lock

pytestmark = pytest.mark.postgres


async def stamped(opened: database.Database, run_ids: list[uuid.UUID]) -> None:
    async with opened.transaction() as connection:
        await versions.stamp_all(connection, run_ids)


async def test_who_waits_for_a_run_keeps_nobody_from_the_next_version(opened: database.Database) -> None:
    repository = run_store.Runs(opened)
    run = await repository.open(a_run())
    await repository.close()
    async with opened.transaction() as holding:
        await holding.execute(sa.select(tables.runs.c.id).where(tables.runs.c.id == run.id).with_for_update())
        waiting = asyncio.create_task(stamped(opened, [run.id]))
        await waits_for_a_lock(opened)
        async with opened.transaction() as other:
            await other.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
            assert len(await versions.take(other, 1)) == 1
    await waiting


async def test_those_that_are_asked_for_are_read_and_no_others(opened: database.Database) -> None:
    repository = run_store.Runs(opened)
    wanted, other = await repository.open(a_run()), await repository.open(a_run())
    await repository.close()
    async with opened.transaction() as connection:
        assert await lifecycle.stored_runs(connection, [wanted.id, uuid.uuid4()]) == {wanted.id: wanted}
        assert set(await lifecycle.stored_runs(connection, [wanted.id, other.id])) == {wanted.id, other.id}
