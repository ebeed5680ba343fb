"""A namespace made anew shows nothing of its predecessor, from the moment that the predecessor is known to be gone."""

import os
import uuid

import pytest
import sqlalchemy as sa

from avouch import digests
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import identities
from avouch.store import (
    artifact_references,
    artifacts,
    casbackends,
    catalog,
    contracts,
    database,
    namespaces,
    retention,
    revisionviews,
    runs,
    tables,
    tokens,
    views,
    workflows,
)
from tests.store.conftest import NOW, a_run, a_verdict, decide

pytestmark = pytest.mark.postgres

EPOCH = 1_000


class Predecessor:
    """A namespace in which everything was declared and done, and what of it can be seen."""

    def __init__(self, opened: database.Database) -> None:
        self.opened, self.name = opened, f"payments-{uuid.uuid4().hex[:8]}"
        self.uid, self.token_id = f"old-{self.name}", uuid.uuid4().hex[:16]
        self.catalog, self.known = catalog.Catalog(opened), namespaces.Namespaces(opened)
        self.digest = digests.of_bytes(os.urandom(20))

    async def lives(self) -> None:
        record = contract_model.WorkflowRecord(self.name, self.uid, "build", "w", 1, {}, {}, self.name, "c")
        await workflows.Workflows(self.opened).upsert(record, epoch=EPOCH)
        revision = contract_model.ContractRevision(self.name, self.uid, "c", "u", 0, digests.of_bytes(b"x"), b"{}", NOW)
        await contracts.Contracts(self.opened).record(revision, epoch=EPOCH)
        token = identities.TokenRecord(
            id=self.token_id, name="ci", namespace=self.name, namespace_uid=self.uid, uid="t",
            scope=identities.TokenScope.PROJECT, workflow="", digest=b"d", created_at=NOW,
        )  # fmt: skip
        await tokens.Tokens(self.opened).record(token, epoch=EPOCH)
        spec = artifact_model.BackendSpec.read({"s3": {"bucket": "b"}, "default": True})
        backend = artifact_model.BackendRecord(f"b-{self.name}", self.name, self.uid, "store", 1, spec)
        await casbackends.CASBackends(self.opened).upsert(backend, epoch=EPOCH)
        self.store = runs.Runs(self.opened)
        self.run = await self.store.open(a_run(self.name, namespace_uid=self.uid))
        await decide(self.opened, a_verdict(self.run), [])
        owner = artifact_model.Owner(self.name, self.uid, self.run.id)
        await artifacts.Artifacts(self.opened).record(self.digest, owner, "default", 20)

    async def shows(self) -> set[str]:
        shown, revisions = views.RunViews(self.opened), revisionviews.RevisionViews(self.opened)
        everywhere = {"limit": 500, "after": "", "filters": {"name": self.run.name}, "whole": False}
        found = {
            "run": await shown.view(self.name, self.run.name),
            "statement": await shown.signed(self.name, self.run.name, "statement"),
            "list": (await shown.page(self.name, limit=10, after="", filters={}))[0],
            "list of all namespaces": (await shown.page(None, **everywhere))[0],  # type: ignore[arg-type]
            "revision": await revisions.view(self.name, "c.1"),
            "revisions": (await revisions.page(self.name, limit=10, after="", filters={}))[0],
            "newest revision": await contracts.Contracts(self.opened).newest(self.name, "c"),
            "token": await tokens.Tokens(self.opened).find(self.token_id),
            "artifact": [use async for use in artifact_references.Uses(self.opened).of(self.digest)],
            "backend": (await casbackends.CASBackends(self.opened).serving(self.name)).own,
        }
        return {what for what, one in found.items() if one}


EVERYTHING = {
    "run", "statement", "list", "list of all namespaces", "revision", "revisions", "newest revision", "token",
    "artifact", "backend",
}  # fmt: skip


@pytest.fixture
async def payments(opened: database.Database) -> Predecessor:
    predecessor = Predecessor(opened)
    await predecessor.lives()
    assert await predecessor.shows() == EVERYTHING
    return predecessor


async def test_nothing_is_shown_once_it_is_gone_nor_of_the_next_one_of_its_name(payments: Predecessor) -> None:
    await payments.known.record({payments.name: namespaces.GONE}, epoch=EPOCH)
    assert await payments.shows() == set()
    await payments.known.record({payments.name: "uid-NEW"}, epoch=EPOCH)
    assert await payments.shows() == set()


async def test_one_that_is_made_anew_at_once_shows_nothing_either(payments: Predecessor) -> None:
    await payments.known.record({payments.name: "uid-NEW"}, epoch=EPOCH)
    assert await payments.shows() == set()


