"""The fan-out ledger. Implements `controlplane.model.deliveries.Deliveries`.

A lease is a column, not an open transaction: nothing is held in the database while an integration takes its time. A
worker that dies leaves a lease that runs out; the next one sends again under the same delivery id.

Where to send is read from the attachment as it stands at each try, so a corrected URL reaches what already waits. While
an attachment (or its Integration) is suspended, its deliveries are not leased: they wait, and no try is counted. Only
where the attachment is gone does the configuration of the verdict's moment hold.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from avouch import errors
from avouch.controlplane.model import deliveries, deliverybounds
from avouch.store import database, groupcommit, versions

_ERROR_LENGTH = 1024  # an integration's answer must not fill our rows
_PENDING = deliveries.DeliveryState.PENDING.value
# Times are compared by the database's clock only, so workers need not agree on theirs. Attachments are found by
# stepping from one to the next in the index of what is pending, and each gives as many rows as it has room for: a long
# queue of one receiver is neither read nor in front of another's.
_LEASE = """
WITH RECURSIVE pending AS (
 (SELECT attachment_uid FROM deliveries WHERE state = 'pending' ORDER BY attachment_uid LIMIT 1)
 UNION ALL
 SELECT (SELECT d.attachment_uid FROM deliveries d WHERE d.state = 'pending' AND d.attachment_uid > p.attachment_uid
  ORDER BY d.attachment_uid LIMIT 1) FROM pending p WHERE p.attachment_uid IS NOT NULL
), open AS (
 SELECT p.attachment_uid, coalesce(b.room, %(each)s) AS room FROM pending p
 LEFT JOIN unnest(%(uids)s::text[], %(rooms)s::int[]) AS b(uid, room) ON b.uid = p.attachment_uid
 LEFT JOIN attachments a ON a.uid = p.attachment_uid
 WHERE p.attachment_uid IS NOT NULL AND coalesce(b.room, %(each)s) > 0
  AND (a.config @> '{"suspend": true}') IS NOT TRUE
), due AS MATERIALIZED (
 SELECT d.id, d.next_try, d.namespace, row_number() OVER (PARTITION BY d.namespace ORDER BY d.next_try, d.id) AS place
 FROM open CROSS JOIN LATERAL (SELECT x.id, x.namespace, x.next_try FROM deliveries x
  WHERE x.state = 'pending' AND x.attachment_uid = open.attachment_uid AND x.next_try <= now()
   AND (x.leased_until IS NULL OR x.leased_until <= now())
  ORDER BY x.next_try LIMIT open.room) AS d
), chosen AS (
 SELECT due.id FROM due
 LEFT JOIN unnest(%(namespaces)s::text[], %(places)s::int[]) AS n(namespace, room) ON n.namespace = due.namespace
 WHERE due.place <= coalesce(n.room, %(namespace)s) ORDER BY due.next_try, due.id LIMIT %(total)s
), held AS (
 SELECT d.id FROM deliveries d JOIN chosen USING (id)
 WHERE d.state = 'pending' AND d.next_try <= now() AND (d.leased_until IS NULL OR d.leased_until <= now())
 FOR UPDATE OF d SKIP LOCKED
), taken AS (
 UPDATE deliveries d SET leased_until = now() + make_interval(secs => %(seconds)s), attempts = attempts + 1
 FROM held WHERE d.id = held.id RETURNING d.*
) SELECT taken.id, taken.run_id, taken.attachment_uid, taken.attachment, taken.namespace, taken.attempts,
  coalesce(a.type, taken.type) AS type, coalesce(a.config, taken.config) AS config, payloads.content
 FROM taken JOIN payloads ON payloads.run_id = taken.run_id AND payloads.digest = taken.payload_digest
 LEFT JOIN attachments a ON a.namespace = taken.namespace AND a.name = taken.attachment AND a.uid = taken.attachment_uid
 ORDER BY taken.next_try, taken.id
