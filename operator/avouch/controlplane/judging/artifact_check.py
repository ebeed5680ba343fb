"""Looking at a document: are its bytes stored, and are they what the contract calls them."""

from dataclasses import dataclass

from avouch import digests, errors
from avouch.controlplane.model import artifacts
from avouch.materials import types as material_types
from avouch.materials import validation
from avouch.materials.readers import document


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Implements `artifacts.Artifacts` over content-addressed bytes."""

    blobs: artifacts.Content
    reader: artifacts.Reader

    async def check(
        self,
        digest: digests.Digest,
        type_: str,
        *,
        namespace_uid: str = "",
        allowance: artifacts.Allowance | None = None,
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
        return await self.read(whole, type_, namespace_uid=namespace_uid, allowance=allowance)

    async def read(
        self,
        content: bytes,
        type_: str,
        *,
        namespace_uid: str = "",
        allowance: artifacts.Allowance | None = None,
    ) -> artifacts.Checked:
        """The same for bytes that the attestation itself holds."""
        kind = material_types.of(type_)
        if len(content) > kind.limit:
            return _checked(validation.oversized(kind))
        left = allowance or artifacts.Allowance()
        return _checked(await self.reader.read(type_, content, namespace_uid=namespace_uid, allowance=left))


def _checked(found: document.Document) -> artifacts.Checked:
    return artifacts.Checked(
        True,
        "; ".join(flaw.message for flaw in found.flaws),
        found.flaws[0].fix if found.flaws else "",
        found.annotations,
        exhausting=any(flaw.code == validation.EXHAUSTING for flaw in found.flaws),
    )
