"""The queue of runs to judge: whoever dies, hangs or comes from another version, no run is lost or judged by two."""

import asyncio
import contextlib
import datetime
import uuid
from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from avouch import errors
from avouch.controlplane.model import deliveries, judging, verdicts
from avouch.controlplane.model import runs as run_model
from avouch.findings import Finding
from avouch.store import database, external_runs, jobs, judgingqueue, tables
from avouch.store import runs as run_store
from tests.store.conftest import NOW, a_claim, a_delivery, a_run, a_verdict
from tests.store.test_external_runs import crafted

pytestmark = pytest.mark.postgres

SNAPSHOT = run_model.Snapshot({"kind": "TaskRun"}, ())


@pytest.fixture(autouse=True)
async def _empty(opened: database.Database) -> None:
    """What other tests left waiting is not ours to judge."""
    async with opened.transaction() as connection:
        await connection.execute(sa.text("DELETE FROM procrastinate_jobs"))
        await connection.execute(sa.text("DELETE FROM judging_batches"))


async def done(opened: database.Database, count: int = 1, **changes: str) -> list[run_model.Run]:
    made = [a_run(**changes) for _ in range(count)]
    async with opened.snapshot() as connection:
        epoch = (await connection.execute(sa.select(tables.leases.c.epoch))).scalar_one()
    for run in made:
        await run_store.Runs(opened).open(run)
        await run_store.Runs(opened).finish(run.id, SNAPSHOT, NOW, epoch=epoch)
    return made


def decided(run: run_model.Run, *sent: deliveries.Delivery) -> judging.Decided:
    return judging.Decided(a_verdict(run), sent)


def names(work: judging.Work) -> set[uuid.UUID]:
    return {record.run.id for record in work.taken.records}


async def left(opened: database.Database) -> list[tuple[str, int, int]]:
    """(status, attempts, priority) of every job."""
    query = sa.text("SELECT status::text, attempts, priority FROM procrastinate_jobs ORDER BY id")
    async with opened.snapshot() as connection:
        return [tuple(row) for row in (await connection.execute(query)).all()]


async def results(opened: database.Database, made: Sequence[run_model.Run]) -> list[str]:
    found = [await run_store.Runs(opened).get(run.id) for run in made]
    return [one.result.value for one in found if one is not None]


async def test_a_batch_writes_all_verdicts_ends_all_jobs_and_gives_each_run_a_version_of_its_own(
    opened: database.Database,
) -> None:
    made = await done(opened, 5)
    async with judgingqueue.Queue(opened).batch(32) as work:
        assert names(work) == {run.id for run in made}
        assert all(record.snapshot == SNAPSHOT for record in work.taken.records)
        await work.settle([decided(run, a_delivery(run, "chat")) for run in made])
    assert await results(opened, made) == ["Passed"] * 5
    assert await left(opened) == []
    found = [await run_store.Runs(opened).get(run.id) for run in made]
    assert len({one.resource_version for one in found if one}) == 5
    counted = (
        "SELECT (SELECT count(*) FROM judging_batches), (SELECT count(*) FROM deliveries WHERE run_id = ANY(:ids))"
    )
    async with opened.snapshot() as connection:
        row = (await connection.execute(sa.text(counted), {"ids": [run.id for run in made]})).one()
    assert tuple(row) == (0, 5)


async def test_two_batches_at_once_never_hold_the_same_run(opened: database.Database) -> None:
    made = await done(opened, 6)
    async with judgingqueue.Queue(opened).batch(4) as first, judgingqueue.Queue(opened).batch(4) as second:
        assert (len(names(first)), len(names(second))) == (4, 2)
        assert names(first) | names(second) == {run.id for run in made}


async def test_a_batch_that_fails_gives_all_of_its_jobs_back_and_writes_nothing(opened: database.Database) -> None:
    made = await done(opened, 3)
    bad = Finding("MaterialMissing", "nul\0byte")
    signed = a_verdict(made[2])
    broken = verdicts.SignedVerdict(
        verdicts.Verdict(made[2].id, verdicts.VerdictResult.FAILED, verdicts.Evidence.NONE, (bad,), (), {}, {}, NOW),
        signed.documents,
    )
    with pytest.raises(errors.Invalid):
        async with judgingqueue.Queue(opened).batch(32) as work:
            await work.settle([decided(made[0]), decided(made[1]), judging.Decided(broken)])
    assert await results(opened, made) == ["Pending"] * 3
    assert [status for status, _, _ in await left(opened)] == ["todo"] * 3


