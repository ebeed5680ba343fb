"""Jobs inside our own transactions: rows of procrastinate's table, coalesced by their queueing lock.

Procrastinate's own `procrastinate_defer_jobs_v1` runs on any connection but raises where a job with that queueing
lock waits already, which would abort the whole batch. So we insert into its table with ON CONFLICT; its triggers
(events, NOTIFY) fire as usual. DO UPDATE rather than DO NOTHING: it locks the waiting job until our COMMIT, so no
worker can take it and judge without the claim that we are just writing.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch.store import database

JUDGE = "judge"

# The earlier of two times wins, and NULL is "now" (least() alone would ignore a NULL).
COALESCED = (
    "ON CONFLICT (queueing_lock) WHERE status = 'todo' DO UPDATE SET scheduled_at = "
    "CASE WHEN excluded.scheduled_at IS NULL OR procrastinate_jobs.scheduled_at IS NULL THEN NULL "
    "ELSE least(procrastinate_jobs.scheduled_at, excluded.scheduled_at) END"
)
_INSERT = sa.text(
    "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args, scheduled_at) "
    "VALUES (:queue, :queue, :lock, :queueing, CAST(:args AS jsonb), :at) " + COALESCED
)
_OF_OLD = sa.text("DELETE FROM procrastinate_jobs WHERE queue_name = 'deliver' AND status = 'todo'")
# In the order of ids, as claims insert theirs: two batches never wait for each other in a circle.
_INSERT_ALL = sa.text(
    "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args) "  # noqa: S608 - constants only
    "SELECT 'judge', 'judge', 'judge:' || id, 'judge:' || id, jsonb_build_object('run_id', id) "
    "FROM (SELECT id FROM unnest(:ids) AS asked(id) ORDER BY id) AS asked " + COALESCED
).bindparams(sa.bindparam("ids", type_=pg.ARRAY(pg.UUID(as_uuid=True))))
# Runs that ended or expired a while ago, are not judged, and have no job that will: theirs failed by a bug. Any 500 of
# them: those that fail again and again, whatever their number, keep no other from its turn.
_FORGOTTEN = sa.text(
    "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args) "  # noqa: S608 - constants only
    "SELECT 'judge', 'judge', 'judge:' || id, 'judge:' || id, jsonb_build_object('run_id', id) FROM ("
    "SELECT id FROM (SELECT r.id FROM runs r LEFT JOIN outside_runs o ON o.run_id = r.id "
    "WHERE r.result = 'Pending' AND coalesce(r.finished_at, o.expires_at) < now() - interval '5 minutes' "
    "AND NOT EXISTS (SELECT FROM procrastinate_jobs j "
    "WHERE j.lock = 'judge:' || r.id AND j.status IN ('todo', 'doing')) "
    "ORDER BY random() LIMIT 500) AS chosen ORDER BY id) AS ordered " + COALESCED
)


async def judge_all(connection: AsyncConnection, run_ids: Sequence[uuid.UUID]) -> None:
    """Have these runs judged, each once."""
    await connection.execute(_INSERT_ALL, {"ids": list(run_ids)})


async def judge(connection: AsyncConnection, run_id: uuid.UUID, at: datetime | None = None) -> None:
    """Have this run judged, once, not before `at`; two workers never judge the same run at the same time."""
    lock = f"{JUDGE}:{run_id}"
    row = {"queue": JUDGE, "lock": lock, "queueing": lock, "args": f'{{"run_id": "{run_id}"}}', "at": at}
    await connection.execute(_INSERT, row)


async def judge_now(connection: AsyncConnection, run_id: uuid.UUID) -> None:
    """Have this run judged at once, although a job waits for a later time already.

    The waiting one is replaced, not moved up: only an inserted job wakes the workers, others wait for their next look.
    """
    waiting = sa.text("DELETE FROM procrastinate_jobs WHERE queueing_lock = :lock AND status = 'todo'")
    await connection.execute(waiting, {"lock": f"{JUDGE}:{run_id}"})
    await judge(connection, run_id)


async def forget_deliver(connection: AsyncConnection) -> None:
    """Drop the jobs by which the version before this one woke its workers: the ledger itself says what is due."""
    await connection.execute(_OF_OLD)


class Jobs:
    """Jobs in transactions of their own."""

    def __init__(self, database: database.Database) -> None:
        self._database = database

    async def judge_forgotten(self) -> int:
        """Have runs judged that ended over five minutes ago and that nothing is going to judge. Returns how many."""
        async with self._database.transaction() as connection:
            await forget_deliver(connection)
            return int((await connection.execute(_FORGOTTEN)).rowcount)
