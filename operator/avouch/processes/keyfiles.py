"""What is read from mounted files and kept until they change: Secrets rotate under a running process."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")


class FileCache(Generic[Value]):
    """A value made of the contents of files. A look at their modification is all that an unchanged one costs."""

    def __init__(self, paths: Callable[[], Sequence[Path]], make: Callable[[Sequence[bytes]], Value]) -> None:
        self._paths = paths
        self._make = make
        self._seen: object = None
        self._value: Value | None = None

    def get(self) -> Value:
        """The value of the files as they are now. Raises OSError, and what `make` raises."""
        paths = self._paths()
        # Kubernetes replaces a mounted Secret as a whole, behind a link: the inode changes even within one second.
        stats = [path.stat() for path in paths]
        seen = [(path, stat.st_ino, stat.st_mtime_ns, stat.st_size) for path, stat in zip(paths, stats, strict=True)]
        if self._value is None or seen != self._seen:
            self._value = self._make([path.read_bytes() for path in paths])
            self._seen = seen
        return self._value