async def test_runs_of_a_worker_that_died_come_back_at_once_and_are_judged_alone_with_the_death_counted(
    server: object, opened: database.Database
) -> None:
    made = await done(opened, 2)
    async with database.Database(server.url) as dying:  # type: ignore[attr-defined]
        batch = judgingqueue.Queue(dying).batch(32)
        await batch.__aenter__()
        async with judgingqueue.Queue(opened).batch(32) as meanwhile:
            assert names(meanwhile) == set(), "the dying worker still holds them"
        await _kill_other_backends(opened)
        with pytest.raises(errors.AvouchError):
            await batch.__aexit__(None, None, None)
    queue = judgingqueue.Queue(opened)
    async with queue.batch(32) as work:
        assert names(work) == set(), "one of them may kill the next worker, too"
    for _ in made:
        async with queue.few(1) as work:
            (record,) = work.taken.records
            assert record.crashes == 1
            await work.settle([decided(record.run)])
    assert await results(opened, made) == ["Passed", "Passed"]
    assert await left(opened) == []
    await queue.leave()


async def _kill_other_backends(opened: database.Database) -> None:
    query = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND state = 'idle in transaction'"
    )
    async with opened.statements() as connection:
        await connection.execute(query)


async def test_a_claim_that_arrives_while_its_run_is_in_a_batch_is_judged_afterwards(opened: database.Database) -> None:
    (run,) = await done(opened)
    repository = run_store.Runs(opened)
    await repository.accept(a_claim(run, uuid.uuid4().bytes))
    queue = judgingqueue.Queue(opened)
    async with queue.batch(32) as work:
        pushing = asyncio.create_task(repository.accept(a_claim(run, uuid.uuid4().bytes)))
        while not await _blocked(opened):
            await asyncio.sleep(0)
        await work.settle([judging.Settled(run.id)])
    assert (await pushing).created
    async with queue.batch(32) as work:
        (record,) = work.taken.records
        assert len(record.claims) == 2
    await repository.close()


async def _blocked(opened: database.Database) -> bool:
    query = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with opened.statements() as connection:
        return bool((await connection.execute(query)).scalar_one())


async def test_a_run_whose_row_somebody_holds_is_left_for_the_next_batch(opened: database.Database) -> None:
    first, second = await done(opened, 2)
    queue = judgingqueue.Queue(opened)
    async with opened.transaction() as other:
        held = sa.select(tables.runs.c.id).where(tables.runs.c.id == first.id).with_for_update()
        await other.execute(held)
        async with queue.batch(32) as work:
            assert names(work) == {second.id}
            await work.settle([decided(second)])
    async with queue.batch(32) as work:
        assert names(work) == {first.id}


async def test_a_run_that_waits_is_due_at_its_time_and_not_before(opened: database.Database) -> None:
    first, second = await done(opened, 2)
    queue, now = judgingqueue.Queue(opened), datetime.datetime.now(datetime.UTC)
    async with queue.batch(32) as work:
        await work.settle(
            [
                judging.Later(first.id, now + datetime.timedelta(hours=1)),
                judging.Later(second.id, now - datetime.timedelta(seconds=1)),
            ]
        )
    async with queue.batch(32) as work:
        assert names(work) == {second.id}


async def test_a_run_that_needs_more_than_the_database_leaves_the_batches_for_good(opened: database.Database) -> None:
    (run,) = await done(opened)
    queue = judgingqueue.Queue(opened)
    async with queue.batch(32) as work:
        await work.settle([judging.Outside(run.id)])
    async with queue.batch(32) as work:
        assert names(work) == set()
    async with queue.few(1) as work, queue.few(1) as another:
        assert (names(work), names(another)) == ({run.id}, set())
        async with queue.batch(32) as batch:
            assert names(batch) == set()
        await work.settle([decided(run)])
    assert await results(opened, [run]) == ["Passed"]
    await queue.leave()


POLICED = '{"has_policies":true}'


