"""Small artifacts as rows. Implements `controlplane.ports.Blobs`; Chainloop's inline backend has the same limit."""

from collections.abc import AsyncIterator

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from avouch import digests, errors
from avouch.store import database, tables

LIMIT = 500 * 1024  # bytes


class Inline:
    """Content of at most 500 KB, in PostgreSQL."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened

    async def put(
        self, content: AsyncIterator[bytes], *, expected: digests.Digest | None, limit: int
    ) -> tuple[digests.Digest, int]:
        """Keep content; the row exists only when its digest was right."""
        intake = digests.Intake(min(limit, LIMIT))
        pieces = []
        async for piece in content:
            intake.update(piece)
            pieces.append(piece)
        digest = intake.settle(expected)
        new = insert(tables.blobs).values(digest=str(digest), content=b"".join(pieces)).on_conflict_do_nothing()
        async with self._database.transaction() as connection:
            await connection.execute(new)
        return digest, intake.size

    async def get(self, digest: digests.Digest) -> AsyncIterator[bytes]:
        """The content, re-hashed."""
        query = sa.select(tables.blobs.c.content).where(tables.blobs.c.digest == str(digest))
        async with self._database.transaction() as connection:
            content = (await connection.execute(query)).scalar()
        if content is None:
            raise errors.NotFound(f"no content {digest}")
        if digests.of_bytes(content) != digest:
            raise errors.Corrupt(f"stored content no longer matches {digest}")
        yield content

    async def has(self, digest: digests.Digest) -> bool:
        """Whether the content is stored."""
        query = sa.select(sa.exists().where(tables.blobs.c.digest == str(digest)))
        async with self._database.transaction() as connection:
            return bool((await connection.execute(query)).scalar())
