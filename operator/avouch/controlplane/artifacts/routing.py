"""Artifacts on their way to the backend of their namespace, and back by the map of where they lie.

Storing is three steps, so that nothing that was acknowledged is ever removed by garbage collection:
1. Reserve: the map says that the bytes are on their way, and takes them off the list of what is to be removed; this
   waits for a removal of the same bytes that is under way. Where the namespace's quota is used up, nothing is sent.
2. Send the bytes, no more than the quota has room for; the backend checks the digest before they become visible.
3. Record: the map says that they lie there, and which run refers to them, in one transaction. It counts them, and
   refuses what no longer fits beside what others stored meanwhile.
A backend that lies where the map lies takes all three as one transaction (`AtomicBlobStore`).
"""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from avouch import digests, errors
from avouch.controlplane.artifacts import backends
from avouch.controlplane.model import artifacts


@runtime_checkable
class AtomicBlobStore(Protocol):
    """A backend that keeps an artifact together with its place on the map and the reference of its owner's run."""

    async def keep(
        self, content: AsyncIterator[bytes], *, expected: digests.Digest, limit: int, owner: artifacts.Owner
    ) -> tuple[digests.Digest, int]:
        """Store all of it, or nothing. Raises as `artifacts.Blobs.put`."""
        ...


class Held(Protocol):
    """What one upload holds of the memory for all."""

    held: int

    def take(self, size: int) -> None:
        """Hold so many bytes more. Raises errors.Overloaded."""
        ...


class Memory(Protocol):
    """Memory for all uploads, with a share for each namespace."""

    def reservation(self, owner: str) -> AbstractContextManager[Held]:
        """A reservation that grows and is released at the end. Raises errors.Overloaded."""
        ...


class Unbounded:
    """As much memory as it takes."""

    held = 0

    def take(self, size: int) -> None:
        """Is not counted."""

    def reservation(self, owner: str) -> AbstractContextManager[Held]:
        """Holds nothing."""
        return nullcontext(self)


@dataclass(frozen=True, slots=True)
class Routed:
    """Implements `artifacts.ArtifactStore` over many backends."""

    map: artifacts.Map
    opener: artifacts.Opener
    built_in: artifacts.Destination = artifacts.Serving().built_in
    memory: Memory = field(default_factory=Unbounded)

    async def of_namespace(self, namespace: str) -> artifacts.Destination:
        """Where new artifacts of a namespace go. Raises errors.NotReady where that cannot be used."""
        return backends.choose(replace(await self.map.serving(namespace), built_in=self.built_in))

    async def put(
        self,
        content: AsyncIterator[bytes],
        *,
        expected: digests.Digest | None,
        limit: int,
        owner: artifacts.Owner | None = None,
    ) -> tuple[digests.Digest, int]:
        """Store content where its owner's artifacts go.

        Raises:
            errors.TooLarge: over `limit`, or over what the backend takes: the message names it. Nothing is kept.
            errors.Invalid: the digest differs from `expected`. Nothing is kept.
            errors.Denied: the namespace's quota has no room for it. The run does not refer to it.
            errors.Unavailable: no backend can be used now, or (Overloaded) uploads hold too much memory.
        """
        if owner is None:
            return await (await self.opener.open(artifacts.BUILT_IN)).put(content, expected=expected, limit=limit)
        if expected is None:
            raise errors.Invalid("the upload declares no digest", field="digest", fix="declare its sha256")
        chosen = await self.of_namespace(owner.namespace)
        backend, most = await self.opener.open(chosen.id), min(limit, chosen.max_bytes)
        full: errors.Denied | None = None  # what ends an upload that is larger than its namespace has room for
        with self.memory.reservation(owner.namespace_uid) as held:
            arriving = _counted(content, held, backend.held)
            try:
                if isinstance(backend, AtomicBlobStore):
                    return await backend.keep(arriving, expected=expected, limit=most, owner=owner)
                used = await self.map.reserve(expected, owner, chosen.id)  # 1
                if used is not None and used.room is not None and used.room < most:
                    most, full = used.room, used.refusal()
                digest, size = await backend.put(arriving, expected=expected, limit=most)  # 2
            except errors.TooLarge as exc:
                if full is not None:
                    raise full from exc
                if chosen.max_bytes <= limit:
                    raise backends.too_big(chosen) from exc
                raise
        await self.map.record(digest, owner, chosen.id, size)  # 3
        return digest, size

    async def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        """Content in pieces, re-hashed; with a namespace, only what that namespace stored.

        Raises:
            errors.NotFound, errors.Corrupt, errors.Unavailable.
        """
        lying = await self.map.where(digest, namespace_uid)
        if not lying.backends and lying.known:
            raise errors.NotFound(f"no content {digest}")
        failed: errors.Unavailable | errors.Corrupt | None = None
        for uid in lying.backends or (artifacts.BUILT_IN,):  # what was stored before there was a map
            pieces = self._copy(uid, digest, lying.known)
            try:
                first = await anext(pieces, None)
            except errors.NotFound:
                continue
            except errors.Unavailable as exc:
                failed = exc
                continue
            except errors.Corrupt as exc:
                failed = failed or exc  # a copy that cannot be reached now may be sound
                continue
            if first is not None:
                yield first
            async for piece in pieces:
                yield piece
            return
        raise failed or errors.NotFound(f"no content {digest}")

    async def _copy(self, uid: str, digest: digests.Digest, known: bool) -> AsyncIterator[bytes]:
        """The copy in one backend; where it is damaged, or gone although the map has it, the map learns of it."""
        try:
            async for piece in (await self.opener.open(uid)).get(digest):
                yield piece
        except (errors.Corrupt, errors.NotFound) as exc:
            if known or isinstance(exc, errors.Corrupt):
                await self.map.damaged(digest, uid)
            raise

    async def has(self, digest: digests.Digest, *, namespace_uid: str = "") -> bool:
        """Whether the content is stored and need not be sent again; with a namespace, by that one."""
        lying = await self.map.where(digest, namespace_uid)
        return lying.sound if lying.known else await (await self.opener.open(artifacts.BUILT_IN)).has(digest)

    async def use(self, digest: digests.Digest, owner: artifacts.Owner) -> bool:
        """Whether the owner's namespace has stored it; if so, the owner's run refers to it from now on."""
        return await self.map.use(digest, owner)


async def _counted(content: AsyncIterator[bytes], held: Held, most: int) -> AsyncIterator[bytes]:
    """The pieces; what they take of memory is counted as they come, as far as their backend keeps them there."""
    async for piece in content:
        held.take(min(len(piece), most - held.held))
        yield piece
