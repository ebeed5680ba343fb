"""How the worker reads artifacts: the shortest way to the bytes of each."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from avouch import digests, errors
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
        if self.rows is not None:
            lying = await self.map.where(digest, namespace_uid)
            if artifact_model.BUILT_IN in lying.backends or not lying.known:
                async for piece in self._row(self.rows, digest, lying.known):
                    yield piece
                return
        async for piece in self.server.get(digest, namespace_uid=namespace_uid):
            yield piece

    async def _row(self, rows: inline.Inline, digest: digests.Digest, known: bool) -> AsyncIterator[bytes]:
        """As the server does where it reads: a damaged copy, or one that is gone, is marked: it is asked for again."""
        try:
            async for piece in rows.get(digest):
                yield piece
        except (errors.Corrupt, errors.NotFound) as exc:
            if known or isinstance(exc, errors.Corrupt):  # what never lay there is not gone
                await self.map.damaged(digest, artifact_model.BUILT_IN)
            raise
