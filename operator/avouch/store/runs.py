"""Runs, claims and verdicts. Implements `controlplane.model.runs.Runs`."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from avouch import errors
from avouch.controlplane.model import runs as run_model
from avouch.controlplane.model import workflowspecs
from avouch.findings import Finding
from avouch.store import (
    claims,
    cutresults,
    database,
    direct,
    groupcommit,
    lastruns,
    lifecycle,
    rows,
    tables,
)

_log = logging.getLogger(__name__)

_UIDS = sa.bindparam("uids", type_=pg.ARRAY(sa.Text))
# Of the few that were judged lately, and of all: both choose before they read whole rows.
_LAST = sa.text(
    "SELECT DISTINCT ON (namespace, workflow) id FROM runs WHERE judged_version > :since"
    " ORDER BY namespace, workflow, judged_at DESC, judged_version DESC, id DESC"
)
_EVER = sa.text(
    f"{lastruns.NEWEST} SELECT DISTINCT ON (namespace, workflow) id FROM newest"  # noqa: S608 - constants only
    " WHERE judged_version > :since ORDER BY namespace, workflow, judged_at DESC, judged_version DESC, id DESC"
)


def _attested() -> bytes:
    """Runs with what their Workflows say now."""
    runs, known = tables.runs, tables.workflows
    same = sa.and_(known.c.namespace == runs.c.namespace, known.c.uid == runs.c.workflow_uid)
    ids = sa.bindparam("ids", type_=pg.ARRAY(pg.UUID(as_uuid=True)))
    return direct.sql(sa.select(runs, known.c.spec).outerjoin_from(runs, known, same).where(runs.c.id == sa.any_(ids)))


_ATTESTED = _attested()
# The client of an external run chooses what stands there, and may write the UID of any object.
_OF_CLUSTER = tables.runs.c.subject_kind != sa.literal_column(f"'{run_model.EXTERNAL}'")
_ABOUT = sa.and_(tables.runs.c.subject_uid == sa.any_(_UIDS), _OF_CLUSTER)
_OF_SUBJECTS = direct.sql(sa.select(tables.runs).where(_ABOUT).order_by(tables.runs.c.name))
_GET = direct.sql(sa.select(tables.runs).where(tables.runs.c.id == sa.bindparam("id")))


class Runs:
    """`open`, `finish` and `accept` share commits, `attested` shares reads. Close it before its loop ends."""

    def __init__(self, opened: database.Database, *, limits: groupcommit.Limits | None = None, rest: float = 0) -> None:
        """`rest`: seconds between two commits of opened or finished runs, for whom no pod waits."""
        self._database = opened
        lifecycle_limits = groupcommit.Limits(committers=1 if rest else 2, rest=rest)
        self._pushes: groupcommit.GroupCommit[run_model.Claim, run_model.Receipt] = groupcommit.GroupCommit(
            self._write, lambda claim: len(claim.bundle), limits or groupcommit.Limits()
        )
        self._opens: groupcommit.GroupCommit[run_model.Run, run_model.Run] = groupcommit.GroupCommit(
            lambda batch: lifecycle.open_all(opened, batch), lambda run: len(run.plan), lifecycle_limits
        )
        self._ends: groupcommit.GroupCommit[lifecycle.Finished, None] = groupcommit.GroupCommit(
            lambda batch: lifecycle.finish_all(opened, batch), lambda one: len(one.document), lifecycle_limits
        )
        self._reads: groupcommit.GroupCommit[uuid.UUID, run_model.Attested | None] = groupcommit.GroupCommit(
            self._read, lambda _: 0, groupcommit.Limits()
        )
        self._subjects: groupcommit.GroupCommit[str, Sequence[run_model.Run]] = groupcommit.GroupCommit(
            self._about, lambda _: 0, groupcommit.Limits()
        )

    @property
    def waiting(self) -> int:
        """Pushes that wait for their COMMIT (for metrics)."""
        return self._pushes.depth

    async def close(self) -> None:
        """Write what waits and stop the committers."""
        for each in (self._reads, self._subjects, self._opens, self._ends, self._pushes):
            await each.close()

    async def open(self, run: run_model.Run) -> run_model.Run:
        """Create a run, idempotently by id; the stored one wins. Callers at the same time share one commit."""
        return await self._opens.submit(run)

    async def get(self, run_id: uuid.UUID) -> run_model.Run | None:
        """One run."""
        found = await self._database.run(_GET, {"id": run_id})
        return rows.run_of(found[0]) if found else None

    async def attested(self, run_id: uuid.UUID) -> run_model.Attested | None:
        """One run and what its Workflow says now; callers that ask at the same time share one query.

        Raises:
            errors.Overloaded, errors.Unavailable: not now.
            errors.Invalid: what the Workflow says cannot be read.
        """
        return await self._reads.submit(run_id)

    async def of_subject(self, subject_uid: str) -> Sequence[run_model.Run]:
        """Every run about one PipelineRun or TaskRun; callers that ask at the same time share one query."""
        return await self._subjects.submit(subject_uid)

    async def accept(self, claim: run_model.Claim) -> run_model.Receipt:
        """Store a claim and its judging job; answered after COMMIT.

        Raises:
            errors.Overloaded: the queue is full.
            errors.NotFound: no such run.
            errors.Conflict: the same bundle stands on another run, which the message names.
            errors.Unavailable: the database is gone; whether it was stored is unknown, a resend is safe.
        """
        return await self._pushes.submit(claim)

    async def finish(self, run_id: uuid.UUID, snapshot: run_model.Snapshot, at: datetime, *, epoch: int) -> None:
        """Store the Done snapshot and enqueue the judging job; a second snapshot changes nothing.

        What the database refuses now it refuses whenever it is tried: then the run ends with the reason alone.

        Raises:
            errors.Conflict: a newer controller has written.
            errors.NotFound: no such run.
            errors.Unavailable: the database is gone; whether it was stored is unknown, another try is safe.
        """
        try:
            await self._ends.submit(lifecycle.Finished(run_id, lifecycle.document(snapshot), at, epoch))
        except errors.AvouchError as exc:
            if exc.retry or isinstance(exc, (errors.Conflict, errors.NotFound)):
                raise
            _log.error("the record of run %s cannot be stored, it ends without: %s", run_id, exc)
            await self._ends.submit(lifecycle.Finished(run_id, lifecycle.refusal(exc), at, epoch))

    async def results_cut(self, workflow_uid: str, generation: int, *, epoch: int) -> None:
        """Remember that results of a run were lost beside the sidecar, at this generation of its Workflow.

        Raises:
            errors.Conflict: a newer controller has written.
        """
        await cutresults.remember(self._database, workflow_uid, generation, epoch=epoch)

    async def cut_generations(self, workflow_uids: Sequence[str]) -> Mapping[str, int]:
        """The generation at which that happened last, by the UID of the Workflow."""
        return await cutresults.of(self._database, workflow_uids)

    async def unfinished(self, limit: int, after: run_model.Run | None = None) -> Sequence[run_model.Run]:
        """Runs of the cluster without a Done snapshot, oldest first: those that come after this one."""
        runs = tables.runs
        query = sa.select(runs).where(runs.c.finished_at.is_(None), runs.c.subject_kind != run_model.EXTERNAL)
        if after is not None:
            query = query.where(sa.tuple_(runs.c.created_at, runs.c.id) > (after.created_at, after.id))
        return await self._select(query.order_by(runs.c.created_at, runs.c.id).limit(limit))

    async def ended(self, subject_uids: Sequence[str]) -> frozenset[str]:
        """Those of these PipelineRuns and TaskRuns that have runs, all of them finished."""
        runs = tables.runs.c
        query = sa.select(runs.subject_uid).where(_ABOUT).group_by(runs.subject_uid)
        query = query.having(sa.func.bool_and(runs.finished_at.is_not(None)))
        async with self._database.transaction() as connection:
            return frozenset((await connection.execute(query, {"uids": list(subject_uids)})).scalars())

    async def judged(self, since: run_model.Judged, limit: int) -> Sequence[run_model.Judged]:
        """Runs judged after this one, in the order of COMMIT, each with the first of its findings."""
        runs, stored = tables.runs, tables.verdicts
        first, count = stored.c.findings[0], sa.func.jsonb_array_length(stored.c.findings)
        shown = (first.label("first"), count.label("said"), stored.c.reevaluation)
        query = sa.select(runs, *shown).join(stored, stored.c.run_id == runs.c.id)
        query = query.where(sa.tuple_(runs.c.judged_version, runs.c.id) > (since.version, since.run_id))
        query = query.where(runs.c.judged_version > 0)  # the condition of the index
        async with self._database.transaction() as connection:
            found = await connection.execute(query.order_by(runs.c.judged_version, runs.c.id).limit(limit))
            return [_judged(row) for row in found.all()]

    async def summaries(self, since: int) -> Sequence[tuple[str, str, run_model.Run]]:
        """(namespace, workflow, newest judged run) of Workflows judged after `since`.

        The next `since` is the highest resource version answered: in commit order, none below it is still to come.
        """
        chosen = (_LAST if since > 0 else _EVER).bindparams(since=since).columns(tables.runs.c.id).subquery("chosen")
        joined = sa.select(tables.runs).join(chosen, chosen.c.id == tables.runs.c.id)
        found = await self._select(joined.order_by(tables.runs.c.namespace, tables.runs.c.workflow))
        return [(run.namespace, run.workflow, run) for run in found]

    async def _select(self, query: "sa.Select[Any]") -> Sequence[run_model.Run]:
        async with self._database.statements() as connection:
            return tuple(map(rows.run_of, (await connection.execute(query)).all()))

    async def _read(self, run_ids: Sequence[uuid.UUID]) -> Sequence[run_model.Attested | None]:
        found = await self._database.run(_ATTESTED, {"ids": list(set(run_ids))})
        stored = {row.id: _attested_of(row) for row in found}
        return [stored.get(run_id) for run_id in run_ids]

    async def _about(self, subject_uids: Sequence[str]) -> Sequence[Sequence[run_model.Run]]:
        found = map(rows.run_of, await self._database.run(_OF_SUBJECTS, {"uids": list(set(subject_uids))}))
        stored: dict[str, list[run_model.Run]] = {}
        for run in found:
            stored.setdefault(run.key.subject_uid, []).append(run)
        return [stored.get(uid, []) for uid in subject_uids]

    async def _write(self, batch: Sequence[run_model.Claim]) -> Sequence[run_model.Receipt | errors.AvouchError]:
        return await claims.write(self._database, batch)


def _attested_of(row: "sa.Row[Any]") -> run_model.Attested:
    run = rows.run_of(row)
    return run_model.Attested(run, None if row.spec is None else workflowspecs.read(row.spec, run.workflow))


def _judged(row: "sa.Row[Any]") -> run_model.Judged:
    first = Finding.recorded(**row.first) if row.first else None
    again = 0 if row.reevaluation is None else int(row.reevaluation["contract"]["revision"])
    return run_model.Judged(row.judged_version, row.id, rows.run_of(row), first, int(row.said), again)
