"""Which schema a database has: what every process asks before it says that it can serve.

A schema of a newer version is as good as one's own: while an upgrade is under way, and after a rollback, the processes
of before work with it.
"""

import asyncio
import enum
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from avouch import errors
from avouch.store import database

_log = logging.getLogger(__name__)

_LOOK = 3.0  # seconds between two looks
_VERSIONS = Path(__file__).parent / "migrations" / "versions"
REVISIONS: Final = tuple(sorted(path.stem.partition("_")[0] for path in _VERSIONS.glob("[0-9]*.py")))
"""Of the migrations that this version knows, the oldest first."""

# A table that is created anew has another oid, and another cluster of PostgreSQL another identifier.
_ASK = sa.text(
    "SELECT version_num, tableoid::text AS born, (SELECT system_identifier::text FROM pg_control_system()) AS system"
    " FROM alembic_version"
)


class Standing(enum.Enum):
    """A schema beside what this version needs."""

    OLDER = enum.auto()
    SAME = enum.auto()
    NEWER = enum.auto()


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of a database. `identity` is another one where it was emptied or replaced and migrated again."""

    revision: str
    identity: str

    @property
    def standing(self) -> Standing:
        """Whether this version can work with it."""
        if self.revision == REVISIONS[-1]:
            return Standing.SAME
        return Standing.OLDER if self.revision in REVISIONS else Standing.NEWER


async def look(opened: database.Database) -> Schema:
    """The schema that is there.

    Raises:
        errors.NoSchema: there is none.
        errors.Unavailable: the database cannot answer now.
    """
    async with opened.statements() as connection:
        found = (await connection.execute(_ASK)).first()
    if found is None:
        raise errors.NoSchema("the database has the schema of no version")
    return Schema(found.version_num, f"{found.system}/{found.born}")


async def check(opened: database.Database) -> Schema:
    """The schema that is there, if it will do. One round trip.

    Raises:
        errors.NoSchema: there is none, or one of an older version.
        errors.Unavailable: the database cannot answer now.
    """
    found = await look(opened)
    if found.standing is Standing.OLDER:
        raise errors.NoSchema(f"the schema of the database is of revision {found.revision}, not yet {REVISIONS[-1]}")
    return found


async def there(opened: database.Database) -> Schema:
    """Wait for a schema that will do: whoever migrates may start after us."""
    said = ""
    while True:
        try:
            return await check(opened)
        except errors.Unavailable as exc:
            if str(exc) != said:  # once, not every few seconds
                _log.warning("waiting for the schema: %s", exc)
            said = str(exc)
        await asyncio.sleep(_LOOK)


async def replaced(opened: database.Database, known: Schema) -> Schema:
    """Wait until the schema is another one than this: what anybody remembers of the database is void then."""
    while True:
        await asyncio.sleep(_LOOK)
        try:
            found = await look(opened)
        except errors.AvouchError as exc:  # whoever needs it says so; here nothing is missed, for it comes back
            _log.debug("the schema cannot be read: %s", exc)
            continue
        if found.identity != known.identity:
            _log.warning("the database was emptied or replaced: nothing that was known of it holds any more")
            return found
