"""Answers that hold for a while, by key: each until its time is over, the oldest one makes room for the newest."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """At most `most` answers. Owned by one event loop."""

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._monotonic = monotonic
        self._found: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def recall(self, key: Key) -> Value | None:
        """The answer, as long as it holds."""
        kept = self._found.get(key)
        if kept is not None and self._monotonic() < kept[0]:
            return kept[1]
        self._found.pop(key, None)
        return None

    def keep(self, key: Key, value: Value, seconds: float) -> None:
        """Remember an answer for so long."""
        self._found.pop(key, None)
        while len(self._found) >= self._most:
            self._found.popitem(last=False)
        self._found[key] = (self._monotonic() + seconds, value)
