"""Bytes on their way to the server, as those who gather them hand them to those who send them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from avouch import digests

Progress = Callable[[int], None]  # how many bytes there are by now


class Source(NamedTuple):
    """A file or bytes. `content` None: they are read from `path`."""

    digest: digests.Digest
    size: int
    path: Path | None = None
    content: bytes | None = None


def after(before: int, progress: Progress) -> Progress:
    """Progress of a part of something: so many bytes came before it."""
    return lambda done: progress(before + done)


def quiet(done: int) -> None:
    """Progress that is not shown."""
