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
        assert connections() == before + 5 + database._DIRECT
        await opened.warm()
        assert connections() == before + 5 + database._DIRECT


@pytest.mark.parametrize("statement", [b"SELECT repeat('a', 1024 * 1024 * 1024)", b"SELECT repeat('[', 100000)::json"])
async def test_what_is_too_large_for_the_database_is_so_for_good(opened: database.Database, statement: bytes) -> None:
    with pytest.raises(errors.TooLarge):
        await opened.run(statement, {})
