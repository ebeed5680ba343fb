"""Signatures that lie beside an image: found, never verified.

1. Cosign's tag `sha256-<hex>.sig` in the image's repository.
2. The referrers API (distribution-spec 1.1), cosign's and Notary's artifact types; where a registry has no such API,
   the index under the tag `sha256-<hex>`, as the specification has it.
1 comes before 2, and cosign before Notary, so that the same registry gives the same answer.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any

from avouch import digests, errors
from avouch.materials import images
from avouch.oci import client, references
from avouch.registry import manifests

_TYPES = {
    "application/vnd.dev.cosign.simplesigning.v1+json": images.COSIGN,
    "application/vnd.dev.cosign.artifact.sig.v1+json": images.COSIGN,
    "application/vnd.cncf.notary.signature": images.NOTARY,
}
_BUNDLE = "application/vnd.dev.sigstore.bundle."
_PREDICATE = "dev.sigstore.bundle.predicateType"
_SIGNED = "https://sigstore.dev/cosign/sign/v1"  # other bundles are attestations, which sign something else
_MOST = 1000  # referrers that are looked at
_PAGES = 10  # of their list
_WITHOUT_API = frozenset({400, 404, 405})  # answers of registries that know no such thing
_NEXT = re.compile(r'<([^<>]{1,2048})>\s*;\s*rel="next"')


async def find(session: client.Client, image: references.Reference) -> images.Signature | None:
    """A signature of an image that is named by its digest; None where it has none.

    Raises:
        Denied, Unavailable, TooLarge, Corrupt, Invalid: none was found, and not everywhere could be looked: the
            registry could not be asked, or answered nonsense.
    """
    answers = await asyncio.gather(_by_tag(session, image), _by_referrer(session, image), return_exceptions=True)
    found = next((each for each in answers if isinstance(each, images.Signature)), None)
    failed = next((each for each in answers if isinstance(each, BaseException)), None)
    if found is None and failed is not None:
        raise failed
    return found


def signs(entry: Mapping[str, Any]) -> str:
    """Whose signature a descriptor is: cosign, notary, or empty."""
    kind = manifests.text(entry, "artifactType")
    if kind.startswith(_BUNDLE):
        said = manifests.text(manifests.mapping(entry.get("annotations")), _PREDICATE)
        return images.COSIGN if said == _SIGNED else ""
    return _TYPES.get(kind, "")


def tag_of(digest: digests.Digest) -> str:
    """Cosign's tag for signatures of a digest."""
    return f"sha256-{digest.hex}.sig"


async def _by_tag(session: client.Client, image: references.Reference) -> images.Signature | None:
    if image.digest is None:
        return None
    try:
        found = await manifests.get(session, image.tagged(tag_of(image.digest)))
    except errors.NotFound:
        return None
    return images.Signature(found.digest, images.COSIGN, found.content)


async def _by_referrer(session: client.Client, image: references.Reference) -> images.Signature | None:
    for digest, provider in _candidates(await _referrers(session, image)):
        try:
            found = await manifests.get(session, image.pinned(digest))
        except errors.NotFound:
            continue  # the list outlived what it lists
        if found.subject in ("", str(image.digest)):
            return images.Signature(found.digest, provider, found.content)
    return None


def _candidates(entries: Iterable[Mapping[str, Any]]) -> list[tuple[digests.Digest, str]]:
    found = []
    for entry in entries:
        provider = signs(entry)
        if provider:
            found.append((digests.Digest.parse(manifests.text(entry, "digest")), provider))
    return sorted(found, key=lambda each: each[1])[:10]  # cosign, then notary; the order of the list otherwise


async def _referrers(session: client.Client, image: references.Reference) -> list[Mapping[str, Any]]:
    """Descriptors of what refers to the image, by the API or by the tag that stands in for it."""
    found: list[Mapping[str, Any]] = []
    target = f"{image.repository}/referrers/{image.digest}"
    for _ in range(_PAGES):
        answer = await session.send(client.Call("GET", target, image.repository))
        if answer.status in _WITHOUT_API and not found:
            return await _by_standing_tag(session, image)
        client.expect(answer, 200, what=f"list of referrers of {image}")
        found += manifests.read(answer.body, "", f"list of referrers of {image}").entries
        following = _NEXT.search(answer.headers.get("link", "")[:16_384])
        if following is None or len(found) >= _MOST:
            break
        target = following[1]
    return found[:_MOST]


async def _by_standing_tag(session: client.Client, image: references.Reference) -> list[Mapping[str, Any]]:
    if image.digest is None:
        return []
    try:
        return (await manifests.get(session, image.tagged(f"sha256-{image.digest.hex}"))).entries[:_MOST]
    except errors.NotFound:
        return []
