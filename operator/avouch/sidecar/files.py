"""Opening files that untrusted steps wrote: no symlink anywhere on the way, regular files only, a limit on each.

A step can plant /tekton/results/x -> /var/run/secrets/...; O_NOFOLLOW on every component of the path refuses it, and
openat keeps a directory from being swapped while we walk. O_NONBLOCK keeps a FIFO from holding us.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from avouch import digests, errors, relative_paths

_DIRECTORY = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Stamp:
    """The metadata by which a change of a file is noticed."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file as it was while it was hashed."""

    digest: digests.Digest
    size: int
    stamp: Stamp


@contextmanager
def opened(root: Path, path: str, limit: int) -> Iterator[int]:
    """A descriptor of a regular file below a directory that we trust.

    Raises:
        NotFound: no such file.
        Invalid: an unsafe path, a symlink, not a regular file, not readable.
        TooLarge: over `limit` bytes.
    """
    descriptor = _open(root, relative_paths.parts(path))
    try:
        _check(os.fstat(descriptor), path, limit)
        yield descriptor
    finally:
        os.close(descriptor)


def text(root: Path, path: str, limit: int) -> str:
    """The text of a small file. Raises as `opened`, and Invalid where it is not UTF-8."""
    with opened(root, path, limit) as descriptor:
        content = b"".join(pieces(descriptor, limit, path))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise errors.Invalid(f"{path} is not UTF-8 text") from exc


def hashed(root: Path, path: str, limit: int, *, empty: bool = False) -> Hashed:
    """Digest of a file. Raises as `opened`; Invalid where the file changed meanwhile, or is empty and may not be."""
    with opened(root, path, limit) as descriptor:
        before = stamp(descriptor)
        digest, size = digests.of_chunks(pieces(descriptor, limit, path))
        if stamp(descriptor) != before or size != before.size:
            raise errors.Invalid(f"{path} changed while it was read")
    if not size and not empty:
        raise errors.Invalid(f"{path} is empty")
    return Hashed(digest, size, before)


def stamp(descriptor: int) -> Stamp:
    """The file's state now."""
    now = os.fstat(descriptor)
    return Stamp(now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)


def pieces(descriptor: int, limit: int, path: str) -> Iterator[bytes]:
    """The content from the start, in pieces. Raises TooLarge for a file that grows past the limit."""
    position = 0
    while chunk := os.pread(descriptor, digests.CHUNK, position):
        position += len(chunk)
        if position > limit:
            raise errors.TooLarge(f"{path} has over {limit} bytes")
        yield chunk


def _open(root: Path, parts: tuple[str, ...]) -> int:
    shown = "/".join(parts)
    directory = -1
    try:
        directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in parts[:-1]:
            parent, directory = directory, os.open(part, _DIRECTORY, dir_fd=directory)
            os.close(parent)
        return os.open(parts[-1], _FILE, dir_fd=directory)
    except FileNotFoundError as exc:
        raise errors.NotFound(f"{shown} does not exist") from exc
    except OSError as exc:
        raise errors.Invalid(f"{shown} was refused: {_why(exc)}") from exc
    finally:
        if directory >= 0:
            os.close(directory)


def _why(exc: OSError) -> str:
    if exc.errno in (errno.ELOOP, errno.ENOTDIR):
        return "a symbolic link, or no directory on the way"
    return str(exc.strerror)


def _check(found: os.stat_result, path: str, limit: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise errors.Invalid(f"{path} was refused: not a regular file")
    if found.st_size > limit:
        raise errors.TooLarge(f"{path} has {found.st_size} bytes, at most {limit} are collected")
