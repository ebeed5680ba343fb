"""The content of an artifact of one layer, such as a policy, by the digest of its manifest, which names the layer."""

from avouch import digests, errors
from avouch.oci import client, references
from avouch.registry import manifests

_FIX = "push the file alone, as oras push does"


async def content(text: str, options: client.Options, limit: int) -> bytes:
    """The bytes of the one layer of an artifact, without credentials.

    Args:
        text: `registry/repository@sha256:...`.
        options: how to reach its registry.
        limit: bytes that it may have.

    Raises:
        errors.Invalid: no such reference, or an artifact that has not one layer of at most so many bytes.
        errors.NotFound, errors.Denied, errors.Unavailable: as the registry answers.
        errors.Corrupt: the registry gives other bytes than the digests say.
    """
    reference = references.parse(text)
    if reference.digest is None:
        raise errors.Invalid(f"{text[:200]} has no digest", fix="write @sha256: and the digest of its manifest")
    async with client.Client(reference.registry, None, options) as session:
        layers = (await manifests.get(session, reference)).body.get("layers")
        if not isinstance(layers, list) or len(layers) != 1:
            raise errors.Invalid(f"{reference} is no artifact of one layer", fix=_FIX)
        said = manifests.text(manifests.mapping(layers[0]), "digest")
        layer = digests.Digest.parse(said)
        call = client.Call("GET", f"{reference.repository}/blobs/{layer}", reference.repository)
        answer = client.expect(await session.send(call, limit), 200, what=f"the layer of {reference}")
    if digests.of_bytes(answer.body) != layer:
        raise errors.Corrupt(f"the layer of {reference} has other bytes than its digest")
    return answer.body
