"""Runs that somebody deletes, and the record that stays: who, when, which and why.

The server writes what is asked for, and the worker, which alone may delete runs, carries it out: a captured server can
ask, which is on record, and take nothing away itself. Implements `controlplane.model.deletions.Deletions`.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors, rfc3339
from avouch.controlplane.model import cursors, deletions, runs, selectors, verdicts
from avouch.store import database, run_moves, rundocuments, runqueries, tables, versions

FILTERS = ("name", "workflow", "subject")
_PAGE = 500
_TAKEN = 100  # that are carried out in one transaction
_COLUMNS = {"name": "name", "workflow": "workflow", "subject": "subject_name"}
_OF_RUN = (
    "namespace_uid", "namespace", "name", "workflow", "subject_kind", "subject_name", "subject_uid", "contract",
    "revision", "contract_digest", "result", "evidence", "created_at", "judged_at",
)  # fmt: skip
_MAY_GO = sa.text(
    f"NOT EXISTS (SELECT FROM runs r WHERE r.id = run_deletions.run_id AND NOT {run_moves.may('forget', 'r')})"
)
_IDS = sa.bindparam("ids", type_=pg.ARRAY(pg.UUID(as_uuid=True)))
# A claim that came since somebody asked may have superseded the verdict: the record is of the run that goes.
_AS_IT_IS = sa.text(
    "UPDATE run_deletions SET result = r.result, evidence = r.evidence, judged_at = r.judged_at, documents = coalesce("
    "(SELECT jsonb_object_agg(d.kind, d.digest) FROM verdict_documents d WHERE d.run_id = r.id), '{}') "
    "FROM runs r WHERE r.id = run_deletions.run_id AND r.id = ANY(:ids)"
).bindparams(_IDS)


class Deletions:
    """Over one database."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def ask(self, namespace: str, name: str, asked: deletions.Asked) -> dict[str, Any]:
        """Have a judged run deleted; asked again, the first record counts.

        Raises:
            errors.NotFound: there is no such run.
            errors.Conflict: it has no verdict yet.
        """
        stored, kept, signed = tables.runs, tables.run_deletions, tables.verdict_documents.c
        row_of = sa.select(stored).where(runqueries.named(namespace, name))  # a later verdict is taken when it goes
        async with self._database.transaction() as connection:
            run = (await connection.execute(row_of)).first()
            if run is None:
                raise errors.NotFound(f"run {name[:253]} not found")
            if run.result == verdicts.VerdictResult.PENDING.value:
                raise errors.Conflict(f"run {name} has no verdict yet: delete it when it has")
            digests = await connection.execute(sa.select(signed.kind, signed.digest).where(signed.run_id == run.id))
            said = {"documents": {row.kind: row.digest for row in digests.all()}, "deleted_by": asked.by}
            about = {"reason": asked.reason, "requested_at": asked.at}
            values = {"run_id": run.id, **{column: getattr(run, column) for column in _OF_RUN}, **said, **about}
            await connection.execute(insert(kept).values(**values).on_conflict_do_nothing())
            return _document((await connection.execute(sa.select(kept).where(kept.c.run_id == run.id))).one())

    async def carry_out(self) -> int:
        """Delete what was asked for, as far as a transaction takes; returns how many runs went.

        One without a verdict stays until it has one, whoever asked.
        """
        stored, kept = tables.runs.c, tables.run_deletions
        wanted = sa.select(kept.c.run_id).where(kept.c.deleted_at.is_(None), _MAY_GO)
        due = wanted.order_by(kept.c.requested_at).limit(_TAKEN)
        async with self._database.transaction() as connection:
            ids = (await connection.execute(due.with_for_update(skip_locked=True))).scalars().all()
            if not ids:
                return 0
            hold = sa.select(stored.id).where(stored.id == sa.any_(_IDS)).order_by(stored.id).with_for_update()
            await connection.execute(hold, {"ids": ids})
            await connection.execute(_AS_IT_IS, {"ids": ids})
            gone = await connection.execute(sa.delete(tables.runs).where(stored.id == sa.any_(_IDS)), {"ids": ids})
            done = sa.update(kept).where(kept.c.run_id == sa.any_(_IDS)).values(deleted_at=sa.func.now())
            await connection.execute(done, {"ids": ids})
            await versions.expire(connection)
        return int(gone.rowcount)

    async def page(
        self, namespace: str | None, *, limit: int, after: str, filters: selectors.Filters, whole: bool = True
    ) -> tuple[Sequence[dict[str, Any]], str, int]:
        """(records by namespace, name and run, continue token or "", version); all of them are whole."""
        kept, known = tables.run_deletions.c, tables.namespaces.c
        size = max(1, min(limit or _PAGE, _PAGE))
        query = sa.select(tables.run_deletions).join(tables.namespaces, known.uid == kept.namespace_uid)
        for key, wanted in filters.items():
            query = query.where(_filter(key, wanted))
        if namespace is not None:
            query = query.where(known.name == namespace)
        if after:
            last = _place(after)
            query = query.where(sa.tuple_(kept.namespace, kept.name, kept.run_id) > sa.tuple_(*map(sa.literal, last)))
        async with self._database.snapshot() as connection:
            version = await versions.newest(connection)
            ordered = query.order_by(kept.namespace, kept.name, kept.run_id).limit(size + 1)
            found = (await connection.execute(ordered)).all()
        shown = found[:size]
        more = len(found) > size
        token = cursors.write(shown[-1].namespace, shown[-1].name, str(shown[-1].run_id)) if more else ""
        return [_document(row) for row in shown], token, version

    async def view(self, namespace: str, name: str) -> dict[str, Any] | None:
        """The record of a deleted run, by the run's name."""
        found, _, _ = await self.page(namespace, limit=1, after="", filters={"name": name})
        return found[0] if found else None


