"""The judging loops of a worker: who wakes whom, what fails is tried again, and all of them end."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from avouch import errors
from avouch.controlplane.judging import judge
from avouch.controlplane.model import judging as judging_model
from avouch.processes import worker, workermetrics

SETTLED = judging_model.Settled(uuid.UUID(int=1))
OUTSIDE = judging_model.Outside(uuid.UUID(int=2))
FULL = [SETTLED] * judge.BATCH


class Work:
    """Batches and single runs to judge; remembers how many are judged at once."""

    def __init__(self, *batches: Sequence[judging_model.Outcome] | Exception) -> None:
        self.batches = list(batches)
        self.singles = 0
        self.looks = {"batch": 0, "few": 0}
        self.at_once = {"batch": 0, "few": 0}
        self.most = {"batch": 0, "few": 0}

    def judging(self) -> "Work":
        return self

    async def batch(self) -> Sequence[judging_model.Outcome]:
        found = self.batches.pop(0) if self.batches else []
        if isinstance(found, Exception):
            raise found
        return await self._looked("batch", found)

    async def few(self, taken: Callable[[], None]) -> Sequence[judging_model.Outcome]:
        found = min(self.singles, 1)
        self.singles -= found
        if found:
            taken()
        return await self._looked("few", [SETTLED] * found)

    async def _looked(self, what: str, found: Sequence[judging_model.Outcome]) -> Sequence[judging_model.Outcome]:
        self.looks[what] += 1
        if found:
            self.at_once[what] += 1
            self.most[what] = max(self.most[what], self.at_once[what])
            for _ in range(50):  # others have their turn
                await asyncio.sleep(0)
            self.at_once[what] -= 1
        return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses; and an hour between looks, so that only what wakes a loop makes it look."""
    for name, seconds in (("_REST", 0.0), ("_PAUSE", 0.0), ("_POLL", 3600.0)):
        monkeypatch.setattr(worker, name, seconds)


async def looping(work: Work, meanwhile: Callable[[worker.Loops], Awaitable[None]]) -> None:
    loops = worker.Loops(SimpleNamespace(judging=work.judging), asyncio.Event())  # type: ignore[arg-type]  # what they use
    running = asyncio.create_task(loops.run())
    await meanwhile(loops)
    loops.stop.set()
    loops.end()
    async with asyncio.timeout(20):
        await running


async def test_what_is_told_of_is_judged_at_once_and_all_loops_end() -> None:
    work = Work()

    async def tell(loops: worker.Loops) -> None:
        await until(lambda: work.looks["batch"] >= 2)
        await asyncio.sleep(0)
        work.batches = [[SETTLED]]
        loops.queued()
        await until(lambda: not work.batches)

    await looping(work, tell)


async def test_a_full_batch_wakes_a_second_loop() -> None:
    work = Work()

    async def tell(loops: worker.Loops) -> None:
        await until(lambda: work.looks["batch"] >= 2)
        await asyncio.sleep(0)
        work.batches = [FULL] * 5
        loops.queued()
        await until(lambda: not work.batches)

    await looping(work, tell)
    assert work.most["batch"] == 2


async def test_a_batch_that_is_not_full_leaves_the_other_loop_alone() -> None:
    work = Work()

    async def tell(loops: worker.Loops) -> None:
        await until(lambda: work.looks["batch"] >= 2)
        await asyncio.sleep(0)
        work.batches = [[SETTLED]] * 5
        loops.queued()
        await until(lambda: not work.batches)

    await looping(work, tell)
    assert work.most["batch"] == 1


async def test_what_leaves_a_batch_is_judged_by_as_many_loops_as_there_are() -> None:
    work = Work()

    async def tell(loops: worker.Loops) -> None:
        await until(lambda: work.looks["few"] >= len(loops.outside))
        await asyncio.sleep(0)
        work.singles, work.batches = 40, [[OUTSIDE]]
        loops.queued()
        await until(lambda: work.singles == 0)

    await looping(work, tell)
    assert work.most["few"] == worker._OUTSIDE


@pytest.mark.parametrize("failure", [errors.Unavailable("the database is away"), KeyError("a bug")])
async def test_what_fails_is_tried_again(failure: Exception) -> None:
    work = Work(failure, failure, [SETTLED])
    await looping(work, lambda _: until(lambda: not work.batches))


async def test_without_a_word_the_first_loop_of_each_kind_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_POLL", 0.001)
    work = Work()
    await looping(work, lambda _: until(lambda: min(work.looks.values()) > 20))


async def test_a_run_that_cannot_be_judged_is_counted_and_one_that_only_waits_is_not() -> None:
    counted = workermetrics.Metrics()
    adapters = SimpleNamespace(metrics=counted)
    loops = worker.Loops(adapters, asyncio.Event())  # type: ignore[arg-type]  # what it uses
    later = judging_model.Later(uuid.UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC))

    async def judged() -> Sequence[judging_model.Outcome]:
        return [later, replace(later, reason="its plan cannot be read")]

    await loops._timed(judged)
    assert counted.registry.get_sample_value("avouch_runs_put_off_total") == 1
