"""Connections between two uses: trusted for a while, and never handed out dead."""

import asyncio
from collections import Counter
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from avouch.store import database
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
        monkeypatch.setattr(database, "_TRUSTED_SECONDS", 0.0)
        await opened.ping()
        assert found["pings"] == 1


async def test_a_connection_that_the_server_ended_meanwhile_is_replaced_unseen(server: postgres.Postgres) -> None:
    async with database.Database(server.url, pool_size=1) as opened:
        async with opened.statements() as connection:
            first = (await connection.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one()
        with psycopg.connect(server.url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
        async with opened.statements() as connection:
            assert (await connection.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one() != first


async def test_all_connections_of_a_pool_are_replaced_after_the_server_was_started_again(
    server: postgres.Postgres,
) -> None:
    async with database.Database(server.url, pool_size=3) as opened:
        await opened.warm()
        server.stop()
        server.start()
        await asyncio.gather(*(opened.ping() for _ in range(6)))
