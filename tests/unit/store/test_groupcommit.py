"""Group commit: who shares a batch with whom."""

import asyncio
from collections.abc import Sequence

from avouch.store import groupcommit


class Written:
    """Batches as they were written."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    async def write(self, items: Sequence[str]) -> Sequence[None]:
        """One batch."""
        self.batches.append(list(items))
        return [None for _ in items]


def _committing(written: Written, **limits: float) -> groupcommit.GroupCommit[str, None]:
    bounds = groupcommit.Limits(committers=1, **limits)  # type: ignore[arg-type]
    return groupcommit.GroupCommit(written.write, len, bounds)


async def _trickle(group: groupcommit.GroupCommit[str, None], items: str) -> None:
    """One after the other, each when everything that could be done about the one before was done."""
    waiting = []
    for item in items:
        waiting.append(asyncio.ensure_future(group.submit(item)))
        for _ in range(20):
            await asyncio.sleep(0)
    await asyncio.gather(*waiting)


async def test_one_that_comes_alone_is_written_at_once_whatever_the_rest() -> None:
    written = Written()
    async with asyncio.timeout(5):
        await _committing(written, rest=3600).submit("a")
    assert written.batches == [["a"]]


async def test_those_that_come_during_the_rest_share_the_next_batch() -> None:
    written = Written()
    await _trickle(_committing(written, rest=0.05), "abcd")
    assert written.batches == [["a"], ["b", "c", "d"]]


async def test_without_a_rest_nobody_waits_for_others() -> None:
    written = Written()
    await _trickle(_committing(written), "abc")
    assert written.batches == [["a"], ["b"], ["c"]]


async def test_full_batches_follow_each_other_without_a_rest() -> None:
    written = Written()
    group = _committing(written, rest=3600, batch=2)
    async with asyncio.timeout(5):
        await asyncio.gather(*map(group.submit, "abcd"))
    assert written.batches == [["a", "b"], ["c", "d"]]
