"""Runs that somebody wants judged again: of each run one request, and what became of it.

The server writes what is asked for, and the worker, which alone may write verdicts, chooses the revision, judges and
answers: a captured server can ask, and decide nothing. Implements `controlplane.model.reevaluations.Asking` for the
server, and `Requests` for workers.

Locks are taken in the order of all that writes runs: the run, then its request.
"""

import uuid
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors
from avouch.controlplane.model import judging, verdicts
from avouch.controlplane.model import reevaluations as model
from avouch.store import (
    database,
    judgingqueue,
    replays,
    run_moves,
    rundocuments,
    runqueries,
    tables,
    versions,
)
from avouch.store import verdicts as verdict_rows

_OF_NAMESPACE = "SELECT pg_advisory_xact_lock(hashtextextended('avouch.reevaluations/' || %(uid)s, 0))"
_IN_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('avouch.reevaluations', 0))"
_WAITING = (
    "SELECT count(*) FROM (SELECT FROM reevaluations WHERE namespace_uid = %(uid)s AND answered_at IS NULL"  # noqa: S608 - constants only
    f" LIMIT {model.WAITING + 1}) AS waiting"
)
_STATE = (
    f"SELECT r.*, {run_moves.may('reevaluate', 'r')} AS may, {verdict_rows.CHAIN.format('r')} AS chain,"  # noqa: S608 - constants only
    " EXISTS (SELECT FROM run_deletions d WHERE d.run_id = r.id) AS goes"
    " FROM runs r WHERE r.id = %(id)s FOR NO KEY UPDATE OF r"
)
_AGAIN = "DELETE FROM reevaluations WHERE run_id = %(id)s AND answered_at IS NOT NULL"
_ASK = (
    "INSERT INTO reevaluations (run_id, namespace_uid, asked_by, reason, asked_at)"
    " VALUES (%(id)s, %(uid)s, %(by)s, %(reason)s, %(at)s) ON CONFLICT (run_id) DO NOTHING RETURNING run_id"
)
_GET = "SELECT * FROM reevaluations WHERE run_id = %(id)s"
# The oldest of a namespace, and of namespaces any: one that asks for much has no more turns than another.
_TAKE = (
    "UPDATE reevaluations SET tries = tries + 1, leased_until = now() + %(lease)s WHERE run_id = ("  # noqa: S608 - constants only
    " SELECT run_id FROM (SELECT DISTINCT ON (q.namespace_uid) q.namespace_uid, q.run_id FROM reevaluations q"
    f"  WHERE q.answered_at IS NULL AND coalesce(q.next_try, '-infinity') <= now() AND NOT {replays.busy('q')}"
    "   AND NOT EXISTS (SELECT FROM reevaluations o WHERE o.namespace_uid = q.namespace_uid"
    "    AND o.answered_at IS NULL AND o.leased_until > now())"
    "  ORDER BY q.namespace_uid, q.asked_at, q.run_id) oldest ORDER BY random() LIMIT 1)"
    " RETURNING *"
)
_RUN = "SELECT id FROM runs WHERE id = %(id)s FOR NO KEY UPDATE"
_STILL = "run_id = %(id)s AND asked_at = %(at)s AND tries = %(tries)s AND answered_at IS NULL"  # nobody else has it
_HELD = f"SELECT FROM reevaluations WHERE {_STILL} FOR UPDATE"
_ANSWER = (
    "UPDATE reevaluations SET state = %(state)s, message = %(message)s, answered_at = now(), leased_until = NULL"  # noqa: S608 - constants only
    f" WHERE {_STILL}"
)
# The run changed meanwhile, which is nobody's fault and no try.
_GIVE_BACK = f"UPDATE reevaluations SET leased_until = NULL, tries = greatest(tries - 1, 0) WHERE {_STILL}"  # noqa: S608 - constants only
_PUT_OFF = (
    "UPDATE reevaluations SET leased_until = NULL, tries = greatest(tries - 1, 0), next_try = now() + %(pause)s,"  # noqa: S608 - constants only
    f" message = %(message)s WHERE {_STILL}"
)


