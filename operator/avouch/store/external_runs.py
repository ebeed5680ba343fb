"""External runs: how they open, stay open and end, and the project versions they belong to.

Implements `Store` of `controlplane.model.external`. Every end of a run (claim, reset) takes the run's row first:
of two that come at the same time one is refused.
"""

import json
import uuid
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import digests, errors
from avouch.controlplane.model import external, run_moves, runs, workflowspecs
from avouch.controlplane.model import quotas as quota_model
from avouch.findings import Finding
from avouch.store import artifacts, database, deletions, jobs, quotas, rows, tables, versions


class ExternalRuns:
    """Over one database."""

    def __init__(self, opened: database.Database, limits: quota_model.Quotas = quota_model.Quotas()) -> None:  # noqa: B008 - frozen
        self._database = opened
        self._quotas = limits

    async def of(self, run_id: uuid.UUID) -> external.ExternalPart | None:
        """What only an external run has, or None."""
        async with self._database.transaction() as connection:
            return await _external(connection, run_id)

    async def find(self, run_id: uuid.UUID) -> external.Stored | None:
        """One external run with what its Workflow says now, and the findings of its verdict.

        Raises:
            errors.Invalid: what the Workflow says cannot be read.
        """
        runs, known, extra, verdicts = tables.runs, tables.workflows, tables.external_runs, tables.verdicts
        same = sa.and_(known.c.namespace == runs.c.namespace, known.c.uid == runs.c.workflow_uid)
        joined = runs.join(extra, extra.c.run_id == runs.c.id).outerjoin(known, same)
        joined = joined.outerjoin(verdicts, verdicts.c.run_id == runs.c.id)
        query = sa.select(runs, extra, known.c.spec, verdicts.c.findings).select_from(joined).where(runs.c.id == run_id)
        async with self._database.statements() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        findings = tuple(Finding.recorded(**each) for each in row.findings or ())
        run = rows.run_of(row)
        rules = None if row.spec is None else workflowspecs.read(row.spec, run.workflow)
        return external.Stored(run, rows.external_of(row), rules, findings)

    async def open(self, run: runs.Run, extra: external.ExternalPart, *, mark_latest: bool | None) -> bool:
        """Create run and version, and have the run looked at when it expires. False: the run was there already.

        Raises:
            errors.Conflict: the version was released meanwhile, or another run of the namespace has this run's name.
            errors.Denied: the namespace has as many open runs as it may.
        """
        async with self._database.transaction() as connection:
            await _version(connection, run.namespace_uid, extra.version, run.created_at, mark_latest=mark_latest)
            new = insert(tables.runs).values(**rows.row_of(run)).on_conflict_do_nothing()
            if (await connection.execute(new.returning(tables.runs.c.id))).first() is None:
                await _must_be_stored(connection, run)
                return False
            await quotas.check_open_runs(connection, run.namespace, run.namespace_uid, self._quotas)
            await connection.execute(sa.insert(tables.external_runs).values(**_row(extra)))
            await jobs.judge(connection, run.id, extra.expires_at)
            await versions.stamp(connection, run.id)
        return True

    async def extend(self, run_id: uuid.UUID, expires_at: datetime) -> None:
        """Extend the run: it expires no earlier than this."""
        table = tables.external_runs
        later = sa.update(table).where(table.c.run_id == run_id, table.c.expires_at < expires_at)
        async with self._database.statements() as connection:
            await connection.execute(later.values(expires_at=expires_at))

    async def accept(self, claim: runs.Claim) -> runs.Receipt:
        """Store the claim that ends the run, and its judging job.

        Raises:
            errors.Conflict: the run has ended, its version was released, or the bundle stands on another run.
            errors.NotFound: no such external run.
        """
        claims = tables.claims
        known = sa.select(claims.c.id, claims.c.run_id).where(claims.c.digest == str(claim.digest))
        async with self._database.transaction() as connection:
            run, _ = await _locked(connection, claim.run_id)
            same = (await connection.execute(known)).first()
            if same is not None and same.run_id == claim.run_id:
                return runs.Receipt(same.id, claim.digest, created=False)
            if same is not None:
                raise errors.Conflict(f"this bundle was pushed before, on run {same.run_id}")
            _must_be_open(run)
            await _must_be_unreleased(connection, run)
            claim_id = uuid.uuid5(claim.run_id, str(claim.digest))
            await connection.execute(sa.insert(claims).values(**_claim(claim, claim_id)))
            await artifacts.refer(connection, [(claim.run_id, str(digest)) for digest in claim.artifacts])
            await _end(connection, run.id, claim.received_at)
        return runs.Receipt(claim_id, claim.digest, created=True)

    async def reset(self, run_id: uuid.UUID, reset: external.Reset, at: datetime) -> None:
        """Give the run up. Doing so again in the same way changes nothing.

        Raises:
            errors.Conflict: the run has ended otherwise.
            errors.NotFound: no such external run.
        """
        table = tables.external_runs
        async with self._database.transaction() as connection:
            run, extra = await _locked(connection, run_id)
            if extra.reset == reset:
                return
            _must_be_open(run)
            told = sa.update(table).where(table.c.run_id == run_id).values(reset=asdict(reset))
            await connection.execute(told)
            await _end(connection, run_id, at)

    async def version(self, namespace_uid: str, name: str) -> external.Version | None:
        """One version of a project; the latest one for an empty name."""
        table = tables.project_versions
        wanted = table.c.name == name if name else table.c.latest
        query = sa.select(table).where(table.c.namespace_uid == namespace_uid, wanted)
        async with self._database.statements() as connection:
            row = (await connection.execute(query)).first()
        return external.Version(row.name, row.released_at is None, row.latest) if row else None

    async def state(self, run_id: uuid.UUID) -> tuple[str, bytes] | None:
        """(digest, content) of what the client remembers."""
        table = tables.run_states
        query = sa.select(table.c.digest, table.c.content).where(table.c.run_id == run_id)
        async with self._database.statements() as connection:
            row = (await connection.execute(query)).first()
        return (row.digest, row.content) if row else None

    async def put_state(self, run_id: uuid.UUID, content: bytes, *, instead_of: str) -> str:
        """Remember, instead of what has this digest ("": of nothing). Returns the new digest.

        Raises:
            errors.Conflict: something else is remembered.
            errors.Denied: all states of the namespace are larger than they may be.
        """
        table, digest = tables.run_states, str(digests.of_bytes(content))
        row = {"digest": digest, "content": content}
        same = sa.and_(table.c.run_id == run_id, table.c.digest == instead_of)
        change = sa.update(table).where(same).values(**row).returning(table.c.run_id)
        first = insert(table).values(run_id=run_id, **row).on_conflict_do_nothing().returning(table.c.run_id)
        async with self._database.transaction() as connection:
            if (await connection.execute(change if instead_of else first)).first() is None:
                raise errors.Conflict("another process changed the state: read it again")
            await quotas.check_states(connection, run_id, self._quotas)
        return digest

    async def drop_state(self, run_id: uuid.UUID) -> None:
        """Delete the stored state."""
        table = tables.run_states
        async with self._database.statements() as connection:
            await connection.execute(sa.delete(table).where(table.c.run_id == run_id))


