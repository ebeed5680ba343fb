"""What is kept in memory, by key, within bounds: answers that hold for a while, and values that never change."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """At most `most` answers, each until its time is over; the oldest makes room. Owned by one event loop."""

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


class Bounded(Generic[Key, Value]):
    """Values that never change, as many as a bound takes; the one asked for longest ago makes room.

    Owned by one event loop.
    """

    def __init__(self, most: int) -> None:
        """`most`: what the sizes of all values may come to."""
        self._most = self._left = most
        self._found: OrderedDict[Key, tuple[int, Value]] = OrderedDict()

    def recall(self, key: Key) -> Value | None:
        """The value, if there still is one."""
        if key not in self._found:
            return None
        self._found.move_to_end(key)
        return self._found[key][1]

    def keep(self, key: Key, value: Value, size: int = 1) -> None:
        """Remember a value, unless it alone has more than all of them may have."""
        self._left += self._found.pop(key, (0, value))[0]
        if size > self._most:
            return
        while size > self._left:
            self._left += self._found.popitem(last=False)[1][0]
        self._left -= size
        self._found[key] = (size, value)
