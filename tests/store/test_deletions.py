"""Runs that somebody deletes: they go with all that is theirs, the record stays, and nothing brings them back."""

import asyncio
import dataclasses
import datetime
import uuid

import pytest
import sqlalchemy as sa

from avouch import errors
from avouch.controlplane.model import cursors, external, runs, selectors, verdicts
from avouch.controlplane.model import deletions as deletion_model
from avouch.store import database, deletions, external_runs, tables, views
from avouch.store import runs as run_store
from tests.store import conftest as make

pytestmark = pytest.mark.postgres

ASKED = deletion_model.Asked("ann", "holds a password", make.NOW)


async def judged(opened: database.Database, namespace: str) -> runs.Run:
    store, run = run_store.Runs(opened), make.a_run(namespace)
    await store.open(run)
    await store.accept(make.a_claim(run, uuid.uuid4().bytes))
    await make.decide(opened, make.a_verdict(run), [make.a_delivery(run, "hook")])
    await store.close()
    return run


async def test_a_deleted_run_goes_with_all_that_is_its_own_and_its_record_stays(
    opened: database.Database, namespace: str
) -> None:
    run, kept, deleted = await judged(opened, namespace), await judged(opened, namespace), deletions.Deletions(opened)
    asked = await deleted.ask(namespace, run.name, ASKED)
    assert (asked["deletedBy"], asked["reason"], asked["deletedAt"]) == ("ann", "holds a password", None)
    assert (await deleted.carry_out(), await deleted.carry_out()) == (1, 0)
    shown = views.RunViews(opened)
    assert await shown.view(namespace, run.name) is None
    assert await shown.view(namespace, kept.name) is not None
    async with opened.statements() as connection:
        for table in (tables.claims, tables.verdicts, tables.verdict_documents, tables.deliveries, tables.payloads):
            query = sa.select(sa.func.count()).select_from(table).where(table.c.run_id == run.id)
            assert (await connection.execute(query)).scalar_one() == 0, table.name
    record = await deleted.view(namespace, run.name)
    assert record is not None
    assert (record["result"], record["subjectName"], set(record["documents"])) == (
        "Passed",
        "pr",
        {"attestation", "vsa"},
    )
    assert record["deletedAt"] is not None


async def test_a_record_has_the_digests_of_its_own_run_and_its_own_time(
    opened: database.Database, namespace: str
) -> None:
    signed, deleted = tables.verdict_documents, deletions.Deletions(opened)
    every = [await judged(opened, namespace) for _ in range(3)]
    async with opened.transaction() as connection:
        for number, run in enumerate(every):
            digest = f"sha256:{number:064}"
            await connection.execute(sa.update(signed).where(signed.c.run_id == run.id).values(digest=digest))
    times = []
    for number, run in enumerate(every):
        asked = await deleted.ask(namespace, run.name, ASKED)
        assert set(asked["documents"].values()) == {f"sha256:{number:064}"}
        assert await deleted.carry_out() == 1
        kept = tables.run_deletions.c
        at = sa.select(kept.deleted_at).where(kept.deleted_at.is_not(None)).order_by(kept.deleted_at)
        async with opened.statements() as connection:
            times.append((await connection.execute(at)).scalars().all())
    assert [len(each) for each in times] == [1, 2, 3]
    assert times[2][:2] == times[1]
    assert times[1][:1] == times[0]


async def test_a_record_has_what_was_being_written_to_its_run_while_it_went(
    opened: database.Database, namespace: str
) -> None:
    run, deleted = await judged(opened, namespace), deletions.Deletions(opened)
    await deleted.ask(namespace, run.name, ASKED)
    async with opened.transaction() as connection:
        changed = sa.update(tables.runs).where(tables.runs.c.id == run.id)
        await connection.execute(changed.values(result=verdicts.VerdictResult.FAILED.value))
        going = asyncio.create_task(deleted.carry_out())
        await make.waits_for_a_lock(opened)
    assert await going == 1
    record = await deleted.view(namespace, run.name)
    assert record is not None
    assert record["result"] == "Failed"


