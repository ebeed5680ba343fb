"""Replays of past runs against a new revision of a Contract: one row for each Contract, what was asked last.

Implements `controlplane.model.replays.Requests` for workers, and `Results` for the controller.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch.controlplane.model import contracts, judging, replays
from avouch.store import database, judgingqueue

# The lease of what is asked no more is left: whoever works on it sees that, and gives it back.
_ASK = (
    "INSERT INTO replays (namespace_uid, name, namespace, revision, asked_at)"
    " VALUES (%(namespace_uid)s, %(name)s, %(namespace)s, %(revision)s, now())"
    " ON CONFLICT (namespace_uid, name) DO UPDATE SET revision = excluded.revision, asked_at = excluded.asked_at,"
    "  tries = 0, done_at = NULL, result = NULL"
)
# Two workers never take two of one namespace: they choose one after the other.
_IN_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('avouch.replays', 0))"
_WAITING = 32  # runs that may be due: as many as one batch of judging takes
_DUE = "j.queue_name = 'judge' AND j.status = 'todo' AND coalesce(j.scheduled_at, '-infinity') <= now()"


def busy(of: str) -> str:
    """Whether as many runs are due as one batch takes: what is judged again waits for them, in SQL.

    Of others' runs those count that batches take, which are judged in no time: whose evidence and policies take long
    keeps his own waiting, and nobody else's. `of` has the column `namespace_uid`.
    """
    return (
        f"(EXISTS (SELECT FROM procrastinate_jobs j WHERE {_DUE} AND j.priority >= 0 OFFSET {_WAITING})"  # noqa: S608 - constants only
        f" OR EXISTS (SELECT FROM procrastinate_jobs j JOIN runs d ON d.id = (j.args ->> 'run_id')::uuid WHERE {_DUE}"
        f"  AND j.priority < 0 AND d.namespace_uid = {of}.namespace_uid OFFSET {_WAITING}))"
    )


# The oldest of a namespace, and of namespaces any: one that changes many Contracts has no more turns than another.
_TAKE = (
    "UPDATE replays SET tries = tries + 1, leased_until = now() + %(lease)s WHERE (namespace_uid, name) = ("  # noqa: S608 - constants only
    " SELECT namespace_uid, name FROM (SELECT DISTINCT ON (r.namespace_uid) r.namespace_uid, r.name FROM replays r"
    "  JOIN namespaces n ON n.name = r.namespace AND n.uid = r.namespace_uid"
    f"  WHERE r.done_at IS NULL AND r.tries < {replays.TRIES} AND NOT {busy('r')}"
    "   AND NOT EXISTS (SELECT FROM replays o WHERE o.namespace_uid = r.namespace_uid AND o.leased_until > now())"
    "  ORDER BY r.namespace_uid, r.asked_at, r.name) oldest ORDER BY random() LIMIT 1)"
    " RETURNING namespace, namespace_uid, name, revision, asked_at"
)
_THIS = "namespace_uid = %(namespace_uid)s AND name = %(name)s"
_STILL = f"{_THIS} AND revision = %(revision)s AND asked_at = %(at)s"
_WANTED = f"SELECT NOT {busy('replays')} AS wanted FROM replays WHERE {_STILL}"  # noqa: S608 - constants only
_SETTLE = f"UPDATE replays SET done_at = now(), leased_until = NULL, result = %(result)s::jsonb WHERE {_STILL}"  # noqa: S608 - constants only
# It was begun for nobody's fault but that others were due: that is no try.
_GIVE_BACK = f"UPDATE replays SET leased_until = NULL, tries = greatest(tries - 1, 0) WHERE {_THIS}"  # noqa: S608 - constants only
_RUNS = (
    "SELECT r.id FROM workflows w JOIN namespaces n ON n.name = w.namespace AND n.uid = w.namespace_uid"
    " CROSS JOIN LATERAL (SELECT id, judged_at FROM runs WHERE workflow_uid = w.uid AND namespace_uid = w.namespace_uid"
    "  AND judged_at IS NOT NULL AND contract = w.contract_name ORDER BY judged_at DESC, id LIMIT %(limit)s) r"
    " WHERE w.contract_namespace = %(namespace)s AND w.contract_name = %(name)s"
    " ORDER BY r.judged_at DESC, r.id LIMIT %(limit)s"
)
_DONE = (
    "SELECT r.namespace, r.namespace_uid, r.name, r.revision, r.asked_at, r.done_at, r.result::text AS result"
    " FROM replays r JOIN namespaces n ON n.name = r.namespace AND n.uid = r.namespace_uid"
    " WHERE r.done_at >= %(since)s ORDER BY r.done_at"
)


async def ask(connection: AsyncConnection, revision: contracts.ContractRevision) -> None:
    """Have past runs held to this revision, in the transaction that records it; what was asked before is no more."""
    place = {"namespace": revision.namespace, "namespace_uid": revision.namespace_uid}
    await connection.exec_driver_sql(_ASK, {**place, "name": revision.name, "revision": revision.revision})


class Replays:
    """Over one database."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def take(self) -> replays.Asked | None:
        """One that is to be worked on now; None where there is none."""
        async with self._database.transaction() as connection:
            await connection.exec_driver_sql(_IN_TURN)
            found = (await connection.exec_driver_sql(_TAKE, {"lease": replays.LEASE})).first()
        return None if found is None else _asked(found)

    async def wanted(self, asked: replays.Asked) -> bool:
        """Whether it is still to be worked on."""
        async with self._database.statements() as connection:
            found = (await connection.exec_driver_sql(_WANTED, _which(asked))).first()
        return found is not None and bool(found.wanted)

    async def runs(self, asked: replays.Asked, limit: int) -> Sequence[uuid.UUID]:
        """The newest judged runs of Workflows that are bound to the Contract, the newest first."""
        bound = {"namespace": asked.namespace, "name": asked.name, "limit": limit}
        async with self._database.statements() as connection:
            return [row.id for row in await connection.exec_driver_sql(_RUNS, bound)]

    async def record(self, run_id: uuid.UUID) -> judging.Record | None:
        """What is stored of one run."""
        async with self._database.snapshot() as connection:
            return next(iter(await judgingqueue.read(connection, [run_id])), None)

    async def settle(self, asked: replays.Asked, result: replays.Result) -> None:
        """Keep the result, unless something newer was asked for meanwhile."""
        said = {**_which(asked), "result": msgspec.json.encode(result).decode()}
        async with self._database.statements() as connection:
            if not (await connection.exec_driver_sql(_SETTLE, said)).rowcount:
                await connection.exec_driver_sql(_GIVE_BACK, _which(asked))

    async def give_back(self, asked: replays.Asked) -> None:
        """Let it be taken again."""
        async with self._database.statements() as connection:
            await connection.exec_driver_sql(_GIVE_BACK, _which(asked))

    async def done(self, since: datetime) -> Sequence[replays.Replay]:
        """Those that were done at this time or later, of namespaces that are there."""
        async with self._database.statements() as connection:
            found = (await connection.exec_driver_sql(_DONE, {"since": since})).all()
        return [
            replays.Replay(_asked(row), msgspec.json.decode(row.result, type=replays.Result), row.done_at)
            for row in found
        ]


def _asked(row: Any) -> replays.Asked:
    return replays.Asked(row.namespace, row.namespace_uid, row.name, row.revision, row.asked_at)


def _which(asked: replays.Asked) -> dict[str, Any]:
    return {
        "namespace_uid": asked.namespace_uid, "name": asked.name, "revision": asked.revision, "at": asked.at,
    }  # fmt: skip
