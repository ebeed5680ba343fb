"""Small artifacts as rows. Implements `controlplane.model.artifacts.BlobStore`.

Chainloop's inline backend has the same limit. The map of artifacts lies in the same database, so storing here is one
transaction (`controlplane.artifacts.routing.AtomicBlobStore`).
"""

from collections.abc import AsyncIterator

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from avouch import digests, errors
from avouch.api.casbackend import INLINE_BYTES
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import quotas
from avouch.store import artifacts, database, tables


class Inline:
    """Content of at most `INLINE_BYTES`, in PostgreSQL."""

    held = INLINE_BYTES

    def __init__(
        self,
        opened: database.Database,
        backend: str = artifact_model.BUILT_IN,
        limits: quotas.Quotas = quotas.Quotas(),  # noqa: B008 - frozen
    ) -> None:
        self._database = opened
        self._backend = backend
        self._quotas = limits

    async def put(
        self, content: AsyncIterator[bytes], *, expected: digests.Digest | None, limit: int
    ) -> tuple[digests.Digest, int]:
        """Keep content; the row exists only when its digest was right."""
        digest, whole = await _read(content, expected, limit)
        row = {"backend": self._backend, "digest": str(digest), "content": whole}
        async with self._database.statements() as connection:
            stored = insert(tables.blobs).values(**row)
            damaged = tables.blobs.c.content != whole  # a damaged copy is written anew
            await connection.execute(
                stored.on_conflict_do_update(
                    index_elements=["backend", "digest"], set_={"content": whole}, where=damaged
                )
            )
        return digest, len(whole)

    async def keep(
        self, content: AsyncIterator[bytes], *, expected: digests.Digest, limit: int, owner: artifact_model.Owner
    ) -> tuple[digests.Digest, int]:
        """As `put`, with its place on the map and its owner's reference: one statement that is its own COMMIT.

        Raises errors.Denied where the namespace's quota has no room for it.
        """
        digest, whole = await _read(content, expected, limit)
        row = {
            "backend": self._backend,
            "digest": str(digest),
            "content": whole,
            "size": len(whole),
            "namespace": owner.namespace_uid,
            "name": owner.namespace,
            "run": owner.run_id,
            "most_count": self._quotas.artifact_count,
            "most_bytes": self._quotas.artifact_bytes,
        }
        (found,) = await self._database.run(artifacts.KEEP, row)
        if not found.kept:
            raise quotas.ArtifactUse(found.number, found.bytes, found.most_count, found.most_bytes).refusal()
        return digest, len(whole)

    async def get(self, digest: digests.Digest) -> AsyncIterator[bytes]:
        """The content, re-hashed."""
        query = sa.select(tables.blobs.c.content).where(self._row(digest))
        async with self._database.statements() as connection:
            content = (await connection.execute(query)).scalar()
        if content is None:
            raise errors.NotFound(f"no content {digest}")
        if digests.of_bytes(content) != digest:
            raise errors.Corrupt(f"stored content no longer matches {digest}")
        yield content

    async def has(self, digest: digests.Digest) -> bool:
        """Whether the content is stored."""
        query = sa.select(sa.exists().where(self._row(digest)))
        async with self._database.statements() as connection:
            return bool((await connection.execute(query)).scalar())

    async def delete(self, digest: digests.Digest) -> None:
        """Remove content; what is not there is removed already."""
        async with self._database.transaction() as connection:
            await connection.execute(sa.delete(tables.blobs).where(self._row(digest)))

    def _row(self, digest: digests.Digest) -> sa.ColumnElement[bool]:
        return sa.and_(tables.blobs.c.backend == self._backend, tables.blobs.c.digest == str(digest))

    async def sweep(self) -> int:
        """Nothing to sweep: a row is there as a whole or not at all."""
        return 0

    async def close(self) -> None:
        """The database is its owner's to close."""


async def _read(
    content: AsyncIterator[bytes], expected: digests.Digest | None, limit: int
) -> tuple[digests.Digest, bytes]:
    """All of it, checked. Raises errors.TooLarge or errors.Invalid."""
    intake = digests.Intake(min(limit, INLINE_BYTES))
    pieces = []
    async for piece in content:
        intake.update(piece)
        pieces.append(piece)
    return intake.settle(expected), b"".join(pieces)
