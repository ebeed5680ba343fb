"""How the worker reads artifacts: the shortest way to the bytes of each."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from avouch import digests
from avouch.cas import remote
from avouch.controlplane.model import artifacts as artifact_model
from avouch.store import inline


@dataclass(frozen=True, slots=True)
class NearestContent:
    """Implements `artifacts.Content`: small artifacts straight from the database, all others through the server."""

    map: artifact_model.Map
    server: remote.Remote
    rows: inline.Inline | None = None  # where the install's own store is the database

    async def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        """Content in pieces. Raises errors.NotFound, errors.Corrupt or errors.Unavailable."""
        pieces = self.server.get(digest, namespace_uid=namespace_uid)
        if self.rows is not None:
            lying, known = await self.map.where(digest, namespace_uid)
            if artifact_model.BUILT_IN in lying or not known:
                pieces = self.rows.get(digest)
        async for piece in pieces:
            yield piece
