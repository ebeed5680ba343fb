"""The queue of runs to judge, over procrastinate's table of jobs. Implements `controlplane.model.judging.Queue`.

A batch holds its jobs and runs by the row locks of one transaction: what writes a claim or a snapshot of such a run
waits for its COMMIT, and PostgreSQL gives the jobs of a worker that died to the next one at once. So that a run that
kills workers is noticed, the batch is first recorded in `judging_batches`, on another connection; the worker holds an
advisory lock of its number. A row whose lock is free belongs to a worker that died: each of its runs counts that, and a
run with such a count is judged alone.

What many bytes were claimed of is judged alone, too: a batch holds the rows of others. Of two deaths over one run, the
second may still be a neighbour's fault; from then on a worker judges it without neighbours.

What is judged outside of batches is marked `doing` under a worker whose heartbeat is fresh, as procrastinate does it:
workers of the version before this one take over from us and we from them. Runs that only need documents or policies
(priority -1) are taken a few at a time, all of one namespace, which has a share of the worker; those that a batch could
not hold (-2), and those over which a worker died, one at a time.
"""

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors, rfc3339
from avouch.controlplane.model import deliveries, external, judging, policies, runs
from avouch.controlplane.model import verdicts as verdict_model
from avouch.controlplane.model.verdicts import VerdictResult
from avouch.findings import Finding
from avouch.store import database, jobs, rows, verdicts

_ERROR = policies.Status.ERROR.value
_T = TypeVar("_T")
_WORDS = 300  # characters of why something cannot be read
QUEUED = "procrastinate_queue_v1#judge"  # channel of NOTIFY: procrastinate's trigger on each inserted job

