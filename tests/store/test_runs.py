import asyncio
import datetime
import uuid
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from avouch import errors
from avouch.controlplane.model import contracts, deliverybounds, verdicts, workflowspecs
from avouch.controlplane.model import runs as run_model
from avouch.store import database, deliveries, groupcommit, tables, views, workflows
from avouch.store import runs as run_store
from tests import postgres
from tests.store.conftest import NOW, a_claim, a_delivery, a_run, a_verdict, case, decide

pytestmark = pytest.mark.postgres


async def test_opening_twice_keeps_the_first(opened: database.Database) -> None:
    repository, run = run_store.Runs(opened), a_run()
    first, second = await asyncio.gather(repository.open(run), repository.open(run))
    assert first == second
    assert first.resource_version > 0


async def test_a_resend_has_the_same_id_and_a_replay_names_the_original(opened: database.Database) -> None:
    repository, run, other = run_store.Runs(opened), a_run(), a_run()
    await repository.open(run)
    await repository.open(other)
    bundle = uuid.uuid4().bytes
    first = await repository.accept(a_claim(run, bundle))
    again = await repository.accept(a_claim(run, bundle))
    assert (first.created, again.created, first.id) == (True, False, again.id)
    with pytest.raises(errors.Conflict, match=str(run.id)):
        await repository.accept(a_claim(other, bundle))
    with pytest.raises(errors.NotFound):
        await repository.accept(a_claim(a_run(), b"nowhere"))
    await repository.close()


async def test_one_bad_row_never_fails_its_batch(opened: database.Database) -> None:
    repository, run = run_store.Runs(opened), a_run()
    await repository.open(run)
    good = [a_claim(run, uuid.uuid4().bytes) for _ in range(20)]
    bad = a_claim(run, uuid.uuid4().bytes, taskrun="nul\0byte")
    results = await asyncio.gather(*map(repository.accept, [*good[:10], bad, *good[10:]]), return_exceptions=True)
    assert isinstance(results.pop(10), errors.Invalid)
    assert all(isinstance(result, run_model.Receipt) and result.created for result in results)
    _, _, stored = await case(opened, run.id)
    assert {claim.digest for claim in stored} == {claim.digest for claim in good}
    await repository.close()


async def test_many_claims_wait_as_one_judging_job(opened: database.Database) -> None:
    repository, run = run_store.Runs(opened), a_run()
    await repository.open(run)
    await asyncio.gather(*(repository.accept(a_claim(run, uuid.uuid4().bytes)) for _ in range(10)))
    async with opened.transaction() as connection:
        query = sa.text("SELECT count(*) FROM procrastinate_jobs WHERE queueing_lock = :lock")
        assert (await connection.execute(query, {"lock": f"judge:{run.id}"})).scalar() == 1
    await repository.close()


async def test_a_full_queue_pushes_back(opened: database.Database) -> None:
    repository, run = run_store.Runs(opened, limits=groupcommit.Limits(size=10)), a_run()
    with pytest.raises(errors.Overloaded):
        await repository.accept(a_claim(run, b"more than ten bytes"))
    await repository.close()


async def test_a_controller_of_an_older_epoch_changes_nothing(opened: database.Database) -> None:
    repository, run = run_store.Runs(opened), a_run()
    await repository.open(run)
    snapshot = run_model.Snapshot(subject={"kind": "PipelineRun"}, taskruns=())
    async with opened.transaction() as connection:
        epoch = (await connection.execute(sa.select(tables.leases.c.epoch))).scalar_one() + 5
    await repository.finish(run.id, snapshot, NOW, epoch=epoch)
    with pytest.raises(errors.Conflict, match="epoch"):
        await repository.finish(run.id, snapshot, NOW, epoch=epoch - 1)
    stored, kept, _ = await case(opened, run.id)
    assert (stored.finished_at, kept) == (NOW, snapshot)


