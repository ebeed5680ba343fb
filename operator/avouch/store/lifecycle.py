"""Opening and finishing runs, many in one transaction that takes their versions at once, for `store.runs`.

Locks are taken in one order everywhere: rows of runs by id, then the row that hands out versions.
"""

import contextlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors, storable
from avouch.controlplane.model import runs
from avouch.store import columns, database, deletions, direct, fencing, jobs, rows, run_moves, tables, versions

IDS = sa.bindparam("ids", type_=pg.ARRAY(pg.UUID(as_uuid=True)))
_TIMES = sa.bindparam("times", type_=pg.ARRAY(sa.DateTime(timezone=True)))
_OF_IDS = sa.select(tables.runs).where(tables.runs.c.id == sa.any_(IDS))
_VERSIONS = ("resource_version", "created_version", "judged_version")
_NEW = ", ".join(column.name for column in tables.runs.c if column.name not in _VERSIONS)
# A Workflow that was deleted and made anew has another UID, and the same runs.
_SAME = (
    "r.subject_uid = a.subject_uid AND r.workflow = a.workflow AND r.namespace_uid = a.namespace_uid"
    f" AND r.subject_kind <> '{runs.EXTERNAL}' AND a.subject_kind <> '{runs.EXTERNAL}'"
)
# One statement is its own transaction. The versions are taken before the rows are written, by everybody who opens.
_OPEN = (
    "WITH asked AS MATERIALIZED (SELECT * FROM jsonb_populate_recordset(NULL::runs, %(rows)s::jsonb)"  # noqa: S608 - constants only
    "), missing AS MATERIALIZED (SELECT a.*, row_number() OVER (ORDER BY a.id) AS place FROM asked a"
    f"  WHERE NOT EXISTS (SELECT FROM runs r WHERE r.id = a.id) AND NOT EXISTS (SELECT FROM runs r WHERE {_SAME})"
    "), taken AS (UPDATE versions SET value = value + (SELECT count(*) FROM missing) WHERE EXISTS (SELECT FROM missing)"
    "  RETURNING value - (SELECT count(*) FROM missing) AS base"
    f"), made AS (INSERT INTO runs ({_NEW}, resource_version, created_version, judged_version)"
    f"  SELECT {_NEW}, base + place, base + place, 0 FROM missing, taken ORDER BY place"
    "  ON CONFLICT (id) DO NOTHING RETURNING *"
    ") SELECT * FROM made UNION ALL SELECT r.* FROM runs r JOIN asked USING (id)"
    f" UNION ALL SELECT r.* FROM runs r JOIN asked a ON {_SAME} AND r.id <> a.id"
).encode()
_STORED = direct.sql(_OF_IDS)
_GONE = tables.run_deletions.c
_SUBJECTS = sa.bindparam("subjects", type_=pg.ARRAY(sa.Text))
_DELETED = direct.sql(
    sa.select(tables.run_deletions).where((_GONE.run_id == sa.any_(IDS)) | (_GONE.subject_uid == sa.any_(_SUBJECTS)))
)
_UNFINISHED = (
    sa.select(tables.runs.c.id)
    .where(tables.runs.c.id == sa.any_(IDS), sa.text(run_moves.may("end")))
    .order_by(tables.runs.c.id)
    .with_for_update(key_share=True)
)
_FINISH = sa.text(
    "UPDATE runs SET finished_at = ended.at, resource_version = ended.version "
    "FROM unnest(:ids, :times, :versions) AS ended(id, at, version) WHERE runs.id = ended.id"
).bindparams(IDS, _TIMES, sa.bindparam("versions", type_=pg.ARRAY(sa.BigInteger)))
_PLACES = 100  # cleaned ones that are told
_SNAPSHOTS = columns.insert("snapshots", ("run_id", "document"))


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is Done, with the cluster's record of it as JSON."""

    run_id: uuid.UUID
    document: bytes
    at: datetime
    epoch: int


def document(snapshot: runs.Snapshot) -> bytes:
    """A Done snapshot as it is stored: what only Kubernetes takes is cleaned, and its places are kept."""
    said: dict[str, object] = {
        "subject": snapshot.subject,
        "taskruns": snapshot.taskruns,
        "injected": snapshot.injected,
        "pods": snapshot.pods,
        "ended": snapshot.ended,
        "unseen": snapshot.unseen,
        "crowded": snapshot.crowded,
        "interrupted": snapshot.interrupted,
        "said": snapshot.said,
        "uninjected": snapshot.uninjected,
        "cut": snapshot.cut,
    }
    with contextlib.suppress(UnicodeEncodeError, RecursionError):  # both are cleaned away
        written = msgspec.json.encode(said)
        if storable.ESCAPED not in written:
            return written
    cleaned = storable.clean(said)
    made = cast(dict[str, object], cleaned.value)
    return msgspec.json.encode({**made, "cleaned": cleaned.places[:_PLACES]})


def refusal(exc: errors.AvouchError) -> bytes:
    """Instead of a snapshot that cannot be stored: why."""
    why = storable.text(str(exc))[:1000]
    return msgspec.json.encode({"subject": {}, "taskruns": [], "injected": [], "pods": {}, "refused": why})


async def open_all(opened: database.Database, batch: Sequence[runs.Run]) -> Sequence[runs.Run | errors.AvouchError]:
    """Create those runs that are not stored; the stored one wins, of a predecessor of the Workflow, too."""
    asked = {run.id: run for run in reversed(batch)}  # of two for one run the first counts
    found = await opened.run(_OPEN, columns.of([rows.row_of(run) for run in asked.values()]))
    stored = {run.id: run for run in map(rows.run_of, found)}
    if others := list(asked.keys() - stored.keys()):  # somebody else opened them at the same moment
        stored |= {run.id: run for run in map(rows.run_of, await opened.run(_STORED, {"ids": others}))}
    predecessors = {_about(run): run for run in stored.values()}
    if missing := [run_id for run_id, run in asked.items() if run_id not in stored and _about(run) not in predecessors]:
        subjects = [asked[run_id].key.subject_uid for run_id in missing]
        records = await opened.run(_DELETED, {"ids": missing, "subjects": subjects})
        gone = {key: record for record in records for key in (record.run_id, _deleted(record))}
        kept = {run_id: gone.get(run_id) or gone.get(_about(asked[run_id])) for run_id in missing}
        stored |= {run_id: deletions.ended(asked[run_id], record) for run_id, record in kept.items() if record}
    return [stored.get(run.id) or predecessors.get(_about(run)) or _went_away(run) for run in batch]


def _about(run: runs.Run) -> tuple[str, ...]:
    return (run.namespace_uid, run.key.subject_uid, run.workflow, str(run.key.external))


def _deleted(record: Any) -> tuple[str, ...]:
    """What the run of a record was about, as `_about` says it."""
    external = record.subject_kind == runs.EXTERNAL
    return (record.namespace_uid, record.subject_uid, record.workflow, str(external))


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


async def _ended(connection: AsyncConnection, finished: Sequence[Finished]) -> None:
    ids = [one.run_id for one in finished]
    documents = [{"run_id": one.run_id, "document": msgspec.Raw(one.document)} for one in finished]
    await connection.execute(_SNAPSHOTS, columns.of(documents))
    await jobs.judge_all(connection, ids)
    stamped = list(await versions.take(connection, len(ids)))
    await connection.execute(_FINISH, {"ids": ids, "times": [one.at for one in finished], "versions": stamped})


def _went_away(run: runs.Run) -> errors.AvouchError:
    return errors.Unavailable(f"run {run.id} was deleted while it was opened; try again")
