"""Artifacts in an OCI registry, in Chainloop's layout. Implements `controlplane.model.artifacts.BlobStore`.

Each artifact is an image of one layer at `<repository>/chainloop-<hex>:latest`, annotated with its author. A layer
without manifest is invisible, so the manifest is pushed last: after both avouch and the registry verified the digest.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from avouch import digests, errors
from avouch.cas import soundness
from avouch.oci import client

AUTHOR = "chainloop.dev"
_AUTHORS = "org.opencontainers.image.authors"
_TITLE = "org.opencontainers.image.title"
_TAG = "latest"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_NOTHING = b"{}"
_GONE = (200, 202, 204, 404)
_PUSH = "pull,push"


@dataclass(frozen=True, slots=True)
class _Stored:
    """An artifact's image: the digest of its manifest and the size of its layer."""

    manifest: digests.Digest
    size: int


class Registry:
    """A path in a registry, below which each artifact has its own repository."""

    held = digests.CHUNK

    def __init__(self, speaking: client.Client, repository: str) -> None:
        self._client = speaking
        self._repository = repository.strip("/")

    async def put(
        self, content: AsyncIterator[bytes], *, expected: digests.Digest | None, limit: int
    ) -> tuple[digests.Digest, int]:
        """Store content under its digest, which is required: it is part of the repository's name.

        Raises:
            errors.TooLarge, errors.Invalid: nothing is stored.
            errors.Unavailable: the registry cannot answer, or refuses.
        """
        if expected is None:
            raise errors.Invalid(
                "a registry cannot store content without its digest", fix="send the digest of the content"
            )
        intake = digests.Intake(limit)
        async with _refusals("keep"):
            if await self._stored(expected) is None:
                await self._upload(content, intake, expected)
            else:
                await self._again(content, intake, expected)
        return intake.settle(expected), intake.size

    async def get(self, digest: digests.Digest) -> AsyncIterator[bytes]:
        """Content in pieces, re-hashed. Images by other tools are refused."""
        async with _refusals("give"):
            if await self._stored(digest) is None:
                raise errors.NotFound(f"no content {digest}")
            async with self._client.stream(self._call("GET", digest, f"blobs/{digest}")) as response:
                if response.status_code == 404:
                    raise errors.Corrupt(f"the image of {digest} has lost its layer")
                if response.status_code != 200:
                    raise errors.Unavailable(
                        f"the registry answered for {digest}: {client.in_words(response.status_code)}"
                    )
                async for piece in digests.checked(response.aiter_bytes(digests.CHUNK), digest):
                    yield piece

    async def has(self, digest: digests.Digest) -> bool:
        """Whether the content is stored."""
        async with _refusals("answer"):
            return await self._stored(digest) is not None

    async def delete(self, digest: digests.Digest) -> None:
        """Remove the image and, if the registry supports it, its layer; a missing image is not an error."""
        async with _refusals("delete"):
            stored = await self._stored(digest)
            if stored is None:
                return
            # By tag first: most registries drop tags with their manifest, some keep them, many refuse to delete tags.
            await self._send("DELETE", digest, f"manifests/{_TAG}", "delete")
            answer = await self._send("DELETE", digest, f"manifests/{stored.manifest}", "delete")
            client.expect(answer, *_GONE, what=f"deleting {digest}")
            with suppress(errors.AvouchError):  # a registry that collects layers by itself does not delete them for us
                await self._send("DELETE", digest, f"blobs/{digest}", "delete")

    async def sweep(self) -> int:
        """Does nothing: a registry ends abandoned uploads itself."""
        return 0

    async def close(self) -> None:
        """Close the connections."""
        await self._client.__aexit__(None, None, None)

    async def _again(self, content: AsyncIterator[bytes], intake: digests.Intake, expected: digests.Digest) -> None:
        """What is stored already: read only once the client has sent all of it, so that nobody has us read for nothing.

        Many registries keep the layer that they have instead of the one that is sent, so a damaged one goes first.
        """
        async for piece in content:
            intake.update(piece)
        intake.settle(expected)
        if not await soundness.sound(self.get(expected)):
            await self.delete(expected)
            raise errors.Unavailable(f"the stored copy of {expected} was damaged and has been removed: send it again")

    async def _upload(self, content: AsyncIterator[bytes], intake: digests.Intake, expected: digests.Digest) -> None:
        begun = client.expect(
            await self._send("POST", expected, "blobs/uploads/", _PUSH), 202, what=f"uploading {expected}"
        )
        target = begun.headers.get("location", "")
        try:
            target = await self._stream(content, intake, expected, target)
            intake.settle(expected)
        except BaseException:  # also where the client disconnected
            with suppress(errors.AvouchError):
                await self._client.send(client.Call("DELETE", target, self._name(expected), _PUSH))
            raise
        await self._finish(target, expected)
        await self._blob(_NOTHING, expected)
        manifest = json.dumps(_manifest(expected, intake.size)).encode()
        call = client.Call(
            "PUT", self._path(expected, f"manifests/{_TAG}"), self._name(expected), _PUSH,
            {"Content-Type": _MANIFEST}, manifest,
        )  # fmt: skip
        client.expect(await self._client.send(call), 201, what=f"image of {expected}")

    async def _stream(
        self, content: AsyncIterator[bytes], intake: digests.Intake, expected: digests.Digest, target: str
    ) -> str:
        """Send the bytes while hashing them; returns the address to continue at."""
        headers = {"Content-Type": "application/octet-stream"}
        call = client.Call("PATCH", target, self._name(expected), _PUSH, headers, _measured(content, intake))
        async with self._client.stream(call) as response:
            if response.status_code not in (202, 204):
                raise errors.Unavailable(
                    f"the registry answered to the upload of {expected}: {client.in_words(response.status_code)}"
                )
            return str(response.headers.get("location", target))

    async def _finish(self, target: str, digest: digests.Digest) -> None:
        joined = f"{target}{'&' if '?' in target else '?'}digest={digest}"
        headers = {"Content-Length": "0"}
        answer = await self._client.send(client.Call("PUT", joined, self._name(digest), _PUSH, headers))
        client.expect(answer, 201, what=f"layer {digest}")

    async def _blob(self, content: bytes, digest: digests.Digest) -> None:
        """Push the image configuration, the same for all artifacts."""
        begun = client.expect(await self._send("POST", digest, "blobs/uploads/", _PUSH), 202, what="configuration")
        target = begun.headers.get("location", "")
        joined = f"{target}{'&' if '?' in target else '?'}digest={digests.of_bytes(content)}"
        headers = {"Content-Type": "application/octet-stream"}
        answer = await self._client.send(client.Call("PUT", joined, self._name(digest), _PUSH, headers, content))
        client.expect(answer, 201, what="configuration")

    async def _stored(self, digest: digests.Digest) -> _Stored | None:
        answer = await self._send("GET", digest, f"manifests/{_TAG}", "pull")
        if answer.status == 404 and not answer.body.lstrip().startswith(b"<"):
            return None
        if answer.status == 404:  # HTML: not the registry's word, but that of what stands before it
            raise errors.Unavailable("the registry is not found at its address")
        client.expect(answer, 200, what=f"image of {digest}")
        return _Stored(digests.of_bytes(answer.body), _layer_size(answer.body, digest))

    async def _send(self, method: str, digest: digests.Digest, rest: str, actions: str) -> client.Answer:
        return await self._client.send(self._call(method, digest, rest, actions))

    def _call(self, method: str, digest: digests.Digest, rest: str, actions: str = "pull") -> client.Call:
        accept = {"Accept": _MANIFEST} if rest.startswith("manifests/") else {}
        return client.Call(method, self._path(digest, rest), self._name(digest), actions, accept)

    def _path(self, digest: digests.Digest, rest: str) -> str:
        return f"{self._name(digest)}/{rest}"

    def _name(self, digest: digests.Digest) -> str:
        return f"{self._repository}/chainloop-{digest.hex}"


