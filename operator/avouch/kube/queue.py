"""A keyed work queue with client-go's guarantees, for one event loop.

A key is never with two workers; many adds before a run cause one run; an add during a run causes exactly one more run;
failures back off exponentially, and success resets the backoff.
"""

import asyncio
import heapq
import math
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from avouch import errors

K = TypeVar("K", bound=Hashable)

_MAX_EXPONENT = 20  # 0.05 s * 2^20 is over half a day; beyond it the power only overflows


class Closed(errors.AvouchError):
    """The queue was drained: the worker can end."""


class _Turns(asyncio.Queue[K | None]):
    """Groups take turns, each in its own order. None ends a worker."""

    def __init__(self, group: Callable[[K], str]) -> None:
        self._group = group
        super().__init__()

    def qsize(self) -> int:
        return sum(map(len, self._queue.values()))

    def _init(self, maxsize: int) -> None:
        self._queue: OrderedDict[str | None, deque[K | None]] = OrderedDict()  # no group in it is empty

    def _put(self, item: K | None) -> None:
        self._queue.setdefault(None if item is None else self._group(item), deque()).append(item)

    def _get(self) -> K | None:
        group, waiting = self._queue.popitem(last=False)
        item = waiting.popleft()
        if waiting:
            self._queue[group] = waiting
        return item


class WorkQueue(Generic[K]):
    """Keys to be reconciled. `base` and `cap` bound the backoff in seconds; `jitter` spreads it by that share.

    Keys come in the order in which they were added. With `group`, groups take turns: one with many keys makes another
    wait for one of them.
    """

    def __init__(
        self,
        *,
        base: float = 0.05,
        cap: float = 300.0,
        jitter: float = 0.2,
        clock: Callable[[], float] | None = None,
        group: Callable[[K], str] = lambda _key: "",
    ) -> None:
        self._ready: _Turns[K] = _Turns(group)
        self._dirty: set[K] = set()
        self._active: set[K] = set()
        self._later: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._base, self._cap, self._jitter = base, cap, jitter
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._timer: asyncio.TimerHandle | None = None
        self._sequence = 0
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._dirty)

    @property
    def active(self) -> int:
        """How many keys are with a worker now."""
        return len(self._active)

    def add(self, key: K) -> None:
        """Schedule one run of this key."""
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        self._idle.clear()
        if key not in self._active:
            self._ready.put_nowait(key)

    def add_many(self, keys: Iterable[K]) -> None:
        """Schedule one run of each key."""
        for key in keys:
            self.add(key)

    def add_after(self, key: K, delay: float) -> None:
        """Schedule a run in `delay` seconds; of several the earliest counts."""
        due = self._clock() + delay
        if self._closed or self._due.get(key, math.inf) <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._later, (due, self._sequence, key))
        self._arm()

    def add_rate_limited(self, key: K) -> float:
        """Schedule a run after this key's backoff, which doubles with each failure. Returns the delay."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(self._cap, self._base * float(1 << min(failures - 1, _MAX_EXPONENT)))
        delay *= random.uniform(1 - self._jitter, 1 + self._jitter)  # noqa: S311 - spreads load, guards nothing
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """The key succeeded: its next failure starts at the base again."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """How often the key failed in a row."""
        return self._failures.get(key, 0)

    async def get(self) -> K:
        """The next key; `done` must follow.

        Raises:
            Closed: the queue was drained.
        """
        key = None if self._closed else await self._ready.get()
        if key is None:
            self._ready.put_nowait(None)  # wake the next worker as well
            raise Closed
        self._dirty.discard(key)
        self._active.add(key)
        return key

    def done(self, key: K) -> None:
        """The worker finished with the key; one that was added meanwhile becomes ready again."""
        self._active.discard(key)
        if key in self._dirty and not self._closed:
            self._ready.put_nowait(key)
        if not self._active and (self._closed or not self._dirty):
            self._idle.set()

    async def drain(self) -> None:
        """Accept no more keys, let active ones finish, end the workers."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        self._ready.put_nowait(None)
        if not self._active:
            self._idle.set()
        await self._idle.wait()

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        if self._later:
            wait = max(0.0, self._later[0][0] - self._clock())
            self._timer = asyncio.get_running_loop().call_later(wait, self._release)

    def _release(self) -> None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            due, _, key = heapq.heappop(self._later)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
        self._arm()
