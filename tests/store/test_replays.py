"""Replays over a real PostgreSQL: asked for with a revision, worked on once, one of a namespace, after what is due."""

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from avouch import digests, errors
from avouch.contract import reading, revisions
from avouch.controlplane.judging import replay
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import replays as model
from avouch.controlplane.model import verdicts
from avouch.store import contracts, database, jobs, namespaces, replays, runs, workflows
from tests import postgres
from tests.store.conftest import NOW, a_run, a_verdict, decide
from tests.unit.controlplane.judging import tekton_cases as cases
from tests.unit.controlplane.judging import test_judge as judges

pytestmark = pytest.mark.postgres

IMAGE = {"name": "image", "type": "CONTAINER_IMAGE", "output": True}
SCAN = {"name": "scan", "type": "SARIF"}

EVER = datetime(2000, 1, 1, tzinfo=UTC)
RESULT = model.Result(
    replayed=3, would_fail=1, unknown=1,
    examples=(model.Example("team", "build", "build-1", "Failed", "MaterialMissing", "sbom is missing"),),
)  # fmt: skip


@pytest.fixture(autouse=True)
async def _empty(opened: database.Database) -> None:
    async with opened.transaction() as connection:
        await connection.execute(sa.text("DELETE FROM procrastinate_jobs"))


def a_revision(namespace: str, text: bytes = b"one", name: str = "c") -> contract_model.ContractRevision:
    digest = digests.of_bytes(text)
    return contract_model.ContractRevision(namespace, f"uid-{namespace}", name, "c-uid", 0, digest, text, NOW)


async def changed(opened: database.Database, namespace: str, name: str = "c", times: int = 1) -> None:
    """A Contract with one revision, and then as many others."""
    store = contracts.Contracts(opened)
    for number in range(times + 1):
        await store.record(a_revision(namespace, b"%d" % number, name), epoch=1)


async def update(opened: database.Database, statement: str, **values: Any) -> None:
    async with opened.transaction() as connection:
        await connection.execute(sa.text(statement), values)


async def test_the_first_revision_asks_for_nothing_and_each_other_one_does(
    opened: database.Database, namespace: str
) -> None:
    store, asked = contracts.Contracts(opened), replays.Replays(opened)
    await store.record(a_revision(namespace), epoch=1)
    assert await asked.take() is None
    await store.record(a_revision(namespace), epoch=1)
    assert await asked.take() is None, "it says the same"
    await store.record(a_revision(namespace, b"two"), epoch=1)
    taken = await asked.take()
    assert taken is not None
    assert (taken.namespace, taken.namespace_uid, taken.name, taken.revision) == (namespace, f"uid-{namespace}", "c", 2)


async def test_what_is_done_is_read_by_the_controller_and_not_taken_again(
    opened: database.Database, namespace: str
) -> None:
    asked = replays.Replays(opened)
    await changed(opened, namespace)
    taken = await asked.take()
    assert taken is not None
    assert await asked.done(EVER) == []
    assert await asked.wanted(taken)
    await asked.settle(taken, RESULT)
    (done,) = await asked.done(EVER)
    assert (done.asked, done.result) == (taken, RESULT)
    assert await asked.done(done.at + timedelta(seconds=1)) == []
    assert await asked.take() is None


async def test_one_worker_has_it_and_another_takes_it_over_once_the_first_is_silent_but_not_for_ever(
    opened: database.Database, namespace: str
) -> None:
    asked = replays.Replays(opened)
    await changed(opened, namespace)
    for _ in range(model.TRIES):
        assert await asked.take() is not None
        assert await asked.take() is None
        await update(opened, "UPDATE replays SET leased_until = now() - interval '1 second'")
    assert await asked.take() is None, "workers ended over it"


async def test_of_one_namespace_one_is_worked_on_at_a_time_and_those_of_others_do_not_wait(
    opened: database.Database, namespace: str
) -> None:
    asked = replays.Replays(opened)
    await changed(opened, namespace)
    await changed(opened, namespace, "d")
    await changed(opened, f"{namespace}-other")
    taken = [one for one in await asyncio.gather(*(asked.take() for _ in range(5))) if one is not None]
    assert sorted(one.namespace for one in taken) == [namespace, f"{namespace}-other"]
    mine = next(one for one in taken if one.namespace == namespace)
    await asked.settle(mine, model.Result())
    following = await asked.take()
    assert following is not None
    assert {mine.name, following.name} == {"c", "d"}