async def release(connection: AsyncConnection, run_id: uuid.UUID, at: datetime) -> None:
    """Release the version of a passed run that asked for it; part of the transaction that commits the verdict."""
    runs, extra, known = tables.runs, tables.external_runs, tables.project_versions
    of_run = sa.and_(runs.c.id == run_id, extra.c.run_id == runs.c.id, extra.c.release)
    same = sa.and_(known.c.namespace_uid == runs.c.namespace_uid, known.c.name == extra.c.version)
    await connection.execute(sa.update(known).where(of_run, same, known.c.released_at.is_(None)).values(released_at=at))


async def _must_be_stored(connection: AsyncConnection, run: runs.Run) -> None:
    """Tell a run that was there already from another one that has its name.

    A name has 40 bits of a hash, and clients choose the ids of external runs: they can find two ids of one name.
    """
    same = sa.select(tables.runs.c.id).where(tables.runs.c.id == run.id)
    if (await connection.execute(same)).first() is None:
        if await deletions.is_gone(connection, run.id):
            raise errors.Conflict(f"run {run.name} was deleted: choose a new id")
        raise errors.Conflict(f"another run is called {run.name}: choose a new id")


async def _version(
    connection: AsyncConnection, namespace_uid: str, name: str, now: datetime, *, mark_latest: bool | None
) -> None:
    table = tables.project_versions
    here = table.c.namespace_uid == namespace_uid
    new = insert(table).values(namespace_uid=namespace_uid, name=name, latest=False, created_at=now, released_at=None)
    made = (await connection.execute(new.on_conflict_do_nothing().returning(table.c.name))).first() is not None
    found = sa.select(table.c.latest, table.c.released_at).where(here, table.c.name == name).with_for_update()
    row = (await connection.execute(found)).one()
    if row.released_at is not None:
        raise external.released(name)
    if (made if mark_latest is None else mark_latest) and not row.latest:
        await connection.execute(sa.update(table).where(here, table.c.latest).values(latest=False))
        await connection.execute(sa.update(table).where(here, table.c.name == name).values(latest=True))