async def test_a_verdict_and_its_deliveries_are_one(opened: database.Database) -> None:
    repository, ledger, run = run_store.Runs(opened), deliveries.Deliveries(opened), a_run()
    await repository.open(run)
    sent = [a_delivery(run, "one"), a_delivery(run, "two")]
    assert await decide(opened, a_verdict(run), sent)
    assert not await decide(opened, a_verdict(run, verdicts.VerdictResult.FAILED), [a_delivery(run, "three")])
    capacity = deliverybounds.Capacity(100, 100, 100)
    leased = [delivery for delivery in await ledger.lease(capacity, 60) if delivery.run_id == run.id]
    assert {(delivery.id, delivery.payload, delivery.attempts) for delivery in leased} == {
        (delivery.id, b"payload", 1) for delivery in sent
    }
    assert not [delivery for delivery in await ledger.lease(capacity, 60) if delivery.run_id == run.id]
    await ledger.delivered(sent[0].id, NOW)
    await ledger.failed(sent[1].id, "500", next_try=NOW + datetime.timedelta(days=999))
    assert await ledger.counts(sent[0].attachment_uid) == (0, 1, 0, "")
    assert await ledger.counts(sent[1].attachment_uid) == (1, 0, 0, "500")
    await ledger.close()
    document = await views.RunViews(opened).view(run.namespace, run.name)
    assert document is not None
    assert (document["result"], document["materialsFound"], document["materialsAsked"]) == ("Passed", 1, 1)
    assert [delivery["state"] for delivery in document["deliveries"]] == ["delivered", "pending"]


async def test_pending_is_no_verdict_that_could_be_written(opened: database.Database) -> None:
    run = a_run()
    await run_store.Runs(opened).open(run)
    with pytest.raises(errors.Invalid, match="Pending is not a decision"):
        await decide(opened, a_verdict(run, verdicts.VerdictResult.PENDING), [])
    assert await decide(opened, a_verdict(run), [])


async def test_a_list_holds_whole_runs_and_a_table_only_its_columns(opened: database.Database) -> None:
    repository, shown, namespace = run_store.Runs(opened), views.RunViews(opened), f"listed-{uuid.uuid4()}"
    judged, waiting = a_run(namespace), a_run(namespace)
    for run in (judged, waiting):
        await repository.open(run)
    await decide(opened, a_verdict(judged), [a_delivery(judged, "one")])
    listed, _, _ = await shown.page(namespace, limit=10, after="", filters={})
    assert list(listed) == [await shown.view(namespace, name) for name in sorted((judged.name, waiting.name))]
    table, _, _ = await shown.page(namespace, limit=10, after="", filters={}, whole=False)
    assert [row["name"] for row in table] == [document["name"] for document in listed]
    assert "statement" not in table[0]


async def test_a_list_of_whole_runs_comes_in_smaller_pages_and_misses_none(opened: database.Database) -> None:
    repository, shown, namespace = run_store.Runs(opened), views.RunViews(opened), f"many-{uuid.uuid4()}"
    await asyncio.gather(*(repository.open(a_run(namespace)) for _ in range(110)))
    first, token, _ = await shown.page(namespace, limit=500, after="", filters={})
    rest, end, _ = await shown.page(namespace, limit=500, after=token, filters={})
    assert (len(first), len(rest), end) == (100, 10, "")
    table, whole_table_in_one, _ = await shown.page(namespace, limit=500, after="", filters={}, whole=False)
    assert (len(table), whole_table_in_one) == (110, "")


async def test_a_watch_tells_every_change_in_order(opened: database.Database) -> None:
    repository, shown = run_store.Runs(opened), views.RunViews(opened, poll_seconds=0.01)
    namespace = f"watched-{uuid.uuid4()}"
    _, _, since = await shown.page(namespace, limit=10, after="", filters={})
    made = [a_run(namespace) for _ in range(30)]
    watch = shown.watch(namespace, since, {})
    writing = asyncio.gather(*map(repository.open, made))
    told = [await anext(watch) for _ in made]
    await writing
    await watch.aclose()  # type: ignore[attr-defined]
    assert {document["id"] for _, document in told} == {str(run.id) for run in made}
    assert {kind for kind, _ in told} == {"ADDED"}
    order = [document["resourceVersion"] for _, document in told]
    assert order == sorted(set(order))


async def test_pages_hold_every_run_once(opened: database.Database) -> None:
    repository, shown, namespace = run_store.Runs(opened), views.RunViews(opened), f"paged-{uuid.uuid4()}"
    made = [a_run(namespace) for _ in range(7)]
    await asyncio.gather(*map(repository.open, made))
    names, token = [], ""
    while True:
        page, token, _ = await shown.page(namespace, limit=3, after=token, filters={"verdict": "Pending"})
        names += [document["name"] for document in page]
        if not token:
            break
    assert names == sorted(run.name for run in made)


