"""Bytes on their way to the server, as those who gather them hand them to those who send them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from avouch import digests

Progress = Callable[[int], None]  # how many bytes there are by now


@dataclass(frozen=True, slots=True)
class Source:
    """A file or bytes. `content` None: they are read from `path`."""

    digest: digests.Digest
    size: int
    path: Path | None = None
    content: bytes | None = None


def quiet(done: int) -> None:
    """Progress that nobody watches."""
