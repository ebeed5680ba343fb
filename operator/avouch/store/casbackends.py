"""CASBackends as recorded, and what checks found. Implements `controlplane.model.artifacts.BackendRecords`.

A removed backend stays while artifacts lie in it: they are read and cleared away with what its spec said last.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from avouch.controlplane.model import artifacts
from avouch.store import database, fencing, namespaces, tables

_STORED = tables.cas_backends
# Whoever takes a check is the only one for a minute: a process that dies over it leaves it to the next.
_DUE = sa.text(
    "UPDATE cas_backends SET next_check = now() + interval '1 minute' WHERE uid IN ("
    " SELECT uid FROM cas_backends WHERE NOT removed AND next_check <= now()"
    " ORDER BY next_check LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING *"
)
# Those of a namespace and of the one home of whoever claims it. A backend of a namespace that was made anew is its
# predecessor's.
_SERVING = (
    b"WITH home AS (SELECT min(o.home) AS name FROM organisations o JOIN projects p ON p.organisation = o.name"
    b" WHERE p.namespace = %(namespace)s HAVING count(*) = 1)"
    b" SELECT b.* FROM cas_backends b JOIN namespaces n ON (n.name, n.uid) = (b.namespace, b.namespace_uid)"
    b" WHERE (b.namespace = %(namespace)s OR b.namespace = (SELECT name FROM home))"
    b" AND NOT b.removed ORDER BY b.name"
)


class CASBackends:
    """Records over one database; the controller's writes are fenced."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def upsert(self, record: artifacts.BackendRecord, *, epoch: int) -> None:
        """Record a backend; a new spec is checked at once. An older generation never replaces a newer one."""
        row = {
            "uid": record.uid, "namespace": record.namespace, "namespace_uid": record.namespace_uid,
            "name": record.name, "generation": record.generation, "spec": dict(record.spec.declared),
            "location": record.location, "problem": record.problem, "removed": False,
        }  # fmt: skip
        new = insert(_STORED).values(**row)
        fresh = sa.case((_STORED.c.generation < new.excluded.generation, sa.func.now()), else_=_STORED.c.next_check)
        same_name = sa.and_(
            _STORED.c.namespace == record.namespace, _STORED.c.name == record.name, _STORED.c.uid != record.uid
        )
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            await namespaces.remember(connection, record.namespace, record.namespace_uid)
            await connection.execute(sa.update(_STORED).where(same_name).values(removed=True))
            await connection.execute(
                new.on_conflict_do_update(
                    index_elements=["uid"],
                    set_={**row, "next_check": fresh},
                    where=_STORED.c.generation <= new.excluded.generation,
                )
            )

    async def remove(self, namespace: str, name: str, *, uid: str, epoch: int) -> None:
        """Take no new artifacts there; forget it where none lie in it."""
        mine = sa.and_(_STORED.c.namespace == namespace, _STORED.c.name == name, _STORED.c.uid == uid)
        empty = ~sa.exists().where(tables.artifacts.c.backend_uid == _STORED.c.uid)
        clean = ~sa.exists().where(tables.garbage.c.backend_uid == _STORED.c.uid)
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            await connection.execute(sa.update(_STORED).where(mine).values(removed=True))
            await connection.execute(sa.delete(_STORED).where(_STORED.c.removed, empty, clean))

    async def get(self, uid: str) -> artifacts.BackendRecord | None:
        """One backend, also a removed one."""
        found = await self._select(sa.select(_STORED).where(_STORED.c.uid == uid))
        return found[0] if found else None

    async def keys(self) -> Sequence[tuple[str, str, str]]:
        """(namespace, name, uid) of every present backend, for the resync's diff."""
        columns = (_STORED.c.namespace, _STORED.c.name, _STORED.c.uid)
        async with self._database.transaction() as connection:
            rows = (await connection.execute(sa.select(*columns).where(~_STORED.c.removed))).all()
        return [(row.namespace, row.name, row.uid) for row in rows]

    async def serving(self, namespace: str) -> artifacts.Serving:
        """The backends of a namespace and of its organization's home; of none where two organizations claim it."""
        found = await self._database.run(_SERVING, {"namespace": namespace})
        records = [_record(row) for row in found]
        return artifacts.Serving(
            own=tuple(one for one in records if one.namespace == namespace),
            home=tuple(one for one in records if one.namespace != namespace),
        )

    async def due(self, limit: int) -> Sequence[artifacts.BackendRecord]:
        """Backends to check now; they are ours for a minute."""
        async with self._database.transaction() as connection:
            return tuple(map(_record, (await connection.execute(_DUE, {"limit": limit})).all()))

    async def checked(
        self, record: artifacts.BackendRecord, probed: artifacts.Probed, at: datetime, again: datetime
    ) -> None:
        """Keep what a check of this generation found; a newer spec, written meanwhile, waits for its own check."""
        mine = sa.and_(_STORED.c.uid == record.uid, _STORED.c.generation == record.generation)
        found = sa.update(_STORED).where(mine).values(
            checked_generation=record.generation, checked_at=at, reachable=probed.reachable,
            writable=probed.writable, message=probed.message.replace("\0", ""), next_check=again,
        )  # fmt: skip
        async with self._database.transaction() as connection:
            await connection.execute(found)

    async def of_kind(self, kind: str) -> Sequence[str]:
        """Ids of all backends of a kind, removed ones too."""
        async with self._database.transaction() as connection:
            return list(
                (await connection.execute(sa.select(_STORED.c.uid).where(_STORED.c.spec.has_key(kind)))).scalars()
            )

    async def _select(self, query: "sa.Select[Any]") -> Sequence[artifacts.BackendRecord]:
        async with self._database.transaction() as connection:
            return tuple(map(_record, (await connection.execute(query)).all()))


def _record(row: "sa.Row[Any]") -> artifacts.BackendRecord:
    return artifacts.BackendRecord(
        uid=row.uid, namespace=row.namespace, namespace_uid=row.namespace_uid, name=row.name,
        generation=row.generation, spec=artifacts.BackendSpec.read(row.spec), problem=row.problem,
        checked_generation=row.checked_generation,
        checked_at=row.checked_at, reachable=row.reachable, writable=row.writable, message=row.message,
    )  # fmt: skip