async def outside(opened: database.Database, count: int, **changes: str) -> list[run_model.Run]:
    """Runs that a batch has left, for their plans have policies."""
    made = await done(opened, count, plan=POLICED, **changes)
    async with judgingqueue.Queue(opened).batch(64) as work:
        assert (names(work), work.taken.outside) == (set(), {run.id for run in made})
        await work.settle([judging.Outside(run_id) for run_id in work.taken.outside])
    return made


async def test_runs_that_have_policies_leave_the_batch_unread_and_are_taken_a_few_at_a_time_in_their_order(
    opened: database.Database,
) -> None:
    made, queue = await outside(opened, 5), judgingqueue.Queue(opened)
    assert {(status, priority) for status, _, priority in await left(opened)} == {("todo", -1)}
    async with queue.few(3) as work:
        assert [record.run.id for record in work.taken.records] == [run.id for run in made[:3]]
        assert [status for status, _, _ in await left(opened)] == ["doing"] * 3 + ["todo"] * 2
        await work.settle([decided(run) for run in made[:2]])
        assert await results(opened, made) == ["Passed"] * 2 + ["Pending"] * 3, "what is decided waits for nobody"
        assert await queue.look_after() == 0, "the third is being judged"
    assert await queue.look_after() == 1
    async with queue.few(32) as work:
        assert names(work) == {run.id for run in made[2:]}
        at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
        await work.settle([judging.Later(made[2].id, at), decided(made[3]), decided(made[4])])
    assert await results(opened, made) == ["Passed", "Passed", "Pending", "Passed", "Passed"]
    assert [status for status, _, _ in await left(opened)] == ["todo"]
    await queue.leave()


async def test_a_few_are_of_one_namespace_which_may_have_two_times_a_few_and_no_more(opened: database.Database) -> None:
    mine = await outside(opened, 6)
    others = await outside(opened, 2, namespace="other", namespace_uid="other-uid")
    queue = judgingqueue.Queue(opened)
    async with contextlib.AsyncExitStack() as held:
        taken = [names(await held.enter_async_context(queue.few(2))) for _ in range(4)]
    assert taken == [{mine[0].id, mine[1].id}, {mine[2].id, mine[3].id}, {run.id for run in others}, set()]
    await queue.look_after()
    async with queue.few(32) as work:
        assert len(names(work)) == 6
    await queue.leave()


async def test_what_is_judged_alone_has_nobody_beside_it(opened: database.Database) -> None:
    made, queue = await outside(opened, 4), judgingqueue.Queue(opened)
    await queue.isolate([made[0].id])
    async with opened.transaction() as connection:
        lock = {"lock": f"judge:{made[1].id}"}
        await connection.execute(sa.text("UPDATE procrastinate_jobs SET attempts = 1 WHERE lock = :lock"), lock)
    for expected in (made[:1], made[1:2], made[2:]):
        async with queue.few(32) as work:
            assert names(work) == {run.id for run in expected}
            await work.settle([decided(run) for run in expected])
    await queue.leave()


async def test_a_few_have_no_more_claims_together_than_there_is_room_for(
    opened: database.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judgingqueue, "_TOGETHER", 2 * 100 + 1)
    made, repository = await outside(opened, 3), run_store.Runs(opened)
    for run in made:
        await repository.accept(a_claim(run, bytes(84) + uuid.uuid4().bytes))
    queue = judgingqueue.Queue(opened)
    for expected in (made[:2], made[2:]):
        async with queue.few(32) as work:
            assert names(work) == {run.id for run in expected}
            assert all(record.claims for record in work.taken.records)
            await work.settle([decided(run) for run in expected])
    await queue.leave()
    await repository.close()


async def test_the_death_of_a_worker_counts_for_each_of_the_few_that_it_had_not_settled(
    opened: database.Database,
) -> None:
    made = await outside(opened, 3)
    dying, living = judgingqueue.Queue(opened), judgingqueue.Queue(opened)
    async with dying.few(32) as work:
        await work.settle([decided(made[0])])
        async with opened.transaction() as connection:
            past = "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 h'"
            await connection.execute(sa.text(past))
        assert await living.look_after() == 2
    assert await left(opened) == [("todo", 1, -1)] * 2
    async with living.few(32) as work:
        assert len(names(work)) == 1, "one of them may have killed it"
    await living.leave()


