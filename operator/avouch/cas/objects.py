"""Artifacts in an object store, through obstore (S3, GCS, Azure). Implements `controlplane.model.artifacts.BlobStore`.

Content is visible under a digest only after its bytes were verified. What fits into one part is hashed first and sent
whole. Larger content is sent as a multipart upload straight to its own key while it is hashed: the upload is invisible
until it is completed, and the digest and the limit are checked before its last part. A temporary key and a copy would
double the store's work and end at 5 GB (S3's CopyObject); a file spooled first would need a disk and the time to write
it.

obstore aborts an upload where the iterator of its content raises, but not where its caller is cancelled: so
when a caller disconnects, the iterator raises.
"""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import BinaryIO, NamedTuple

import obstore
from obstore.store import ObjectStore

from avouch import digests, errors, pinned
from avouch.cas import soundness
from avouch.destinations import Destinations

PART = 5 * 1024 * 1024  # bytes; S3's smallest part, and 10,000 of them are 48 GiB
_IN_FLIGHT = 2  # parts on their way per upload: with the one being filled, 15 MiB
_ABORT = 10.0  # seconds for the store to drop an upload whose client went away
_LINGER = 1.0  # seconds for parts on their way to land: one that overtakes its abort would stay for ever
# What stands in a status is one of these words; the text of answers could be that of any server.
_REASONS = (
    (re.compile(r"\b(401 Unauthorized|403 Forbidden)\b|<Code>(AccessDenied|SignatureDoesNotMatch|InvalidAccessKeyId|"
                r"AuthenticationFailed|ExpiredToken)</Code>"), "not authorized"),
    (re.compile(r"<Code>NoSuchBucket</Code>|<Code>ContainerNotFound</Code>|\b404 Not Found\b"), "not found"),
    (re.compile(r"\b(429|503) [A-Z]|<Code>SlowDown</Code>"), "too many requests"),
    (re.compile(r"\b421 [A-Z]"), "it leads to an address that the operator does not list under destinations"),
    (re.compile(r"\b502 [A-Z]|TunnelUnsuccessful"), "not reached"),  # both said by the forwarder
    (re.compile("connection refused", re.IGNORECASE), "connection refused"),
    (re.compile("dns error", re.IGNORECASE), "its host does not resolve"),
    (re.compile("timed out", re.IGNORECASE), "timed out"),
    (re.compile("invalid peer certificate", re.IGNORECASE), "its certificate is not trusted"),
)  # fmt: skip


# An answer 404 that is not about the object: its bucket is not there, or who answers is no object store but what stands
# before it. A run must not fail for that at once.
_NO_STORE = re.compile(
    r"<Code>(NoSuchBucket|ContainerNotFound|ContainerBeingDeleted)</Code>|404 Not Found: \s*<(!doctype|html)",
    re.IGNORECASE,
)


class Reach(NamedTuple):
    """The address of a store that somebody named, and what may be connected to.

    It is checked before each request, to say what is wrong with it. What holds is the forwarder, which obstore goes
    through: it connects to checked addresses alone.
    """

    host: str
    port: int
    allowed: Destinations