def _place(token: str) -> tuple[str, str, uuid.UUID]:
    """Raises errors.Invalid: not a valid token."""
    namespace, name, run_id = cursors.read(token, str, str, str)
    try:
        return namespace, name, uuid.UUID(run_id)
    except ValueError as exc:
        raise cursors.foreign() from exc


async def is_gone(connection: AsyncConnection, run_id: uuid.UUID) -> bool:
    """Whether a run was deleted."""
    kept = tables.run_deletions.c
    return (await connection.execute(sa.select(kept.run_id).where(kept.run_id == run_id))).first() is not None


def ended(run: runs.Run, record: Any) -> runs.Run:
    """A run that was deleted, for whoever would open it: it has ended, and nothing more is to be done about it."""
    at = record.judged_at or record.requested_at
    return replace(run, result=verdicts.VerdictResult(record.result), finished_at=at, judged_at=at)


def _filter(key: str, wanted: Any) -> "sa.ColumnElement[bool]":
    if key not in FILTERS or not isinstance(wanted, str | selectors.Not):
        raise errors.Invalid(f"cannot filter by {key}", fix=f"filter by one of {', '.join(FILTERS)}")
    column = tables.run_deletions.c[_COLUMNS[key]]
    return column.not_in(sorted(wanted.values)) if isinstance(wanted, selectors.Not) else column == wanted


def _document(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.run_id),
        **rundocuments.about(row),
        "documents": row.documents,
        "createdAt": rfc3339.to_seconds(row.created_at),
        "judgedAt": rfc3339.to_seconds(row.judged_at) if row.judged_at else None,
        "deletedBy": row.deleted_by,
        "reason": row.reason,
        "requestedAt": rfc3339.to_seconds(row.requested_at),
        "deletedAt": rfc3339.to_seconds(row.deleted_at) if row.deleted_at else None,
        "resourceVersion": 2 if row.deleted_at else 1,
    }
