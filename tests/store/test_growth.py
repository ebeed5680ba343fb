"""What lists and periodic queries read does not grow with the runs that are stored."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from avouch.store import database, migrate
from bench import growth
from tests import postgres

pytestmark = pytest.mark.postgres

SIZE = 20_000
LARGE = ("runs", "verdicts", "payloads", "deliveries", "artifacts", "run_artifacts")
MOST = 3_000  # rows that a page of 500 may touch, with what is joined to it
NAMES = [query.name for query in growth.queries(database.Database("postgresql://"), SIZE)]
TOUCHED = """SELECT relname, seq_scan, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
    FROM pg_stat_user_tables WHERE schemaname = 'avouch' AND relname = ANY(%s)"""


@pytest.fixture(scope="module")
def filled() -> Iterator[postgres.Postgres]:
    with postgres.running() as server:
        migrate.migrate(server.url)
        with psycopg.connect(server.url, autocommit=True, options="-c search_path=avouch") as connection:
            connection.execute(growth.WORKFLOWS)
            growth.fill(connection, 1, SIZE)
            connection.execute("VACUUM ANALYZE")
        yield server


async def touched(server: postgres.Postgres, name: str) -> tuple[set[str], int]:
    """(large tables that one answer read from end to end, rows of large tables that it took)."""
    async with database.Database(server.url, pool_size=1) as opened:
        query = next(query for query in growth.queries(opened, SIZE) if query.name == name)
        await query.ask()  # whatever is read once for each connection
        before = await _statistics(server, opened)
        await query.ask()
        after = await _statistics(server, opened)
    scanned = {table for table in LARGE if after[table][0] > before[table][0]}
    return scanned, sum(after[table][1] - before[table][1] for table in LARGE)


async def _statistics(server: postgres.Postgres, opened: database.Database) -> dict[str, tuple[int, int]]:
    async with opened.transaction() as connection:
        await connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
    async with await psycopg.AsyncConnection.connect(server.url) as other:
        rows = await (await other.execute(TOUCHED, (list(LARGE),))).fetchall()
    return {table: (scans, tuples) for table, scans, tuples in rows}


@pytest.mark.parametrize("name", NAMES)
async def test_no_list_and_no_periodic_query_reads_a_large_table_from_end_to_end(
    filled: postgres.Postgres, name: str
) -> None:
    scanned, tuples = await touched(filled, name)
    assert scanned == set()
    assert tuples <= MOST


def test_every_answer_is_that_of_a_naive_query(filled: postgres.Postgres) -> None:
    asyncio.run(growth.compared(filled.url, SIZE))


async def test_the_statistics_would_tell_of_a_scan(filled: postgres.Postgres) -> None:
    async with database.Database(filled.url, pool_size=1) as opened:
        before = await _statistics(filled, opened)
        async with opened.transaction() as connection:
            await connection.exec_driver_sql("SELECT count(*) FROM runs WHERE contract = 'x'")
        after = await _statistics(filled, opened)
    assert (after["runs"][0] - before["runs"][0], after["runs"][1] - before["runs"][1]) == (1, SIZE)
