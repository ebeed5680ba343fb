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
