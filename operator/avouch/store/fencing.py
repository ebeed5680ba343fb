"""Fencing: a controller that lost its Lease can no longer write.

The epoch is the Lease's `leaseTransitions`. Each write checks it inside its own transaction and holds the row shared
until COMMIT, so a newer controller's first write waits for writes under way and every later older one is refused.
"""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors
from avouch.store import tables


async def fence(connection: AsyncConnection, epoch: int) -> None:
    """Refuse a write whose Lease epoch is not the newest.

    Raises:
        errors.Conflict: a newer one has written.
    """
    leases = tables.leases
    # Two statements on purpose: raising the epoch after holding the row shared could deadlock with a twin.
    await connection.execute(sa.update(leases).where(leases.c.epoch < epoch).values(epoch=epoch))
    newest = (await connection.execute(sa.select(leases.c.epoch).with_for_update(read=True))).scalar_one()
    if newest > epoch:
        raise errors.Conflict(
            f"this controller's Lease epoch {epoch} has ended: a controller of epoch {newest} has written"
        )
