"""Archives as a stream of files: bounded in entries and in bytes after unpacking, without paths outside the archive."""

import io
import re
import zlib
from collections.abc import Iterator
from typing import IO, Any

from avouch import errors
from avouch.values import dataclass

MIB = 1024 * 1024
_CHUNK = MIB
_PIECE = 64 * 1024
_MOST_MEMBERS = 10_000  # of a gzip: each costs time, and an empty one has 20 bytes
_APPLE_DOUBLE = b"\x00\x05\x16\x07"  # https://www.rfc-editor.org/rfc/rfc1740: a Mac's file of attributes, `._name`
_DRIVE = re.compile("[A-Za-z]:")
_DIGITS = re.compile(rb"\d{500}")  # a name may have some hundred, a number has at most twenty
_MEMBERS = 4  # of a tar for each file that is allowed: directories, links
_HEADERS = 2048  # bytes of tar around one file: its header, a long name, padding
_EMPTY = 1024  # bytes of the zeros that end a tar
_RECORD = 10_240  # bytes that a tar's length is a multiple of
FIX = "pack the reports again with zip or tar -z"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of an archive."""

    entries: int = 1000
    size: int = 64 * MIB


@dataclass(frozen=True, slots=True)
class Entry:
    """One regular file."""

    name: str
    content: bytes


BOUNDS = Bounds()


def is_zip(content: bytes) -> bool:
    """Whether the bytes begin as a zip does, an empty one included."""
    return content.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def is_gzip(content: bytes) -> bool:
    """Whether the bytes begin as gzip does."""
    return content.startswith(b"\x1f\x8b")


def is_tar(content: bytes) -> bool:
    """Whether the bytes have the mark of a POSIX or GNU tar, or are an empty tar: blocks of zeros."""
    return content[257:262] == b"ustar" or (len(content) >= _EMPTY and not content.strip(b"\0"))


def is_packed(content: bytes) -> bool:
    """Whether the bytes begin as one of the archives that `files` reads."""
    return is_zip(content) or is_gzip(content) or is_tar(content)


def files(content: bytes, bounds: Bounds = BOUNDS) -> Iterator[Entry]:
    """The regular files of a zip, tar or tar.gz, in stored order, without directories, links and what a Mac adds.

    Raises:
        Invalid: broken, encrypted, or a path outside the archive.
        TooLarge: more entries or bytes than the bounds.
    """
    left = bounds.size
    count = 0
    try:
        for name, stream in _unchecked(content, bounds):
            count += 1
            if count > bounds.entries:
                raise _too_many(bounds)
            with stream:
                found = stream.read(left + 1)
            left -= len(found)
            if left < 0:
                raise _too_much(bounds)
            if not _of_a_mac(name, found):
                yield Entry(name, found)
    except _broken() as exc:
        raise errors.Invalid(f"the archive cannot be read: {exc}", fix=FIX) from exc


def _of_a_mac(name: str, content: bytes) -> bool:
    """Whether the Finder or a Mac's tar made this file beside those that were packed."""
    folder, _, file = name.rpartition("/")
    return (
        file == ".DS_Store"
        or folder.partition("/")[0] == "__MACOSX"
        or (file.startswith("._") and content.startswith(_APPLE_DOUBLE))
    )


def gunzip(content: bytes, size: int = BOUNDS.size) -> bytes:
    """Unpack gzip, several members included.

    Raises:
        Invalid: broken.
        TooLarge: more than `size` bytes, or more than `_MOST_MEMBERS` members.
    """
    members = _Members(size)
    try:
        for start in range(0, len(content), _PIECE):
            members.feed(content[start : start + _PIECE])
    except zlib.error as exc:
        raise errors.Invalid(f"the gzip cannot be read: {exc}", fix=FIX) from exc
    if members.current:
        raise errors.Invalid("the gzip ends too early", fix=FIX)
    return bytes(members.found)


