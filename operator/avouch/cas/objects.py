"""Artifacts in an object store, through obstore. Implements `controlplane.ports.Blobs`.

A multipart upload is invisible until it is completed, and obstore aborts it where the content's iterator raises: so the
digest and the limit are checked inside the iterator, before its end, and nothing wrong is ever kept.
"""

import uuid
from collections.abc import AsyncIterator

import obstore
from obstore import exceptions
from obstore.store import ObjectStore

from avouch import digests, errors

_PART = 8 * 1024 * 1024  # bytes; S3 takes 10,000 parts of at least 5 MiB
_IN_FLIGHT = 2  # parts held in memory per upload


class Objects:
    """One bucket or container, below an optional prefix."""

    def __init__(self, store: ObjectStore, *, prefix: str = "") -> None:
        self._store = store
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    async def put(
        self, content: AsyncIterator[bytes], *, expected: digests.Digest | None, limit: int
    ) -> tuple[digests.Digest, int]:
        """Store content under its digest; straight away where the digest was promised, else by way of another key.

        Raises:
            errors.TooLarge, errors.Invalid: nothing is kept.
            errors.Unavailable: the object store cannot answer.
        """
        intake = digests.Intake(limit)
        key = self._key(expected) if expected else f"{self._prefix}incoming/{uuid.uuid4()}"
        try:
            await obstore.put_async(
                self._store,
                key,
                _measured(content, intake, expected),
                use_multipart=True,
                chunk_size=_PART,
                max_concurrency=_IN_FLIGHT,
            )
            digest = intake.digest()
            if expected is None:
                await obstore.rename_async(self._store, key, self._key(digest))
        except exceptions.BaseError as exc:
            raise errors.Unavailable(f"the object store refuses to write: {type(exc).__name__}") from exc
        return digest, intake.size

    async def get(self, digest: digests.Digest) -> AsyncIterator[bytes]:
        """Content in pieces, re-hashed."""
        try:
            found = await obstore.get_async(self._store, self._key(digest))
            async for piece in digests.checked(_pieces(found.stream(min_chunk_size=digests.CHUNK)), digest):
                yield piece
        except FileNotFoundError as exc:
            raise errors.NotFound(f"no content {digest}") from exc
        except exceptions.BaseError as exc:
            raise errors.Unavailable(f"the object store refuses to read: {type(exc).__name__}") from exc

    async def has(self, digest: digests.Digest) -> bool:
        """Whether the content is stored."""
        try:
            await obstore.head_async(self._store, self._key(digest))
        except FileNotFoundError:
            return False
        except exceptions.BaseError as exc:
            raise errors.Unavailable(f"the object store refuses to answer: {type(exc).__name__}") from exc
        return True

    def _key(self, digest: digests.Digest) -> str:
        return f"{self._prefix}sha256/{digest.hex[:2]}/{digest.hex}"


async def _measured(
    content: AsyncIterator[bytes], intake: digests.Intake, expected: digests.Digest | None
) -> AsyncIterator[bytes]:
    async for piece in content:
        intake.update(piece)
        yield piece
    intake.settle(expected)


async def _pieces(stream: "obstore.BytesStream") -> AsyncIterator[bytes]:
    async for piece in stream:
        yield bytes(piece)
