"""Artifacts as files: `sha256/<first two>/<hex>`. Implements `controlplane.model.artifacts.BlobStore`.

obstore's LocalStore also writes to a temporary name and renames, but never calls fsync (checked in version 0.12), so an
acknowledged artifact could be gone or torn after a power cut. Hence this separate write path: temporary file in the
target's folder, hashed while written, fsync, rename, fsync of the folder.
"""

import asyncio
import math
import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import BinaryIO

from avouch import digests, errors

_TEMPORARY = "incoming-"
_BATCH = 2 * 1024 * 1024  # bytes handed to a thread at a time; twice as much is in memory
_VECTORS = 512  # pieces in one system call; Linux takes 1024
ABANDONED_SECONDS = 24 * 3600  # older than any upload may take


class FileSystem:
    """One folder on one volume. For one server, or a volume that all servers mount."""

    held = 2 * _BATCH  # one that is written, one that comes in

    def __init__(self, root: Path) -> None:
        self._root = root / "sha256"
        self._root.mkdir(parents=True, exist_ok=True)

    async def put(
        self, content: AsyncIterator[bytes], *, expected: digests.Digest | None, limit: int
    ) -> tuple[digests.Digest, int]:
        """Store content atomically.

        Raises:
            errors.TooLarge, errors.Invalid: nothing is stored.
            errors.Unavailable: the volume refuses (full, failing); nothing is stored.
        """
        try:
            return await self._put(content, digests.Intake(limit), expected)
        except OSError as exc:
            raise errors.Unavailable(f"the artifact volume refuses to write: {exc.strerror}") from exc

    async def get(self, digest: digests.Digest) -> AsyncIterator[bytes]:
        """Content in pieces of 1 MiB, re-hashed."""
        try:
            file = await asyncio.to_thread(self._path(digest).open, "rb")
        except FileNotFoundError as exc:
            raise errors.NotFound(f"no content {digest}") from exc
        with file:
            async for piece in digests.checked(_pieces(file), digest):
                yield piece

    async def has(self, digest: digests.Digest) -> bool:
        """Whether the content is stored."""
        return await asyncio.to_thread(self._path(digest).is_file)

    async def delete(self, digest: digests.Digest) -> None:
        """Remove content; missing content is not an error."""
        try:
            await asyncio.to_thread(self._path(digest).unlink, missing_ok=True)
        except OSError as exc:
            raise errors.Unavailable(f"the artifact volume refuses to delete: {exc.strerror}") from exc

    async def sweep(self, *, older_than: float = ABANDONED_SECONDS) -> int:
        """Remove temporary files that a killed process left behind; returns their number. It walks the whole folder."""
        try:
            return await asyncio.to_thread(self._sweep, older_than)
        except OSError as exc:
            raise errors.Unavailable(f"the artifact volume refuses to delete: {exc.strerror}") from exc

    async def close(self) -> None:
        """Does nothing."""

    def _sweep(self, older_than: float) -> int:
        horizon = time.time() - older_than
        left = [path for path in self._root.glob(f"{_TEMPORARY}*") if _changed(path) <= horizon]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    async def _put(
        self, content: AsyncIterator[bytes], intake: digests.Intake, expected: digests.Digest | None
    ) -> tuple[digests.Digest, int]:
        # Not in a thread: if the caller disconnected meanwhile, the file would be left behind without a known name.
        descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=self._root)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                await _receive(content, file, intake)
                digest = intake.settle(expected)
                await asyncio.to_thread(os.fsync, file.fileno())
            await asyncio.to_thread(self._publish, temporary, digest)
        finally:  # also where the client disconnected in the middle (cancelled)
            temporary.unlink(missing_ok=True)
        return digest, intake.size

    def _publish(self, temporary: Path, digest: digests.Digest) -> None:
        target = self._path(digest)
        target.parent.mkdir(exist_ok=True)
        temporary.rename(target)  # the same digest is the same bytes, so the last writer changes nothing
        _sync_folder(target.parent)
        _sync_folder(self._root)

    def _path(self, digest: digests.Digest) -> Path:
        return self._root / digest.hex[:2] / digest.hex


async def _receive(content: AsyncIterator[bytes], file: BinaryIO, intake: digests.Intake) -> None:
    """Hash and write off the event loop, about 2 MiB at a time, while the next ones come in.

    Each hand-over to a thread costs as much as copying some 100 KB, so pieces are gathered, and never joined.
    """
    waiting: list[bytes] = []
    size = 0
    writing = _handed(file, intake, ())
    try:
        async for piece in content:
            waiting.append(piece)
            size += len(piece)
            if size >= _BATCH:
                await asyncio.shield(writing)
                writing = _handed(file, intake, waiting)
                waiting, size = [], 0
        await asyncio.shield(writing)
        writing = _handed(file, intake, waiting)
        await asyncio.shield(writing)
    finally:  # a thread cannot be cancelled, and the file must not be closed under it
        await asyncio.wait({writing})
        writing.exception()  # known already, or of no interest any more


def _handed(file: BinaryIO, intake: digests.Intake, pieces: Sequence[bytes]) -> asyncio.Future[None]:
    return asyncio.ensure_future(asyncio.to_thread(_write, file, intake, pieces))


def _write(file: BinaryIO, intake: digests.Intake, pieces: Sequence[bytes]) -> None:
    for start in range(0, len(pieces), _VECTORS):
        rest = [memoryview(piece) for piece in pieces[start : start + _VECTORS] if piece]
        for piece in rest:
            intake.update(piece)
        while rest:  # a write may take less than it was given
            written = os.writev(file.fileno(), rest)
            while rest and written >= len(rest[0]):
                written -= len(rest.pop(0))
            if written:
                rest[0] = rest[0][written:]


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, digests.CHUNK):
        yield piece


def _changed(path: Path) -> float:
    """Modification time of a file; a file that was renamed meanwhile counts as in use."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


def _sync_folder(folder: Path) -> None:
    """A rename is durable only after fsync of its folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
