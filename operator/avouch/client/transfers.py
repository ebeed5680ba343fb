"""Bytes to and from the server: hashed on the way, compared with their digest, never held in memory as a whole.

An upload is skipped where the server has the bytes. A large one is sent in parts, each by its own digest, and a part
that the server has is not sent again: so it goes on where an earlier one broke off, also from another machine. A
download goes on where an earlier one broke off (Range), from a file beside its target that is called `.part`; the
target gets its name only when all bytes are there and hash to the digest that was asked for.
"""

import contextlib
import http.client
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from avouch import digests, errors
from avouch.client import connection, ownfiles
from avouch.crafting import uploads

PART = 16 * 1024 * 1024  # bytes of one part of an upload; smaller ones are sent as a whole
_PATIENCE = 5  # broken connections without a byte in between
_DAY = 86400.0  # seconds for one file; silence ends it much sooner


def pieces(source: uploads.Source, progress: uploads.Progress) -> Iterator[bytes]:
    """The bytes of a source, compared with its digest before the last of them is sent.

    Raises:
        Invalid: they are no longer those that were hashed, so that nothing wrong is ever completed.
    """
    hasher, held = digests.Hasher(), b""
    progress(0)
    for piece in _read(source):
        hasher.update(piece)
        if hasher.size > source.size:
            break
        if held:
            yield held
            progress(hasher.size - len(piece))
        held = piece
    if hasher.size != source.size or hasher.digest() != source.digest:
        raise errors.Invalid(f"{source.path} changed while it was sent", fix="add it again when it is written")
    yield held
    progress(hasher.size)


def parts(source: uploads.Source) -> Iterator[tuple[uploads.Source, int]]:
    """The parts of a large source, each with the offset at which it begins; one is in memory at a time.

    Raises:
        Invalid: the bytes are no longer those that were hashed.
    """
    whole, held = digests.Hasher(), bytearray()
    for piece in _read(source):
        whole.update(piece)
        held += piece
        while len(held) >= PART:
            yield _part(bytes(held[:PART])), whole.size - len(held)
            del held[:PART]
    if held:
        yield _part(bytes(held)), whole.size - len(held)
    if whole.size != source.size or whole.digest() != source.digest:
        raise errors.Invalid(f"{source.path} changed while it was sent", fix="add it again when it is written")


def _part(content: bytes) -> uploads.Source:
    return uploads.Source(digests.of_bytes(content), len(content), content=content)


def fetch(
    link: connection.Connection, path: str, digest: digests.Digest, target: Path, progress: uploads.Progress
) -> int:
    """Download into `target`; the number of its bytes.

    Raises:
        Conflict: the target exists with other content.
        Corrupt: what the server sent does not hash to the digest.
        NotFound, Denied, Unavailable: as the server says.
    """
    if target.exists():
        return _already(target, digest)
    part = target.with_name(f"{target.name}.{digest.hex[:12]}.part")
    failures, broken = 0, "not begun"
    while broken:
        before = _size(part)
        broken = _go_on(link, path, part, progress)
        failures = 0 if _size(part) > before else failures + 1
        if broken and failures >= _PATIENCE:
            raise errors.Unavailable(f"the download broke off ({broken}); {part} is kept: try again to resume")
    return _settle(part, digest, target)


def _go_on(link: connection.Connection, path: str, part: Path, progress: uploads.Progress) -> str:
    """Fetch what is missing; why that ended too early, empty where it did not."""
    start = _size(part)
    headers = {"Accept": "application/octet-stream", **({"Range": f"bytes={start}-"} if start else {})}

    def read(response: connection.Response) -> str:
        if response.status == 416:
            response.read(connection.CHUNK)  # nothing lies behind what we have: the digest says whether that is all
            return ""
        goes_on = response.status == 206 and _begins_at(response.getheader("Content-Range"), start)
        if response.status == 206 and not goes_on:
            raise errors.Invalid("the server sent another part of the file than was asked for", fix="try again")
        return _append(response, part, start if goes_on else 0, progress)

    accepted = frozenset({200, 206, 416})
    broken = link.stream(connection.Request("GET", path, headers=headers, accept=accepted, total=_DAY), read)
    if broken:
        link.close()
    return broken


def _append(response: connection.Response, part: Path, start: int, progress: uploads.Progress) -> str:
    done, broken = start, ""
    try:
        with _opened(part, os.O_RDWR | os.O_CREAT) as file:
            file.truncate(start)
            file.seek(start)
            progress(done)
            while not broken:
                piece, broken = _piece(response)
                if not piece:
                    break
                file.write(piece)
                done += len(piece)
                progress(done)
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        raise errors.Invalid(f"{part} cannot be written: {exc.strerror}", field="--output") from exc
    return broken


def _piece(response: connection.Response) -> tuple[bytes, str]:
    """The next bytes, or why the connection broke before the announced end."""
    try:
        piece = response.read1(connection.CHUNK)
    except (OSError, http.client.HTTPException) as exc:
        return b"", str(exc) or type(exc).__name__
    if not piece and response.length:
        return b"", f"{response.length} bytes are missing"
    return piece, ""


def _begins_at(header: str | None, start: int) -> bool:
    return header is not None and header.removeprefix("bytes ").partition("-")[0] == str(start)


def _settle(part: Path, digest: digests.Digest, target: Path) -> int:
    with _opened(part, os.O_RDONLY) as file:
        found, size = digests.of_file(file)
    if found != digest:
        part.unlink()
        raise errors.Corrupt(f"the server sent {found} instead of {digest}; the bytes were discarded")
    os.replace(part, target)
    return size


def _already(target: Path, digest: digests.Digest) -> int:
    with target.open("rb") as file:
        found, size = digests.of_file(file)
    if found != digest:
        raise errors.Conflict(f"{target} exists and is another file (fix: name another with --output)")
    return size


def _size(part: Path) -> int:
    with contextlib.suppress(FileNotFoundError), _opened(part, os.O_RDONLY) as file:
        return os.fstat(file.fileno()).st_size
    return 0


def _opened(part: Path, flags: int) -> BinaryIO:
    """The part is beside the target, where a repository may have put a link of that name: its digest is no secret."""
    return os.fdopen(ownfiles.opened(part, flags, "--output", mode=0o666), "rb" if flags == os.O_RDONLY else "r+b")


def _read(source: uploads.Source) -> Iterator[bytes]:
    if source.content is not None:
        yield source.content
        return
    if source.path is None:
        raise ValueError("a source without content and path")
    try:
        with source.path.open("rb") as file:
            while piece := file.read(connection.CHUNK):
                yield piece
    except OSError as exc:
        raise errors.Invalid(f"{source.path} cannot be read: {exc.strerror}") from exc