class _Members:
    """The unpacked members of a gzip. Input is fed in pieces, because each step copies the rest."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 0
        self.found = bytearray()
        self.current: Any = None  # zlib does not name the type of its decompressor

    def feed(self, piece: bytes) -> None:
        while piece := self._begun(piece):
            self.found += self.current.decompress(piece, _CHUNK)
            if len(self.found) > self.size:
                raise _too_much(Bounds(size=self.size))
            ended = self.current.eof
            piece = self.current.unused_data if ended else self.current.unconsumed_tail
            self.current = None if ended else self.current

    def _begun(self, piece: bytes) -> bytes:
        if self.current is None and (piece := piece.lstrip(b"\0")):  # tar pads its file with zeros
            self.count += 1
            if self.count > _MOST_MEMBERS:
                raise errors.TooLarge(
                    f"the gzip has more than {_MOST_MEMBERS} members", fix="compress the file again as a whole"
                )
            self.current = zlib.decompressobj(wbits=31)
        return piece


def _unchecked(content: bytes, bounds: Bounds) -> Iterator[tuple[str, IO[bytes]]]:
    if is_zip(content):
        yield from _of_zip(content, bounds)
        return
    tar = _gunzipped_tar(content, bounds) if is_gzip(content) else content
    if not is_tar(tar):
        raise errors.Invalid("neither a zip nor a tar archive", fix=FIX)
    yield from _of_tar(tar, bounds)


def _broken() -> tuple[type[Exception], ...]:
    """What reading a broken archive raises."""
    import tarfile
    import zipfile

    unknown = (NotImplementedError, RuntimeError)  # zipfile: an unknown compression, an encrypted entry
    of_formats = (zipfile.BadZipFile, tarfile.TarError, zlib.error)
    return (*of_formats, EOFError, OSError, ValueError, LookupError, OverflowError, *unknown)


def _gunzipped_tar(content: bytes, bounds: Bounds) -> bytes:
    try:
        return gunzip(content, bounds.size + _HEADERS * bounds.entries + _RECORD)
    except errors.TooLarge as exc:
        raise _too_much(bounds) from exc


def _of_zip(content: bytes, bounds: Bounds) -> Iterator[tuple[str, IO[bytes]]]:
    import zipfile  # lazy: 2 ms, for zips only

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if len(archive.filelist) > bounds.entries:
            raise _too_many(bounds)
        for info in archive.infolist():
            _check_path(info.filename)
            if info.is_dir() or (info.external_attr >> 16) & 0o170000 == 0o120000:  # a symbolic link
                continue
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others take memory as they like
                raise errors.Invalid(f"{info.filename[:64]!r} is neither stored nor deflated", fix=FIX)
            yield info.filename, archive.open(info)


def _of_tar(content: bytes, bounds: Bounds) -> Iterator[tuple[str, IO[bytes]]]:
    import tarfile  # lazy: 3 ms, for tars only

    class Member(tarfile.TarInfo):
        """Looks at an extended header before tarfile does, whose patterns take the square of a run of digits.

        A size below zero leads back to where reading has been.
        """

        def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
            if self.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE):
                start = archive.fileobj.tell()
                if _DIGITS.search(archive.fileobj.read(self.size)):
                    raise errors.Invalid("a header of the archive has a number of too many digits", fix=FIX)
                archive.fileobj.seek(start)
            found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]  # tarfile's hook for subclasses
            if found.size < 0:
                raise errors.Invalid("a file of the archive has a size below zero", fix=FIX)
            return found

    with tarfile.open(fileobj=io.BytesIO(content), mode="r:", tarinfo=Member) as archive:
        for number, member in enumerate(archive):
            if number > _MEMBERS * bounds.entries:
                raise _too_many(bounds)
            _check_path(member.name)
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is not None:
                yield member.name, stream


def _check_path(name: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or name.startswith(("/", "\\")) or _DRIVE.match(name) or "\0" in name:
        fix = "pack files below one directory, without .. or absolute paths"
        raise errors.Invalid(f"{name[:64]!r} is a path outside the archive", fix=fix)


def _too_many(bounds: Bounds) -> errors.TooLarge:
    return errors.TooLarge(f"the archive has more than {bounds.entries} files", fix="pack fewer files")


def _too_much(bounds: Bounds) -> errors.TooLarge:
    return errors.TooLarge(f"the archive unpacks to more than {bounds.size} bytes", fix="pack fewer reports")
