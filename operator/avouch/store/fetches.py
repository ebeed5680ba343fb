"""Files of policies that lie on the web, by namespace. Implements `controlplane.model.fetches.Fetches` and `Due`."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from avouch.controlplane.model import fetches
from avouch.store import database, fencing

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%(uid)s, 20))"  # two that ask at once share one room
_TOUCH = (
    "UPDATE policy_fetches SET asked_at = now() WHERE namespace_uid = %(uid)s AND reference = ANY(%(references)s)"
    " RETURNING reference, content, failure"
)
_COUNT = "SELECT count(*) FROM policy_fetches WHERE namespace_uid = %(uid)s"
_MAKE_ROOM = "DELETE FROM policy_fetches WHERE namespace_uid = %(uid)s AND asked_at < now() - %(wanted)s"
_ASK = (
    "INSERT INTO policy_fetches (namespace_uid, reference, asked_at, next_try)"
    " SELECT %(uid)s, reference, now(), now() FROM unnest(%(references)s::text[]) AS reference"
)
# The first file of each namespace comes before the second one of any.
_DUE = (
    "WITH due AS (SELECT namespace_uid, reference FROM (SELECT namespace_uid, reference, next_try, row_number()"
    " OVER (PARTITION BY namespace_uid ORDER BY next_try, reference) AS turn FROM policy_fetches"
    " WHERE next_try <= now() AND asked_at > now() - %(wanted)s) AS waiting ORDER BY turn, next_try LIMIT %(most)s),"
    " taken AS (SELECT f.namespace_uid, f.reference FROM policy_fetches f JOIN due USING (namespace_uid, reference)"
    " WHERE f.next_try <= now() FOR UPDATE OF f SKIP LOCKED)"
    " UPDATE policy_fetches f SET next_try = now() + %(lease)s FROM taken t"
    " WHERE f.namespace_uid = t.namespace_uid AND f.reference = t.reference RETURNING f.namespace_uid, f.reference"
)
_OTHERS = (
    "SELECT coalesce(sum(octet_length(content)), 0) FROM policy_fetches"
    " WHERE namespace_uid = %(uid)s AND reference <> %(reference)s"
)
_KEEP = (
    "UPDATE policy_fetches SET content = %(content)s, failure = '', failures = 0,"
    " next_try = CASE WHEN %(pinned)s THEN NULL ELSE now() + %(again)s END"
    " WHERE namespace_uid = %(uid)s AND reference = %(reference)s"
)
_FAIL = (
    "UPDATE policy_fetches SET content = NULL, failure = %(why)s, failures = failures + 1,"
    " next_try = now() + least(%(first)s * power(2, least(failures, 20)), %(longest)s)"
    " WHERE namespace_uid = %(uid)s AND reference = %(reference)s"
)
_FORGET = "DELETE FROM policy_fetches WHERE asked_at < now() - %(forgotten)s"
_WORDS = 1000  # characters of a failure
_NO_ROOM = f"its namespace asks for more than {fetches.EACH} files on the web"
_TOO_MANY_BYTES = f"the files that its namespace has on the web have more than {fetches.ALL} bytes in all"


class Fetches:
    """Over one database."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def ask(self, namespace_uid: str, references: frozenset[str], *, epoch: int) -> Mapping[str, fetches.Fetched]:
        """What is known of files; those that nobody asked for before are going to be fetched."""
        of = {"uid": namespace_uid}
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            await connection.exec_driver_sql(_LOCK, of)
            rows = await connection.exec_driver_sql(_TOUCH, {**of, "references": sorted(references)})
            known = {
                row.reference: fetches.Fetched(None if row.content is None else bytes(row.content), row.failure)
                for row in rows
            }
            fresh = sorted(references - known.keys())
            room = await _room(connection, namespace_uid, len(fresh)) if fresh else 0
            if fresh[:room]:
                await connection.exec_driver_sql(_ASK, {**of, "references": fresh[:room]})
        waiting = {each: fetches.Fetched() for each in fresh[:room]}
        return {**known, **waiting, **{each: fetches.Fetched(failure=_NO_ROOM) for each in fresh[room:]}}

    async def due(self, most: int) -> Sequence[fetches.Asked]:
        """Files to fetch now; the first of each namespace comes before the second of any."""
        asked = {"most": most, "wanted": fetches.WANTED, "lease": fetches.LEASE}
        async with self._database.transaction() as connection:
            rows = await connection.exec_driver_sql(_DUE, asked)
            return [fetches.Asked(row.namespace_uid, row.reference) for row in rows]

    async def keep(self, asked: fetches.Asked, content: bytes) -> None:
        """Keep what a file holds, where there is room for it."""
        of = {"uid": asked.namespace_uid, "reference": asked.reference}
        async with self._database.transaction() as connection:
            await connection.exec_driver_sql(_LOCK, of)
            others = int((await connection.exec_driver_sql(_OTHERS, of)).scalar_one())
            if others + len(content) > fetches.ALL:
                await _failed(connection, asked, _TOO_MANY_BYTES)
                return
            said = {**of, "content": content, "pinned": asked.pinned, "again": fetches.AGAIN}
            await connection.exec_driver_sql(_KEEP, said)

    async def fail(self, asked: fetches.Asked, why: str) -> None:
        """Keep why it was not fetched."""
        async with self._database.transaction() as connection:
            await _failed(connection, asked, why)

    async def forget(self) -> int:
        """Delete what nobody has asked for in a long time."""
        async with self._database.transaction() as connection:
            return (await connection.exec_driver_sql(_FORGET, {"forgotten": fetches.FORGOTTEN})).rowcount


async def _room(connection: AsyncConnection, namespace_uid: str, wanted: int) -> int:
    """For how many more files there is room; what nobody asks for any more makes some."""
    of = {"uid": namespace_uid, "wanted": fetches.WANTED}
    number = (await connection.exec_driver_sql(_COUNT, of)).scalar_one()
    if number + wanted > fetches.EACH:
        await connection.exec_driver_sql(_MAKE_ROOM, of)
        number = (await connection.exec_driver_sql(_COUNT, of)).scalar_one()
    return max(fetches.EACH - int(number), 0)


async def _failed(connection: AsyncConnection, asked: fetches.Asked, why: str) -> None:
    of = {"uid": asked.namespace_uid, "reference": asked.reference, "why": why[:_WORDS]}
    await connection.exec_driver_sql(_FAIL, {**of, "first": fetches.FIRST, "longest": fetches.LONGEST})
