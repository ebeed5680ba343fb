"""What revisions of Contracts are held to, over a real PostgreSQL: recorded once, and there for whoever judges."""

import uuid
from dataclasses import replace

import pytest

from avouch import digests
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import policies as policy_model
from avouch.store import contracts, database, policies
from tests.store.conftest import NOW

pytestmark = pytest.mark.postgres

EPOCH = 2_000_000
ONE, OTHER = (str(digests.of_bytes(text)) for text in (b"one", b"other"))


def a_revision(**changes: object) -> contract_model.ContractRevision:
    namespace = f"team-{uuid.uuid4().hex[:8]}"
    made = contract_model.ContractRevision(
        namespace, f"{namespace}-uid", "c", "c-uid", 0, digests.of_bytes(b"x"), b"x", NOW, resolved=b"owed"
    )
    return replace(made, **changes)


def asked(revision: contract_model.ContractRevision) -> policy_model.Revision:
    return policy_model.Revision(revision.namespace_uid, revision.name, revision.revision)


async def test_a_policy_that_changed_makes_another_revision_and_the_same_one_none(opened: database.Database) -> None:
    store, first = contracts.Contracts(opened), a_revision()
    assert (await store.record(first, {ONE: b"one"}, epoch=EPOCH)).revision == 1
    assert (await store.record(first, {ONE: b"one"}, epoch=EPOCH)).revision == 1
    changed = await store.record(replace(first, resolved=b"owes more"), {OTHER: b"other"}, epoch=EPOCH)
    assert (changed.revision, changed.digest) == (2, first.digest)
    assert (await store.record(first, {ONE: b"one"}, epoch=EPOCH)).revision == 3
    assert [each.resolved for each in await store.list(first.namespace, "c")] == [b"owed", b"owes more", b"owed"]


async def test_a_judge_reads_what_its_run_is_held_to(opened: database.Database) -> None:
    store, kept = contracts.Contracts(opened), policies.Policies(opened)
    first = await store.record(a_revision(), {ONE: b"one"}, epoch=EPOCH)
    second = await store.record(replace(first, resolved=b"owes more"), {OTHER: b"other"}, epoch=EPOCH)
    assert await kept.resolved(asked(first)) == b"owed"
    assert await kept.resolved(asked(second)) == b"owes more"
    assert await kept.resolved(asked(replace(first, revision=9))) is None
    assert await kept.resolved(asked(replace(first, namespace_uid="of its predecessor"))) is None
    assert await kept.documents(frozenset({ONE, OTHER, "sha256:none"})) == {ONE: b"one", OTHER: b"other"}


async def test_a_contract_without_policies_keeps_no_documents(opened: database.Database) -> None:
    store, kept = contracts.Contracts(opened), policies.Policies(opened)
    plain = await store.record(a_revision(resolved=b""), epoch=EPOCH)
    assert await kept.resolved(asked(plain)) == b""
    assert await kept.documents(frozenset()) == {}
