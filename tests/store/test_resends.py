"""A claim that is sent again while its first sending is still under way, to whichever replica."""

import asyncio
import uuid

import psycopg
import pytest

from avouch.controlplane.model import runs as run_model
from avouch.store import database
from avouch.store import runs as run_store
from tests import postgres
from tests.store.conftest import a_claim, a_run

pytestmark = pytest.mark.postgres

REPLICAS = 8
TURNS = 10


async def test_one_claim_sent_to_all_replicas_at_once_is_stored_once_and_acknowledged_by_all(
    server: postgres.Postgres,
) -> None:
    databases = [database.Database(server.url, pool_size=2) for _ in range(REPLICAS)]
    replicas = [run_store.Runs(opened) for opened in databases]
    for _ in range(TURNS):
        run = a_run()
        await replicas[0].open(run)
        claim = a_claim(run, uuid.uuid4().bytes * 10_000)
        async with await psycopg.AsyncConnection.connect(server.url, options="-c search_path=avouch") as grip:
            await grip.execute("LOCK TABLE claims IN SHARE MODE")
            answers = [asyncio.create_task(replica.accept(claim)) for replica in replicas]
            await _all_wait(server)
        found = await asyncio.gather(*answers, return_exceptions=True)
        assert [type(one) for one in found] == [run_model.Receipt] * REPLICAS, found
        receipts = [one for one in found if isinstance(one, run_model.Receipt)]
        assert len({one.id for one in receipts}) == 1
        assert [one.created for one in receipts].count(True) == 1
    for replica in replicas:
        await replica.close()
    for opened in databases:
        await opened.close()


async def _all_wait(server: postgres.Postgres) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO claims%'"
    async with asyncio.timeout(20), await psycopg.AsyncConnection.connect(server.url, autocommit=True) as watching:
        while (await (await watching.execute(query)).fetchone() or (0,))[0] < REPLICAS:
            await asyncio.sleep(0.01)
