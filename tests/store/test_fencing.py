"""A controller that lost its Lease writes nothing any more; what it is writing still is waited for."""

import importlib
import inspect
import pkgutil
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from avouch import digests, errors, store
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import deliveries, identities
from avouch.controlplane.model import policyexceptions as exception_model
from avouch.controlplane.model import runs as run_model
from avouch.store import (
    casbackends,
    contracts,
    database,
    fencing,
    fetches,
    history,
    migrate,
    namespaces,
    organizations,
    policyexceptions,
    runs,
    tables,
    tokens,
    workflows,
)
from tests import postgres
from tests.store.conftest import NOW, a_run

pytestmark = pytest.mark.postgres

ENDED, NEWEST = 7, 8  # epochs of two controllers

WORKFLOW = contract_model.WorkflowRecord("team", "team-uid", "w", "w-uid", 1, {}, {}, "team", "c")
REVISION = contract_model.ContractRevision("team", "team-uid", "c", "c-uid", 0, digests.of_bytes(b"c"), b"c", NOW)
ATTACHMENT = deliveries.AttachmentRecord("team", "a", "a-uid", "i", "webhook", {}, workflow="w")
BACKEND = artifact_model.BackendRecord(
    "b-uid", "team", "team-uid", "b", 1, artifact_model.BackendSpec.read({"inline": {}})
)
ORGANIZATION = identities.Organization("o", "home")
TOKEN = identities.TokenRecord("t" * 16, "ci", "team", "team-uid", "ci-uid", "Project", "", b"digest", NOW)
EXCEPTION = exception_model.PolicyException("team", "team-uid", "e", "p", ("w",), "said so", "ann", NOW + timedelta(1))
RUN = a_run("team")


# Every write of a controller: (class, method) -> its arguments besides the epoch.
WRITES: dict[tuple[type, str], tuple[tuple[object, ...], dict[str, object]]] = {
    (workflows.Workflows, "upsert"): ((WORKFLOW,), {}),
    (workflows.Workflows, "remove"): (("team", "w"), {"uid": "w-uid"}),
    (workflows.Workflows, "announce"): ((), {}),
    (workflows.Workflows, "upsert_attachment"): ((ATTACHMENT,), {}),
    (workflows.Workflows, "remove_attachment"): (("team", "a"), {}),
    (contracts.Contracts, "record"): ((REVISION,), {}),
    (casbackends.CASBackends, "upsert"): ((BACKEND,), {}),
    (casbackends.CASBackends, "remove"): (("team", "b"), {"uid": "b-uid"}),
    (organizations.Organizations, "record"): ((ORGANIZATION, []), {}),
    (organizations.Organizations, "remove"): (("o",), {}),
    (tokens.Tokens, "record"): ((TOKEN,), {}),
    (tokens.Tokens, "delivered"): ((TOKEN.id, NOW), {}),
    (tokens.Tokens, "expire"): ((TOKEN.id, NOW + timedelta(1)), {}),
    (tokens.Tokens, "revoke"): (("ci-uid", NOW, "said so"), {}),
    (policyexceptions.Exceptions, "record"): ((EXCEPTION,), {}),
    (policyexceptions.Exceptions, "remove"): (("team", "e"), {}),
    (fetches.Fetches, "ask"): (("team-uid", frozenset({"https://policies.example/a.yaml"})), {}),
    (history.Histories, "look"): ((), {}),
    (history.Histories, "rewound"): ((1,), {}),
    (namespaces.Namespaces, "record"): (({"team": "team-uid"},), {}),
    (namespaces.Namespaces, "record_all"): (({"team": "team-uid"},), {}),
    (runs.Runs, "results_cut"): (("w-uid", 1), {}),
    (runs.Runs, "finish"): ((RUN.id, run_model.Snapshot({"kind": "TaskRun"}, ()), NOW), {}),
}
CHANGED = (tables.workflows, tables.contract_revisions, tables.attachments, tables.cas_backends, tables.organizations,
           tables.tokens, tables.policy_exceptions, tables.policy_fetches, tables.runs, tables.snapshots,
           tables.namespaces, tables.declared)  # fmt: skip