def _manifest(digest: digests.Digest, size: int) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": _CONFIG, "digest": str(digests.of_bytes(_NOTHING)), "size": len(_NOTHING)},
        "layers": [{"mediaType": _LAYER, "digest": str(digest), "size": size}],
        "annotations": {_AUTHORS: AUTHOR, _TITLE: digest.hex},
    }


def _layer_size(body: bytes, digest: digests.Digest) -> int:
    """The size of the one layer, if the image is an artifact of avouch or Chainloop with this digest."""
    try:
        found = json.loads(body)
        author = found["annotations"][_AUTHORS]
        (layer,) = found["layers"]
        right = author == AUTHOR and layer["digest"] == str(digest)
        size = int(layer["size"])
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise errors.Corrupt(f"the image of {digest} was not made by avouch or Chainloop") from exc
    if not right:
        raise errors.Corrupt(f"the image of {digest} was not made by avouch or Chainloop")
    return size


async def _measured(content: AsyncIterator[bytes], intake: digests.Intake) -> AsyncIterator[bytes]:
    async for piece in content:
        intake.update(piece)
        yield piece


@asynccontextmanager
async def _refusals(verb: str) -> AsyncIterator[None]:
    """Hides errors of authentication at the registry from users who upload or download."""
    try:
        yield
    except errors.Denied as exc:
        raise errors.Unavailable(f"the registry refuses to {verb}: {exc}") from exc
