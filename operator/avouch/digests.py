"""Content digests: the only caller of hashlib.

>>> str(of_bytes(b""))
'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
"""

import hashlib
import re
from collections.abc import AsyncIterator, Iterable
from typing import BinaryIO, Self

from avouch.errors import Corrupt, Invalid, TooLarge
from avouch.values import dataclass

CHUNK = 1024 * 1024  # bytes read at a time: large enough for hashing speed, small enough to keep memory flat
PATTERN = r"sha256:[0-9a-f]{64}"
_FORM = re.compile(PATTERN, re.ASCII)


@dataclass(frozen=True, order=True, slots=True)
class Digest:
    """A sha256 digest in the OCI spelling: 64 lower-case hexadecimal characters."""

    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `sha256:<64 lower-case hex>` (OCI image-spec, descriptor.md, digests).

        Raises:
            Invalid: any other spelling, upper case included.
        """
        if not _FORM.fullmatch(text):
            raise Invalid(f"not a sha256 digest: {text[:80]!r}", fix="write sha256: and 64 lower-case hex characters")
        return cls(text[7:])

    def __str__(self) -> str:
        return f"sha256:{self.hex}"


def well_formed(text: str) -> bool:
    """Whether a text is a sha256 digest in the OCI spelling."""
    return _FORM.fullmatch(text) is not None


class Hasher:
    """Streaming sha256 that also counts bytes."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.size = 0

    def update(self, chunk: bytes | memoryview) -> None:
        """Add the next bytes of the content."""
        self._sha256.update(chunk)
        self.size += len(chunk)

    def digest(self) -> Digest:
        """Digest of everything added so far."""
        return Digest(self._sha256.hexdigest())


def of_bytes(content: bytes) -> Digest:
    """Digest of bytes held in memory."""
    return Digest(hashlib.sha256(content).hexdigest())


def of_chunks(chunks: Iterable[bytes]) -> tuple[Digest, int]:
    """Digest and size in bytes of content that arrives in pieces."""
    hasher = Hasher()
    for chunk in chunks:
        hasher.update(chunk)
    return hasher.digest(), hasher.size


def of_file(file: BinaryIO) -> tuple[Digest, int]:
    """Digest and size in bytes of an open file, read in pieces of `CHUNK`."""
    return of_chunks(iter(lambda: file.read(CHUNK), b""))


class Intake(Hasher):
    """Hasher of incoming content: bounded, and compared with the expected digest."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def update(self, chunk: bytes | memoryview) -> None:
        """Add the next bytes.

        Raises:
            TooLarge: more than the limit in all.
        """
        if self.size + len(chunk) > self._limit:
            raise TooLarge(f"more than {self._limit} bytes", fix="send less, or raise the limit of the store")
        super().update(chunk)

    def settle(self, expected: Digest | None) -> Digest:
        """Digest of everything added.

        Raises:
            Invalid: it is not the expected one.
        """
        found = self.digest()
        if expected is not None and found != expected:
            raise Invalid(f"the content is {found}, not {expected}", fix="send the content of this digest")
        return found


async def checked(pieces: AsyncIterator[bytes], digest: Digest) -> AsyncIterator[bytes]:
    """Stored content, hashed again while it is read. The last piece is held back until the digest is verified.

    Raises:
        Corrupt: it no longer matches its digest.
    """
    hasher = Hasher()
    held = b""
    async for piece in pieces:
        hasher.update(piece)
        if held:
            yield held
        held = piece
    if hasher.digest() != digest:
        raise Corrupt(f"stored content no longer matches {digest}: {hasher.size} bytes with {hasher.digest()}")
    if held:
        yield held
