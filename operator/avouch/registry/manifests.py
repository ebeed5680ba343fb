"""Manifests: read with their digests checked, and what little of them is looked at."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from avouch import digests, errors
from avouch.oci import client, references

_ACCEPTED = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPT = {"Accept": ", ".join(_ACCEPTED)}
_DIGEST = "docker-content-digest"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or an index: its bytes, and what they say."""

    digest: digests.Digest
    content: bytes = field(repr=False)
    body: Mapping[str, Any] = field(repr=False)

    @property
    def artifact_type(self) -> str:
        """What kind of thing it is: its artifact type, else the type of its configuration (OCI image-spec 1.1)."""
        config = self.body.get("config")
        said = self.body.get("artifactType") or (config.get("mediaType") if isinstance(config, dict) else "")
        return said if isinstance(said, str) else ""

    @property
    def subject(self) -> str:
        """Digest of what it refers to; empty where it refers to nothing."""
        return text(mapping(self.body.get("subject")), "digest")

    @property
    def entries(self) -> list[Mapping[str, Any]]:
        """Descriptors of an index."""
        found = self.body.get("manifests")
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


async def get(session: client.Client, reference: references.Reference) -> Manifest:
    """The manifest that a reference names.

    Raises:
        NotFound, Denied, Unavailable, TooLarge: as `client.expect` has it.
        Corrupt: the bytes are not those of the digest that was asked for, or that the registry names.
    """
    answer = client.expect(await session.send(_call("GET", reference)), 200, what=f"image {reference}")
    said = answer.headers.get(_DIGEST, "")
    expected = str(reference.digest) if reference.digest else said if said.startswith("sha256:") else ""
    return read(answer.body, expected, f"image {reference}")


async def digest_of(session: client.Client, reference: references.Reference) -> digests.Digest | None:
    """Which digest a tag has now, None where there is no such tag; by HEAD, which registries do not count as a pull."""
    answer = await session.send(_call("HEAD", reference))
    if answer.status == 404:
        return None
    client.expect(answer, 200, what=f"image {reference}")
    try:
        return digests.Digest.parse(answer.headers.get(_DIGEST, ""))
    except errors.Invalid:  # the header is optional
        return (await get(session, reference)).digest


def read(content: bytes, expected: str, what: str) -> Manifest:
    """A manifest from its bytes.

    Args:
        content: the bytes.
        expected: the digest that they must have; empty where none was promised.
        what: what to call it in errors.

    Raises:
        Corrupt: another digest.
        Invalid: no manifest of schema version 2.
    """
    digest = digests.of_bytes(content)
    if expected and str(digest) != expected:
        raise errors.Corrupt(f"{what}: the bytes are {digest}, not {expected}")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or body.get("schemaVersion") != 2:
        fix = "push it again with a current tool" if isinstance(body, dict) else ""
        raise errors.Invalid(f"{what} is not a manifest of schema version 2", fix=fix)
    return Manifest(digest, content, body)


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object of JSON, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(body: Mapping[str, Any], key: str) -> str:
    """A text of an object; empty where it holds none."""
    value = body.get(key)
    return value if isinstance(value, str) else ""


def _call(method: str, reference: references.Reference) -> client.Call:
    target = f"{reference.repository}/manifests/{reference.identifier}"
    return client.Call(method, target, reference.repository, headers=_ACCEPT)
