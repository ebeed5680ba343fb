"""Uploads in parts, so that one that broke off goes on with the part it was at.

Each part is content of its own: stored by its digest, of no run, and garbage after the grace. Joining them is one more
upload, from our own store, with the digest of the whole checked like any other's. So nothing is kept between requests
but content, and any replica can go on.
"""

from collections.abc import AsyncIterator, Sequence

from avouch import digests, errors
from avouch.controlplane.model import artifacts

LARGEST = 64 * 1024 * 1024  # bytes of one part
MOST = 4096  # parts of one upload


async def joined(
    blobs: artifacts.ArtifactStore, parts: Sequence[digests.Digest], namespace_uid: str
) -> AsyncIterator[bytes]:
    """The bytes of all parts, one after the other.

    Raises:
        Conflict: a part is not there (any more).
    """
    for part in parts:
        try:
            async for piece in blobs.get(part, namespace_uid=namespace_uid):
                yield piece
        except errors.NotFound as exc:
            raise errors.Conflict(f"part {part} is not stored: upload it, then join the parts again") from exc
