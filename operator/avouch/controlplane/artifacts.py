"""Looking at a document: are its bytes stored, and are they what the contract calls them."""

import asyncio
from dataclasses import dataclass

from avouch import digests, errors
from avouch.contract import documents, materials
from avouch.controlplane import ports, weighing


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Implements `ports.Artifacts` over content-addressed bytes."""

    blobs: ports.Content

    async def check(self, digest: digests.Digest, type_: str, size: int | None) -> weighing.Checked:
        """What the bytes show. A document over its type's limit is a flaw and is not read to its end.

        Raises:
            Unavailable: the store cannot answer now.
        """
        limit = materials.of(type_).limit
        content = bytearray()
        try:
            async for piece in self.blobs.get(digest):
                content += piece
                if len(content) > limit:
                    return weighing.Checked(True, f"larger than {limit} bytes, the limit of {type_}", "deliver less")
        except errors.NotFound:
            return weighing.Checked(False)
        except errors.Corrupt as exc:
            return weighing.Checked(True, str(exc), "deliver it again: the stored copy is damaged")
        # Parsing is CPU: other runs go on meanwhile.
        document = await asyncio.to_thread(documents.read, type_, bytes(content))
        problem = "; ".join(flaw.message for flaw in document.flaws)
        return weighing.Checked(True, problem, document.flaws[0].fix if document.flaws else "", document.annotations)
