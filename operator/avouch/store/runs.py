"""Runs, claims and verdicts. Implements `controlplane.model.runs.Runs`."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import digests, errors
from avouch.controlplane.model import deliveries, verdicts
from avouch.controlplane.model import runs as run_model
from avouch.store import (
    artifacts,
    claims,
    database,
    external_runs,
    fencing,
    groupcommit,
    jobs,
    lastruns,
    rows,
    tables,
    versions,
)

_IDS = sa.bindparam("ids", type_=pg.ARRAY(pg.UUID(as_uuid=True)))
# Of the few that were judged lately, and of all: both choose before they read whole rows.
_LAST = sa.text(
    "SELECT DISTINCT ON (namespace, workflow) id FROM runs WHERE judged_version > :since"
    " ORDER BY namespace, workflow, judged_version DESC"
)
_EVER = sa.text(
    f"{lastruns.NEWEST} SELECT DISTINCT ON (namespace, workflow) id FROM newest"  # noqa: S608 - constants only
    " WHERE judged_version > :since ORDER BY namespace, workflow, judged_version DESC"
)


class Runs:
    """`accept` shares commits between callers, `attested` shares reads. Close it before its loop ends."""

    def __init__(self, opened: database.Database, *, limits: groupcommit.Limits | None = None) -> None:
        self._database = opened
        self._pushes: groupcommit.GroupCommit[run_model.Claim, run_model.Receipt] = groupcommit.GroupCommit(
            self._write, lambda claim: len(claim.bundle), limits or groupcommit.Limits()
        )
        self._reads: groupcommit.GroupCommit[uuid.UUID, run_model.Attested | None] = groupcommit.GroupCommit(
            self._read, lambda _: 0, groupcommit.Limits()
        )

    @property
    def waiting(self) -> int:
        """Pushes that wait for their COMMIT (for metrics)."""
        return self._pushes.depth

    async def close(self) -> None:
        """Write what waits and stop the committers."""
        await self._reads.close()
        await self._pushes.close()

    async def open(self, run: run_model.Run) -> run_model.Run:
        """Create a run, idempotently by id; the stored one wins."""
        async with self._database.transaction() as connection:
            found = await _run(connection, run.id)
            if found is None:
                new = insert(tables.runs).values(**rows.row_of(run)).on_conflict_do_nothing(index_elements=["id"])
                if (await connection.execute(new.returning(tables.runs.c.id))).first() is not None:
                    await versions.stamp(connection, run.id)
                found = await _run(connection, run.id)
        if found is None:
            raise errors.Unavailable(f"run {run.id} went away while it was opened; try again")
        return found

    async def get(self, run_id: uuid.UUID) -> run_model.Run | None:
        """One run."""
        async with self._database.transaction() as connection:
            return await _run(connection, run_id)

    async def attested(self, run_id: uuid.UUID) -> run_model.Attested | None:
        """One run and what its Workflow says now; callers that ask at the same time share one query.

        Raises:
            errors.Overloaded, errors.Unavailable: not now.
        """
        return await self._reads.submit(run_id)

    async def of_subject(self, subject_uid: str) -> Sequence[run_model.Run]:
        """Every run about one PipelineRun or TaskRun."""
        query = sa.select(tables.runs).where(tables.runs.c.subject_uid == subject_uid).order_by(tables.runs.c.name)
        return await self._select(query)

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
        """Store the Done snapshot and enqueue the judging job; a second snapshot changes nothing."""
        runs = tables.runs
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            ended = sa.update(runs).where(runs.c.id == run_id, runs.c.finished_at.is_(None)).values(finished_at=at)
            if (await connection.execute(ended)).rowcount == 0:
                await _must_exist(connection, run_id)
                return
            document = rows.plain(snapshot)
            await connection.execute(sa.insert(tables.snapshots).values(run_id=run_id, document=document))
            await jobs.judge(connection, run_id)
            await versions.stamp(connection, run_id)

    async def case(
        self, run_id: uuid.UUID
    ) -> tuple[run_model.Run, run_model.Snapshot | None, Sequence[run_model.Claim]]:
        """All that judging needs, as of one moment. Raises errors.NotFound."""
        stored, said = tables.snapshots.c, tables.claims
        async with self._database.snapshot() as connection:
            run = await _run(connection, run_id)
            if run is None:
                raise errors.NotFound(f"no run {run_id}")
            document = (await connection.execute(sa.select(stored.document).where(stored.run_id == run_id))).scalar()
            in_order = sa.select(said).where(said.c.run_id == run_id).order_by(said.c.received_at, said.c.digest)
            found = (await connection.execute(in_order)).all()
        return run, rows.snapshot_of(document) if document else None, tuple(map(rows.claim_of, found))

    async def decide(self, signed: verdicts.SignedVerdict, deliveries: Sequence[deliveries.Delivery]) -> bool:
        """Commit verdict, documents, run and deliveries together. False: judged before, nothing changed."""
        verdict = signed.verdict
        if verdict.result is verdicts.VerdictResult.PENDING:
            raise errors.Invalid("Pending is not a decision", field="result", fix="judge again later instead")
        runs = tables.runs
        undecided = sa.and_(runs.c.id == verdict.run_id, runs.c.result == verdicts.VerdictResult.PENDING.value)
        async with self._database.transaction() as connection:
            decided = sa.update(runs).where(undecided).values(
                result=verdict.result.value, evidence=verdict.evidence.value, judged_at=verdict.judged_at
            )  # fmt: skip
            if (await connection.execute(decided)).rowcount == 0:
                await _must_exist(connection, verdict.run_id)
                return False
            await connection.execute(sa.insert(tables.verdicts).values(**_verdict(signed)))
            await artifacts.refer(connection, _kept(verdict))
            await _fan_out(connection, verdict.run_id, deliveries)
            if verdict.result is verdicts.VerdictResult.PASSED:
                await external_runs.release(connection, verdict.run_id, verdict.judged_at)
            await versions.stamp(connection, verdict.run_id)
        return True

    async def unfinished(self, limit: int) -> Sequence[run_model.Run]:
        """Runs of the cluster without a Done snapshot, oldest first."""
        runs = tables.runs
        query = sa.select(runs).where(runs.c.finished_at.is_(None), runs.c.subject_kind != run_model.EXTERNAL)
        return await self._select(query.order_by(runs.c.created_at).limit(limit))

    async def summaries(self, since: int) -> Sequence[tuple[str, str, run_model.Run]]:
        """(namespace, workflow, newest judged run) of Workflows judged after `since`.

        The next `since` is the highest resource version answered: in commit order, none below it is still to come.
        """
        chosen = (_LAST if since > 0 else _EVER).bindparams(since=since).columns(tables.runs.c.id).subquery("chosen")
        joined = sa.select(tables.runs).join(chosen, chosen.c.id == tables.runs.c.id)
        found = await self._select(joined.order_by(tables.runs.c.namespace, tables.runs.c.workflow))
        return [(run.namespace, run.workflow, run) for run in found]

    async def _select(self, query: "sa.Select[Any]") -> Sequence[run_model.Run]:
        async with self._database.transaction() as connection:
            return tuple(map(rows.run_of, (await connection.execute(query)).all()))

    async def _read(self, run_ids: Sequence[uuid.UUID]) -> Sequence[run_model.Attested | None]:
        runs, known = tables.runs, tables.workflows
        same = sa.and_(known.c.namespace == runs.c.namespace, known.c.uid == runs.c.workflow_uid)
        query = sa.select(runs, known.c.spec).outerjoin_from(runs, known, same).where(runs.c.id == sa.any_(_IDS))
        async with self._database.statements() as connection:
            found = (await connection.execute(query, {"ids": list(set(run_ids))})).all()
        stored = {row.id: run_model.Attested(rows.run_of(row), row.spec) for row in found}
        return [stored.get(run_id) for run_id in run_ids]

    async def _write(self, batch: Sequence[run_model.Claim]) -> Sequence[run_model.Receipt | errors.AvouchError]:
        return await claims.write(self._database, batch)


def _kept(verdict: verdicts.Verdict) -> list[tuple[uuid.UUID, str]]:
    """The artifacts that a verdict speaks of stay as long as its run."""
    return [(verdict.run_id, one.digest) for one in verdict.materials if one.uploaded and one.digest]


async def _run(connection: AsyncConnection, run_id: uuid.UUID) -> run_model.Run | None:
    row = (await connection.execute(sa.select(tables.runs).where(tables.runs.c.id == run_id))).first()
    return rows.run_of(row) if row is not None else None


async def _must_exist(connection: AsyncConnection, run_id: uuid.UUID) -> None:
    if await _run(connection, run_id) is None:
        raise errors.NotFound(f"no run {run_id}")


def _verdict(signed: verdicts.SignedVerdict) -> dict[str, Any]:
    verdict = signed.verdict
    return {
        "run_id": verdict.run_id,
        "findings": [rows.plain(finding) for finding in verdict.findings],
        "materials": [rows.plain(material) for material in verdict.materials],
        "annotations": verdict.annotations,
        "env": verdict.env,
        "statement": signed.statement,
        "attestation": signed.attestation,
        "attestation_digest": str(digests.of_bytes(signed.attestation)),
        "vsa": signed.vsa,
    }


async def _fan_out(connection: AsyncConnection, run_id: uuid.UUID, deliveries: Sequence[deliveries.Delivery]) -> None:
    """One row per attachment; equal payloads are stored once."""
    if not deliveries:
        return
    payloads = {str(digests.of_bytes(delivery.payload)): delivery.payload for delivery in deliveries}
    contents = [{"run_id": run_id, "digest": digest, "content": content} for digest, content in payloads.items()]
    await connection.execute(sa.insert(tables.payloads), contents)
    await connection.execute(sa.insert(tables.deliveries), [_delivery(run_id, delivery) for delivery in deliveries])
    due = sa.update(tables.deliveries).where(tables.deliveries.c.run_id == run_id).values(next_try=sa.func.now())
    await connection.execute(due)  # the database's clock alone says what is due
    await jobs.deliver(connection, run_id)


def _delivery(run_id: uuid.UUID, delivery: deliveries.Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "run_id": run_id,
        "payload_digest": str(digests.of_bytes(delivery.payload)),
        "attachment_uid": delivery.attachment_uid,
        "attachment": delivery.attachment,
        "namespace": delivery.namespace,
        "type": delivery.type,
        "config": delivery.config,
        "state": deliveries.DeliveryState.PENDING.value,
        "last_error": "",
        "attempts": 0,
    }