async def test_a_namespace_that_changes_many_contracts_does_not_keep_others_waiting_for_all_of_them(
    opened: database.Database, namespace: str
) -> None:
    asked, many = replays.Replays(opened), 24
    for number in range(many):
        await changed(opened, namespace, f"c-{number}")
    await changed(opened, f"{namespace}-other")
    turns = []
    while taken := await asked.take():
        turns.append(taken.namespace)
        await asked.settle(taken, model.Result())
    assert len(turns) == many + 1
    assert turns[-1] == namespace, "chance lets the other one be the last of so many once in 16 million times"


async def test_a_newer_revision_takes_the_place_of_one_that_is_worked_on(
    opened: database.Database, namespace: str
) -> None:
    asked = replays.Replays(opened)
    await changed(opened, namespace)
    old = await asked.take()
    assert old is not None
    await contracts.Contracts(opened).record(a_revision(namespace, b"newer"), epoch=1)
    assert not await asked.wanted(old)
    assert await asked.take() is None, "the worker that has the old one has not let go"
    await asked.settle(old, RESULT)
    assert await asked.done(EVER) == []
    new = await asked.take()
    assert new is not None
    assert new.revision == 3


async def test_what_is_given_back_is_taken_again_and_counts_as_no_try(
    opened: database.Database, namespace: str
) -> None:
    asked = replays.Replays(opened)
    await changed(opened, namespace)
    for _ in range(model.TRIES + 2):
        taken = await asked.take()
        assert taken is not None
        await asked.give_back(taken)


async def test_where_more_runs_are_due_than_one_batch_takes_it_waits(opened: database.Database, namespace: str) -> None:
    asked = replays.Replays(opened)
    await changed(opened, namespace)
    taken = await asked.take()
    assert taken is not None
    async with opened.transaction() as connection:
        await jobs.judge_all(connection, [uuid.uuid4() for _ in range(32)])
    assert await asked.wanted(taken)
    async with opened.transaction() as connection:
        await jobs.judge_all(connection, [uuid.uuid4()])
    assert not await asked.wanted(taken)
    await asked.give_back(taken)
    assert await asked.take() is None


async def test_runs_that_take_long_keep_the_replays_of_their_own_namespace_waiting_and_nobody_elses(
    opened: database.Database, namespace: str
) -> None:
    asked, other = replays.Replays(opened), f"{namespace}-other"
    made = [a_run(namespace) for _ in range(33)]
    for run in made:
        await runs.Runs(opened).open(run)
    async with opened.transaction() as connection:
        await jobs.judge_all(connection, [run.id for run in made])
        await connection.execute(sa.text("UPDATE procrastinate_jobs SET priority = -1"))
    await changed(opened, namespace)
    assert await asked.take() is None
    await changed(opened, other)
    taken = await asked.take()
    assert taken is not None
    assert taken.namespace == other
    assert await asked.wanted(taken)
    await asked.give_back(taken)


async def test_nothing_is_done_for_a_namespace_that_is_gone_and_nothing_told_of_it(
    opened: database.Database, namespace: str
) -> None:
    asked = replays.Replays(opened)
    await changed(opened, namespace)
    taken = await asked.take()
    assert taken is not None
    await namespaces.Namespaces(opened).record({namespace: namespaces.GONE}, epoch=1)
    await asked.settle(taken, RESULT)
    assert await asked.done(EVER) == []
    await update(opened, "UPDATE replays SET done_at = NULL, leased_until = NULL")
    assert await asked.take() is None


