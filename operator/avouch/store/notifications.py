"""LISTEN: what other connections NOTIFY becomes calls here. A hint only: whoever listens also looks now and then."""

import asyncio
import logging
from collections.abc import Callable, Mapping

import psycopg
from psycopg import sql

from avouch.store import database

_log = logging.getLogger(__name__)

_PAUSE = 2.0  # seconds before another try to connect
_CONNECT_SECONDS = 10
_KEEPALIVE = 30  # seconds of silence after which the system asks whether the peer is still there


async def listen(url: str, calls: Mapping[str, Callable[[], None]]) -> None:
    """Call what belongs to a channel at each of its notifications, until cancelled.

    After each connect every function is called once, because PostgreSQL does not repeat missed notifications.
    """
    while True:
        try:
            await _listen(url, calls)
        except (psycopg.Error, OSError) as exc:
            _log.warning("notifications wait for the database: %s", type(exc).__name__)
            await asyncio.sleep(_PAUSE)


async def _listen(url: str, calls: Mapping[str, Callable[[], None]]) -> None:
    connection = await psycopg.AsyncConnection.connect(
        url,
        autocommit=True,
        options=database.options(),
        connect_timeout=_CONNECT_SECONDS,
        keepalives_idle=_KEEPALIVE,
        application_name="avouch",
    )
    async with connection:
        for channel, call in calls.items():
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            call()
        async for notification in connection.notifies():
            calls[notification.channel]()
