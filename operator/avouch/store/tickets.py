"""Tickets for downloads. Implements `ingest.aggregated.tickets.Store`."""

import uuid
from datetime import datetime

import sqlalchemy as sa

from avouch import digests
from avouch.store import database, tables


class Tickets:
    """Over one database. Expired ones go with the next one that is given out."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def issue(self, ticket: bytes, run_id: str, artifact: digests.Digest, expires_at: datetime) -> None:
        """Keep the sha256 of a ticket."""
        table = tables.tickets
        row = {"digest": ticket, "run_id": uuid.UUID(run_id), "artifact": str(artifact), "expires_at": expires_at}
        async with self._database.transaction() as connection:
            await connection.execute(sa.delete(table).where(table.c.expires_at < sa.func.now()))
            await connection.execute(sa.insert(table).values(**row))

    async def take(self, ticket: bytes, artifact: digests.Digest, now: datetime) -> str | None:
        """Use a ticket up: of two at the same time one gets it."""
        table, runs = tables.tickets, tables.runs
        mine = sa.and_(table.c.digest == ticket, table.c.artifact == str(artifact), runs.c.id == table.c.run_id)
        used = sa.delete(table).where(mine).returning(table.c.expires_at, runs.c.namespace_uid)
        async with self._database.transaction() as connection:
            row = (await connection.execute(used)).first()
        return str(row.namespace_uid) if row is not None and row.expires_at > now else None
