"""Which schema a database has, and that an emptied one is noticed."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from avouch import errors
from avouch.store import database, grants, migrate, schema
from tests import postgres

pytestmark = pytest.mark.postgres

OF_ANOTHER_VERSION = "UPDATE avouch.alembic_version SET version_num = %s"


@pytest.fixture(scope="module")
def emptied() -> Iterator[postgres.Postgres]:
    """A server that these tests may empty."""
    with postgres.running() as started:
        yield started


@pytest.fixture
async def opened(emptied: postgres.Postgres) -> AsyncIterator[database.Database]:
    run(emptied, "DROP SCHEMA IF EXISTS avouch CASCADE")
    async with database.Database(emptied.url) as connected:
        yield connected


def run(server: postgres.Postgres, statement: str, *values: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(statement.encode(), values)


def test_the_revisions_are_those_of_the_migrations_in_their_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate._SCRIPTS))
    walked = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]
    assert list(schema.REVISIONS) == walked[::-1]


async def test_a_database_without_a_schema_says_so_whatever_is_asked(opened: database.Database) -> None:
    with pytest.raises(errors.NoSchema):
        await schema.check(opened)
    with pytest.raises(errors.NoSchema):
        async with opened.transaction() as connection:
            await connection.exec_driver_sql("SELECT id FROM runs")


@pytest.mark.parametrize("process", grants.ROLES)
async def test_each_process_sees_that_the_schema_is_of_its_version(
    opened: database.Database, emptied: postgres.Postgres, process: str
) -> None:
    migrate.migrate(emptied.url)
    async with database.Database(emptied.url_of(process)) as own:
        found = await schema.check(own)
    assert (found.revision, found.standing) == (schema.REVISIONS[-1], schema.Standing.SAME)


async def test_an_older_schema_will_not_do_and_a_newer_one_will(
    opened: database.Database, emptied: postgres.Postgres
) -> None:
    migrate.migrate(emptied.url)
    run(emptied, OF_ANOTHER_VERSION, schema.REVISIONS[-2])
    with pytest.raises(errors.NoSchema, match=f"of revision {schema.REVISIONS[-2]}, not yet {schema.REVISIONS[-1]}"):
        await schema.check(opened)
    run(emptied, OF_ANOTHER_VERSION, "9999")
    assert (await schema.check(opened)).standing is schema.Standing.NEWER


async def test_who_waits_goes_on_when_somebody_has_migrated(
    opened: database.Database, emptied: postgres.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_LOOK", 0.01)
    waiting = asyncio.create_task(schema.there(opened))
    await asyncio.wait({waiting}, timeout=0.2)
    assert not waiting.done()
    await asyncio.to_thread(migrate.migrate, emptied.url)
    async with asyncio.timeout(20):
        assert (await waiting).revision == schema.REVISIONS[-1]


async def test_it_is_another_one_after_the_database_was_emptied_and_the_same_after_a_restart(
    opened: database.Database, emptied: postgres.Postgres
) -> None:
    migrate.migrate(emptied.url)
    first = await schema.look(opened)
    emptied.stop()
    emptied.start()
    migrate.migrate(emptied.url)
    assert await schema.look(opened) == first
    run(emptied, "DROP SCHEMA avouch CASCADE")
    migrate.migrate(emptied.url)
    assert (await schema.look(opened)).identity != first.identity


async def test_another_server_with_the_same_schema_is_another_database(
    opened: database.Database, emptied: postgres.Postgres
) -> None:
    migrate.migrate(emptied.url)
    first = await schema.look(opened)
    with postgres.running() as twin:
        migrate.migrate(twin.url)
        async with database.Database(twin.url) as other:
            assert (await schema.look(other)).identity != first.identity


async def test_who_waits_for_another_one_is_told_when_it_was_emptied_and_migrated(
    opened: database.Database, emptied: postgres.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_LOOK", 0.01)
    migrate.migrate(emptied.url)
    waiting = asyncio.create_task(schema.replaced(opened, await schema.look(opened)))
    await asyncio.to_thread(run, emptied, "DROP SCHEMA avouch CASCADE")
    await asyncio.wait({waiting}, timeout=0.2)
    assert not waiting.done()
    await asyncio.to_thread(migrate.migrate, emptied.url)
    async with asyncio.timeout(20):
        assert await waiting == await schema.look(opened)