class Objects:
    """One bucket or container, below an optional prefix. `reach`: None for a store that nobody named an address of."""

    held = (1 + _IN_FLIGHT) * PART

    def __init__(self, store: ObjectStore, *, prefix: str = "", reach: Reach | None = None) -> None:
        self._store = store
        self._reach = reach
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    async def put(
        self, content: AsyncIterator[bytes], *, expected: digests.Digest | None, limit: int
    ) -> tuple[digests.Digest, int]:
        """Store content under its digest.

        What is small and stored already is read and compared instead of written: many store the same small report, and
        stores refuse to write one name many times a second. All else is written, which heals a damaged copy.

        Raises:
            errors.TooLarge, errors.Invalid: nothing is stored.
            errors.Unavailable: the object store cannot answer.
        """
        intake = digests.Intake(limit)
        if expected is None:
            return await self._put_unnamed(content, intake)
        await self._send(content, intake, expected)
        return expected, intake.size

    async def get(self, digest: digests.Digest) -> AsyncIterator[bytes]:
        """Content in pieces, re-hashed. Unavailable, not NotFound, where the bucket itself is not there."""
        try:
            async with self._refusals("read"):
                found = await obstore.get_async(self._store, self._key(digest))
                async for piece in digests.checked(_pieces(found.stream(min_chunk_size=digests.CHUNK)), digest):
                    yield piece
        except FileNotFoundError as exc:
            if _NO_STORE.search(str(exc)):
                raise _refused("read", exc) from exc
            raise errors.NotFound(f"no content {digest}") from exc

    async def has(self, digest: digests.Digest) -> bool:
        """Whether the content is stored."""
        try:
            async with self._refusals("answer"):
                await obstore.head_async(self._store, self._key(digest))
        except FileNotFoundError:
            return False
        return True

    async def delete(self, digest: digests.Digest) -> None:
        """Remove content; missing content is not an error."""
        with suppress(FileNotFoundError):
            async with self._refusals("delete"):
                await obstore.delete_async(self._store, self._key(digest))

    async def sweep(self) -> int:
        """Does nothing: a killed process leaves only an unfinished multipart upload.

        Those end by a rule of the bucket (S3, GCS: AbortIncompleteMultipartUpload) or after a week (Azure).
        """
        return 0

    async def close(self) -> None:
        """Does nothing."""

    async def _put_unnamed(self, content: AsyncIterator[bytes], intake: digests.Intake) -> tuple[digests.Digest, int]:
        """Content without an expected digest is hashed in a temporary file first."""
        with tempfile.TemporaryFile() as file:
            async for piece in content:
                intake.update(piece)
                await asyncio.to_thread(file.write, piece)
            file.seek(0)
            return await self.put(_read(file), expected=intake.digest(), limit=intake.size)

    async def _send(self, content: AsyncIterator[bytes], intake: digests.Intake, expected: digests.Digest) -> None:
        first: list[bytes] = []
        async for piece in content:
            intake.update(piece)
            first.append(piece)
            if intake.size > PART:
                return await self._send_parts(_rest(first, content, intake, expected), expected)
        intake.settle(expected)
        if await soundness.sound(self.get(expected)):
            return None
        try:
            async with self._refusals("write"):
                await obstore.put_async(self._store, self._key(expected), b"".join(first), use_multipart=False)
        except FileNotFoundError as exc:  # no such bucket
            raise _refused("write", exc) from exc
        return None

    async def _send_parts(self, pieces: AsyncIterator[bytes], expected: digests.Digest) -> None:
        left = asyncio.Event()
        sending = asyncio.create_task(self._multipart(_until(pieces, left), expected))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            left.set()
            await asyncio.wait({sending}, timeout=_ABORT)
            if sending.done() and not sending.cancelled():
                sending.exception()  # known: the caller left
            raise

    async def _multipart(self, pieces: AsyncIterator[bytes], expected: digests.Digest) -> None:
        try:
            async with self._refusals("write"):
                await obstore.put_async(
                    self._store,
                    self._key(expected),
                    pieces,
                    use_multipart=True,
                    chunk_size=PART,
                    max_concurrency=_IN_FLIGHT,
                )
        except FileNotFoundError as exc:  # no such bucket
            raise _refused("write", exc) from exc

    def _key(self, digest: digests.Digest) -> str:
        return f"{self._prefix}sha256/{digest.hex[:2]}/{digest.hex}"

    @asynccontextmanager
    async def _refusals(self, verb: str) -> AsyncIterator[None]:
        """Checks the address; translates obstore's exceptions into avouch's errors. The caller handles missing objects.

        Its Rust code panics on some inputs (a strange endpoint), and the class of that exception cannot be imported.
        """
        try:
            if self._reach is not None:
                await pinned.resolve(*self._reach)
            yield
        except errors.Denied as exc:  # the backend's fault, not that of who uploads or downloads
            raise errors.Unavailable(f"the object store is not asked: {exc}") from exc
        except (errors.AvouchError, FileNotFoundError):
            raise
        except Exception as exc:
            raise _refused(verb, exc) from exc


def _refused(verb: str, exc: Exception) -> errors.Unavailable:
    """The reason in a word of ours; text of its answers is not repeated."""
    text = str(exc)
    missing = "not found" if isinstance(exc, FileNotFoundError) else "an answer that was not expected"
    reason = next((word for pattern, word in _REASONS if pattern.search(text)), missing)
    return errors.Unavailable(f"the object store refuses to {verb}: {reason}")


async def _rest(
    first: list[bytes], content: AsyncIterator[bytes], intake: digests.Intake, expected: digests.Digest
) -> AsyncIterator[bytes]:
    """The pieces already read, then the rest; it ends only if the digest matches."""
    while first:
        yield first.pop(0)
    async for piece in content:
        intake.update(piece)
        yield piece
    intake.settle(expected)


async def _until(pieces: AsyncIterator[bytes], left: asyncio.Event) -> AsyncIterator[bytes]:
    """The pieces; raises when the caller disconnects, so that obstore aborts the upload."""
    leaving = asyncio.ensure_future(left.wait())
    following: asyncio.Future[bytes | None] | None = None
    try:
        while True:
            following = asyncio.ensure_future(_next(pieces))
            await asyncio.wait({following, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if left.is_set():
                raise errors.Invalid("the client disconnected")
            piece = following.result()
            if piece is None:
                return
            yield piece
    except errors.AvouchError:
        await asyncio.sleep(_LINGER)
        raise
    finally:
        leaving.cancel()
        if following is not None and not following.done():
            following.cancel()


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)


async def _read(file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, digests.CHUNK):
        yield piece


async def _pieces(stream: "obstore.BytesStream") -> AsyncIterator[bytes]:
    async for piece in stream:
        yield bytes(piece)