async def test_one_that_is_put_off_is_due_at_its_time_and_not_before(opened: database.Database) -> None:
    (run,) = await done(opened)
    queue, now = judgingqueue.Queue(opened), datetime.datetime.now(datetime.UTC)
    await queue.isolate([run.id])
    async with queue.few(1) as work:
        await work.settle([judging.Later(run.id, now + datetime.timedelta(hours=1))])
    async with queue.few(1) as alone, queue.batch(32) as batch:
        assert (names(alone), names(batch)) == (set(), set())
    async with opened.transaction() as connection:
        (at,) = (await connection.execute(sa.text("SELECT scheduled_at FROM procrastinate_jobs"))).scalars()
    assert at == now + datetime.timedelta(hours=1)
    await queue.leave()


async def test_one_that_is_not_settled_is_queued_again_without_counting_a_death(opened: database.Database) -> None:
    (run,) = await done(opened)
    queue = judgingqueue.Queue(opened)
    await queue.isolate([run.id])
    async with queue.few(1) as work:
        assert names(work) == {run.id}
        assert await queue.look_after() == 0, "it is being judged"
    assert await queue.look_after() == 1
    assert await left(opened) == [("todo", 0, -2)]
    async with queue.few(1) as work:
        assert names(work) == {run.id}
    await queue.leave()  # gives it back, too
    assert await left(opened) == [("todo", 0, -2)]
    assert await workers(opened) == []


async def workers(opened: database.Database) -> list[int]:
    async with opened.snapshot() as connection:
        return list((await connection.execute(sa.text("SELECT id FROM procrastinate_workers"))).scalars())


async def test_a_worker_that_was_taken_for_dead_goes_on_as_another(opened: database.Database) -> None:
    (run,) = await done(opened)
    queue, other = judgingqueue.Queue(opened), judgingqueue.Queue(opened)
    await queue.look_after()
    (first,) = await workers(opened)
    async with opened.transaction() as connection:
        await connection.execute(sa.text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 h'"))
    await other.look_after()
    assert first not in await workers(opened), "it is forgotten"
    await queue.look_after()
    await queue.isolate([run.id])
    async with queue.few(1) as work:
        assert names(work) == {run.id}
        await work.settle([decided(run)])
    await queue.leave()
    await other.leave()


async def test_a_worker_that_never_took_anything_leaves_without_a_word(opened: database.Database) -> None:
    await done(opened)
    async with opened.transaction() as connection:
        await connection.execute(sa.text("UPDATE procrastinate_jobs SET status = 'doing'"))
    await judgingqueue.Queue(opened).leave()
    assert await left(opened) == [("doing", 0, 0)]


async def test_jobs_of_other_queues_and_of_other_ends_are_not_ours(opened: database.Database) -> None:
    ended, run = await done(opened, 2)
    other = "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status) VALUES ('other', 'x', '{}', :status)"
    async with opened.transaction() as connection:
        failed = "UPDATE procrastinate_jobs SET status = 'failed' WHERE lock = :lock"
        await connection.execute(sa.text(failed), {"lock": f"judge:{ended.id}"})
        for status in ("todo", "doing"):
            await connection.execute(sa.text(other), {"status": status})
    queue = judgingqueue.Queue(opened)
    async with queue.batch(32) as work:
        assert names(work) == {run.id}
        await work.settle([decided(run)])
    async with opened.transaction() as connection:
        await connection.execute(sa.text("UPDATE procrastinate_jobs SET priority = -1"))
    async with queue.few(1) as alone:
        assert names(alone) == set()
    assert await queue.look_after() == 0
    assert [status for status, _, _ in await left(opened)] == ["failed", "todo", "doing"]
    await queue.leave()


async def test_what_another_worker_is_at_is_left_to_it(opened: database.Database) -> None:
    first, second = await done(opened, 2)
    queue, other = judgingqueue.Queue(opened), judgingqueue.Queue(opened)
    await queue.isolate([first.id, second.id])
    for worker in (queue, other):
        await worker.look_after()
    silent, _ = await workers(opened)
    async with opened.transaction() as connection:
        told = {"run": [first.id], "silent": silent}
        await connection.execute(sa.text("INSERT INTO judging_batches (runs) VALUES (:run)"), told)
        past = "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 h' WHERE id = :silent"
        await connection.execute(sa.text(past), told)
    async with opened.transaction() as holding:
        for held in (
            f"SELECT FROM procrastinate_jobs WHERE lock = 'judge:{first.id}' FOR UPDATE",
            "SELECT FROM judging_batches FOR UPDATE",
            f"SELECT FROM procrastinate_workers WHERE id = {silent} FOR UPDATE",
        ):
            await holding.execute(sa.text(held))
        async with other.batch(32) as batch:
            assert names(batch) == set()
        async with other.few(1) as work:
            assert names(work) == {second.id}
            assert await other.look_after() == 0
            await work.settle([decided(second)])
    await other.leave()


async def test_a_death_counts_for_runs_that_wait_and_not_for_one_that_is_judged(opened: database.Database) -> None:
    judged, waiting = await done(opened, 2)
    queue = judgingqueue.Queue(opened)
    await queue.isolate([judged.id])
    async with queue.few(1) as work:
        async with opened.transaction() as connection:
            dead = sa.text("INSERT INTO judging_batches (runs) VALUES (:runs)")
            await connection.execute(dead, {"runs": [judged.id, waiting.id]})
        async with queue.batch(32) as batch:
            assert names(batch) == set()
        assert sorted(await left(opened)) == [("doing", 0, -2), ("todo", 1, 0)]
        await work.settle([decided(judged)])
    await queue.leave()


async def test_a_record_has_what_belongs_to_its_run_and_the_attachments_of_its_namespace(
    opened: database.Database,
) -> None:
    run, part = crafted(namespace="team-a", expires_at=NOW)
    assert await external_runs.ExternalRuns(opened).open(run, part, mark_latest=True)
    going = await run_store.Runs(opened).open(a_run("team-b"))
    attached = [("team-a", "chat"), ("team-a", "mail"), ("team-b", "chat"), ("team-c", "chat")]
    async with opened.transaction() as connection:
        await jobs.judge(connection, going.id)
        for namespace, name in attached:
            told = {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}", "integration": "i",
                    "type": "webhook", "config": {}, "workflow": "build", "selector": {}}  # fmt: skip
            await connection.execute(sa.insert(tables.attachments).values(told))
    async with judgingqueue.Queue(opened).batch(32) as work:
        found = {record.run.id: record for record in work.taken.records}
        sent = {namespace: [one.name for one in some] for namespace, some in work.taken.attachments.items()}
    assert [(found[one.id].external, found[one.id].snapshot) for one in (run, going)] == [(part, None), (None, None)]
    assert [record.problem for record in found.values()] == ["", ""]
    assert [record.heard for record in found.values()] == [None, None]
    assert sent == {"team-a": ["chat", "mail"], "team-b": ["chat"]}


