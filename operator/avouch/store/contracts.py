"""Contract revisions, append-only. Implements `controlplane.model.contracts.Contracts`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import digests
from avouch.controlplane.model import contracts
from avouch.store import database, declared, direct, fencing, namespaces, policies, replays, tables


class Contracts:
    """Revisions over one database."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def record(
        self,
        revision: contracts.ContractRevision,
        documents: Mapping[str, bytes] = MappingProxyType({}),
        *,
        epoch: int,
    ) -> contracts.ContractRevision:
        """Keep a revision; the newest one that says the same is returned unchanged, else the number is newest + 1.

        What a newer revision would have done to past runs is asked for with it.
        """
        stored = tables.contract_revisions
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            # Holds the namespace's row until COMMIT, changed or not: two recorders never share a number.
            await namespaces.remember(connection, revision.namespace, revision.namespace_uid)
            mine = sa.and_(stored.c.namespace_uid == revision.namespace_uid, stored.c.name == revision.name)
            newest = await _first(connection, sa.select(stored).where(mine).order_by(stored.c.revision.desc()))
            if newest is not None and (newest.digest, newest.resolved) == (revision.digest, revision.resolved):
                return newest
            numbered = replace(revision, revision=newest.revision + 1 if newest else 1)
            await connection.execute(sa.insert(stored).values(**_row(numbered)))
            await policies.keep(connection, documents)
            if newest is not None:  # of the first one there are no past runs
                await replays.ask(connection, numbered)
            await declared.changed(connection, revision.namespace)
        return numbered

    async def newest(
        self, namespace: str, name: str, *, before: datetime | None = None
    ) -> contracts.ContractRevision | None:
        """The newest revision, or the newest recorded not after `before` (the first one where none is that old)."""
        place = {"namespace": namespace, "name": name}
        if before is None:
            found = await self._database.run(_NEWEST, place)
        else:
            found = await self._database.run(_NEWEST_BEFORE, {**place, "before": before})
        return _revision(found[0]) if found else None

    async def get(self, namespace: str, name: str, revision: int) -> contracts.ContractRevision | None:
        """One revision by its number."""
        query = _of(namespace, name).where(tables.contract_revisions.c.revision == revision)
        async with self._database.transaction() as connection:
            return await _first(connection, query)

    async def list(self, namespace: str, name: str) -> Sequence[contracts.ContractRevision]:
        """Every revision, newest first; also of a Contract that was deleted."""
        query = _of(namespace, name).order_by(tables.contract_revisions.c.revision.desc())
        async with self._database.transaction() as connection:
            return tuple(map(_revision, (await connection.execute(query)).all()))


def present() -> "sa.Select[Any]":
    """Revisions of namespaces as they are now: those of a namespace that was deleted and made anew are nobody's."""
    stored = tables.contract_revisions
    known = tables.namespaces.c
    present = sa.and_(known.name == stored.c.namespace, known.uid == stored.c.namespace_uid)
    return sa.select(stored).join(tables.namespaces, present)


def _newest(*order: "sa.ColumnElement[Any]") -> bytes:
    stored = tables.contract_revisions.c
    mine = sa.and_(stored.namespace == sa.bindparam("namespace"), stored.name == sa.bindparam("name"))
    return direct.sql(present().where(mine).order_by(*order).limit(sa.literal_column("1")))


def _newest_before() -> bytes:
    """The newest of those that are old enough; where none is, the first one."""
    stored = tables.contract_revisions.c
    old = stored.recorded_at <= sa.bindparam("before")
    return _newest(old.desc(), sa.case((old, -stored.revision), else_=stored.revision))


_NEWEST = _newest(tables.contract_revisions.c.revision.desc())
_NEWEST_BEFORE = _newest_before()


def _of(namespace: str, name: str) -> "sa.Select[Any]":
    stored = tables.contract_revisions.c
    return present().where(stored.namespace == namespace, stored.name == name)


async def _first(connection: AsyncConnection, query: "sa.Select[Any]") -> contracts.ContractRevision | None:
    row = (await connection.execute(query.limit(1))).first()
    return None if row is None else _revision(row)


def _revision(row: direct.Row) -> contracts.ContractRevision:
    return contracts.ContractRevision(
        namespace=row.namespace,
        namespace_uid=row.namespace_uid,
        name=row.name,
        uid=row.uid,
        revision=row.revision,
        digest=digests.Digest.parse(row.digest),
        canonical=row.canonical,
        recorded_at=row.recorded_at,
        source_digest=row.source_digest,
        resolved=row.resolved,
    )


def _row(revision: contracts.ContractRevision) -> dict[str, Any]:
    return {
        "namespace": revision.namespace,
        "namespace_uid": revision.namespace_uid,
        "name": revision.name,
        "uid": revision.uid,
        "revision": revision.revision,
        "digest": str(revision.digest),
        "canonical": revision.canonical,
        "recorded_at": revision.recorded_at,
        "source_digest": revision.source_digest,
        "resolved": revision.resolved,
    }
