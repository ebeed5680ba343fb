"""Looks at the database, for as long as the controller leads."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from avouch import errors

log = logging.getLogger(__name__)


async def regularly(seconds: float, look: Callable[[], Awaitable[None]], what: str) -> None:
    """Look again after so many seconds, for ever; a database that does not answer is asked again.

    `what`: is looked at, for the log, such as "verdicts".
    """
    while True:
        await asyncio.sleep(seconds)
        try:
            await look()
        except errors.Unavailable as exc:
            log.warning("%s were not read: %s", what, exc)
