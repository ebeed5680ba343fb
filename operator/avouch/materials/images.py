"""Facts about a container image or chart, looked up in its registry."""

import base64
from dataclasses import dataclass, field

from avouch import digests
from avouch.materials import types as material_types

HELM = "application/vnd.cncf.helm.config.v1+json"
COSIGN = "cosign"
NOTARY = "notary"
RECORDED = 256 * 1024  # bytes of a signature's manifest that go into a statement; usual ones have about 5 KiB


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that is stored with the image. It was found, not verified; policies decide about signers."""

    digest: digests.Digest  # of its manifest
    provider: str  # cosign or notary
    manifest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Image:
    """An image by its digest.

    Attributes:
        name: repository with its registry, or `oci-layout:<name>` of a directory.
        digest: of its manifest or index.
        tag: empty where it was named by a digest.
        latest: its tag is `latest`, or `latest` is the same image now.
        signature: one of its signatures, None where none was found.
        notes: lookups that failed, for people.
    """

    name: str
    digest: digests.Digest
    tag: str = ""
    latest: bool = False
    signature: Signature | None = None
    notes: tuple[str, ...] = ()

    def extracted(self) -> dict[str, object]:
        """Annotations of the material beyond those of tag and latest; of a huge signature only its digest."""
        if self.signature is None:
            return {}
        prefix = f"{material_types.PREFIX}signature"
        short = len(self.signature.manifest) <= RECORDED
        return {
            **({prefix: base64.b64encode(self.signature.manifest).decode("ascii")} if short else {}),
            f"{prefix}.digest": str(self.signature.digest),
            f"{prefix}.provider": self.signature.provider,
        }
