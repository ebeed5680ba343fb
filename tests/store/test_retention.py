import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from avouch import errors
from avouch.controlplane.model import contracts, identities, runs
from avouch.store import database, organizations, retention, tables, versions, views, workflows
from avouch.store import runs as run_store
from tests.store import conftest as make

pytestmark = pytest.mark.postgres

EPOCH = 1_000
HOUR = timedelta(hours=1)


async def judged(opened: database.Database, workflow: str, age: timedelta, *deliveries: str) -> runs.Run:
    key = runs.RunKey(workflow, str(uuid.uuid4()))
    store = run_store.Runs(opened)
    run = await store.open(make.a_run(key=key, id=key.id, name=key.name("build")))
    await make.decide(opened, make.a_verdict(run), [make.a_delivery(run, name) for name in deliveries])
    await store.close()
    async with opened.transaction() as connection:
        mine = tables.runs.c.id == run.id
        await connection.execute(sa.update(tables.runs).where(mine).values(judged_at=make.NOW - age))
    return run


async def left(opened: database.Database, workflow: str) -> set[uuid.UUID]:
    async with opened.transaction() as connection:
        query = sa.select(tables.runs.c.id).where(tables.runs.c.workflow_uid == workflow)
        return set((await connection.execute(query)).scalars())


def policy(workflow: str, hours: int, keep: int) -> retention.Policy:
    return retention.Policy(workflow, "uid-team-a", hours * HOUR, keep)


async def test_old_runs_go_with_all_that_hangs_on_them_and_the_newest_stay(opened: database.Database) -> None:
    workflow = str(uuid.uuid4())
    runs = [await judged(opened, workflow, age * HOUR) for age in (50, 40, 30, 2)]
    kept = retention.Retention(opened)
    assert await kept.expire(policy(workflow, 10, 2), make.NOW) == 2
    assert await left(opened, workflow) == {runs[2].id, runs[3].id}
    assert await kept.expire(policy(workflow, 10, 2), make.NOW) == 0
    async with opened.transaction() as connection:
        for table in (tables.verdicts, tables.claims, tables.snapshots):
            query = sa.select(sa.func.count()).select_from(table).where(table.c.run_id == runs[0].id)
            assert (await connection.execute(query)).scalar() == 0


async def test_a_watch_from_before_a_deletion_is_told_to_list_again(opened: database.Database) -> None:
    workflow = str(uuid.uuid4())
    for age in (50, 40):
        await judged(opened, workflow, age * HOUR)
    shown = views.RunViews(opened, poll_seconds=0.01)
    _, _, before = await shown.page(None, limit=1, after="", filters={})
    watching = shown.watch(None, before, {})
    assert await retention.Retention(opened).expire(policy(workflow, 10, 1), make.NOW) == 1
    with pytest.raises(errors.Conflict, match="list again"):
        await anext(watching)
    _, _, after = await shown.page(None, limit=1, after="", filters={})
    assert after > before
    fresh = shown.watch(None, after, {})
    await judged(opened, workflow, HOUR)
    assert (await anext(fresh))[0] == "ADDED"


async def test_a_young_run_stays_though_it_is_not_among_the_newest(opened: database.Database) -> None:
    workflow = str(uuid.uuid4())
    for age in (3, 2, 1):
        await judged(opened, workflow, age * HOUR)
    assert await retention.Retention(opened).expire(policy(workflow, 10, 1), make.NOW) == 0


async def test_a_run_that_is_not_judged_stays(opened: database.Database) -> None:
    key = runs.RunKey(str(uuid.uuid4()), "s")
    store = run_store.Runs(opened)
    await store.open(make.a_run(key=key, id=key.id, name=key.name("build")))
    await store.close()
    assert await retention.Retention(opened).expire(policy(key.workflow_uid, 1, 0), make.NOW + 1000 * HOUR) == 0


async def test_a_run_whose_delivery_is_on_its_way_stays(opened: database.Database) -> None:
    workflow = str(uuid.uuid4())
    run = await judged(opened, workflow, 50 * HOUR, "hook")
    kept = retention.Retention(opened)
    assert await kept.expire(policy(workflow, 10, 0), make.NOW) == 0
    async with opened.transaction() as connection:
        ledger = tables.deliveries
        await connection.execute(sa.update(ledger).where(ledger.c.run_id == run.id).values(state="delivered"))
    assert await kept.expire(policy(workflow, 10, 0), make.NOW) == 1


async def test_a_batch_is_bounded(opened: database.Database) -> None:
    workflow = str(uuid.uuid4())
    for age in range(20, 25):
        await judged(opened, workflow, age * HOUR)
    kept = retention.Retention(opened)
    assert [await kept.expire(policy(workflow, 10, 0), make.NOW, limit=2) for _ in range(4)] == [2, 2, 1, 0]


