"""Revisions as documents, and tickets, in a real database."""

import asyncio
import datetime
import uuid

import pytest
import sqlalchemy as sa

from avouch import digests, errors
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import selectors
from avouch.store import contracts, database, revisionviews, tables, tickets, versions
from avouch.store import runs as run_store
from tests.store.conftest import NOW, a_run

pytestmark = pytest.mark.postgres


async def recorded(connected: database.Database, namespace: str, name: str, *contents: bytes) -> None:
    for content in contents:
        made = contract_model.ContractRevision(
            namespace, f"uid-{namespace}", name, "uid", 0, digests.of_bytes(content), content, NOW
        )
        await contracts.Contracts(connected).record(made, epoch=1_000)


async def test_revisions_are_paged_in_order_selected_by_contract_and_found_by_name(opened: database.Database) -> None:
    namespace = f"ns-{uuid.uuid4().hex[:8]}"
    await recorded(opened, namespace, "a", b"1", b"2", b"3")
    await recorded(opened, namespace, "b", b"1")
    views = revisionviews.RevisionViews(opened)
    seen, after = [], ""
    while True:
        page, after, _ = await views.page(namespace, limit=2, after=after, filters={})
        seen += [one["name"] for one in page]
        if not after:
            break
    assert seen == ["a.1", "a.2", "a.3", "b.1"]
    selected, *_ = await views.page(namespace, limit=0, after="", filters={"contract": "b"})
    assert [one["name"] for one in selected] == ["b.1"]
    found = await views.view(namespace, "a.2")
    assert found is not None
    assert digests.of_bytes(found["canonical"].encode()) == digests.Digest.parse(found["digest"])
    for name in ("a.4", "a", "a.x", "a.99999999999", "b.2", ""):
        assert await views.view(namespace, name) is None


async def test_a_watch_tells_each_revision_once_that_was_recorded_after_the_list(opened: database.Database) -> None:
    namespace = f"ns-{uuid.uuid4().hex[:8]}"
    await recorded(opened, namespace, "a", b"1")
    views = revisionviews.RevisionViews(opened, poll_seconds=0.01)
    listed, _, version = await views.page(namespace, limit=0, after="", filters={})
    await recorded(opened, namespace, "a", b"2")
    await recorded(opened, f"{namespace}-other", "a", b"1")
    watching = views.watch(namespace, version, {"contract": "a"})
    first = await anext(watching)
    await recorded(opened, namespace, "b", b"1")
    await recorded(opened, namespace, "a", b"3")
    second = await anext(watching)
    await watching.aclose()  # type: ignore[attr-defined]
    assert [listed[0]["name"], first[0], first[1]["name"], second[1]["name"]] == ["a.1", "ADDED", "a.2", "a.3"]
    assert version < first[1]["resourceVersion"] < second[1]["resourceVersion"]
    with pytest.raises(errors.Conflict, match="list again"):
        await anext(views.watch(namespace, version + 1000, {}))


async def test_after_a_full_turn_a_watch_reads_on_at_once(
    opened: database.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisionviews, "_TURN", 2)
    namespace = f"ns-{uuid.uuid4().hex[:8]}"
    async with opened.transaction() as connection:
        since = await versions.newest(connection)
    await recorded(opened, namespace, "a", b"1", b"2", b"3", b"4", b"5")
    watching = revisionviews.RevisionViews(opened, poll_seconds=3600).watch(namespace, since, {})
    async with asyncio.timeout(20):
        told = [(await anext(watching))[1]["name"] for _ in range(5)]
    await watching.aclose()  # type: ignore[attr-defined]
    assert told == ["a.1", "a.2", "a.3", "a.4", "a.5"]


async def test_revisions_are_selected_by_what_they_are_not(opened: database.Database) -> None:
    namespace = f"ns-{uuid.uuid4().hex[:8]}"
    await recorded(opened, namespace, "a", b"1", b"2")
    await recorded(opened, namespace, "b", b"1")
    unlike = {"contract": selectors.Not(frozenset({"b"})), "name": selectors.Not(frozenset({"a.1"}))}
    found, *_ = await revisionviews.RevisionViews(opened).page(namespace, limit=0, after="", filters=unlike)
    assert [one["name"] for one in found] == ["a.2"]


@pytest.mark.parametrize("wanted", ["red", selectors.Not(frozenset({"red"})), selectors.Not(frozenset())])
async def test_what_cannot_be_filtered_by_is_refused(opened: database.Database, wanted: object) -> None:
    with pytest.raises(errors.Invalid, match="cannot filter by colour"):
        await revisionviews.RevisionViews(opened).page(None, limit=0, after="", filters={"colour": wanted})


async def test_a_foreign_token_is_refused(opened: database.Database) -> None:
    with pytest.raises(errors.Invalid, match="continue"):
        await revisionviews.RevisionViews(opened).page(None, limit=0, after="bm9uc2Vuc2U=", filters={})


async def test_a_ticket_is_good_once_for_its_artifact_and_for_its_time(opened: database.Database) -> None:
    run, store = a_run(), tickets.Tickets(opened)
    await run_store.Runs(opened).open(run)
    artifact, other = digests.of_bytes(b"artifact"), digests.of_bytes(b"other")
    now = datetime.datetime.now(datetime.UTC)
    later = now + datetime.timedelta(minutes=5)
    await store.issue(b"one", str(run.id), artifact, later)
    assert await store.take(b"one", other, now) is None
    assert await store.take(b"one", artifact, now) == run.namespace_uid
    assert await store.take(b"one", artifact, now) is None
    await store.issue(b"two", str(run.id), artifact, later)
    assert await store.take(b"two", artifact, later) is None
    assert await store.take(b"three", artifact, now) is None


async def test_each_ticket_is_of_its_own_run_and_outlives_the_next_one(opened: database.Database) -> None:
    store, repository = tickets.Tickets(opened), run_store.Runs(opened)
    here, there = await repository.open(a_run("here")), await repository.open(a_run("there"))
    await repository.close()
    artifact, now = digests.of_bytes(b"artifact"), datetime.datetime.now(datetime.UTC)
    later = now + datetime.timedelta(minutes=5)
    await store.issue(b"old", str(here.id), artifact, now - datetime.timedelta(minutes=1))
    for ticket, run in ((b"one", here), (b"two", there), (b"three", here)):
        await store.issue(ticket, str(run.id), artifact, later)
    async with opened.transaction() as connection:
        kept = (await connection.execute(sa.select(tables.tickets.c.digest))).scalars().all()
    assert sorted(kept) == [b"one", b"three", b"two"]
    found = [await store.take(ticket, artifact, now) for ticket in (b"two", b"one", b"three")]
    assert found == [there.namespace_uid, here.namespace_uid, here.namespace_uid]


async def test_a_revision_shows_what_it_owes_as_it_was_recorded(opened: database.Database) -> None:
    namespace = f"ns-{uuid.uuid4().hex[:8]}"
    made = contract_model.ContractRevision(
        namespace, f"uid-{namespace}", "c", "uid", 0, digests.of_bytes(b"1"), b"1", NOW, resolved=b"owed"
    )
    await contracts.Contracts(opened).record(made, epoch=1_000)
    (shown,), *_ = await revisionviews.RevisionViews(opened).page(namespace, limit=0, after="", filters={})
    assert (shown["canonical"], shown["resolved"]) == ("1", "owed")
