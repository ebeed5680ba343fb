"""Runs that are old enough to go, Workflow by Workflow and batch by batch.

A run goes with its snapshot, claims, verdict, deliveries and references. One that is not judged, or whose deliveries
are still on their way, stays. The newest ones of each Workflow stay whatever their age.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from avouch import errors
from avouch.store import database, lastruns, run_moves, versions

KEEP_LAST = 1
_HOURS = re.compile(r"([1-9][0-9]{0,6})h", re.ASCII)
# What a Workflow does not say, its organization does; a namespace that two organizations claim has none.
_POLICIES = sa.text(
    f"{lastruns.NEWEST} SELECT newest.workflow_uid, newest.namespace_uid, w.spec -> 'retention' AS own,"  # noqa: S608
    " o.retention AS common FROM newest"
    " LEFT JOIN workflows w ON w.uid = newest.workflow_uid AND w.namespace = newest.namespace"
    " LEFT JOIN (SELECT p.namespace, (array_agg(known.settings -> 'retention'))[1] AS retention FROM projects p"
    "  JOIN organisations known ON known.name = p.organisation GROUP BY p.namespace HAVING count(*) = 1) o"
    "  ON o.namespace = newest.namespace"
    " WHERE w.spec ? 'retention' OR o.retention ? 'runs'"
)
_EXPIRE = sa.text(
    "WITH old AS (SELECT r.id FROM runs r WHERE r.workflow_uid = :workflow AND r.namespace_uid = :namespace"  # noqa: S608 - constants
    f"  AND {run_moves.may('forget', 'r')} AND r.judged_at < :before"
    "  AND NOT EXISTS (SELECT FROM deliveries d WHERE d.run_id = r.id AND d.state = 'pending')"
    "  AND r.id NOT IN (SELECT k.id FROM runs k WHERE k.workflow_uid = :workflow AND k.namespace_uid = :namespace"
    "   AND k.result <> 'Pending' ORDER BY k.judged_at DESC, k.id DESC LIMIT :keep)"
    "  ORDER BY r.judged_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
    " DELETE FROM runs USING old WHERE runs.id = old.id"
)
# Nobody opens a run any more with what was known of it a day ago. Versions stay as long as their namespace: a released
# one must take no run again.
_FORGET = sa.text(
    "WITH forgotten AS (DELETE FROM namespaces n WHERE n.uid = '' AND n.gone_at < now() - interval '1 day'"
    "  AND NOT EXISTS (SELECT FROM runs r WHERE r.namespace_uid = n.was)"
    "  AND NOT EXISTS (SELECT FROM workflows w WHERE w.namespace = n.name) RETURNING n.was),"
    " gone AS (DELETE FROM project_versions v USING forgotten WHERE v.namespace_uid = forgotten.was)"
    " SELECT count(*) FROM forgotten"
)


@dataclass(frozen=True, slots=True)
class Policy:
    """How long the runs of one Workflow stay."""

    workflow_uid: str
    namespace_uid: str
    age: timedelta
    keep_last: int


def policy(row: "sa.RowMapping | Mapping[str, Any]") -> Policy | None:
    """What a Workflow and its organization say together; None: for ever. What cannot be read keeps everything."""
    said = {**(row["common"] or {}), **{k: v for k, v in (row["own"] or {}).items() if v is not None}}
    hours = _HOURS.fullmatch(str(said.get("runs") or ""))
    if hours is None:
        return None
    keep = said.get("keepLast")
    return Policy(
        row["workflow_uid"], row["namespace_uid"], timedelta(hours=int(hours[1])), KEEP_LAST if keep is None else keep
    )


class Retention:
    """Over one database."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def policies(self) -> Sequence[Policy]:
        """Of every Workflow with judged runs."""
        async with self._database.statements() as connection:
            rows = (await connection.execute(_POLICIES)).mappings().all()
        return [found for row in rows if (found := policy(row)) is not None]

    async def expire(self, one: Policy, now: datetime, limit: int = 200) -> int:
        """Delete a batch of what is older than the policy says; returns how many went.

        Raises:
            Invalid: a policy that would take everything.
        """
        if one.age <= timedelta(0) or one.keep_last < 0:
            raise errors.Invalid(
                "the retention would delete every run", field="spec.retention", fix="write at least 1h"
            )
        bound = {
            "workflow": one.workflow_uid, "namespace": one.namespace_uid, "before": now - one.age,
            "keep": one.keep_last, "limit": limit,
        }  # fmt: skip
        async with self._database.transaction() as connection:
            gone = int((await connection.execute(_EXPIRE, bound)).rowcount)
            if gone:
                await versions.expire(connection)
        return gone

    async def forget_namespaces(self) -> int:
        """Delete what is known of namespaces that went, versions included, once no run is left; returns how many."""
        async with self._database.transaction() as connection:
            return int((await connection.execute(_FORGET)).scalar_one())
