"""The fan-out ledger. Implements `controlplane.model.deliveries.Deliveries`.

A lease is a column, not an open transaction: nothing is held in the database while an integration takes its time. A
worker that dies leaves a lease that runs out; the next one sends again under the same delivery id.

Where to send is read from the attachment as it stands at each try, so a corrected URL reaches what already waits. While
an attachment (or its Integration) is suspended, its deliveries are not leased: they wait, and no try is counted. Only
where the attachment is gone does the configuration of the verdict's moment hold.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors
from avouch.controlplane.model import deliveries
from avouch.store import database, jobs, tables, versions

_ERROR_LENGTH = 1024  # an integration's answer must not fill our rows
_PENDING = deliveries.DeliveryState.PENDING.value
# Times are compared by the database's clock only, so workers need not agree on theirs.
_LEASE = sa.text(
    "WITH due AS ("
    " SELECT id FROM deliveries waiting WHERE state = 'pending' AND next_try <= now()"
    "  AND (leased_until IS NULL OR leased_until <= now())"
    "  AND NOT EXISTS (SELECT FROM attachments a WHERE a.namespace = waiting.namespace"
    "   AND a.name = waiting.attachment AND a.uid = waiting.attachment_uid AND a.config @> '{\"suspend\": true}')"
    " ORDER BY next_try LIMIT :limit FOR UPDATE SKIP LOCKED"
    "), taken AS ("
    " UPDATE deliveries d SET leased_until = now() + make_interval(secs => :seconds), attempts = attempts + 1"
    " FROM due WHERE d.id = due.id RETURNING d.*"
    ") SELECT taken.id, taken.run_id, taken.attachment_uid, taken.attachment, taken.namespace, taken.attempts,"
    "  coalesce(a.type, taken.type) AS type, coalesce(a.config, taken.config) AS config, payloads.content"
    " FROM taken JOIN payloads ON payloads.run_id = taken.run_id AND payloads.digest = taken.payload_digest"
    " LEFT JOIN attachments a ON a.namespace = taken.namespace AND a.name = taken.attachment"
    "  AND a.uid = taken.attachment_uid"
    " ORDER BY taken.next_try, taken.id"
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


class Deliveries:
    """The ledger over one database."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def lease(self, limit: int, seconds: int) -> Sequence[deliveries.Delivery]:
        """Take due deliveries; each is ours for `seconds`. `attempts` counts this one; `secret` is the worker's job."""
        async with self._database.transaction() as connection:
            taken = (await connection.execute(_LEASE, {"limit": limit, "seconds": seconds})).all()
        return tuple(map(_delivery, taken))

    async def delivered(self, delivery_id: uuid.UUID, at: datetime) -> None:
        """It arrived. True whatever the ledger thought before: a receipt is a fact."""
        ledger = tables.deliveries
        arrived = sa.update(ledger).where(ledger.c.id == delivery_id, ledger.c.state != "delivered").values(
            state="delivered", last_error="", next_try=None, leased_until=None, changed_at=at
        )  # fmt: skip
        async with self._database.transaction() as connection:
            await _settle(connection, delivery_id, arrived)

    async def failed(self, delivery_id: uuid.UUID, error: str, *, next_try: datetime | None) -> None:
        """It did not arrive: tried again at `next_try`, or given up (None). A settled delivery stays settled."""
        ledger = tables.deliveries
        state = deliveries.DeliveryState.FAILED.value if next_try is None else _PENDING
        again = sa.update(ledger).where(ledger.c.id == delivery_id, ledger.c.state == _PENDING).values(
            state=state, last_error=error.replace("\0", "")[:_ERROR_LENGTH], next_try=next_try, leased_until=None,
            changed_at=sa.func.now(),
        )  # fmt: skip
        async with self._database.transaction() as connection:
            changed = await _settle(connection, delivery_id, again)
            if changed and next_try is not None:
                await jobs.deliver(connection, delivery_id, next_try)

    async def counts(self, attachment_uid: str) -> tuple[int, int, int, str]:
        """(pending, delivered, failed, last error) of one attachment; "" where its newest change was no error."""
        async with self._database.statements() as connection:
            found = (await connection.execute(_COUNTS, {"attachment": attachment_uid})).one()
        return found.pending, found.delivered, found.failed, found.last_error

    async def fold(self, limit: int = 10_000) -> int:
        """Add appended changes of counts to the counts; returns how many there were. Any number may do so at once."""
        async with self._database.transaction() as connection:
            return int((await connection.execute(_FOLD, {"limit": limit})).scalar_one())


async def _settle(connection: AsyncConnection, delivery_id: uuid.UUID, change: sa.Update) -> bool:
    """Make the change and show it in the run's document. Raises errors.NotFound."""
    ledger = tables.deliveries.c
    run_id = (await connection.execute(sa.select(ledger.run_id).where(ledger.id == delivery_id))).scalar()
    if run_id is None:
        raise errors.NotFound(f"no delivery {delivery_id}")
    changed = (await connection.execute(change)).rowcount > 0
    if changed:
        await versions.stamp(connection, run_id)
    return changed


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
