"""Who is next: a number of places, one namespace after the other."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Turns:
    """Places for the documents of many namespaces.

    Attributes:
        places: documents at once.
        share: places that one namespace may have at once.
    """

    places: int
    share: int
    _taken: Counter[str] = field(default_factory=Counter)
    # Of each namespace that waits or has a place: in the order of their turns.
    _waiting: "dict[str, deque[asyncio.Future[None]]]" = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def turn(self, namespace: str) -> AsyncIterator[None]:
        """Wait for a place, and have it until this is left."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append(mine)
        self._grant()
        try:
            await mine
            yield
        finally:
            if not mine.cancelled():
                self._taken[namespace] -= 1
                self._had(namespace)
            self._grant()

    def _grant(self) -> None:
        while sum(self._taken.values()) < self.places:
            able = (each for each, waiting in self._waiting.items() if waiting and self._taken[each] < self.share)
            chosen = next(able, None)
            if chosen is None:
                return
            first = self._waiting[chosen].popleft()
            if not first.cancelled():  # it waits no more
                first.set_result(None)
                self._taken[chosen] += 1
            self._had(chosen)

    def _had(self, namespace: str) -> None:
        """Its next document comes after everybody else's."""
        self._waiting[namespace] = self._waiting.pop(namespace)
        if not self._taken[namespace] and not self._waiting[namespace]:
            del self._waiting[namespace]
            del self._taken[namespace]
