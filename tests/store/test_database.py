import asyncio
import contextlib
from collections.abc import AsyncIterator

import psycopg
import pytest
import sqlalchemy as sa

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


@contextlib.asynccontextmanager
async def each_kind(opened: database.Database) -> AsyncIterator[list[psycopg.AsyncConnection[object]]]:
    """A connection of the pool, one for single statements, and one that listens."""
    await opened.warm()
    told = opened.notifications("none", every=60)
    frame = asyncio.ensure_future(anext(told))
    await frame
    listening = told.ag_frame.f_locals["connection"]  # type: ignore[attr-defined]
    async with opened.statements() as pooled, contextlib.aclosing(told):
        raw = (await pooled.get_raw_connection()).driver_connection
        yield [raw, opened._direct._idle[0][1], listening]  # type: ignore[list-item]


async def test_every_connection_has_bounds_and_a_name(opened: database.Database) -> None:
    settings = {
        "search_path": "avouch", "statement_timeout": "15s", "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "30s", "TimeZone": "UTC", "application_name": "avouch",
    }  # fmt: skip
    async with each_kind(opened) as connections:
        for connection in connections:
            for name, value in settings.items():
                found = await (await connection.execute(f"SELECT current_setting('{name}')".encode())).fetchone()
                assert found == (value,), name
            said = connection.info.get_parameters()
            assert (said["connect_timeout"], said["tcp_user_timeout"]) == ("3", "10000")


async def test_a_ping_asks_the_database(opened: database.Database) -> None:
    asked: list[str] = []
    sa.event.listen(opened._engine.sync_engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    await opened.ping()
    assert asked == ["SELECT 1"]


@pytest.mark.parametrize(
    ("state", "said", "kind"),
    [
        ("lock_not_available", "another transaction holds", errors.Locked),
        ("deadlock_detected", "another transaction holds", errors.Locked),
        ("program_limit_exceeded", "for its size: ProgramLimitExceeded", errors.TooLarge),
        ("statement_too_complex", "for its size: StatementTooComplex", errors.TooLarge),
        ("invalid_text_representation", "refuses a value: InvalidTextRepresentation", errors.Invalid),
        ("unique_violation", "refuses a row: UniqueViolation", errors.Conflict),
        ("undefined_table", "no schema of this version yet", errors.NoSchema),
        ("undefined_column", "no schema of this version yet", errors.NoSchema),
        ("undefined_function", "run `avouch migrate`", errors.AvouchError),
        ("admin_shutdown", "cannot answer now: AdminShutdown", errors.Unavailable),
    ],
)
async def test_a_failure_is_said_as_what_it_is_however_it_was_asked(
    opened: database.Database, state: str, said: str, kind: type[errors.AvouchError]
) -> None:
    statement = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"
    with pytest.raises(errors.AvouchError, match=said) as direct:
        await opened.run(statement.encode(), {})
    with pytest.raises(errors.AvouchError, match=said) as pooled:
        async with opened.statements() as connection:
            await connection.exec_driver_sql(statement)
    assert type(direct.value) is type(pooled.value) is kind


async def test_a_row_that_is_refused_names_its_constraint(opened: database.Database) -> None:
    with pytest.raises(errors.Conflict, match="refuses a row: namespaces_pkey"):
        await opened.run(b"INSERT INTO namespaces (name, uid) VALUES ('a', ''), ('a', '')", {})


async def test_a_network_that_fails_means_that_the_database_cannot_be_reached() -> None:
    with pytest.raises(errors.Unavailable, match="cannot be reached"):
        async with database.translated():
            raise ConnectionResetError
