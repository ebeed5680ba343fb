"""Which Workflows used an artifact, and how large it is. Implements `controlplane.model.artifacts.Uses`."""

from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa

from avouch import digests, errors
from avouch.controlplane.model import artifacts, workflowspecs
from avouch.store import database, rows, tables

_PAGE = 500  # Workflows that are read at a time


class Uses:
    """Over one database."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def of(self, digest: digests.Digest, namespace: str | None = None) -> AsyncIterator[artifacts.Use]:
        """The Workflows of present namespaces, or of one, with a run that refers to it: all of them, page by page.

        Many share one artifact, such as an empty report, and any of them may be the one that lets somebody read it.
        """
        runs, used, known = tables.runs, tables.run_artifacts, tables.workflows
        same = sa.and_(known.c.namespace == runs.c.namespace, known.c.uid == runs.c.workflow_uid)
        joined = rows.RUNS.join(used, used.c.run_id == runs.c.id).join(known, same)
        place = (runs.c.namespace, runs.c.workflow)
        mine = sa.select(runs.c.namespace, runs.c.namespace_uid, runs.c.workflow, known.c.spec).select_from(joined)
        mine = mine.where(used.c.digest == str(digest)).distinct().order_by(*place).limit(_PAGE)
        if namespace is not None:
            mine = mine.where(runs.c.namespace == namespace)
        last: tuple[str, str] | None = None
        while True:
            query = mine if last is None else mine.where(sa.tuple_(*place) > sa.tuple_(*map(sa.literal, last)))
            async with self._database.transaction() as connection:
                found = (await connection.execute(query)).all()
            for row in found:
                yield artifacts.Use(row.namespace, row.namespace_uid, row.workflow, _rules(row))
            if len(found) < _PAGE:
                return
            last = found[-1].namespace, found[-1].workflow

    async def size(self, digest: digests.Digest, namespace_uid: str) -> int | None:
        """Bytes of what a namespace (or, with "", any) stored; None where it stored none of this digest."""
        stored = tables.artifacts.c
        query = sa.select(stored.size).where(stored.digest == str(digest), stored.stored_at.is_not(None)).limit(1)
        if namespace_uid:
            query = query.where(stored.namespace_uid == namespace_uid)
        async with self._database.transaction() as connection:
            found = (await connection.execute(query)).scalar()
        return int(found) if found is not None else None


def _rules(row: "sa.Row[Any, Any, Any, Any]") -> workflowspecs.Rules | None:
    """What cannot be read lets nobody in, and must not keep the attesters of other Workflows out."""
    try:
        return workflowspecs.read(row.spec, row.workflow)
    except errors.Invalid:
        return None
