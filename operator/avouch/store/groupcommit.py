"""Group commit: callers wait in a bounded queue, committers write whatever waits in one transaction.

A committer takes what is there, so one caller alone waits for one COMMIT and many share one. Where nobody waits for the
answer, a committer rests between two batches: runs that trickle in share a commit, too. A batch that fails for the sake
of one row, a bad one or one that somebody else has locked, is written again row by row: that row fails alone, and none
of the others waits for it. Reads share round trips likewise.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from avouch import errors

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_ONCE = 2  # rows of a batch that failed: while one waits for its lock, the others go on
_LOCKED = 4  # rows after which locks are nothing of single rows, and the rest of the batch is not tried


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the queue and of a batch. 4096 waiting is where Tessera pushes back too; a bundle is about 19 KB."""

    count: int = 4096
    size: int = 128 * 1024 * 1024  # bytes waiting
    batch: int = 64
    committers: int = 2
    seconds: float = 20  # one batch; longer than the statement timeout, so this is for a peer that vanished
    rest: float = 0  # seconds of a committer after a batch that was not full


class GroupCommit(Generic[Item, Result]):
    """Queue and committers over one `write(items) -> one result or error per item`. Owned by one event loop."""

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result | errors.AvouchError]]],
        weigh: Callable[[Item], int],
        limits: Limits,
    ) -> None:
        self._write = write
        self._weigh = weigh
        self._limits = limits
        self._queue: asyncio.Queue[tuple[Item, asyncio.Future[Result]]] = asyncio.Queue()
        self._size = 0
        self._count = 0
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def depth(self) -> int:
        """Items accepted into the queue and not answered yet (for metrics)."""
        return self._count

    async def submit(self, item: Item) -> Result:
        """Wait until the item is durable; a caller that is cancelled leaves its item to be written.

        Raises:
            errors.Overloaded: the queue is full by count or by bytes.
        """
        size = self._weigh(item)
        if self._count >= self._limits.count or self._size + size > self._limits.size:
            raise errors.Overloaded("too many pushes wait for the database; send this one again", retry_after=1)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._commit()) for _ in range(self._limits.committers)]
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._count += 1
        self._size += size
        self._queue.put_nowait((item, answer))
        return await answer

    async def close(self) -> None:
        """Write what waits, then stop."""
        await self._queue.join()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _commit(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < self._limits.batch and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._answer(batch)
            if self._limits.rest and len(batch) < self._limits.batch:
                await asyncio.sleep(self._limits.rest)

    async def _answer(self, batch: Sequence[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        results: Sequence[Result | errors.AvouchError]
        try:
            results = await self._bounded([item for item, _ in batch])
        except errors.AvouchError as exc:
            if len(batch) > 1 and (isinstance(exc, errors.Locked) or not exc.retry):
                await self._one_by_one(batch)
                return
            results = [errors.Unavailable(str(exc)) if exc.retry else exc for _ in batch]
        for (item, answer), result in zip(batch, results, strict=True):
            self._settle(item, answer, result)

    async def _one_by_one(self, batch: Sequence[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        """Each is answered when it is written."""
        turns, locked = iter(batch), 0

        async def some() -> None:
            nonlocal locked
            for item, answer in turns:
                if locked < _LOCKED:
                    result = await self._alone(item)
                    locked += isinstance(result, errors.Locked)
                else:
                    result = errors.Locked("other transactions hold what these need; try again")
                self._settle(item, answer, result)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(some())

    async def _alone(self, item: Item) -> Result | errors.AvouchError:
        try:
            (result,) = await self._bounded([item])
        except errors.AvouchError as exc:
            return exc
        return result

    def _settle(self, item: Item, answer: "asyncio.Future[Result]", result: Result | errors.AvouchError) -> None:
        self._count -= 1
        self._size -= self._weigh(item)
        self._queue.task_done()
        if answer.done():  # the caller went away; its row is stored and a resend finds it
            return
        if isinstance(result, errors.AvouchError):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    async def _bounded(self, items: Sequence[Item]) -> Sequence[Result | errors.AvouchError]:
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._write(items)
        except TimeoutError as exc:
            raise errors.Unavailable("the database did not answer in time; try again") from exc
        except Exception as exc:  # a committer that dies would leave every later caller waiting for ever
            if isinstance(exc, errors.AvouchError):
                raise
            raise errors.AvouchError(f"writing failed: {type(exc).__name__}: {exc}") from exc
