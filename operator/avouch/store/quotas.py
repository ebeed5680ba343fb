"""What one namespace may keep: checked in the transaction that adds to it.

What an Organization says of its projects is read by the statement that looks at what there is. Open runs and states are
looked at as they are, at no more of them than there may be, so the cost is bounded by the quota itself; two that come
at the same moment may pass it by one each. Artifacts are counted as they come and go, by triggers of their table: the
row of a namespace is locked until the COMMIT of whoever adds to it, so nothing passes.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch.controlplane.model import quotas
from avouch.store import database

_log = logging.getLogger(__name__)


def said(namespace: str) -> str:
    """SQL: what the one Organization that claims a namespace (an expression: its name) says of its quotas, or NULL."""
    return (
        "(SELECT (array_agg(o.settings -> 'quotas'))[1] FROM projects p JOIN organisations o ON o.name = p.organisation"  # noqa: S608
        f" WHERE p.namespace = {namespace} HAVING count(*) = 1)"
    )


# By the index `runs_by_verdict`, which has no run that passed.
_OPEN = (
    "SELECT id FROM runs WHERE namespace_uid = asked.uid AND result = 'Pending' AND subject_kind = 'External'"
    " AND finished_at IS NULL"
)
_NUMBER = sa.text(
    f"SELECT (SELECT count(*) FROM ({_OPEN} LIMIT CASE asked.most WHEN 0 THEN 0 ELSE asked.most + 1 END) AS held)"  # noqa: S608
    " AS used, asked.most FROM (SELECT CAST(:uid AS text) AS uid,"
    f" coalesce(CAST({said(':namespace')} ->> 'openRuns' AS bigint), :most) AS most) AS asked"
)
_BYTES = sa.text(
    "SELECT (SELECT coalesce(sum(octet_length(s.content)), 0) FROM run_states s"  # noqa: S608 - constants
    f" WHERE s.run_id IN ({_OPEN})) AS used,"
    f" coalesce(CAST({said('asked.namespace')} ->> 'stateBytes' AS bigint), :most) AS most"
    " FROM (SELECT namespace_uid AS uid, namespace FROM runs WHERE id = :run) AS asked"
)
_ARTIFACTS = sa.text(
    f"SELECT {said(':namespace')} AS said, coalesce(u.number, 0) AS number, coalesce(u.bytes, 0) AS bytes"  # noqa: S608
    " FROM (SELECT) AS one LEFT JOIN artifact_usage u ON u.namespace_uid = :uid"
)
# What is counted wrongly is mended: one namespace at a time, while nobody else changes what it has.
_DUE = sa.text(
    "SELECT namespace_uid, number, bytes FROM artifact_usage WHERE checked_at < now() - interval '1 day'"
    " ORDER BY checked_at LIMIT 1 FOR UPDATE SKIP LOCKED"
)
_COUNTED = sa.text(
    "SELECT count(*) AS number, coalesce(sum(size), 0) AS bytes FROM artifacts"
    " WHERE namespace_uid = :namespace AND stored_at IS NOT NULL"
)
_MENDED = sa.text(
    "UPDATE artifact_usage SET number = :number, bytes = :bytes, checked_at = now() WHERE namespace_uid = :namespace"
)
_EMPTY = sa.text("DELETE FROM artifact_usage WHERE namespace_uid = :namespace")
_USED = (
    "WITH used AS (SELECT n.name, u.namespace_uid AS uid, u.number, u.bytes,"  # noqa: S608 - constants
    "  coalesce(CAST(s.said ->> 'artifactCount' AS bigint), :most_number) AS most_number,"
    "  coalesce(CAST(s.said ->> 'artifactBytes' AS bigint), :most_bytes) AS most_bytes"
    "  FROM artifact_usage u LEFT JOIN namespaces n ON n.uid = u.namespace_uid"
    f"  LEFT JOIN LATERAL (SELECT {said('n.name')} AS said) s ON true)"
)
# Those of all namespaces, and how many of them have used so much of what they may.
_SUMS = sa.text(
    f"{_USED} SELECT coalesce(sum(number), 0) AS number, coalesce(sum(bytes), 0) AS bytes,"  # noqa: S608
    " count(*) FILTER (WHERE most_number > 0 AND number >= :near * most_number) AS near_number,"
    " count(*) FILTER (WHERE most_bytes > 0 AND bytes >= :near * most_bytes) AS near_bytes FROM used"
)
_NEAR = sa.text(
    f"{_USED} SELECT name, uid, 'artifactCount' AS quota, number AS used, most_number AS most FROM used"  # noqa: S608
    " WHERE name IS NOT NULL AND most_number > 0 AND number >= :near * most_number"
    " UNION ALL SELECT name, uid, 'artifactBytes', bytes, most_bytes FROM used"
    " WHERE name IS NOT NULL AND most_bytes > 0 AND bytes >= :near * most_bytes ORDER BY 1, 3 LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Sums:
    """Artifacts of all namespaces, and how many namespaces have used most of a quota."""

    count: int
    bytes: int
    near_count: int
    near_bytes: int


async def check_open_runs(connection: AsyncConnection, namespace: str, uid: str, limits: quotas.Quotas) -> None:
    """After a run was added. Raises errors.Denied."""
    bound = {"namespace": namespace, "uid": uid, "most": limits.open_runs}
    found = (await connection.execute(_NUMBER, bound)).one()
    if found.most and found.used > found.most:
        raise quotas.too_many_runs(found.most)


async def check_states(connection: AsyncConnection, run_id: uuid.UUID, limits: quotas.Quotas) -> None:
    """After the state of a run was written. Raises errors.Denied."""
    found = (await connection.execute(_BYTES, {"run": run_id, "most": limits.state_bytes})).one()
    if found.most and found.used > found.most:
        raise quotas.too_large_states(found.most)


async def artifacts(connection: AsyncConnection, namespace: str, uid: str, limits: quotas.Quotas) -> quotas.ArtifactUse:
    """What a namespace has stored, beside what it may."""
    row = (await connection.execute(_ARTIFACTS, {"namespace": namespace, "uid": uid})).one()
    mine = limits.with_those_of(row.said)
    return quotas.ArtifactUse(row.number, int(row.bytes), mine.artifact_count, mine.artifact_bytes)


async def sums(connection: AsyncConnection, limits: quotas.Quotas) -> Sums:
    """For the metrics."""
    row = (await connection.execute(_SUMS, {**_defaults(limits), "near": quotas.NEAR})).one()
    return Sums(int(row.number), int(row.bytes), row.near_number, row.near_bytes)


class Usage:
    """The counters, looked after, and whose are nearly full. Implements `controlplane.model.quotas.Uses`."""

    def __init__(self, opened: database.Database, limits: quotas.Quotas = quotas.Quotas()) -> None:  # noqa: B008 - frozen
        self._database = opened
        self._quotas = limits

    async def nearly_full(self, share: float, limit: int) -> Sequence[quotas.NearlyFull]:
        """Present namespaces that have used this share of a quota, or more."""
        bound = {**_defaults(self._quotas), "near": share, "limit": limit}
        async with self._database.statements() as connection:
            return [quotas.NearlyFull(*row) for row in (await connection.execute(_NEAR, bound)).all()]

    async def check(self) -> bool:
        """Compare one namespace's counters, checked a day ago or earlier, with what it has. False: none is due."""
        async with self._database.transaction() as connection:
            due = (await connection.execute(_DUE)).first()
            if due is None:
                return False
            bound = {"namespace": due.namespace_uid}
            there = (await connection.execute(_COUNTED, bound)).one()
            if (there.number, there.bytes) != (due.number, due.bytes):
                _log.warning(
                    "artifacts of namespace %s were counted as %d with %d bytes; there are %d with %d: mended",
                    due.namespace_uid, due.number, due.bytes, there.number, there.bytes,
                )  # fmt: skip
            mending = {**bound, "number": there.number, "bytes": there.bytes}
            await connection.execute(*((_MENDED, mending) if there.number else (_EMPTY, bound)))
        return True


def _defaults(limits: quotas.Quotas) -> dict[str, int]:
    return {"most_number": limits.artifact_count, "most_bytes": limits.artifact_bytes}