async def test_killing_the_database_under_load_loses_nothing_acknowledged(mortal: postgres.Postgres) -> None:
    async with database.Database(mortal.url) as opened:
        repository, run = run_store.Runs(opened), a_run()
        await repository.open(run)
        acknowledged: set[str] = set()

        async def push(number: int) -> None:
            for turn in range(200):
                try:
                    receipt = await repository.accept(a_claim(run, f"{run.id} {number} {turn}".encode()))
                except errors.Unavailable:
                    continue
                acknowledged.add(str(receipt.digest))

        pushing = [asyncio.create_task(push(number)) for number in range(8)]
        while len(acknowledged) < 100:
            await asyncio.sleep(0)
        await asyncio.to_thread(mortal.kill)
        await asyncio.to_thread(mortal.start)
        await asyncio.gather(*pushing)
        await repository.accept(a_claim(run, f"{run.id} after".encode()))
        _, _, stored = await case(opened, run.id)
        await repository.close()
    assert acknowledged <= {str(claim.digest) for claim in stored}


async def test_many_who_attest_share_a_read_and_see_what_their_workflow_says_now(opened: database.Database) -> None:
    repository, known = run_store.Runs(opened), workflows.Workflows(opened)
    namespace = f"attested-{uuid.uuid4()}"
    made = [a_run(namespace) for _ in range(5)]
    spec = {"attesters": {"serviceAccounts": ["sa"]}}
    for run in made:
        await repository.open(run)
    async with opened.transaction() as connection:
        epoch = (await connection.execute(sa.select(tables.leases.c.epoch))).scalar_one()
    record = contracts.WorkflowRecord(namespace, f"uid-{namespace}", "build", "w", 1, spec, {}, namespace, "c")
    missing = uuid.uuid4()
    assert await repository.attested(made[0].id) == run_model.Attested(await repository.open(made[0]), None)
    await known.upsert(record, epoch=max(epoch, 0))
    found = await asyncio.gather(*(repository.attested(key) for key in [*(run.id for run in made), missing] * 20))
    assert [one and one.run.id for one in found[:6]] == [*(run.id for run in made), None]
    assert all(one is None or one.rules == workflowspecs.read(spec, "build") for one in found)
    await known.remove(namespace, "build", uid="w", epoch=max(epoch, 0))
    gone = await repository.attested(made[0].id)
    assert gone is not None
    assert gone.rules is None
    await repository.close()


@pytest.fixture
async def impatient(server: postgres.Postgres, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[database.Database]:
    """A database that gives up a lock after a fraction of the 5 seconds that it waits for one."""
    monkeypatch.setitem(database._CONNECTION, "options", f"{database.options()} -c lock_timeout=300ms")
    async with database.Database(server.url) as connected:
        yield connected


async def test_a_claim_whose_run_is_locked_fails_alone_and_the_others_of_its_commit_are_stored(
    impatient: database.Database,
) -> None:
    repository, made = run_store.Runs(impatient), [a_run() for _ in range(20)]
    await asyncio.gather(*map(repository.open, made))
    locked, *others = made
    async with impatient.transaction() as holding:
        await holding.execute(sa.select(tables.runs).where(tables.runs.c.id == locked.id).with_for_update())
        waiting = asyncio.create_task(repository.accept(a_claim(locked, b"locked")))
        stored = await asyncio.gather(*(repository.accept(a_claim(run, str(run.id).encode())) for run in others))
        assert all(receipt.created for receipt in stored)
        with pytest.raises(errors.Locked):
            await waiting
    assert (await repository.accept(a_claim(locked, b"locked"))).created
    await repository.close()


async def test_a_run_that_is_locked_is_finished_later_and_the_others_of_its_commit_now(
    impatient: database.Database,
) -> None:
    repository, made = run_store.Runs(impatient), [a_run() for _ in range(20)]
    await asyncio.gather(*map(repository.open, made))
    locked, *others = made
    snapshot = run_model.Snapshot({"kind": "TaskRun"}, ())
    async with impatient.transaction() as holding:
        epoch = (await holding.execute(sa.select(tables.leases.c.epoch))).scalar_one()
        await holding.execute(sa.select(tables.runs).where(tables.runs.c.id == locked.id).with_for_update())
        waiting = asyncio.create_task(repository.finish(locked.id, snapshot, NOW, epoch=epoch))
        await asyncio.gather(*(repository.finish(run.id, snapshot, NOW, epoch=epoch) for run in others))
        with pytest.raises(errors.Locked):
            await waiting
    await repository.finish(locked.id, snapshot, NOW, epoch=epoch)
    await repository.close()
    assert [(await case(impatient, run.id))[0].finished_at for run in made] == [NOW] * 20