async def test_runs_are_the_newest_judged_ones_of_the_workflows_that_are_bound_to_the_contract(
    opened: database.Database, namespace: str
) -> None:
    known, store = workflows.Workflows(opened), runs.Runs(opened)
    record = contract_model.WorkflowRecord(namespace, f"uid-{namespace}", "build", "w", 1, {}, {}, namespace, "c")
    await known.upsert(record, epoch=1)
    await known.upsert(replace(record, name="test", uid="other", contract_name="another"), epoch=1)
    await known.close()
    made = [a_run(namespace) for _ in range(4)]
    unbound = a_run(namespace, key=replace(a_run().key, workflow_uid="other"))
    unbound = replace(unbound, id=unbound.key.id, name=unbound.key.name("test"), workflow="test")
    before = a_run(namespace, contract="a-former-one")
    for run in (*made, unbound, before):
        await store.open(run)
    for number, run in enumerate((*made[:3], unbound, before)):
        signed = a_verdict(run)
        at = NOW + timedelta(minutes=number)
        judged = verdicts.SignedVerdict(replace(signed.verdict, judged_at=at), signed.documents)
        await update(opened, "UPDATE runs SET finished_at = now() WHERE id = :id", id=run.id)
        assert await decide(opened, judged, ())
    asked = model.Asked(namespace, f"uid-{namespace}", "c", 2, NOW)
    found = await replays.Replays(opened).runs(asked, 50)
    assert list(found) == [run.id for run in reversed(made[:3])]
    assert list(await replays.Replays(opened).runs(asked, 2)) == list(found)[:2]
    record_of = await replays.Replays(opened).record(found[0])
    assert record_of is not None
    assert record_of.run.result is verdicts.VerdictResult.PASSED
    assert await replays.Replays(opened).record(uuid.uuid4()) is None


async def test_a_controller_of_an_older_epoch_asks_for_nothing(opened: database.Database, namespace: str) -> None:
    await changed(opened, namespace, times=0)
    await contracts.Contracts(opened).record(a_revision(namespace, b"other", "d"), epoch=9)
    with pytest.raises(errors.Conflict):
        await contracts.Contracts(opened).record(a_revision(namespace, b"two"), epoch=8)
    assert await replays.Replays(opened).take() is None


async def test_a_worker_with_no_rights_but_its_own_holds_a_stored_run_to_what_was_recorded(
    server: postgres.Postgres, opened: database.Database, namespace: str
) -> None:
    known, store = workflows.Workflows(opened), runs.Runs(opened)
    record = contract_model.WorkflowRecord(
        namespace, f"uid-{namespace}", "app", "wf-uid", 1, {"contractRef": {"name": "c"}}, {}, namespace, "c"
    )
    await known.upsert(record, epoch=1)
    await known.close()
    pinned = cases.planned(cases.image()).to_json()
    key = replace(a_run().key, workflow_uid="wf-uid")
    run = a_run(namespace, key=key, id=key.id, name=key.name("app"), workflow="app", plan=pinned, revision=1)
    await store.open(run)
    await store.finish(run.id, cases.snapshot(cases.built()), NOW, epoch=1)
    assert await decide(opened, a_verdict(run), ())
    for materials in ([IMAGE], [IMAGE, SCAN]):
        manifest = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "c"}}
        canonical = revisions.canonical(reading.read({**manifest, "spec": {"materials": materials}}))
        await contracts.Contracts(opened).record(a_revision(namespace, canonical), epoch=1)
    async with database.Database(server.url_of("worker")) as own:
        asked, declared = replays.Replays(own), workflows.Workflows(own)
        judging = judges.judge(judges.Queue())
        replaying = replay.Replaying(asked, asked.record, contracts.Contracts(own), declared, judging)
        assert await replaying.step()
        assert not await replaying.step()
        await declared.close()
    async with database.Database(server.url_of("controller")) as own:
        (done,) = await replays.Replays(own).done(EVER)
    assert (done.asked.revision, done.result.replayed, done.result.would_fail) == (2, 1, 1)
    (example,) = done.result.examples
    assert (example.run, example.reason) == (run.name, "MaterialMissing")
    assert example.message == "scan was not collected: revision 1 did not ask for it"
    kept = await store.get(run.id)
    assert kept is not None
    assert (kept.result, kept.revision) == (verdicts.VerdictResult.PASSED, 1), "nothing was written of the run"