async def test_a_worker_that_is_silent_is_taken_over_and_its_death_counted(opened: database.Database) -> None:
    (run,) = await done(opened)
    dying, living = judgingqueue.Queue(opened, 30), judgingqueue.Queue(opened, 30)
    await dying.isolate([run.id])
    async with dying.few(1):
        assert await living.look_after() == 0
        async with opened.transaction() as connection:
            await connection.execute(
                sa.text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 h'")
            )
        assert await living.look_after() == 1
    async with living.few(1) as work:
        (record,) = work.taken.records
        assert record.crashes == 1
    await living.leave()


async def test_a_worker_whose_database_was_emptied_is_registered_anew_under_a_number_of_its_own(
    opened: database.Database,
) -> None:
    first, second = judgingqueue.Queue(opened, 30), judgingqueue.Queue(opened, 30)
    await first.look_after()
    async with opened.transaction() as connection:
        await connection.execute(sa.text("TRUNCATE procrastinate_workers RESTART IDENTITY CASCADE"))
    await second.look_after()  # has the number that the first had
    first.forget()
    (run,) = await done(opened)
    await first.isolate([run.id])
    async with first.few(1) as work:
        assert names(work) == {run.id}
        assert await second.look_after() == 0, "it is not the second's"
        await work.settle([judging.Settled(run.id)])
    for queue in (first, second):
        await queue.leave()


async def test_a_silent_workers_job_ends_where_its_run_is_queued_again_already(opened: database.Database) -> None:
    (run,) = await done(opened)
    dying, living = judgingqueue.Queue(opened, 30), judgingqueue.Queue(opened, 30)
    await dying.isolate([run.id])
    async with dying.few(1):
        async with opened.transaction() as connection:
            await jobs.judge(connection, run.id)
            await connection.execute(
                sa.text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 h'")
            )
        assert await living.look_after() == 1
    assert [status for status, _, _ in await left(opened)] == ["todo"]
    await living.leave()


