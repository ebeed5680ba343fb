"""Resource versions in the order of COMMIT, so that a watch never misses a change.

A sequence hands out numbers in the order of asking: 7 may commit before 6, and a watch that has seen 7 never asks for 6
again. Here the number comes from one row. Whoever takes it holds that row until COMMIT, so the next number exists only
after this one is visible. It is taken last in the transaction, or with its last rows, which keeps the wait to one
COMMIT; a batch takes those of all its runs at once. Pushes of claims change no run document and never take it.
"""

import uuid
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors
from avouch.store import tables

_STAMP = sa.text(
    "WITH v AS (UPDATE versions SET value = value + 1 RETURNING value) "
    "UPDATE runs SET resource_version = v.value, "
    "created_version = CASE WHEN created_version = 0 THEN v.value ELSE created_version END "
    "FROM v WHERE runs.id = :id"
)
_HOLD_ALL = "SELECT FROM runs WHERE id = ANY(%(ids)b) ORDER BY id FOR NO KEY UPDATE"
_STAMP_ALL = (
    "WITH v AS (UPDATE versions SET value = value + %(count)s RETURNING value - %(count)s AS base)"
    " UPDATE runs SET resource_version = v.base + i.place"
    " FROM unnest(%(ids)b::uuid[]) WITH ORDINALITY AS i(id, place), v WHERE runs.id = i.id"
)


async def stamp(connection: AsyncConnection, run_id: uuid.UUID) -> None:
    """Give a run that this transaction has written the next version: its last statement."""
    await connection.execute(_STAMP, {"id": run_id})


async def stamp_all(connection: AsyncConnection, run_ids: Iterable[uuid.UUID]) -> None:
    """Give each of these changed runs a version of its own by one statement: the last of its transaction."""
    ids = sorted(set(run_ids))
    if ids:
        await connection.exec_driver_sql(_HOLD_ALL, {"ids": ids})
        await connection.exec_driver_sql(_STAMP_ALL, {"ids": ids, "count": len(ids)})


async def take(connection: AsyncConnection, count: int) -> range:
    """The next versions, one for each run that this transaction writes: nobody else gets any before its COMMIT.

    Two changes never share one: a watch that ended between the two would go on behind both.
    """
    table = tables.versions
    taken = sa.update(table).values(value=table.c.value + count).returning(table.c.value)
    last = int((await connection.execute(taken)).scalar_one())
    return range(last - count + 1, last + 1)


async def expire(connection: AsyncConnection) -> None:
    """Runs were deleted: who watches from before this version lists again."""
    table = tables.versions
    await connection.execute(sa.update(table).values(value=table.c.value + 1, expired=table.c.value + 1))


async def window(connection: AsyncConnection) -> tuple[int, int]:
    """(the oldest version that a watch may start at, the newest one that this transaction's snapshot can see)."""
    row = (await connection.execute(sa.select(tables.versions.c.expired, tables.versions.c.value))).one()
    return int(row.expired), int(row.value)


def must_reach(since: int, window: tuple[int, int]) -> None:
    """Whether a watch may start at a version.

    Raises:
        errors.Conflict: it was never handed out (a restored backup), or runs were deleted since: list again.
    """
    oldest, newest = window
    if since > newest:
        raise errors.Conflict(f"resource version {since} is not of this database: list again")
    if since < oldest:
        raise errors.Conflict(f"runs were deleted after resource version {since}: list again")


async def newest(connection: AsyncConnection) -> int:
    """The newest version that this transaction's snapshot can see."""
    return int((await connection.execute(sa.select(tables.versions.c.value))).scalar_one())