async def test_what_is_opened_a_moment_too_late_does_not_bring_it_back(payments: Predecessor) -> None:
    await payments.known.record({payments.name: namespaces.GONE}, epoch=EPOCH)
    await payments.store.open(a_run(payments.name, namespace_uid=payments.uid))
    assert await payments.shows() == set()
    await payments.store.close()


async def test_what_vanished_while_nobody_watched_is_gone_after_the_next_look_at_all(
    payments: Predecessor, opened: database.Database
) -> None:
    other = Predecessor(opened)
    await other.lives()
    async with opened.transaction() as connection:
        rows = await connection.execute(sa.select(tables.namespaces).where(tables.namespaces.c.name != payments.name))
        present = {row.name: row.uid for row in rows.all()}
    await payments.known.record_all(present, epoch=EPOCH)
    assert (await payments.shows(), await other.shows()) == (set(), EVERYTHING)


async def test_a_namespace_that_nobody_ever_saw_shows_nothing(opened: database.Database) -> None:
    shown = views.RunViews(opened)
    assert await shown.page(f"never-{uuid.uuid4()}", limit=1, after="", filters={}) == (
        [],
        "",
        (await _version(opened)),
    )


async def _version(opened: database.Database) -> int:
    return (await views.RunViews(opened).page(None, limit=1, after="", filters={}, whole=False))[2]


async def test_servers_forget_what_the_predecessor_declared(payments: Predecessor) -> None:
    assert (await payments.catalog.newest(payments.name, "c")) is not None
    await payments.known.record({payments.name: "uid-NEW"}, epoch=EPOCH)
    assert (await payments.catalog.newest(payments.name, "c")) is None


async def test_servers_forget_what_a_namespace_declared_that_vanished_while_nobody_watched(
    payments: Predecessor,
) -> None:
    assert (await payments.catalog.newest(payments.name, "c")) is not None
    await payments.known.record_all({}, epoch=EPOCH)
    assert (await payments.catalog.newest(payments.name, "c")) is None


async def test_ten_thousand_namespaces_are_a_handful_of_statements(opened: database.Database) -> None:
    asked: list[str] = []
    sa.event.listen(
        opened._engine.sync_engine, "before_cursor_execute", lambda c, cur, statement, *_: asked.append(statement)
    )
    seen = {f"team-{number}-{uuid.uuid4().hex[:4]}": f"uid-{number}" for number in range(10_000)}
    await namespaces.Namespaces(opened).record(seen, epoch=EPOCH)
    assert len(asked) <= 6, asked


async def _day_passes(opened: database.Database) -> None:
    async with opened.transaction() as connection:
        known = tables.namespaces
        await connection.execute(sa.update(known).values(gone_at=known.c.gone_at - sa.text("interval '25 hours'")))


async def _known(opened: database.Database, name: str) -> bool:
    known = tables.namespaces.c
    async with opened.statements() as connection:
        return bool((await connection.execute(sa.select(known.uid).where(known.name == name))).first())


async def test_one_that_went_is_forgotten_a_day_later_when_nothing_is_left_of_it(
    payments: Predecessor, opened: database.Database
) -> None:
    chores, runs_of = retention.Retention(opened), tables.runs.c.namespace_uid
    await payments.known.record({payments.name: namespaces.GONE}, epoch=EPOCH)
    await _day_passes(opened)
    assert await chores.forget_namespaces() == 0  # it has runs, and Workflows that open some
    async with opened.transaction() as connection:
        await connection.execute(sa.delete(tables.workflows).where(tables.workflows.c.namespace == payments.name))
    assert await chores.forget_namespaces() == 0
    async with opened.transaction() as connection:
        await connection.execute(sa.delete(tables.runs).where(runs_of == payments.uid))
    versions = tables.project_versions.c.namespace_uid
    new = {"name": "v1", "latest": True, "created_at": NOW, "released_at": NOW}
    async with opened.transaction() as connection:
        both = [{"namespace_uid": uid, **new} for uid in (payments.uid, "another")]
        await connection.execute(sa.insert(tables.project_versions), both)
    assert await chores.forget_namespaces() == 1
    async with opened.statements() as connection:
        assert set((await connection.execute(sa.select(versions))).scalars()) == {"another"}
    assert await payments.shows() == set()
    await payments.store.close()


async def test_one_that_went_a_moment_ago_or_came_back_is_not_forgotten(opened: database.Database) -> None:
    known, chores = namespaces.Namespaces(opened), retention.Retention(opened)
    await known.record_all({"here": "u-1", "gone": "u-2", "back": "u-3"}, epoch=EPOCH)
    await known.record_all({"here": "u-1"}, epoch=EPOCH)
    assert await chores.forget_namespaces() == 0
    await _day_passes(opened)
    await known.record({"back": "u-4"}, epoch=EPOCH)
    assert await chores.forget_namespaces() == 1
    assert [await _known(opened, name) for name in ("here", "gone", "back")] == [True, False, True]