async def test_a_workflow_says_what_differs_from_its_organization(opened: database.Database) -> None:
    namespace = f"team-{uuid.uuid4().hex[:8]}"
    known = organizations.Organizations(opened)
    record = contracts.WorkflowRecord(
        namespace, f"uid-{namespace}", "build", str(uuid.uuid4()), 1, {"retention": {"runs": "48h"}}, {}
    )
    await workflows.Workflows(opened).upsert(record, epoch=EPOCH)
    key = runs.RunKey(record.uid, "s")
    run = make.a_run(namespace, key=key, id=key.id, name=key.name("build"))
    store = run_store.Runs(opened)
    await make.decide(opened, make.a_verdict(await store.open(run)), ())
    await store.close()
    common = identities.Organization(f"acme-{namespace}", "home", retention={"runs": "24h", "keepLast": 7})
    await known.record(common, [namespace], epoch=EPOCH)
    kept = retention.Retention(opened)
    mine = [one for one in await kept.policies() if one.workflow_uid == record.uid]
    assert mine == [retention.Policy(record.uid, f"uid-{namespace}", timedelta(hours=48), 7)]
    rival = identities.Organization(f"rival-{namespace}", "home-2", retention={"runs": "1h"})
    await known.record(rival, [namespace], epoch=EPOCH)
    mine = [one for one in await kept.policies() if one.workflow_uid == record.uid]
    assert mine == [retention.Policy(record.uid, f"uid-{namespace}", timedelta(hours=48), 1)]


@pytest.mark.parametrize("runs", ["", "0h", "-1h", "1d", "1h; drop", None, 5])
def test_what_cannot_be_read_keeps_everything(runs: object) -> None:
    assert retention.policy({"workflow_uid": "w", "namespace_uid": "n", "own": {"runs": runs}, "common": {}}) is None


def test_what_is_said_as_null_is_not_said() -> None:
    row = {"workflow_uid": "w", "namespace_uid": "n", "common": {"runs": "24h", "keepLast": 7}}
    assert retention.policy({**row, "own": {"runs": "48h", "keepLast": None}}) == retention.Policy(
        "w", "n", 48 * HOUR, 7
    )
    assert retention.policy({**row, "own": {"runs": None, "keepLast": 0}}) == retention.Policy("w", "n", 24 * HOUR, 0)
    assert retention.policy({**row, "own": {"runs": "48h"}, "common": None}) == retention.Policy("w", "n", 48 * HOUR, 1)


async def test_a_workflow_whose_retention_cannot_be_read_has_no_policy_and_hides_none(
    opened: database.Database,
) -> None:
    declared = workflows.Workflows(opened)
    for uid, said in (("read", "48h"), ("unread", "two days")):
        spec = {"retention": {"runs": said}}
        record = contracts.WorkflowRecord("team-a", "uid-team-a", uid, uid, 1, spec, {})
        await declared.upsert(record, epoch=EPOCH)
        await judged(opened, uid, HOUR)
    assert await retention.Retention(opened).policies() == [retention.Policy("read", "uid-team-a", 48 * HOUR, 1)]


@pytest.mark.parametrize(("age", "keep"), [(timedelta(0), 1), (-HOUR, 1), (HOUR, -1)])
async def test_a_policy_that_would_take_everything_is_refused(
    opened: database.Database, age: timedelta, keep: int
) -> None:
    await judged(opened, "w", 50 * HOUR)
    with pytest.raises(errors.Invalid, match="would delete every run"):
        await retention.Retention(opened).expire(retention.Policy("w", "uid-team-a", age, keep), make.NOW)
    assert len(await left(opened, "w")) == 1


async def test_neither_runs_of_another_namespace_nor_those_that_wait_count_among_the_newest(
    opened: database.Database,
) -> None:
    _, newer, elsewhere = [await judged(opened, "w", age * HOUR) for age in (50, 40, 30)]
    waiting = runs.RunKey("w", "waiting")
    store = run_store.Runs(opened)
    await store.open(make.a_run(key=waiting, id=waiting.id, name=waiting.name("build")))
    await store.close()
    async with opened.transaction() as connection:
        moved = sa.update(tables.runs).where(tables.runs.c.id == elsewhere.id)
        await connection.execute(moved.values(namespace="other", namespace_uid="uid-other"))
    kept = retention.Retention(opened)
    assert await kept.expire(policy("w", 10, 1), make.NOW) == 1
    assert await left(opened, "w") == {newer.id, elsewhere.id, waiting.id}
    assert await kept.expire(policy("w", 10, 0), make.NOW) == 1
    assert await left(opened, "w") == {elsewhere.id, waiting.id}


async def test_a_run_that_somebody_writes_is_left_for_the_next_batch(opened: database.Database) -> None:
    held, _ = [await judged(opened, "w", age * HOUR) for age in (50, 40)]
    kept = retention.Retention(opened)
    async with opened.transaction() as other:
        await other.execute(sa.select(tables.runs).where(tables.runs.c.id == held.id).with_for_update())
        assert await kept.expire(policy("w", 10, 0), make.NOW) == 1
    assert await left(opened, "w") == {held.id}


async def test_where_nothing_was_deleted_a_watch_goes_on(opened: database.Database) -> None:
    await judged(opened, "w", HOUR)
    async with opened.transaction() as connection:
        before = await versions.window(connection)
    assert await retention.Retention(opened).expire(policy("w", 10, 0), make.NOW) == 0
    async with opened.transaction() as connection:
        assert await versions.window(connection) == before
