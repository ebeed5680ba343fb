import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avouch.kube.queue import Closed, WorkQueue


async def test_many_adds_before_a_run_are_one_run() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(100):
        queue.add("a")
    assert await queue.get() == "a"
    assert len(queue) == 0


async def test_a_key_added_while_worked_on_is_run_exactly_once_more_and_never_twice_at_a_time() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a")
    second = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not second.done()
    queue.done("a")
    assert await second == "a"
    queue.done("a")
    await queue.drain()


async def test_of_several_delays_the_earliest_counts_and_runs_once() -> None:
    now = [0.0]
    queue: WorkQueue[str] = WorkQueue(clock=lambda: now[0])
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    now[0] = 6
    queue._release()
    assert await queue.get() == "a"
    queue.done("a")
    now[0] = 30
    queue._release()
    assert len(queue) == 0
    await queue.drain()


@given(st.integers(min_value=1, max_value=200))
def test_backoff_grows_and_stays_bounded(failures: int) -> None:
    async def last_delay() -> float:
        queue: WorkQueue[str] = WorkQueue(jitter=0)
        delays = [queue.add_rate_limited("a") for _ in range(failures)]
        assert delays == sorted(delays)
        await queue.drain()
        return delays[-1]

    assert 0.05 <= asyncio.run(last_delay()) <= 300


async def test_success_forgets_failures() -> None:
    queue: WorkQueue[str] = WorkQueue(jitter=0)
    first = queue.add_rate_limited("a")
    queue.add_rate_limited("a")
    queue.forget("a")
    assert queue.add_rate_limited("a") == first
    await queue.drain()


async def test_draining_waits_for_active_keys_and_ends_every_worker() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()
    waiting = [asyncio.ensure_future(queue.get()) for _ in range(3)]
    draining = asyncio.ensure_future(queue.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    queue.done("a")
    await draining
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, Closed)
    with pytest.raises(Closed):
        await queue.get()


async def test_groups_take_turns_and_each_keeps_its_order() -> None:
    queue: WorkQueue[str] = WorkQueue(group=lambda key: key[0])
    queue.add_many(["a1", "a2", "a3", "a4", "b1", "c1", "c2"])
    assert [await queue.get() for _ in range(5)] == ["a1", "b1", "c1", "a2", "c2"]
    queue.add("b2")  # one that comes later waits for one of each group
    assert [await queue.get() for _ in range(3)] == ["a3", "b2", "a4"]
    assert len(queue) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), unique=True, max_size=20))
def test_groups_lose_nothing_and_end_their_workers(keys: list[tuple[str, int]]) -> None:
    async def taken() -> list[tuple[str, int]]:
        queue: WorkQueue[tuple[str, int]] = WorkQueue(group=lambda key: key[0])
        queue.add_many(keys)
        found = [await queue.get() for _ in keys]
        for key in found:
            queue.done(key)
        await queue.drain()
        with pytest.raises(Closed):
            await queue.get()
        return found

    found = asyncio.run(taken())
    assert sorted(found) == sorted(keys)
    for group in "abc":
        assert [key for key in found if key[0] == group] == [key for key in keys if key[0] == group]
