"""Who may do something costly now: few at once, and one of each namespace. Who may not asks again later."""

import contextlib
from collections.abc import Iterator


class Turns:
    """As many turns as there may be at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: set[str] = set()

    @contextlib.contextmanager
    def of(self, namespace: str) -> Iterator[bool]:
        """Whether it is this namespace's turn; if so, until the block ends."""
        if namespace in self._taken or len(self._taken) >= self._most:
            yield False
            return
        self._taken.add(namespace)
        try:
            yield True
        finally:
            self._taken.discard(namespace)
