"""API tokens, without their texts. Implements `controlplane.model.identities.Tokens`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from avouch.controlplane.model import identities
from avouch.store import database, fencing, namespaces, tables

_OFTEN = timedelta(hours=1)  # between two writes of one token's last use
_LISTED = 100  # newest tokens of one object: more than a rotation can leave alive


class Tokens:
    """Tokens over one database; every write but `used` is fenced."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def find(self, token_id: str) -> identities.TokenRecord | None:
        """One token; None also for one of a namespace that was deleted and made anew."""
        stored, known = tables.tokens, tables.namespaces
        present = sa.and_(known.c.name == stored.c.namespace, known.c.uid == stored.c.namespace_uid)
        query = sa.select(stored).join(known, present).where(stored.c.id == token_id)
        async with self._database.statements() as connection:
            row = (await connection.execute(query)).first()
        return _token(row) if row is not None else None

    async def of_name(self, namespace: str, name: str) -> Sequence[identities.TokenRecord]:
        """The newest tokens of every APIToken object that had this name, newest first."""
        stored = tables.tokens
        query = (
            sa.select(stored)
            .where(stored.c.namespace == namespace, stored.c.name == name)
            .order_by(stored.c.created_at.desc(), stored.c.id)
            .limit(_LISTED)
        )
        async with self._database.transaction() as connection:
            return tuple(map(_token, (await connection.execute(query)).all()))

    async def record(self, token: identities.TokenRecord, *, epoch: int) -> None:
        """Store a new token. Earlier ones that never reached the Secret, because of a crash, are deleted."""
        stored = tables.tokens
        lost = sa.and_(stored.c.uid == token.uid, stored.c.delivered_at.is_(None))
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            await namespaces.remember(connection, token.namespace, token.namespace_uid)
            await connection.execute(sa.delete(stored).where(lost))
            await connection.execute(sa.insert(stored).values(**asdict(token)))

    async def delivered(self, token_id: str, at: datetime, *, epoch: int) -> None:
        """Record that its Secret holds the token."""
        await self._change({"delivered_at": at}, tables.tokens.c.id == token_id, epoch)

    async def expire(self, token_id: str, at: datetime | None, *, epoch: int) -> None:
        """Set when the token expires; None: never."""
        await self._change({"expires_at": at}, tables.tokens.c.id == token_id, epoch)

    async def revoke(self, uid: str, at: datetime, because: str, *, epoch: int) -> int:
        """Revoke every token of an APIToken object. Returns how many were not revoked before."""
        stored = tables.tokens
        mine = sa.and_(stored.c.uid == uid, stored.c.revoked_at.is_(None))
        return await self._change({"revoked_at": at, "revoked_because": because}, mine, epoch)

    async def used(self, token_id: str, at: datetime) -> None:
        """It was used; written at most once an hour, so most calls change nothing."""
        stored = tables.tokens
        long_ago = sa.or_(stored.c.last_used_at.is_(None), stored.c.last_used_at <= at - _OFTEN)
        async with self._database.statements() as connection:
            await connection.execute(sa.update(stored).where(stored.c.id == token_id, long_ago).values(last_used_at=at))

    async def keys(self) -> Sequence[tuple[str, str, str]]:
        """(namespace, name, uid) of every APIToken object with a token that is not revoked."""
        stored = tables.tokens.c
        query = sa.select(stored.namespace, stored.name, stored.uid).where(stored.revoked_at.is_(None)).distinct()
        async with self._database.transaction() as connection:
            return [(row.namespace, row.name, row.uid) for row in (await connection.execute(query)).all()]

    async def _change(self, change: dict[str, Any], which: "sa.ColumnElement[bool]", epoch: int) -> int:
        async with self._database.transaction() as connection:
            await fencing.fence(connection, epoch)
            done = await connection.execute(sa.update(tables.tokens).where(which).values(**change))
        return int(done.rowcount)


def _token(row: "sa.Row[Any]") -> identities.TokenRecord:
    return identities.TokenRecord(**row._mapping)
