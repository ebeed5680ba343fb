"""Looking at a document: are its bytes stored, and are they what the contract calls them."""

import asyncio
import contextlib
from dataclasses import dataclass, field

from avouch import digests, errors
from avouch.controlplane.model import artifacts
from avouch.materials import types as material_types
from avouch.materials import validation
from avouch.materials.readers import document

_LARGE = 4 * 1024 * 1024  # bytes: larger documents are looked at one by one, each takes up to twelve times its size


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Implements `artifacts.Artifacts` over content-addressed bytes."""

    blobs: artifacts.Content
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1), compare=False)

    async def check(
        self, digest: digests.Digest, type_: str, size: int | None, *, namespace_uid: str = ""
    ) -> artifacts.Checked:
        """What the bytes show. Only what a reader looks at is kept in memory, and nothing is read beyond the limit.

        Raises:
            Unavailable: the store cannot answer now.
        """
        kind = material_types.of(type_)
        content = bytearray()
        size = 0
        try:
            async for piece in self.blobs.get(digest, namespace_uid=namespace_uid):
                size += len(piece)
                if size > kind.limit:
                    return _checked(validation.oversized(kind))
                if size <= kind.readable:
                    content += piece
        except errors.NotFound:
            return artifacts.Checked(False)
        except errors.Corrupt as exc:
            return artifacts.Checked(True, str(exc), "deliver it again: the stored copy is damaged")
        if size > kind.readable:
            return artifacts.Checked(True)
        whole = bytes(content)
        del content  # not two copies while it is read
        return await self._look(whole, type_)

    async def read(self, content: bytes, type_: str) -> artifacts.Checked:
        """The same for bytes that the attestation itself holds."""
        kind = material_types.of(type_)
        return _checked(validation.oversized(kind)) if len(content) > kind.limit else await self._look(content, type_)

    async def _look(self, content: bytes, type_: str) -> artifacts.Checked:
        # Parsing is CPU: other runs go on meanwhile. It holds the interpreter, so taking turns costs no time.
        async with self.turns if len(content) > _LARGE else contextlib.nullcontext():
            return _checked(await asyncio.to_thread(validation.read, type_, content))


def _checked(found: document.Document) -> artifacts.Checked:
    problem = "; ".join(flaw.message for flaw in found.flaws)
    return artifacts.Checked(True, problem, found.flaws[0].fix if found.flaws else "", found.annotations)
