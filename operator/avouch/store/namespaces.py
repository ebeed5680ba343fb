"""Which namespace of a name is the present one: made anew, it has another uid and hides its predecessor's rows.

Everything that is shown or believed for a namespace is joined with this table by uid, and nothing is for a name that is
not in it. The controller writes what it sees of the cluster's namespaces. One that is gone keeps its row, without uid:
otherwise a run that is opened a moment later, with what was known a moment before, would bring it back (`know_runs`).
A day later, and when the last of its runs went, the row goes, too (`store.retention`).
"""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch.store import database, declared, fencing, tables

GONE = ""  # uid of a namespace that is not there
# One statement whatever the number. Rows are locked in one order; those that are as they should be are not touched.
_RECORD = sa.text(
    "INSERT INTO namespaces (name, uid, gone_at)"
    " SELECT i.name, i.uid, CASE i.uid WHEN '' THEN now() END"
    " FROM unnest(CAST(:names AS text[]), CAST(:uids AS text[])) AS i(name, uid)"
    " WHERE NOT EXISTS (SELECT FROM namespaces n WHERE (n.name, n.uid) = (i.name, i.uid)) ORDER BY i.name"
    " ON CONFLICT (name) DO UPDATE SET uid = excluded.uid, gone_at = excluded.gone_at,"
    "  was = CASE excluded.uid WHEN '' THEN namespaces.uid ELSE '' END"
    " WHERE namespaces.uid <> excluded.uid RETURNING name"
)
_VANISHED = sa.text(
    "UPDATE namespaces SET was = uid, gone_at = now(), uid = ''"
    " WHERE uid <> '' AND name <> ALL(CAST(:names AS text[])) RETURNING name"
)
_DECLARED = sa.text("SELECT namespace FROM declared WHERE namespace = ANY(CAST(:names AS text[]))")


class Namespaces:
    """What the controller saw of the cluster's namespaces; every write is fenced."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def record(self, seen: Mapping[str, str], *, epoch: int) -> None:
        """Namespaces (name to uid) that are new or changed; `GONE` for one that was deleted."""
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            await _recorded(connection, seen)

    async def record_all(self, present: Mapping[str, str], *, epoch: int) -> None:
        """Every namespace that there is; all others are gone, whoever watched when they went."""
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            await _recorded(connection, present)
            vanished = await connection.execute(_VANISHED, {"names": list(present)})
            await _tell(connection, [row.name for row in vanished.all()])


async def _recorded(connection: AsyncConnection, seen: Mapping[str, str]) -> None:
    if seen:
        changed = await connection.execute(_RECORD, {"names": list(seen), "uids": list(seen.values())})
        await _tell(connection, [row.name for row in changed.all()])


async def _tell(connection: AsyncConnection, names: list[str]) -> None:
    """Copies of declarations are read anew, where there are any."""
    if names:
        for row in (await connection.execute(_DECLARED, {"names": names})).all():
            await declared.changed(connection, row.namespace, removed=True)


async def remember(connection: AsyncConnection, name: str, uid: str) -> None:
    """Take this uid as the present one: only fenced writes of the controller say so. Hides the predecessor's rows."""
    new = insert(tables.namespaces).values(name=name, uid=uid)
    changed = tables.namespaces.c.uid != new.excluded.uid
    now = {"uid": new.excluded.uid, "was": "", "gone_at": None}
    taken = new.on_conflict_do_update(index_elements=["name"], set_=now, where=changed)
    # RETURNING, for SQLAlchemy keeps no count of inserted rows.
    if (await connection.execute(taken.returning(tables.namespaces.c.name))).first() is not None:
        await declared.changed(connection, name, removed=True)