class Reevaluations:
    """Over one database."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def ask(self, namespace: str, name: str, asked: model.Asked, *, dry_run: bool = False) -> dict[str, Any]:
        """Have a judged run judged again; a request that waits is answered, not a second one.

        Raises:
            errors.NotFound: there is no such run.
            errors.Conflict: it has no verdict, one that stays, or as many earlier ones as it keeps; or it is deleted.
            errors.Overloaded: the namespace has as many requests that wait as it may.
        """
        found = sa.select(tables.runs.c.id).where(runqueries.named(namespace, name))
        async with self._database.transaction() as connection:
            run_id = (await connection.execute(found)).scalar()
            run = None if run_id is None else (await connection.exec_driver_sql(_STATE, {"id": run_id})).first()
            if run is None:
                raise errors.NotFound(f"run {name[:253]} not found")
            _check(run)
            if dry_run:
                return _document(run, rundocuments.Asked(asked.by, asked.at, asked.reason))
            await connection.exec_driver_sql(_OF_NAMESPACE, {"uid": run.namespace_uid})
            await connection.exec_driver_sql(_AGAIN, {"id": run.id})
            row = {"id": run.id, "uid": run.namespace_uid, "by": asked.by, "reason": asked.reason, "at": asked.at}
            if (await connection.exec_driver_sql(_ASK, row)).first() is not None:
                await _check_room(connection, run)
                await versions.stamp(connection, run.id)
            return _document(run, (await connection.exec_driver_sql(_GET, {"id": run.id})).one())

    async def take(self) -> model.Request | None:
        """One that is to be worked on now; None where there is none."""
        async with self._database.transaction() as connection:
            await connection.exec_driver_sql(_IN_TURN)
            row = (await connection.exec_driver_sql(_TAKE, {"lease": model.LEASE})).first()
        if row is None:
            return None
        return model.Request(row.run_id, model.Asked(row.asked_by, row.reason, row.asked_at), row.tries)

    async def record(self, run_id: uuid.UUID) -> judging.Record | None:
        """What is stored of one run."""
        async with self._database.snapshot() as connection:
            return next(iter(await judgingqueue.read(connection, [run_id])), None)

    async def settle(self, request: model.Request, answer: model.Answer) -> bool:
        """Write verdict and answer, all or nothing; False where the run changed or is gone, or it is another's."""
        decided = answer.decided
        async with self._database.transaction() as connection:
            held = await connection.exec_driver_sql(_RUN, {"id": request.run_id})
            if held.first() is None or (await connection.exec_driver_sql(_HELD, _which(request))).first() is None:
                return False
            if decided is not None:
                one = (decided.signed, decided.deliveries, decided.over)
                if not await verdict_rows.write(connection, [one]):
                    await connection.exec_driver_sql(_GIVE_BACK, _which(request))
                    return False
            said = {**_which(request), "state": answer.state.value, "message": answer.message}
            await connection.exec_driver_sql(_ANSWER, said)
            if decided is None:
                await versions.stamp(connection, request.run_id)
        return True

    async def put_off(self, request: model.Request, pause: timedelta, message: str) -> None:
        """Let it be taken again after a pause."""
        async with self._database.statements() as connection:
            await connection.exec_driver_sql(_PUT_OFF, {**_which(request), "pause": pause, "message": message})


async def _check_room(connection: AsyncConnection, run: Any) -> None:
    """The request itself is counted, too."""
    waiting = (await connection.exec_driver_sql(_WAITING, {"uid": run.namespace_uid})).scalar_one()
    if waiting > model.WAITING:
        raise errors.Overloaded(
            f"namespace {run.namespace} has {model.WAITING} runs that wait to be judged again: ask when they are",
            retry_after=30,
        )


def _check(run: Any) -> None:
    """What is known before the worker looks; it looks again. Raises errors.Conflict."""
    if run.result == verdicts.VerdictResult.PENDING.value:
        raise errors.Conflict(f"run {run.name} has no verdict yet: its Contract of now judges it when it ends")
    if run.goes:
        raise errors.Conflict(f"run {run.name} is being deleted")
    if not run.may or run.result not in model.MAY_CHANGE:
        raise errors.Conflict(
            f"run {run.name} is {run.result}: that is no matter of its Contract, and no revision of it changes that"
        )
    if run.chain >= model.EARLIER:
        raise errors.Conflict(f"run {run.name} has {model.EARLIER} earlier verdicts, which are kept, and takes no more")


def _which(request: model.Request) -> dict[str, Any]:
    return {"id": request.run_id, "at": request.asked.at, "tries": request.tries}


def _document(run: Any, row: Any) -> dict[str, Any]:
    return {**rundocuments.about(run), "id": str(run.id), **rundocuments.request(row)}