_LOCK = "hashtextextended('avouch.judging', {})"
_DUE = (
    "j.queue_name = 'judge' AND j.status = 'todo' AND coalesce(j.scheduled_at, '-infinity') <= now()"
    " AND NOT EXISTS (SELECT FROM procrastinate_jobs d WHERE d.lock = j.lock AND d.status = 'doing')"
)
_ORDER = "ORDER BY coalesce(j.scheduled_at, '-infinity'), j.id"
# A batch takes what nobody died over and nothing has to be fetched for; priority is 0 unless `Alone` lowered it.
_TAKE = (
    "SELECT j.id, (j.args ->> 'run_id')::uuid AS run_id FROM procrastinate_jobs j"  # noqa: S608 - constants only
    f" WHERE {_DUE} AND j.attempts = 0 AND j.priority >= 0 {_ORDER} LIMIT %(limit)s FOR UPDATE SKIP LOCKED"
)
_OUTSIDE, _ALONE = -1, -2  # priorities of what leaves the batches: some at a time, and one at a time
_SHARE = 2  # times that a worker may hold a few runs of one namespace: bytes and policies of a tenant may take long
_SUSPECT = 2  # deaths over a run, from which on nothing else is judged alone beside it
_NEXT = (
    "SELECT j.id, (j.args ->> 'run_id')::uuid AS run_id, j.attempts, j.priority,"  # noqa: S608 - constants only
    " (SELECT namespace_uid FROM runs r WHERE r.id = (j.args ->> 'run_id')::uuid) AS namespace"
    f" FROM procrastinate_jobs j WHERE {_DUE} AND (j.attempts > 0 OR j.priority < 0)"
    " AND (cardinality(%(full)s::text[]) = 0 OR NOT EXISTS (SELECT FROM runs r"
    "  WHERE r.id = (j.args ->> 'run_id')::uuid AND r.namespace_uid = ANY(%(full)s::text[])))"
    f" ORDER BY j.attempts >= {_SUSPECT} DESC, coalesce(j.scheduled_at, '-infinity'), j.id"
    " LIMIT 1 FOR UPDATE SKIP LOCKED"
)
_BESIDE = (
    "SELECT j.id, r.id AS run_id FROM procrastinate_jobs j JOIN runs r ON r.id = (j.args ->> 'run_id')::uuid"  # noqa: S608 - constants only
    f" WHERE {_DUE} AND j.attempts = 0 AND j.priority = {_OUTSIDE} AND r.namespace_uid = %(namespace)s"
    f" AND j.id <> %(first)s {_ORDER} LIMIT %(limit)s FOR UPDATE OF j SKIP LOCKED"
)
_MARK = "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %(worker)s WHERE id = ANY(%(ids)b)"
# Whoever changes a run holds its row and may be about to queue it: such a run is left for the next batch.
# Those that have policies are not even read: in a text of JSON, no value has these characters one after the other.
_HOLD = (
    "SELECT id, plan LIKE '%%\"has_policies\":true%%' AS policies FROM runs WHERE id = ANY(%(ids)b)"
    " ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
)
_NUMBER = f"SELECT n, pg_advisory_xact_lock({_LOCK.format('n')}) FROM nextval('judging_batches_id_seq') AS n"  # noqa: S608 - constants only
_RECORD = "INSERT INTO judging_batches (id, runs) VALUES (%(id)s, %(runs)b)"
_FORGET = "DELETE FROM judging_batches WHERE id = %(id)s"
_DEAD = (
    "WITH dead AS (DELETE FROM judging_batches WHERE id = ANY(ARRAY("  # noqa: S608 - constants only
    "  SELECT id FROM judging_batches ORDER BY id FOR UPDATE SKIP LOCKED))"
    f"  AND pg_try_advisory_xact_lock({_LOCK.format('id')}) RETURNING runs"
    "), died AS (SELECT DISTINCT 'judge:' || unnest(runs) AS lock FROM dead"
    ") UPDATE procrastinate_jobs j SET attempts = attempts + 1 FROM died"
    " WHERE j.queueing_lock = died.lock AND j.status = 'todo'"
)
# A run that a newer version judged with a word of its own is not read: its job ends.
_RECORDS = (
    "SELECT r.*, s.document::text AS document, v.claims AS heard, v.findings AS said, v.evaluations AS evaluated,"  # noqa: S608 - constants only
    " v.materials AS delivered, v.reevaluation, d.digest AS summary, o.* FROM runs r"
    " LEFT JOIN verdicts v ON v.run_id = r.id"
    f" LEFT JOIN verdict_documents d ON d.run_id = v.run_id AND d.kind = '{verdict_model.VSA}'"
    " LEFT JOIN snapshots s ON s.run_id = r.id AND NOT %(bare)s"
    " LEFT JOIN outside_runs o ON o.run_id = r.id"
    " WHERE r.id = ANY(%(ids)b) AND r.result = ANY(%(known)b)"
)
_CLAIMS = "SELECT * FROM claims WHERE run_id = ANY(%(ids)b) ORDER BY received_at, digest"
# A pod may claim again and again while its run goes on: of such a run nothing is read, for nothing is judged.
_CLAIMED = (
    "SELECT c.run_id, sum(octet_length(c.bundle)) AS size FROM claims c JOIN runs r ON r.id = c.run_id"  # noqa: S608 - constants only
    f" WHERE c.run_id = ANY(%(ids)b) AND (r.finished_at IS NOT NULL OR r.subject_kind = '{runs.EXTERNAL}') GROUP BY 1"
)
_LIGHT = 1024 * 1024  # bytes of one run's claims that a batch reads and verifies: 50 as they are
_TOGETHER = 4 * _LIGHT  # bytes of the claims of all runs that are taken together outside of a batch
_ATTACHMENTS = "SELECT * FROM attachments WHERE namespace = ANY(%(namespaces)s) ORDER BY namespace, name"
_END = "DELETE FROM procrastinate_jobs WHERE id = ANY(%(ids)b)"
_PUT_OFF = (
    "UPDATE procrastinate_jobs j SET scheduled_at = i.at"
    " FROM unnest(%(ids)b::bigint[], %(at)s::timestamptz[]) AS i(id, at) WHERE j.id = i.id"
)
_LEAVES = "UPDATE procrastinate_jobs SET priority = %(priority)s WHERE id = ANY(%(ids)b)"
_ISOLATE_RUNS = (
    f"UPDATE procrastinate_jobs SET priority = {_ALONE} WHERE queueing_lock = ANY(%(locks)s) AND status = 'todo'"  # noqa: S608 - constants only
)
_REGISTER = "INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id"
_BEAT = "UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %(worker)s"
_UNREGISTER = "DELETE FROM procrastinate_workers WHERE id = %(worker)s"
_PRUNE = (
    "DELETE FROM procrastinate_workers WHERE id IN (SELECT id FROM procrastinate_workers"
    " WHERE last_heartbeat < now() - make_interval(secs => %(seconds)s) FOR UPDATE SKIP LOCKED)"
)
# Jobs of silent workers count a death; those that this worker itself could not give back do not.
_TAKE_OVER = (
    "WITH held AS (SELECT j.id, j.queueing_lock, (j.worker_id IS DISTINCT FROM %(worker)s)::int AS deaths"
    "  FROM procrastinate_jobs j LEFT JOIN procrastinate_workers w ON w.id = j.worker_id"
    "  WHERE j.status = 'doing' AND j.queue_name = 'judge' AND j.id <> ALL(%(held)s::bigint[])"
    "   AND (w.id IS NULL OR w.id = %(worker)s OR w.last_heartbeat < now() - make_interval(secs => %(seconds)s))"
    "  FOR UPDATE OF j SKIP LOCKED"
    "), again AS (SELECT held.id FROM held WHERE NOT EXISTS (SELECT FROM procrastinate_jobs t"
    "  WHERE t.queueing_lock = held.queueing_lock AND t.status = 'todo')"
    "), queued AS (UPDATE procrastinate_jobs j SET status = 'todo', worker_id = NULL, attempts = attempts + deaths"
    "  FROM held JOIN again USING (id) WHERE j.id = held.id"
    "), waits AS (DELETE FROM procrastinate_jobs j USING held"
    "  WHERE j.id = held.id AND held.id NOT IN (SELECT id FROM again)"
    ") SELECT count(*) FROM held"
)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Implements `judging.Work` inside one transaction."""

    connection: AsyncConnection
    jobs: dict[uuid.UUID, int]
    taken: judging.Taken

    async def settle(self, outcomes: Sequence[judging.Outcome]) -> None:
        """Part of the transaction that leaving the batch commits."""
        later = [one for one in outcomes if isinstance(one, judging.Later)]
        outside = [one.run_id for one in outcomes if isinstance(one, judging.Outside)]
        kept = {one.run_id for one in later} | set(outside)
        ended = [self.jobs[one.run_id] for one in outcomes if one.run_id not in kept]
        if ended:
            await self.connection.exec_driver_sql(_END, {"ids": ended})
        if later:
            times = {"ids": [self.jobs[one.run_id] for one in later], "at": [one.at for one in later]}
            await self.connection.exec_driver_sql(_PUT_OFF, times)
        if outside:
            leaving = {"ids": [self.jobs[run_id] for run_id in outside], "priority": _OUTSIDE}
            await self.connection.exec_driver_sql(_LEAVES, leaving)
        await verdicts.write(self.connection, _decided(outcomes))


@dataclass(slots=True)
class _Few:
    """Implements `judging.Work` over jobs that are marked as ours; each `settle` ends some of them."""

    database: database.Database
    jobs: Mapping[uuid.UUID, int]
    taken: judging.Taken
    held: set[int]

    async def settle(self, outcomes: Sequence[judging.Outcome]) -> None:
        """End the jobs of these runs; a later one is a new job, and so is one whose run changed since it was read.

        Those have a transaction of their own: who waits for a queued job may hold the row of a run that is decided.
        """
        later = {one.run_id: one.at for one in outcomes if isinstance(one, judging.Later)}
        now = [one for one in outcomes if one.run_id not in later]
        again = {**later, **dict.fromkeys(await self._written(now) if now else ())}
        if again:
            async with self.database.transaction() as connection:
                await self._end(connection, again)
                for run_id, at in sorted(again.items(), key=lambda each: each[0]):
                    await jobs.judge(connection, run_id, at)
            self._leave(again)

    async def _written(self, now: Sequence[judging.Outcome]) -> Sequence[uuid.UUID]:
        """Write what is decided. Returns the runs that changed: what was to end their verdicts may still do so."""
        async with self.database.transaction() as connection:
            decided = _decided(now)
            written = await verdicts.write(connection, decided)
            over = [signed.verdict.run_id for signed, _, over in decided if over]
            changed = [run_id for run_id in over if run_id not in written]
            ended = [one.run_id for one in now if one.run_id not in changed]
            await self._end(connection, ended)
        self._leave(ended)
        return changed

    async def _end(self, connection: AsyncConnection, run_ids: Iterable[uuid.UUID]) -> None:
        await connection.exec_driver_sql(_END, {"ids": [self.jobs[run_id] for run_id in run_ids]})

    def _leave(self, run_ids: Iterable[uuid.UUID]) -> None:
        self.held.difference_update(self.jobs[run_id] for run_id in run_ids)


@dataclass(slots=True)
class Queue:
    """One worker's view of the queue. `seconds`: a worker without a sign of life for so long is taken for dead."""

    database: database.Database
    seconds: float = 30
    _worker: int | None = None
    _held: set[int] = field(default_factory=set)  # jobs
    _slots: Counter[str] = field(default_factory=Counter)  # how often a few of a namespace are held
    _taking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _suspect: bool = False  # one of them killed workers before: it has no neighbours

    @contextlib.asynccontextmanager
    async def batch(self, limit: int) -> AsyncIterator[judging.Work]:
        """Take due jobs; their locks are held until this is left. Leaving it normally commits."""
        async with self.database.statements() as connection:
            await connection.exec_driver_sql(_DEAD)
        async with self.database.transaction() as connection:
            found = (await connection.exec_driver_sql(_TAKE, {"limit": limit})).all()
            if not found:
                yield _Batch(connection, {}, judging.Taken())
                return
            number = (await connection.exec_driver_sql(_NUMBER)).one().n
            async with self.database.statements() as other:
                await other.exec_driver_sql(_RECORD, {"id": number, "runs": [row.run_id for row in found]})
            yield await self._held_batch(connection, {row.run_id: row.id for row in found})
            await connection.exec_driver_sql(_FORGET, {"id": number})

    async def _held_batch(self, connection: AsyncConnection, found: dict[uuid.UUID, int]) -> _Batch:
        held = {row.id: row.policies for row in await connection.exec_driver_sql(_HOLD, {"ids": list(found)})}
        outside = frozenset(run_id for run_id, policies in held.items() if policies)
        claimed = await _claimed(connection, found.keys() - outside)
        heavy = {run_id for run_id, size in claimed.items() if size > _LIGHT}
        if heavy:
            leaving = {"ids": [found[run_id] for run_id in heavy], "priority": _ALONE}
            await connection.exec_driver_sql(_LEAVES, leaving)
        records = await _records(connection, found.keys() - heavy - outside, claimed.keys() - heavy)
        known = heavy | outside | {record.run.id for record in records}
        gone = [job for run_id, job in found.items() if run_id not in known]
        if gone:  # runs that retention deleted, or that are judged
            await connection.exec_driver_sql(_END, {"ids": gone})
        taken = await _taken(connection, records, held.keys() - outside)
        return _Batch(connection, found, replace(taken, outside=outside))

    @contextlib.asynccontextmanager
    async def few(self, limit: int) -> AsyncIterator[judging.Work]:
        """Take jobs that are not for a batch, of one namespace. Those that are not settled here are queued again."""
        found = await self._taken_few(limit)
        if found is None:
            yield _Few(self.database, {}, judging.Taken(), self._held)
            return
        try:
            work = await self._work(found)
            if gone := found.jobs.keys() - {record.run.id for record in work.taken.records}:
                await work.settle([judging.Settled(run_id) for run_id in gone])
            yield work
        finally:
            self._held.difference_update(found.jobs.values())
            self._slots[found.namespace] -= 1
            self._suspect = False  # one that was had no neighbours

    async def _work(self, found: "_Found") -> _Few:
        run_ids = list(found.jobs)
        async with self.database.snapshot() as connection:
            # What ended workers again and again may do so by being read.
            bare = found.crashes >= judging.CRASHES
            claimed = () if bare else await _claimed(connection, run_ids)
            records = await _records(connection, run_ids, claimed, bare=bare)
            order = {run_id: at for at, run_id in enumerate(run_ids)}
            records = sorted(records, key=lambda record: order[record.run.id])
            taken = await _taken(connection, records, set(run_ids), found.crashes)
        return _Few(self.database, found.jobs, taken, self._held)

    async def _taken_few(self, limit: int) -> "_Found | None":
        """Mark jobs as ours; none beside one that is suspect."""
        worker = await self._registered()
        async with self._taking:
            if self._suspect:
                return None
            found = None
            try:
                async with self.database.transaction() as connection:
                    found = await self._chosen(connection, limit)
                    if found is None:
                        return None
                    self._held.update(found.jobs.values())  # before COMMIT: what is marked and not held is taken over
                    marked = {"worker": worker, "ids": list(found.jobs.values())}
                    await connection.exec_driver_sql(_MARK, marked)
            except BaseException:
                self._held.difference_update(found.jobs.values() if found else ())
                raise
            self._slots[found.namespace] += 1
            self._suspect = found.crashes >= _SUSPECT
        return found

    async def _chosen(self, connection: AsyncConnection, limit: int) -> "_Found | None":
        """The job whose turn it is, and others that may be taken with it."""
        full = [namespace for namespace, count in self._slots.items() if count >= _SHARE]
        first = (await connection.exec_driver_sql(_NEXT, {"full": full})).first()
        if first is None or (first.attempts >= _SUSPECT and self._held):
            return None
        found = {first.run_id: first.id}
        if not first.attempts and first.priority == _OUTSIDE:
            found |= await _beside(connection, first, limit - 1)
        return _Found(found, first.namespace or "", first.attempts)

    async def isolate(self, run_ids: Sequence[uuid.UUID]) -> None:
        """Have these runs judged one by one from now on."""
        locks = [f"{jobs.JUDGE}:{run_id}" for run_id in run_ids]
        async with self.database.statements() as connection:
            await connection.exec_driver_sql(_ISOLATE_RUNS, {"locks": locks})

    async def look_after(self) -> int:
        """Give a sign of life, and queue the jobs of workers that give none. Returns how many jobs that were."""
        worker = await self._registered()
        held = {"worker": worker, "held": list(self._held), "seconds": self.seconds}
        async with self.database.statements() as connection:
            if (await connection.exec_driver_sql(_BEAT, {"worker": worker})).rowcount == 0:
                self._worker = None  # another worker took us for dead; what we held it takes over
            taken_over = (await connection.exec_driver_sql(_TAKE_OVER, held)).scalar_one()
            await connection.exec_driver_sql(_PRUNE, {"seconds": self.seconds})
        return int(taken_over)

    def forget(self) -> None:
        """Be nobody: the database was emptied, and our number there is nobody's, or another worker's."""
        self._worker = None

    async def leave(self) -> None:
        """Say that this worker ends in order, and give back what it could not finish."""
        if self._worker is not None:
            rest = {"worker": self._worker, "held": [], "seconds": self.seconds}
            async with self.database.statements() as connection:
                await connection.exec_driver_sql(_TAKE_OVER, rest)
                await connection.exec_driver_sql(_UNREGISTER, {"worker": self._worker})
            self._worker = None

    async def _registered(self) -> int:
        if self._worker is None:
            async with self.database.statements() as connection:
                self._worker = int((await connection.exec_driver_sql(_REGISTER)).scalar_one())
        return self._worker


