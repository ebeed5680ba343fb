"""A listener hears what is committed, looks once after each connect, and survives a restart of the database."""

import asyncio

import pytest
import sqlalchemy as sa

from avouch.store import database, notifications
from tests import postgres

pytestmark = pytest.mark.postgres


async def until(event: asyncio.Event) -> None:
    async with asyncio.timeout(30):
        await event.wait()
    event.clear()


async def test_what_is_notified_is_called_and_after_each_connect_everything_is(
    mortal: postgres.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "_PAUSE", 0.05)
    one, other = asyncio.Event(), asyncio.Event()
    async with database.Database(mortal.url) as opened:
        listening = asyncio.create_task(notifications.listen(opened, {"one": one.set, "other": other.set}))
        for event in (one, other):
            await until(event)
        async with opened.transaction() as connection:
            await connection.execute(sa.text("SELECT pg_notify('one', '')"))
        await until(one)
        assert not other.is_set()
        await asyncio.to_thread(mortal.kill)
        await asyncio.to_thread(mortal.start)
        for event in (one, other):
            await until(event)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
