"""Opening and finishing runs, many in one transaction that takes their versions at once, for `store.runs`.

Locks are taken in one order everywhere: rows of runs by id, then the row that hands out versions.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors
from avouch.controlplane.model import runs
from avouch.store import columns, database, fencing, jobs, rows, tables, versions

IDS = sa.bindparam("ids", type_=pg.ARRAY(pg.UUID(as_uuid=True)))
_TIMES = sa.bindparam("times", type_=pg.ARRAY(sa.DateTime(timezone=True)))
_OF_IDS = sa.select(tables.runs).where(tables.runs.c.id == sa.any_(IDS))
_NEW = [c.name for c in tables.runs.c if c.name not in ("finished_at", "judged_at")]
_CREATE = columns.insert("runs", _NEW, "ON CONFLICT (id) DO NOTHING RETURNING id")
_UNFINISHED = (
    sa.select(tables.runs.c.id)
    .where(tables.runs.c.id == sa.any_(IDS), tables.runs.c.finished_at.is_(None))
    .order_by(tables.runs.c.id)
    .with_for_update(key_share=True)
)
_FINISH = sa.text(
    "UPDATE runs SET finished_at = ended.at, resource_version = ended.version "
    "FROM unnest(:ids, :times, :versions) AS ended(id, at, version) WHERE runs.id = ended.id"
).bindparams(IDS, _TIMES, sa.bindparam("versions", type_=pg.ARRAY(sa.BigInteger)))
_SNAPSHOTS = columns.insert("snapshots", ("run_id", "document"))


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is Done, with the cluster's record of it as JSON."""

    run_id: uuid.UUID
    document: bytes
    at: datetime
    epoch: int


def document(snapshot: runs.Snapshot) -> bytes:
    """A Done snapshot as it is stored."""
    said = {
        "subject": snapshot.subject,
        "taskruns": snapshot.taskruns,
        "injected": snapshot.injected,
        "pods": snapshot.pods,
    }
    return msgspec.json.encode(said)


async def open_all(opened: database.Database, batch: Sequence[runs.Run]) -> Sequence[runs.Run | errors.AvouchError]:
    """Create those runs that are not stored; the stored one wins."""
    asked = {run.id: run for run in batch}
    async with opened.transaction() as connection:
        stored = await stored_runs(connection, list(asked))
        missing = [asked[run_id] for run_id in sorted(asked.keys() - stored.keys())]
        if missing:
            stored |= await _created(connection, missing)
        if asked.keys() - stored.keys():  # somebody else was faster
            stored |= await stored_runs(connection, list(asked.keys() - stored.keys()))
    return [stored.get(run.id) or _went_away(run) for run in batch]


async def finish_all(opened: database.Database, batch: Sequence[Finished]) -> Sequence[errors.AvouchError | None]:
    """Store the snapshots of those runs that have none, and have them judged."""
    asked = {one.run_id: one for one in reversed(batch)}  # of two for one run the first counts
    async with opened.transaction() as connection:
        for epoch in sorted({one.epoch for one in batch}):
            await fencing.fence(connection, epoch)
        locked = (await connection.execute(_UNFINISHED, {"ids": list(asked)})).scalars().all()
        if locked:
            await _ended(connection, [asked[run_id] for run_id in locked])
        others = list(asked.keys() - set(locked))
        known = set(locked) | set(await stored_runs(connection, others) if others else ())
    return [None if one.run_id in known else errors.NotFound(f"no run {one.run_id}") for one in batch]


async def stored_runs(connection: AsyncConnection, run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, runs.Run]:
    """Those of these runs that are stored."""
    found = await connection.execute(_OF_IDS, {"ids": list(run_ids)})
    return {run.id: run for run in map(rows.run_of, found.all())}


async def _created(connection: AsyncConnection, runs: Sequence[runs.Run]) -> dict[uuid.UUID, runs.Run]:
    stamped = dict(zip((run.id for run in runs), await versions.take(connection, len(runs)), strict=True))
    created = await connection.execute(_CREATE, columns.of([_new_row(run, stamped[run.id]) for run in runs]))
    asked = {run.id: run for run in runs}
    return {run_id: replace(asked[run_id], resource_version=stamped[run_id]) for run_id in created.scalars()}


def _new_row(run: runs.Run, version: int) -> dict[str, object]:
    return {**rows.row_of(run), "resource_version": version, "created_version": version, "judged_version": 0}


async def _ended(connection: AsyncConnection, finished: Sequence[Finished]) -> None:
    ids = [one.run_id for one in finished]
    documents = [{"run_id": one.run_id, "document": msgspec.Raw(one.document)} for one in finished]
    await connection.execute(_SNAPSHOTS, columns.of(documents))
    await jobs.judge_all(connection, ids)
    stamped = list(await versions.take(connection, len(ids)))
    await connection.execute(_FINISH, {"ids": ids, "times": [one.at for one in finished], "versions": stamped})


def _went_away(run: runs.Run) -> errors.AvouchError:
    return errors.Unavailable(f"run {run.id} was deleted while it was opened; try again")
