"""Workflows whose runs lost results because the sidecar left their containers too little room for them.

Of each the generation at which it happened: whoever changes the Workflow is asked anew.
"""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from avouch.store import database, fencing, tables

# A Workflow that was made anew under its name is never told of as gone.
_SWEEP = "DELETE FROM cut_results c WHERE NOT EXISTS (SELECT FROM workflows w WHERE w.uid = c.workflow_uid)"
_REMEMBER = (
    "INSERT INTO cut_results AS c (workflow_uid, generation) SELECT uid, :generation FROM workflows WHERE uid = :uid "
    "ON CONFLICT (workflow_uid) DO UPDATE SET generation = greatest(c.generation, excluded.generation)"
)


async def remember(opened: database.Database, workflow_uid: str, generation: int, *, epoch: int) -> None:
    """Keep that it happened; of Workflows that are gone nothing is kept.

    Raises:
        errors.Conflict: a newer controller has written.
    """
    async with opened.transaction() as connection:
        await fencing.fence(connection, epoch)
        await connection.execute(sa.text(_SWEEP))
        await connection.execute(sa.text(_REMEMBER), {"uid": workflow_uid, "generation": generation})


async def of(opened: database.Database, workflow_uids: Sequence[str]) -> Mapping[str, int]:
    """Generation by UID, of those of these Workflows that it happened to."""
    stored = tables.cut_results.c
    query = sa.select(stored.workflow_uid, stored.generation).where(stored.workflow_uid.in_(workflow_uids))
    async with opened.transaction() as connection:
        return {row.workflow_uid: row.generation for row in (await connection.execute(query)).all()}
