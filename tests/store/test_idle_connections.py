"""Connections between two uses: trusted for a while, and never handed out dead.

What is ended is reached by the Unix socket: through the try-out's TLS the end would be heard a moment later.
"""

import asyncio
import contextlib
from collections import Counter
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from avouch import errors
from avouch.store import database, direct
from tests import postgres

pytestmark = pytest.mark.postgres


def asked(opened: database.Database, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the questions whether a connection lives."""
    found: Counter[str] = Counter()
    dialect = opened._engine.dialect
    ask = dialect.do_ping

    def counted(connection: Any) -> bool:
        found["pings"] += 1
        return ask(connection)

    monkeypatch.setattr(dialect, "do_ping", counted)
    return found


async def test_a_connection_that_was_just_used_is_not_asked_again(
    server: postgres.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.Database(server.url, pool_size=1) as opened:
        await opened.ping()
        found = asked(opened, monkeypatch)
        for _ in range(5):
            await opened.ping()
        assert not found
        monkeypatch.setattr(direct, "TRUSTED_SECONDS", 0.0)
        await opened.ping()
        assert found["pings"] == 1


async def test_a_connection_that_the_server_ended_meanwhile_is_replaced_unseen(server: postgres.Postgres) -> None:
    async with database.Database(server.socket_url, pool_size=1) as opened:
        async with opened.statements() as connection:
            first = (await connection.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one()
        with psycopg.connect(server.url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
        async with opened.statements() as connection:
            assert (await connection.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one() != first


async def test_all_connections_of_a_pool_are_replaced_after_the_server_was_started_again(
    mortal: postgres.Postgres,
) -> None:
    async with database.Database(mortal.url, pool_size=3) as opened:
        await opened.warm()
        mortal.stop()
        mortal.start()
        await asyncio.gather(*(opened.ping() for _ in range(6)))


PID = b"SELECT pg_backend_pid() AS pid"


async def test_single_statements_share_a_few_connections_and_use_the_last_one_first(server: postgres.Postgres) -> None:
    async with database.Database(server.url) as opened:
        one_by_one = {(await opened.run(PID, {}))[0].pid for _ in range(5)}
        at_once = {rows[0].pid for rows in await asyncio.gather(*(opened.run(PID, {}) for _ in range(20)))}
    assert len(one_by_one) == 1
    assert len(at_once) <= database._DIRECT


async def test_single_statements_never_meet_a_connection_that_was_ended(
    server: postgres.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.Database(server.socket_url) as opened:
        first = (await opened.run(PID, {}))[0].pid
        with psycopg.connect(server.url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
        second = (await opened.run(PID, {}))[0].pid
        assert second != first
        monkeypatch.setattr(direct, "TRUSTED_SECONDS", 0.0)
        assert (await opened.run(PID, {}))[0].pid == second


async def test_a_connection_for_single_statements_is_asked_only_where_it_was_idle_for_long(
    server: postgres.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for, ask = list[object](), direct._lives

    async def counted(connection: direct.Connection) -> bool:
        asked_for.append(connection)
        return await ask(connection)

    monkeypatch.setattr(direct, "_lives", counted)
    async with database.Database(server.socket_url) as opened:
        (first,) = [(await opened.run(PID, {}))[0].pid for _ in range(3)][:1]
        assert asked_for == []
        monkeypatch.setattr(direct, "TRUSTED_SECONDS", 0.0)
        assert (await opened.run(PID, {}))[0].pid == first
        assert len(asked_for) == 1
        with psycopg.connect(server.url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
        assert (await opened.run(PID, {}))[0].pid != first
        assert len(asked_for) == 2


async def test_as_many_as_there_may_be_are_opened_before_anybody_asks_and_none_stays(server: postgres.Postgres) -> None:
    with psycopg.connect(server.url, autocommit=True) as watching:
        assert _connected(watching) == 0
        async with database.Database(server.url, pool_size=1) as opened:
            await asyncio.gather(opened.warm(), opened.warm())
            assert _connected(watching) == 1 + database._DIRECT
        async with asyncio.timeout(10):
            while _connected(watching):
                await asyncio.sleep(0.01)


def _connected(watching: "psycopg.Connection[Any]") -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'avouch'"
    row = watching.execute(query).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_statement_without_rows_answers_none(server: postgres.Postgres) -> None:
    async with database.Database(server.url) as opened:
        assert await opened.run(b"CREATE TEMPORARY TABLE mine (number int)", {}) == []
        assert await opened.run(b"INSERT INTO mine VALUES (%(number)s)", {"number": 7}) == []
        assert [row.number for row in await opened.run(b"SELECT number FROM mine", {})] == [7]


@pytest.mark.parametrize("statement", [b"BEGIN", b"SELECT pg_terminate_backend(pg_backend_pid())"])
async def test_a_connection_that_a_statement_spoiled_is_closed_and_not_used_again(
    server: postgres.Postgres, statement: bytes
) -> None:
    async with database.Database(server.socket_url) as opened:
        first = (await opened.run(PID, {}))[0].pid
        with contextlib.suppress(errors.Unavailable):
            await opened.run(statement, {})
        assert opened._direct._idle == []
        assert (await opened.run(PID, {}))[0].pid != first
        with psycopg.connect(server.url, autocommit=True) as watching:
            async with asyncio.timeout(10):
                while watching.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (first,)).fetchall():
                    await asyncio.sleep(0.01)


async def test_a_closed_connection_has_news(server: postgres.Postgres) -> None:
    connection = await psycopg.AsyncConnection.connect(server.url)
    assert not direct.has_news(connection)
    await connection.close()
    assert direct.has_news(connection)


async def test_a_statement_that_fails_or_is_cancelled_spoils_nothing(server: postgres.Postgres) -> None:
    async with database.Database(server.url) as opened:
        first = (await opened.run(PID, {}))[0].pid
        with pytest.raises(errors.Invalid):
            await opened.run(b"SELECT CAST(%(text)s AS uuid)", {"text": "none"})
        assert (await opened.run(PID, {}))[0].pid == first
        slow = asyncio.create_task(opened.run(b"SELECT pg_sleep(10)", {}))
        with psycopg.connect(server.url) as other:
            while not other.execute("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchall():
                await asyncio.sleep(0.01)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert (await opened.run(b"SELECT 1 AS one", {}))[0].one == 1
        with psycopg.connect(server.url, autocommit=True) as other:
            async with asyncio.timeout(10):
                while other.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (first,)).fetchall():
                    await asyncio.sleep(0.01)


async def test_who_waits_too_long_for_a_connection_is_told_to_come_back(
    server: postgres.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_DIRECT", 1)
    monkeypatch.setattr(database, "_CONNECT_SECONDS", 1)
    async with database.Database(server.url) as opened:
        holding = asyncio.create_task(opened.run(b"SELECT pg_sleep(1.5)", {}))
        await asyncio.sleep(0)
        with pytest.raises(errors.Unavailable, match="no connection left"):
            await opened.run(PID, {})
        await holding