async def test_the_first_record_counts_and_names_cannot_be_changed_later(
    opened: database.Database, namespace: str
) -> None:
    run, deleted = await judged(opened, namespace), deletions.Deletions(opened)
    await deleted.ask(namespace, run.name, ASKED)
    again = await deleted.ask(namespace, run.name, deletion_model.Asked("bob", "other", make.NOW))
    assert (again["deletedBy"], again["reason"]) == ("ann", "holds a password")


async def test_a_run_without_a_verdict_and_one_that_is_not_there_are_not_deleted(
    opened: database.Database, namespace: str
) -> None:
    store, run, deleted = run_store.Runs(opened), make.a_run(namespace), deletions.Deletions(opened)
    await store.open(run)
    await store.close()
    with pytest.raises(errors.Conflict, match="no verdict yet"):
        await deleted.ask(namespace, run.name, ASKED)
    with pytest.raises(errors.NotFound):
        await deleted.ask(namespace, "nobody", ASKED)
    assert await deleted.carry_out() == 0


async def test_what_is_asked_of_a_run_without_a_verdict_past_the_rules_waits_for_its_verdict(
    opened: database.Database, namespace: str
) -> None:
    run, store, deleted = make.a_run(namespace), run_store.Runs(opened), deletions.Deletions(opened)
    other = await judged(opened, namespace)
    await deleted.ask(namespace, other.name, ASKED)
    await store.open(run)
    kept = tables.run_deletions
    names = [column.name for column in kept.c if column.name != "run_id"]
    async with opened.transaction() as connection:  # as a captured server might
        copied = sa.select(sa.literal(run.id), *(kept.c[name] for name in names)).where(kept.c.run_id == other.id)
        await connection.execute(sa.insert(kept).from_select(["run_id", *names], copied))
    assert await deleted.carry_out() == 1
    assert (await store.get(run.id) is None, await store.get(other.id)) == (False, None)
    await make.decide(opened, make.a_verdict(run), [])
    assert await deleted.carry_out() == 1
    assert await store.get(run.id) is None
    await store.close()


async def test_a_build_that_is_still_there_does_not_open_its_run_again(
    opened: database.Database, namespace: str
) -> None:
    run, deleted, store = await judged(opened, namespace), deletions.Deletions(opened), run_store.Runs(opened)
    await deleted.ask(namespace, run.name, ASKED)
    await deleted.carry_out()
    fresh = make.a_run(namespace)
    again, other = await store.open(run), await store.open(fresh)
    assert (again.id, again.result) == (run.id, verdicts.VerdictResult.PASSED)
    assert again.finished_at is not None  # nothing is left to be done about it
    assert (other.finished_at, await store.get(run.id)) == (None, None)
    with pytest.raises(errors.NotFound):
        await store.accept(make.a_claim(run, b"late"))
    await store.close()


async def test_a_workflow_that_was_made_anew_does_not_have_a_build_judged_again_whose_run_was_deleted(
    opened: database.Database, namespace: str
) -> None:
    run, deleted, store = await judged(opened, namespace), deletions.Deletions(opened), run_store.Runs(opened)
    await deleted.ask(namespace, run.name, ASKED)
    await deleted.carry_out()

    def of(workflow: str, uid: str) -> runs.Run:
        key = runs.RunKey(uid, run.key.subject_uid)
        return make.a_run(namespace, key=key, id=key.id, name=key.name(workflow), workflow=workflow)

    anew, other = await store.open(of("build", "w2")), await store.open(of("release", "w3"))
    assert (anew.result, anew.finished_at is None) == (verdicts.VerdictResult.PASSED, False)
    assert await store.get(anew.id) is None
    assert await store.get(other.id) == other  # a Workflow of another name judges it for the first time
    await store.close()


