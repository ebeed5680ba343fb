"""Opening files that untrusted steps wrote: no symlink anywhere on the way, regular files only, a limit on each.

A step can plant /tekton/results/x -> /var/run/secrets/...; O_NOFOLLOW on every component of the path refuses it, and
openat keeps a directory from being swapped while we walk. O_NONBLOCK keeps a FIFO from holding us.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from avouch import digests, errors, relative_paths

_DIRECTORY = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_DATA = "..data"
_VERSION = re.compile(r"[.][.][^./][^/]*")
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
        Refused: a symlink, not a regular file, not readable; with the cause.
        Invalid: an unsafe path.
        TooLarge: over `limit` bytes.
    """
    descriptor = _open(root, relative_paths.parts(path))
    try:
        _check(os.fstat(descriptor), path, limit)
        yield descriptor
    finally:
        os.close(descriptor)


def published(root: Path) -> Path:
    """Where the files of a volume lie that the kubelet writes, such as a ConfigMap's; `root` where they lie in it.

    Each of its names is a link through `..data` to a folder that never changes, and `..data` is turned to another one
    at once (kubernetes pkg/volume/util/atomic_writer.go). Here the links are not followed: `..data` is read, has to
    name a folder beside it, and below that folder nothing is a link.

    Raises:
        Refused: `..data` is something else.
    """
    try:
        target = os.readlink(root / _DATA)
    except FileNotFoundError:
        return root
    except OSError as exc:
        raise errors.Refused(f"{_DATA} was refused: {exc.strerror}", "Unusable") from exc
    folder = root / target
    if not _VERSION.fullmatch(target) or folder.is_symlink():
        raise errors.Refused(f"{_DATA} was refused: it leads out of the volume", "Link")
    return folder


def text(root: Path, path: str, limit: int) -> str:
    """The text of a small file. Raises as `opened`, and Invalid where it is not UTF-8."""
    with opened(root, path, limit) as descriptor:
        content = b"".join(pieces(descriptor, limit, path))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise errors.Invalid(f"{path} is not UTF-8 text") from exc


def hashed(root: Path, path: str, limit: int, *, empty: bool = False) -> Hashed:
    """Digest of a file. Raises as `opened`; Refused where the file changed meanwhile, or is empty and may not be."""
    with opened(root, path, limit) as descriptor:
        before = stamp(descriptor)
        digest, size = digests.of_chunks(pieces(descriptor, limit, path))
        if stamp(descriptor) != before or size != before.size:
            raise errors.Refused(f"{path} changed while it was read", "Changed")
    if not size and not empty:
        raise errors.Refused(f"{path} is empty", "Empty")
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


def names(root: Path, path: str) -> list[str]:
    """What a folder below a directory that we trust holds, sorted. Raises as `opened`."""
    descriptor = _open(root, relative_paths.parts(path), _DIRECTORY)
    try:
        return sorted(os.listdir(descriptor))
    finally:
        os.close(descriptor)


def _open(root: Path, parts: tuple[str, ...], how: int = _FILE) -> int:
    shown = "/".join(parts)
    directory, part = -1, ""
    try:
        directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in parts[:-1]:
            parent, directory = directory, os.open(part, _DIRECTORY, dir_fd=directory)
            os.close(parent)
        part = parts[-1]
        return os.open(part, how, dir_fd=directory)
    except FileNotFoundError as exc:
        raise errors.NotFound(f"{shown} does not exist") from exc
    except OSError as exc:
        raise _refused(exc, shown, part, directory) from exc
    finally:
        if directory >= 0:
            os.close(directory)


def _refused(exc: OSError, shown: str, part: str, directory: int) -> errors.Refused:
    """Why a part of a path could not be opened. Linux says ENOTDIR of a link where a folder has to be."""
    if exc.errno in (errno.ELOOP, errno.ENOTDIR) and _is_link(part, directory):
        return errors.Refused(f"{shown} was refused: {part} is a symbolic link", "Link")
    if exc.errno == errno.ENOTDIR:
        return errors.Refused(f"{shown} was refused: {part} is no folder", "Absent")
    if exc.errno == errno.ENXIO:
        return errors.Refused(f"{shown} was refused: not a regular file", "Special")
    cause = "Unreadable" if exc.errno in (errno.EACCES, errno.EPERM) else "Unusable"
    return errors.Refused(f"{shown} was refused: {exc.strerror}", cause)


def _is_link(part: str, directory: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(part, dir_fd=directory, follow_symlinks=False).st_mode)
    except OSError:  # it was taken away meanwhile
        return False


def _check(found: os.stat_result, path: str, limit: int) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise errors.Refused(f"{path} was refused: a folder, not a regular file", "Folder")
    if not stat.S_ISREG(found.st_mode):
        raise errors.Refused(f"{path} was refused: not a regular file", "Special")
    if found.st_size > limit:
        raise errors.TooLarge(f"{path} has {found.st_size} bytes, at most {limit} are collected")
