"""What other connections NOTIFY becomes calls here. Notifications may be lost, so callers poll as well."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing

from avouch import errors
from avouch.store import database

_log = logging.getLogger(__name__)

_PAUSE = 2.0  # seconds before another try to connect


async def listen(opened: database.Database, calls: Mapping[str, Callable[[], None]]) -> None:
    """Call what belongs to a channel at each of its notifications, until cancelled.

    After each connect every function is called once, because PostgreSQL does not repeat missed notifications.
    """
    while True:
        try:
            async with aclosing(opened.notifications(*calls)) as notifications:
                async for notification in notifications:
                    for call in calls.values() if notification is None else (calls[notification.channel],):
                        call()
        except errors.AvouchError as exc:
            _log.warning("no notifications from the database: %s", exc)
        await asyncio.sleep(_PAUSE)