async def test_the_record_has_the_verdict_that_the_run_had_when_it_went(
    opened: database.Database, namespace: str
) -> None:
    run, deleted = await judged(opened, namespace), deletions.Deletions(opened)
    asked = await deleted.ask(namespace, run.name, ASKED)
    async with opened.statements() as connection:
        version = await connection.scalar(sa.select(tables.runs.c.resource_version).where(tables.runs.c.id == run.id))
    superseding = make.a_verdict(run, verdicts.VerdictResult.REJECTED)
    later = {"evidence": verdicts.Evidence.NONE, "judged_at": make.NOW + datetime.timedelta(minutes=1)}
    superseding = dataclasses.replace(superseding, verdict=dataclasses.replace(superseding.verdict, **later))
    assert await make.decide(opened, superseding, [], over=version)
    await deleted.carry_out()
    record = await deleted.view(namespace, run.name)
    assert record is not None
    assert (asked["result"], record["result"]) == ("Passed", "Rejected")
    assert (asked["evidence"], record["evidence"]) == ("sidecar", str(verdicts.Evidence.NONE))
    assert record["judgedAt"] == "2026-01-02T03:05:05Z"
    assert set(record["documents"]) == {"attestation", "vsa", "superseded-attestation", "superseded-vsa"}
    assert record["reason"] == asked["reason"]


async def test_an_external_run_that_was_deleted_is_not_opened_with_its_id(
    opened: database.Database, namespace: str
) -> None:
    key = runs.RunKey("w", str(uuid.uuid4()), external=True)
    run = make.a_run(namespace, key=key, id=key.id, name=key.name("build"), subject_kind=runs.EXTERNAL)
    store, deleted = external_runs.ExternalRuns(opened), deletions.Deletions(opened)
    attester, day = external.Attester("AUTH_TYPE_API_TOKEN", "t", ()), datetime.timedelta(days=1)
    extra = external.ExternalPart(run.id, attester, external.Runner(), "", make.NOW + day, day)
    assert await store.open(run, extra, mark_latest=None)
    await make.decide(opened, make.a_verdict(run), ())
    await deleted.ask(namespace, run.name, ASKED)
    await deleted.carry_out()
    with pytest.raises(errors.Conflict, match="was deleted: choose a new id"):
        await store.open(run, extra, mark_latest=None)


async def test_records_are_paged_in_order_and_narrowed(opened: database.Database, namespace: str) -> None:
    deleted = deletions.Deletions(opened)
    names = sorted([(await judged(opened, namespace)).name for _ in range(3)])
    for name in names:
        await deleted.ask(namespace, name, ASKED)
    found, token = [], ""
    while True:
        page, token, _ = await deleted.page(namespace, limit=2, after=token, filters={"workflow": "build"})
        found += [one["name"] for one in page]
        if not token:
            break
    assert found == names
    others = {"name": selectors.Not(frozenset(names[:2]))}
    assert [one["name"] for one in (await deleted.page(namespace, limit=0, after="", filters=others))[0]] == names[2:]
    assert await deleted.view(f"{namespace}-other", names[0]) is None
    with pytest.raises(errors.Invalid, match="not a valid continue token"):
        await deleted.page(namespace, limit=2, after=cursors.write("a", "b", "c"), filters={})
    with pytest.raises(errors.Invalid, match="cannot filter by colour"):
        await deleted.page(namespace, limit=0, after="", filters={"colour": "red"})


async def test_a_watcher_lists_again_after_a_deletion(opened: database.Database, namespace: str) -> None:
    run, deleted, shown = await judged(opened, namespace), deletions.Deletions(opened), views.RunViews(opened)
    _, _, version = await shown.page(namespace, limit=0, after="", filters={})
    await deleted.ask(namespace, run.name, ASKED)
    await deleted.carry_out()
    with pytest.raises(errors.Conflict, match="list again"):
        await anext(shown.watch(namespace, version, {}))