async def test_a_job_that_the_version_before_was_doing_when_it_ended_is_taken_over(opened: database.Database) -> None:
    (run,) = await done(opened)
    async with opened.transaction() as connection:
        await connection.execute(sa.text("UPDATE procrastinate_jobs SET status = 'doing'"))
        insert = "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('deliver', 'deliver', '{}')"
        await connection.execute(sa.text(insert))
    queue = judgingqueue.Queue(opened)
    assert await queue.look_after() == 1
    async with opened.transaction() as connection:
        await jobs.forget_deliver(connection)
    assert await left(opened) == [("todo", 1, 0)], "its wake-up calls for deliveries are not needed"
    async with queue.few(1) as work:
        assert names(work) == {run.id}
    await queue.leave()


async def test_the_claims_of_a_run_that_goes_on_are_not_read_for_nothing_is_judged(opened: database.Database) -> None:
    run, repository = a_run(), run_store.Runs(opened)
    await repository.open(run)
    await repository.accept(a_claim(run, bytes(judgingqueue._LIGHT) + uuid.uuid4().bytes))
    queue = judgingqueue.Queue(opened)
    async with queue.batch(32) as work:
        (record,) = work.taken.records
        assert record.claims == ()
    await queue.isolate([run.id])
    async with queue.few(1) as work:
        (record,) = work.taken.records
        assert record.claims == ()
    await queue.leave()
    await repository.close()


async def test_a_run_of_which_many_bytes_are_claimed_holds_no_batch_and_is_judged_alone(
    opened: database.Database,
) -> None:
    heavy, light = await done(opened, 2)
    repository = run_store.Runs(opened)
    for run, size in ((heavy, judgingqueue._LIGHT - 15), (light, judgingqueue._LIGHT - 16)):
        await repository.accept(a_claim(run, bytes(size) + uuid.uuid4().bytes))
    queue = judgingqueue.Queue(opened)
    async with queue.batch(32) as work:
        assert names(work) == {light.id}
        await work.settle([decided(light)])
    async with queue.few(1) as work:
        (record,) = work.taken.records
        assert (record.run.id, len(record.claims)) == (heavy.id, 1)
        await work.settle([decided(heavy)])
    assert await left(opened) == []
    await queue.leave()
    await repository.close()


async def test_what_workers_died_over_again_and_again_is_not_even_read(opened: database.Database) -> None:
    (run,) = await done(opened)
    repository = run_store.Runs(opened)
    await repository.accept(a_claim(run, uuid.uuid4().bytes))
    async with opened.transaction() as connection:
        await connection.execute(sa.text("UPDATE procrastinate_jobs SET attempts = 5"))
    queue = judgingqueue.Queue(opened)
    async with queue.few(1) as work:
        (record,) = work.taken.records
        assert (record.crashes, record.claims, record.snapshot) == (5, (), None)
        await work.settle([decided(run)])
    await queue.leave()
    await repository.close()


async def test_a_run_that_kills_its_workers_takes_no_neighbour_with_it(opened: database.Database) -> None:
    """Four are judged at once in one process: whoever is there when it dies is not to blame for each of its deaths."""
    poison, *others = await done(opened, 4)
    crashes: dict[uuid.UUID, int] = {}
    await judgingqueue.Queue(opened).isolate([run.id for run in (poison, *others)])
    for _ in range(judging.CRASHES):
        worker = judgingqueue.Queue(opened)
        async with contextlib.AsyncExitStack() as slots:
            works = [await slots.enter_async_context(worker.few(1)) for _ in range(4)]
            taken = {record.run.id: record.crashes for work in works for record in work.taken.records}
            crashes |= taken
            if poison.id not in taken:
                continue
            async with opened.transaction() as connection:
                await connection.execute(
                    sa.text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 h'")
                )
            living = judgingqueue.Queue(opened)
            await living.look_after()
            await living.leave()
    assert crashes.pop(poison.id) == judging.CRASHES - 1
    assert max(crashes.values()) < judging.CRASHES - 1


