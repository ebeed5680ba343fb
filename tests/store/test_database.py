import asyncio

import psycopg
import pytest

from avouch import errors
from avouch.store import database
from tests import postgres

pytestmark = pytest.mark.postgres


async def test_a_warm_pool_has_all_its_connections_open_before_anybody_asks(server: postgres.Postgres) -> None:
    def connections() -> int:
        with psycopg.connect(server.url) as watching:
            row = watching.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'avouch'").fetchone()
        return int(row[0]) if row else 0

    before = connections()
    async with database.Database(server.url, pool_size=5) as opened:
        await opened.warm()
        assert connections() == before + 5
        await opened.warm()
        assert connections() == before + 5


async def _killed(server: postgres.Postgres) -> None:
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


async def test_a_connection_that_died_while_it_rested_is_replaced_unseen(server: postgres.Postgres) -> None:
    async with database.Database(server.url, pool_size=3, idle=0.0) as opened:
        await opened.warm()
        await _killed(server)
        for _ in range(4):
            await opened.ping()


async def test_after_a_restart_of_the_database_one_caller_is_told_and_the_pool_is_replaced(
    server: postgres.Postgres,
) -> None:
    async with database.Database(server.url, pool_size=3, idle=3600.0) as opened:
        await opened.warm()
        await _killed(server)
        with pytest.raises(errors.Unavailable):
            await opened.ping()
        for _ in range(4):
            await opened.ping()