"""
# What arrived has arrived, whatever the ledger thought before; what failed leaves a settled delivery as it is.
_MARK = (
    "WITH i AS (SELECT * FROM unnest(%(id)b::uuid[], %(state)s::text[], %(error)s::text[], %(next)s::timestamptz[],"
    "  %(at)s::timestamptz[]) AS i(id, state, error, next_try, at)"
    "), marked AS (UPDATE deliveries d SET state = i.state, last_error = i.error, next_try = i.next_try,"
    "  leased_until = NULL, changed_at = coalesce(i.at, now()) FROM i"
    "  WHERE d.id = i.id AND (d.state = 'pending' OR (i.state = 'delivered' AND d.state <> 'delivered'))"
    "  RETURNING d.run_id"
    ") SELECT d.id, d.run_id, d.run_id IN (SELECT run_id FROM marked) AS changed FROM deliveries d JOIN i USING (id)"
)

# Settled ones are counted by triggers: history is never read to count it. One statement is one moment.
_SETTLED = (
    "coalesce((SELECT number FROM delivery_counts c WHERE c.attachment_uid = :attachment AND c.state = '{0}'), 0)"
    " + coalesce((SELECT sum(number)::bigint FROM delivery_changes c"
    "  WHERE c.attachment_uid = :attachment AND c.state = '{0}'), 0) AS {0}"
)
_COUNTS = sa.text(
    "SELECT (SELECT count(*) FROM deliveries"  # noqa: S608 - constants only
    "  WHERE attachment_uid = :attachment AND state = 'pending') AS pending,"
    f" {_SETTLED.format('delivered')}, {_SETTLED.format('failed')},"
    " coalesce((SELECT last_error FROM deliveries WHERE attachment_uid = :attachment AND attempts > 0"
    "  ORDER BY changed_at DESC LIMIT 1), '') AS last_error"
)
# Only this writes `delivery_counts`, in one order, so two never wait in a circle.
_FOLD = sa.text(
    "WITH taken AS (SELECT id FROM delivery_changes ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED"
    "), gone AS (DELETE FROM delivery_changes c USING taken WHERE c.id = taken.id RETURNING c.*"
    "), folded AS (INSERT INTO delivery_counts AS counted (attachment_uid, state, number)"
    "  SELECT attachment_uid, state, sum(number) FROM gone GROUP BY 1, 2 ORDER BY 1, 2"
    "  ON CONFLICT (attachment_uid, state) DO UPDATE SET number = counted.number + excluded.number"
    ") SELECT count(*) FROM gone"
)


@dataclass(frozen=True, slots=True)
class _Mark:
    """What became of one delivery."""

    id: uuid.UUID
    state: str
    error: str = ""
    next_try: datetime | None = None
    at: datetime | None = None


class Deliveries:
    """The ledger over one database; marks that come at the same time share a transaction. Close it before its loop."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened
        self._marks: groupcommit.GroupCommit[_Mark, None] = groupcommit.GroupCommit(
            self._write, lambda _: 0, groupcommit.Limits(committers=1)
        )

    async def close(self) -> None:
        """Write the marks that wait."""
        await self._marks.close()

    async def lease(self, capacity: deliverybounds.Capacity, seconds: int) -> Sequence[deliveries.Delivery]:
        """Take due deliveries; each is ours for `seconds`. `attempts` counts this one; `secret` is the worker's job."""
        asked = {
            "total": capacity.total,
            "each": capacity.attachment,
            "uids": list(capacity.attachments),
            "rooms": list(capacity.attachments.values()),
            "namespace": capacity.namespace,
            "namespaces": list(capacity.namespaces),
            "places": list(capacity.namespaces.values()),
            "seconds": seconds,
        }
        async with self._database.statements() as connection:
            taken = (await connection.exec_driver_sql(_LEASE, asked)).all()
        return tuple(map(_delivery, taken))

    async def delivered(self, delivery_id: uuid.UUID, at: datetime) -> None:
        """It arrived. True whatever the ledger thought before: a receipt is a fact."""
        await self._marks.submit(_Mark(delivery_id, deliveries.DeliveryState.DELIVERED.value, at=at))

    async def failed(self, delivery_id: uuid.UUID, error: str, *, next_try: datetime | None) -> None:
        """It did not arrive: tried again at `next_try`, or given up (None). A settled delivery stays settled."""
        state = deliveries.DeliveryState.FAILED.value if next_try is None else _PENDING
        text = error.replace("\0", "")[:_ERROR_LENGTH]
        await self._marks.submit(_Mark(delivery_id, state, text, next_try))

    async def counts(self, attachment_uid: str) -> tuple[int, int, int, str]:
        """(pending, delivered, failed, last error) of one attachment; "" where its newest change was no error."""
        async with self._database.statements() as connection:
            found = (await connection.execute(_COUNTS, {"attachment": attachment_uid})).one()
        return found.pending, found.delivered, found.failed, found.last_error

    async def fold(self, limit: int = 10_000) -> int:
        """Add appended changes of counts to the counts; returns how many there were. Any number may do so at once."""
        async with self._database.transaction() as connection:
            return int((await connection.execute(_FOLD, {"limit": limit})).scalar_one())

    async def _write(self, batch: Sequence[_Mark]) -> Sequence[errors.AvouchError | None]:
        """Make the changes and show them in the runs' documents."""
        rows = {
            "id": [mark.id for mark in batch],
            "state": [mark.state for mark in batch],
            "error": [mark.error for mark in batch],
            "next": [mark.next_try for mark in batch],
            "at": [mark.at for mark in batch],
        }
        async with self._database.transaction() as connection:
            found = (await connection.exec_driver_sql(_MARK, rows)).all()
            await versions.stamp_all(connection, [row.run_id for row in found if row.changed])
        known = {row.id for row in found}
        return [None if mark.id in known else errors.NotFound(f"no delivery {mark.id}") for mark in batch]


def _delivery(row: "sa.Row[Any]") -> deliveries.Delivery:
    return deliveries.Delivery(
        id=row.id,
        run_id=row.run_id,
        attachment_uid=row.attachment_uid,
        attachment=row.attachment,
        namespace=row.namespace,
        type=row.type,
        config=row.config,
        payload=row.content,
        attempts=row.attempts,
    )
