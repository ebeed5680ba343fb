"""Jobs that are due, and runs that nothing would have judged any more."""

import asyncio
import datetime

import pytest
import sqlalchemy as sa

from avouch.controlplane.model import runs as run_model
from avouch.store import database, jobs, tables
from avouch.store import runs as run_store
from tests.store.conftest import NOW, a_run, a_verdict, decide

pytestmark = pytest.mark.postgres

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


async def waiting(opened: database.Database, run: run_model.Run) -> int:
    query = sa.text("SELECT count(*) FROM procrastinate_jobs WHERE lock = :lock AND status = 'todo'")
    async with opened.snapshot() as connection:
        return int((await connection.execute(query, {"lock": f"judge:{run.id}"})).scalar_one())


async def lose_job(opened: database.Database, run: run_model.Run) -> None:
    """As a job ends that failed by a bug."""
    async with opened.transaction() as connection:
        query = sa.text("UPDATE procrastinate_jobs SET status = 'failed' WHERE lock = :lock")
        await connection.execute(query, {"lock": f"judge:{run.id}"})


async def ended(opened: database.Database, at: datetime.datetime) -> run_model.Run:
    run = a_run()
    await run_store.Runs(opened).open(run)
    async with opened.snapshot() as connection:
        epoch = (await connection.execute(sa.select(tables.leases.c.epoch))).scalar_one()
    await run_store.Runs(opened).finish(run.id, run_model.Snapshot({"kind": "TaskRun"}, ()), at, epoch=epoch)
    return run


async def test_a_run_that_ended_and_lost_its_job_is_queued_again_once(opened: database.Database) -> None:
    run = await ended(opened, LONG_AGO)
    await lose_job(opened, run)
    assert await jobs.Jobs(opened).judge_forgotten() >= 1
    assert await waiting(opened, run) == 1
    await jobs.Jobs(opened).judge_forgotten()
    assert await waiting(opened, run) == 1


async def test_a_run_that_ended_just_now_or_is_judged_is_left_alone(opened: database.Database) -> None:
    fresh, judged = await ended(opened, datetime.datetime.now(datetime.UTC)), await ended(opened, LONG_AGO)
    await decide(opened, a_verdict(judged), [])
    for run in (fresh, judged):
        await lose_job(opened, run)
    await jobs.Jobs(opened).judge_forgotten()
    assert [await waiting(opened, run) for run in (fresh, judged)] == [0, 0]


async def test_a_later_time_never_puts_off_a_job_that_is_due_earlier(opened: database.Database) -> None:
    run = await ended(opened, LONG_AGO)
    async with opened.transaction() as connection:
        await jobs.judge(connection, run.id, NOW + datetime.timedelta(days=1))
    query = sa.text("SELECT scheduled_at FROM procrastinate_jobs WHERE lock = :lock AND status = 'todo'")
    async with opened.snapshot() as connection:
        assert (await connection.execute(query, {"lock": f"judge:{run.id}"})).scalars().all() == [None]


async def test_runs_that_fail_for_ever_keep_no_other_from_being_queued_again(opened: database.Database) -> None:
    """More than one turn takes, all of them queued first, and each of them losing its job each time."""
    repository = run_store.Runs(opened)
    async with opened.snapshot() as connection:
        epoch = (await connection.execute(sa.select(tables.leases.c.epoch))).scalar_one()
    hopeless = [a_run() for _ in range(600)]
    honest = a_run()
    for some in (hopeless, [honest]):
        await asyncio.gather(*map(repository.open, some))
        snapshot = run_model.Snapshot({"kind": "TaskRun"}, ())
        await asyncio.gather(*(repository.finish(run.id, snapshot, LONG_AGO, epoch=epoch) for run in some))
    await repository.close()
    for _ in range(60):  # one turn passes over a run in one of six cases
        async with opened.transaction() as connection:
            await connection.execute(sa.text("DELETE FROM procrastinate_jobs"))
        assert await jobs.Jobs(opened).judge_forgotten() == 500
        if await waiting(opened, honest):
            break
    assert await waiting(opened, honest) == 1
    async with opened.transaction() as connection:
        await connection.execute(sa.delete(tables.runs).where(tables.runs.c.id.in_([run.id for run in hopeless])))


async def test_a_job_that_a_worker_has_taken_stays_beside_the_one_that_is_due_now(opened: database.Database) -> None:
    run, other = await ended(opened, LONG_AGO), await ended(opened, LONG_AGO)
    take = sa.text("UPDATE procrastinate_jobs SET status = 'doing' WHERE lock = :lock")
    statuses = sa.text("SELECT status FROM procrastinate_jobs WHERE lock = :lock ORDER BY id")
    async with opened.transaction() as connection:
        await connection.execute(take, {"lock": f"judge:{run.id}"})
        for _ in range(2):
            await jobs.judge_now(connection, run.id)
        found = await connection.execute(statuses, {"lock": f"judge:{run.id}"})
        assert [str(status) for status in found.scalars()] == ["doing", "todo"]
    assert await waiting(opened, other) == 1


async def test_only_jobs_that_wait_for_nobody_any_more_are_dropped(opened: database.Database) -> None:
    run = await ended(opened, LONG_AGO)
    new = sa.text(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args, status)"
        " VALUES ('deliver', 'deliver', :name, :name, '{}', CAST(:status AS procrastinate_job_status))"
    )
    left = sa.text("SELECT status FROM procrastinate_jobs WHERE queue_name = 'deliver'")
    async with opened.transaction() as connection:
        for status in ("todo", "doing"):
            await connection.execute(new, {"name": status, "status": status})
    await jobs.Jobs(opened).judge_forgotten()
    async with opened.transaction() as connection:
        assert [str(status) for status in (await connection.execute(left)).scalars()] == ["doing"]
    assert await waiting(opened, run) == 1
