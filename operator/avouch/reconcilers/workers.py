"""Workers over a queue of keys: what fails is tried again later, and one object that fails never stops the others."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from avouch import errors
from avouch.kube.cache import Key
from avouch.kube.queue import Closed, WorkQueue

log = logging.getLogger(__name__)

TIMEOUT = 30.0  # seconds for one attempt

Attempt: TypeAlias = Callable[[Key], Awaitable[float | None]]
"""Handles one key. Returns after how many seconds to look again, or None; raises errors.AvouchError to be repeated."""
Count: TypeAlias = Callable[[str, str, float], None]
"""Told (kind, result, seconds) of each attempt; result is ok, retry or error."""


def forget(_kind: str, _result: str, _seconds: float) -> None:
    """Do not count."""


@dataclass(frozen=True, slots=True)
class Workers:
    """So many workers, one queue."""

    queue: WorkQueue[Key]
    attempt: Attempt
    count: Count = forget

    async def run(self, workers: int) -> None:
        """Work until the queue drains."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._worker())

    async def once(self, key: Key) -> None:
        """One attempt at one key; what becomes of it is counted, logged and scheduled."""
        started = time.monotonic()
        result = await self._tried(key)
        self.count(key.kind, result, time.monotonic() - started)

    async def _worker(self) -> None:
        with contextlib.suppress(Closed):
            while True:
                key = await self.queue.get()
                try:
                    await self.once(key)
                finally:
                    self.queue.done(key)

    async def _tried(self, key: Key) -> str:
        try:
            async with asyncio.timeout(TIMEOUT):
                recheck = await self.attempt(key)
        except (errors.AvouchError, TimeoutError) as exc:
            delay = self.queue.add_rate_limited(key)
            log.warning("reconciling %s %s/%s failed: %s; retrying in %.1f s", *key, exc or "timed out", delay)
            return "retry"
        except Exception:  # a bug that one object triggers must not stop all the others
            self.queue.add_rate_limited(key)
            log.exception("reconciling %s %s/%s failed unexpectedly", *key)
            return "error"
        self.queue.forget(key)
        if recheck is not None:
            self.queue.add_after(key, recheck)
        return "ok"
