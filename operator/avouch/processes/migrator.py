"""`avouch migrator`: keeps the schema of the database at this version, for as long as it runs.

It alone has the credentials of the schema's owner, and nothing else: no token, no port but health. A database that is
empty when we start, or is emptied later, has its schema within seconds; one of a newer version is left alone.
"""

import asyncio
import logging

import prometheus_client

from avouch import errors
from avouch.processes import health, lifetime, listeners, settings
from avouch.store import database, migrate, schema

_log = logging.getLogger(__name__)

_LOOK = 3.0  # seconds between two looks


def main() -> int:
    """Run until SIGTERM. Returns the exit code."""
    return lifetime.run(settings.Migrator.from_environment, serve)


async def serve(config: settings.Migrator, stop: asyncio.Event) -> None:
    """Keep the schema until `stop`; a migration that is under way is finished."""
    async with database.Database(config.database_url, pool_size=2) as opened:
        app = health.create(lambda: _ready(opened), prometheus_client.CollectorRegistry())
        listener = listeners.Listener(app, config.host, config.health_port)
        serving = asyncio.create_task(listener.run_until_told())
        keeping = asyncio.create_task(keep(config.database_url, opened))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({keeping, stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
        for task in (keeping, stopping):
            task.cancel()
        listener.should_exit = True
        ended = await asyncio.gather(keeping, serving, return_exceptions=True)
    for problem in ended:
        if isinstance(problem, Exception):
            raise problem


async def _ready(opened: database.Database) -> None:
    await schema.check(opened)


async def keep(url: str, opened: database.Database) -> None:
    """Look for ever; once in any case, for rights may have changed where the schema has not.

    Raises:
        Exception: whatever a migration fails with, except that the database cannot answer now.
    """
    granted, said = False, ""
    while True:
        try:
            standing = await _standing(opened)
            if standing is schema.Standing.NEWER and not granted:
                _log.warning("the schema is of a newer version than this one, and left as it is")
                granted = True
            elif standing is schema.Standing.OLDER or not granted:
                await asyncio.to_thread(migrate.migrate, url)
                granted = True
                _log.info("the schema is up to date")
            said = ""
        except errors.Unavailable as exc:
            if str(exc) != said:  # once, not every few seconds
                _log.warning("waiting for the database: %s", exc)
            said = str(exc)
        await asyncio.sleep(_LOOK)


async def _standing(opened: database.Database) -> schema.Standing:
    """As it is; where there is no schema, as one that is older than any."""
    try:
        return (await schema.look(opened)).standing
    except errors.NoSchema:
        return schema.Standing.OLDER
