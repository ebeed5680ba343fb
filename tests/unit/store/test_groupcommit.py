"""Group commit: who shares a batch with whom, and who fails for whose sake: nobody waits for ever."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from avouch import errors
from avouch.store import groupcommit


class Written:
    """Batches as they were written."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.failures: dict[str, Exception] = {}  # of a batch, by one of its items
        self.going = asyncio.Event()
        self.going.set()

    async def write(self, items: Sequence[str]) -> Sequence[None]:
        """One batch."""
        self.batches.append(list(items))
        await self.going.wait()
        for item in items:
            if item in self.failures:
                raise self.failures[item]
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


async def test_a_caller_that_goes_away_is_written_all_the_same_and_harms_nobody() -> None:
    written = Written()
    group = _committing(written)
    written.going.clear()
    gone, waiting = asyncio.ensure_future(group.submit("a")), asyncio.ensure_future(group.submit("b"))
    await asyncio.sleep(0.001)
    gone.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await gone
    written.going.set()
    async with asyncio.timeout(5):
        await waiting
        await group.submit("c")
        await group.close()
    assert "".join(map("".join, written.batches)) == "abc"
    assert group.depth == 0


@pytest.mark.parametrize("failure", [errors.Invalid("a bad row"), ValueError("a bug")])
async def test_a_bad_row_fails_alone_and_others_after_it_are_written(failure: Exception) -> None:
    written = Written()
    written.failures["b"] = failure
    group = _committing(written)
    async with asyncio.timeout(5):
        found = await asyncio.gather(*map(group.submit, "abc"), return_exceptions=True)
        assert [isinstance(one, errors.AvouchError) for one in found] == [False, True, False]
        await group.submit("d")


async def test_a_locked_row_fails_alone_and_nobody_waits_for_it() -> None:
    """Only when all others are answered is the lock given up."""
    answered = asyncio.Event()

    async def write(items: Sequence[str]) -> Sequence[None]:
        if items == ["b"]:
            await answered.wait()
        if "b" in items:
            raise errors.Locked("somebody holds it")
        return [None for _ in items]

    group = groupcommit.GroupCommit(write, len, groupcommit.Limits(committers=1))
    locked, *others = (asyncio.ensure_future(group.submit(item)) for item in "bacdef")
    async with asyncio.timeout(5):
        await asyncio.gather(*others)
        answered.set()
        with pytest.raises(errors.Locked):
            await locked
        await group.submit("g")
    assert group.depth == 0


async def test_where_every_row_is_locked_not_each_is_waited_for() -> None:
    written = Written()
    letters = "abcdefghijklmnopqrstuvwxyz"
    written.failures = {item: errors.Locked("somebody holds it") for item in letters}
    found = await asyncio.gather(*map(_committing(written).submit, letters), return_exceptions=True)
    assert [type(one) for one in found] == [errors.Locked] * len(letters)
    assert written.batches[0] == list(letters)
    assert len(written.batches) <= 1 + 5  # four, and what was under way beside the fourth


async def test_a_database_that_is_away_is_said_to_each_and_not_asked_once_for_each() -> None:
    written = Written()
    written.failures["b"] = errors.Unavailable("away")
    found = await asyncio.gather(*map(_committing(written).submit, "abc"), return_exceptions=True)
    assert [type(one) for one in found] == [errors.Unavailable] * 3
    assert written.batches == [["a", "b", "c"]]


async def test_a_batch_that_never_ends_is_given_up() -> None:
    written = Written()
    group = _committing(written, seconds=0.01)
    written.going.clear()
    async with asyncio.timeout(5):
        with pytest.raises(errors.Unavailable):
            await group.submit("a")
        written.going.set()
        await group.submit("b")


@pytest.mark.parametrize("bounds", [{"count": 2}, {"size": 2}])
async def test_a_full_queue_pushes_back_until_what_waits_is_written(bounds: dict[str, int]) -> None:
    written = Written()
    group = _committing(written, **bounds)
    written.going.clear()
    waiting = [asyncio.ensure_future(group.submit(item)) for item in "ab"]
    await asyncio.sleep(0)
    with pytest.raises(errors.Overloaded):
        await group.submit("c")
    written.going.set()
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
        for item in "cde":
            await group.submit(item)


async def test_a_bad_row_that_is_alone_is_written_once_and_told_what_is_wrong_with_it() -> None:
    written = Written()
    written.failures = {"a": errors.Invalid("a bad row"), "b": errors.Locked("somebody holds it")}
    group = _committing(written)
    with pytest.raises(errors.Invalid, match="a bad row"):
        await group.submit("a")
    with pytest.raises(errors.Unavailable, match="somebody holds it"):
        await group.submit("b")
    assert written.batches == [["a"], ["b"]]


async def test_each_caller_gets_an_error_of_its_own() -> None:
    written = Written()
    written.failures["b"] = errors.Unavailable("away")
    found = await asyncio.gather(*map(_committing(written).submit, "abc"), return_exceptions=True)
    assert len({id(one) for one in found}) == 3


async def test_closing_writes_what_waits_and_leaves_nobody_behind() -> None:
    written = Written()
    group = _committing(written, batch=1)
    before = asyncio.all_tasks()
    waiting = [asyncio.ensure_future(group.submit(item)) for item in "abc"]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await group.close()
    assert written.batches == [["a"], ["b"], ["c"]]
    await asyncio.gather(*waiting)
    assert asyncio.all_tasks() == before
    async with asyncio.timeout(5):
        await group.submit("d")  # and may be used again
        await group.close()