@pytest.fixture(scope="module")
def alone() -> Iterator[postgres.Postgres]:
    """A database whose epochs are this module's."""
    with postgres.running() as started:
        migrate.migrate(started.url)
        yield started


@pytest.fixture
async def led(alone: postgres.Postgres) -> AsyncIterator[database.Database]:
    """A database in which the first controller wrote everything, and the second one has written since."""
    async with database.Database(alone.url_of("controller")) as opened:
        async with database.Database(alone.url) as owner, owner.transaction() as connection:
            await connection.execute(sa.update(tables.leases).values(epoch=-1))
            for table in reversed(CHANGED):
                await connection.execute(sa.delete(table))
        repository = runs.Runs(opened)
        await repository.open(RUN)
        await repository.close()
        for kind, name in WRITES:
            if name in ("upsert", "record", "upsert_attachment"):
                await written(opened, kind, name, ENDED)
        async with opened.transaction() as connection:
            await fencing.fence(connection, NEWEST)
        yield opened


async def written(opened: database.Database, kind: type, name: str, epoch: int) -> None:
    writing, (arguments, named) = kind(opened), WRITES[kind, name]
    try:
        await getattr(writing, name)(*arguments, **named, epoch=epoch)
    finally:
        if hasattr(writing, "close"):
            await writing.close()


async def _stored(owner_url: str) -> list[object]:
    async with database.Database(owner_url) as owner, owner.transaction() as connection:
        return [(await connection.execute(sa.select(table))).all() for table in (*CHANGED, tables.history)]


@pytest.mark.parametrize(("kind", "name"), WRITES, ids=lambda each: getattr(each, "__name__", each))
async def test_a_controller_of_an_older_epoch_writes_nothing(
    alone: postgres.Postgres, led: database.Database, kind: type, name: str
) -> None:
    before = await _stored(alone.url)
    with pytest.raises(errors.Conflict, match=f"epoch {ENDED} has ended"):
        await written(led, kind, name, ENDED)
    assert await _stored(alone.url) == before


@pytest.mark.parametrize(("kind", "name"), WRITES, ids=lambda each: getattr(each, "__name__", each))
async def test_the_newest_controller_writes(led: database.Database, kind: type, name: str) -> None:
    await written(led, kind, name, NEWEST)


def test_every_write_that_takes_an_epoch_is_here() -> None:
    modules = [
        importlib.import_module(f"{store.__name__}.{each.name}") for each in pkgutil.iter_modules(store.__path__)
    ]
    kinds = {kind for module in modules for _, kind in inspect.getmembers(module, inspect.isclass)}
    fenced = {
        (kind, name)
        for kind in kinds
        if kind.__module__.startswith(store.__name__)
        for name, method in vars(kind).items()
        if inspect.isfunction(method) and "epoch" in inspect.signature(method).parameters and not name.startswith("_")
    }
    assert fenced == WRITES.keys()


async def _fenced(opened: database.Database, epoch: int) -> None:
    """The beginning of a write, by one that does not wait for long."""
    async with opened.transaction() as connection:
        await connection.exec_driver_sql("SET LOCAL lock_timeout = '200ms'")
        await fencing.fence(connection, epoch)


async def test_a_new_controller_waits_for_a_write_of_the_old_one_that_is_under_way(led: database.Database) -> None:
    async with led.transaction() as old:
        await fencing.fence(old, NEWEST)
        with pytest.raises(errors.Locked):
            await _fenced(led, NEWEST + 1)
        await _fenced(led, NEWEST)  # of one controller, many write at once
    await _fenced(led, NEWEST + 1)
    with pytest.raises(errors.Conflict):
        await _fenced(led, NEWEST)