async def read(connection: AsyncConnection, run_ids: Sequence[uuid.UUID]) -> Sequence[judging.Record]:
    """The whole records of these runs, as far as there are any."""
    return await _records(connection, run_ids, run_ids)


@dataclass(frozen=True, slots=True)
class _Found:
    """Jobs by their runs, which are of one namespace, and how many workers died over them."""

    jobs: Mapping[uuid.UUID, int]
    namespace: str
    crashes: int


async def _beside(connection: AsyncConnection, first: "sa.Row[Any]", limit: int) -> dict[uuid.UUID, int]:
    """Jobs that can be taken with this one: of its namespace, as many as their claims leave room for."""
    if limit < 1 or not first.namespace:
        return {}
    asked = {"namespace": first.namespace, "first": first.id, "limit": limit}
    others = {row.run_id: row.id for row in await connection.exec_driver_sql(_BESIDE, asked)}
    claimed = await _claimed(connection, [first.run_id, *others])
    room, kept = _TOGETHER - claimed.get(first.run_id, 0), dict[uuid.UUID, int]()
    for run_id, job in others.items():
        room -= claimed.get(run_id, 0)
        if room < 0:
            break
        kept[run_id] = job
    return kept


async def _claimed(connection: AsyncConnection, run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Bytes of the claims of those of these runs that can be judged."""
    return {row.run_id: row.size for row in await connection.exec_driver_sql(_CLAIMED, {"ids": list(run_ids)})}


async def _records(
    connection: AsyncConnection, run_ids: Iterable[uuid.UUID], claimed: Iterable[uuid.UUID], *, bare: bool = False
) -> Sequence[judging.Record]:
    """The records of these runs, with the claims of some of them; `bare`: without what the cluster recorded."""
    said: dict[uuid.UUID, list[sa.Row[Any]]] = {}
    if claims := list(claimed):
        for row in await connection.exec_driver_sql(_CLAIMS, {"ids": claims}):
            said.setdefault(row.run_id, []).append(row)
    asked = {"ids": list(run_ids), "bare": bare, "known": [str(word) for word in VerdictResult]}
    return [_record(row, said.get(row.id, ())) for row in await connection.exec_driver_sql(_RECORDS, asked)]


def _record(row: "sa.Row[Any]", claims: Sequence["sa.Row[Any]"]) -> judging.Record:
    """One run. What of it cannot be read is left out and said, so that the others of its batch are judged."""
    run, problems = rows.run_of(row), list[str]()

    def read(what: str, read: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return read()
        except (ValueError, TypeError, LookupError, errors.AvouchError) as exc:
            problems.append(f"its {what} cannot be read: {exc!r}"[:_WORDS])
            return otherwise

    return judging.Record(
        run=run,
        snapshot=read("record", lambda: _snapshot(row), None),
        claims=read("claims", lambda: tuple(map(rows.claim_of, claims)), ()),
        external=read("attester", lambda: _external(row), None),
        problem="; ".join(problems),
        heard=None if row.heard is None else frozenset(row.heard),
        standing=read("verdict", lambda: _standing(row), None),
    )


def _standing(row: "sa.Row[Any]") -> verdict_model.Standing | None:
    """The verdict that a run has."""
    if row.said is None or row.judged_at is None:
        return None
    again, chain = row.reevaluation, row.superseded
    earlier = [*(chain.get("before") or ()), chain] if chain else ()
    pinned = {"name": row.contract, "revision": row.revision, "digest": row.contract_digest}
    return verdict_model.Standing(
        judged_at=rfc3339.read(again["judged_at"], "judged_at") if again else row.judged_at,
        digest=row.summary or "",
        contract=verdict_model.Contract(**(again["contract"] if again else pinned)),
        earlier=tuple(VerdictResult(one["verdict"]) for one in earlier),
        findings=tuple(Finding.recorded(**one) for one in row.said),
        evaluations=row.evaluated or (),
        unevaluated=frozenset(
            (one["policy"], one["material"]) for one in row.evaluated or () if one["status"] == _ERROR
        ),
        stored=frozenset(one["digest"] for one in row.delivered if one.get("uploaded")),
    )


def _snapshot(row: "sa.Row[Any]") -> runs.Snapshot | None:
    return rows.snapshot_of(msgspec.json.decode(row.document)) if row.document else None


def _external(row: "sa.Row[Any]") -> external.ExternalPart | None:
    return rows.external_of(row) if row.attester is not None else None


async def _taken(
    connection: AsyncConnection, records: Iterable[judging.Record], held: Set[uuid.UUID], crashes: int = 0
) -> judging.Taken:
    """What judging is given: the held ones of these records, and the attachments of their namespaces."""
    mine = tuple(replace(record, crashes=crashes) for record in records if record.run.id in held)
    if not mine:
        return judging.Taken()
    namespaces = {"namespaces": sorted({record.run.namespace for record in mine})}
    attachments: dict[str, tuple[deliveries.AttachmentRecord, ...]] = {}
    for row in await connection.exec_driver_sql(_ATTACHMENTS, namespaces):
        attachments[row.namespace] = (*attachments.get(row.namespace, ()), rows.attachment_of(row))
    return judging.Taken(mine, attachments)


def _decided(outcomes: Sequence[judging.Outcome]) -> list[verdicts.Decided]:
    return [(one.signed, one.deliveries, one.over) for one in outcomes if isinstance(one, judging.Decided)]