async def test_a_run_under_suspicion_waits_until_its_worker_is_idle_and_nothing_is_taken_beside_it(
    opened: database.Database,
) -> None:
    suspect, other = await done(opened, 2)
    queue = judgingqueue.Queue(opened)
    await queue.isolate([suspect.id, other.id])
    async with queue.few(1) as first:
        assert names(first) == {suspect.id}, "nobody died over it yet"
        await first.settle([judging.Later(suspect.id, NOW)])
    async with opened.transaction() as connection:
        lock = {"lock": f"judge:{suspect.id}"}
        await connection.execute(sa.text("UPDATE procrastinate_jobs SET attempts = 2 WHERE lock = :lock"), lock)
    async with queue.few(1) as work, queue.few(1) as beside:
        assert (names(work), names(beside)) == ({suspect.id}, set())
        await work.settle([decided(suspect)])
    async with queue.few(1) as work:
        assert names(work) == {other.id}
        async with opened.transaction() as connection:
            await jobs.judge(connection, suspect.id)
            await connection.execute(sa.text("UPDATE procrastinate_jobs SET attempts = 2 WHERE lock = :lock"), lock)
        async with queue.few(1) as beside:
            assert names(beside) == set(), "it waits for its neighbour"
        await work.settle([decided(other)])
    await queue.leave()


async def test_a_namespace_whose_documents_take_long_leaves_places_to_others(opened: database.Database) -> None:
    slow = await done(opened, 4)
    other = (await done(opened, 1, namespace="other", namespace_uid="other-uid"))[0]
    queue = judgingqueue.Queue(opened)
    await queue.isolate([run.id for run in [*slow, other]])
    async with contextlib.AsyncExitStack() as held:
        taken = [names(await held.enter_async_context(queue.few(1))) for _ in range(4)]
        assert [len(each) for each in taken] == [1, 1, 1, 0]
        assert taken[0] | taken[1] < {run.id for run in slow}
        assert taken[2] == {other.id}
    async with queue.few(1) as work:
        assert names(work) < {run.id for run in slow}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("UPDATE snapshots SET document = '{}' WHERE run_id = :id", "record"),
        ("UPDATE snapshots SET document = '[]' WHERE run_id = :id", "record"),
        ("UPDATE claims SET digest = 'none' WHERE run_id = :id", "claims"),
    ],
)
async def test_what_cannot_be_read_of_one_run_is_said_and_the_others_of_its_batch_are_judged(
    opened: database.Database, broken: str, said: str
) -> None:
    bad, *good = await done(opened, 3)
    await run_store.Runs(opened).accept(a_claim(bad, bad.id.bytes))
    async with opened.transaction() as connection:
        assert (await connection.execute(sa.text(broken), {"id": bad.id})).rowcount == 1
    async with judgingqueue.Queue(opened).batch(32) as work:
        found = {record.run.id: record.problem for record in work.taken.records}
        await work.settle([judging.Outside(bad.id), *(decided(run) for run in good)])
    assert said in found[bad.id]
    assert [found[run.id] for run in good] == ["", ""]
    assert await results(opened, good) == ["Passed"] * 2
    async with judgingqueue.Queue(opened).few(1) as alone:
        assert [said in record.problem for record in alone.taken.records] == [True]


async def test_the_job_of_a_run_that_a_newer_version_judged_ends_unread(opened: database.Database) -> None:
    judged, other = await done(opened, 2)
    async with opened.transaction() as connection:
        await connection.execute(sa.text("UPDATE runs SET result = 'Waived' WHERE id = :id"), {"id": judged.id})
    async with judgingqueue.Queue(opened).batch(32) as work:
        assert names(work) == {other.id}
        await work.settle([decided(other)])
    assert await left(opened) == []
    async with opened.transaction() as connection:
        await connection.execute(sa.text("UPDATE runs SET result = 'Passed' WHERE id = :id"), {"id": judged.id})


async def test_a_job_whose_run_is_gone_ends(opened: database.Database) -> None:
    async with opened.transaction() as connection:
        await jobs.judge(connection, uuid.uuid4())
        await jobs.judge(connection, uuid.uuid4())
    queue = judgingqueue.Queue(opened)
    async with queue.batch(1) as work:
        assert names(work) == set()
    async with opened.transaction() as connection:
        await connection.execute(sa.text("UPDATE procrastinate_jobs SET priority = -1"))
    async with queue.few(1) as work:
        assert names(work) == set()
    assert await left(opened) == []
    await queue.leave()