async def _locked(connection: AsyncConnection, run_id: uuid.UUID) -> tuple[runs.Run, external.ExternalPart]:
    """An external run, its row held until COMMIT: one of the cluster ends by what the cluster says, never here."""
    table, extra = tables.runs, tables.external_runs
    query = sa.select(table, extra).join(extra, extra.c.run_id == table.c.id).where(table.c.id == run_id)
    row = (await connection.execute(query.with_for_update(of=table))).first()
    if row is None:
        raise errors.NotFound("no such external run")
    return rows.run_of(row), rows.external_of(row)


async def _external(connection: AsyncConnection, run_id: uuid.UUID) -> external.ExternalPart | None:
    table = tables.external_runs
    row = (await connection.execute(sa.select(table).where(table.c.run_id == run_id))).first()
    return rows.external_of(row) if row is not None else None


async def _must_be_unreleased(connection: AsyncConnection, run: runs.Run) -> None:
    extra, known = tables.external_runs, tables.project_versions
    same = sa.and_(known.c.name == extra.c.version, known.c.namespace_uid == run.namespace_uid)
    query = sa.select(known.c.name).select_from(extra.join(known, same))
    query = query.where(extra.c.run_id == run.id, known.c.released_at.is_not(None))
    name = (await connection.execute(query)).scalar()
    if name is not None:
        raise external.released(name)


def _must_be_open(run: runs.Run) -> None:
    if not run_moves.may("close", run_moves.of(run)):
        raise errors.Conflict(f"run {run.name} has ended: open a new one with attestation init")


async def _end(connection: AsyncConnection, run_id: uuid.UUID, at: datetime) -> None:
    await connection.execute(sa.update(tables.runs).where(tables.runs.c.id == run_id).values(finished_at=at))
    await connection.execute(sa.delete(tables.run_states).where(tables.run_states.c.run_id == run_id))
    await jobs.judge_now(connection, run_id)
    await versions.stamp(connection, run_id)


def _row(extra: external.ExternalPart) -> dict[str, object]:
    plain = json.loads(json.dumps({"attester": asdict(extra.attester), "runner": asdict(extra.runner)}))
    return {
        **plain,
        "run_id": extra.run_id,
        "organization": extra.organization,
        "version": extra.version,
        "prerelease": extra.prerelease,
        "release": extra.release,
        "expires_at": extra.expires_at,
        "lifetime": extra.lifetime,
        "reset": None,
    }


def _claim(claim: runs.Claim, claim_id: uuid.UUID) -> dict[str, object]:
    return {
        "digest": str(claim.digest),
        "id": claim_id,
        "run_id": claim.run_id,
        "bundle": claim.bundle,
        "pod_uid": "",
        "taskrun_uid": "",
        "taskrun": "",
        "pipeline_task": "",
        "service_account": "",
        "received_at": claim.received_at,
        "explicit": True,
        "pod": "",
    }
