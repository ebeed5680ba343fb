"""Workflows over a real PostgreSQL: how many commits they take, and what each raises."""

import asyncio
import uuid
from dataclasses import replace

import pytest

from avouch import digests, errors
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import deliveries
from avouch.store import contracts as contract_store
from avouch.store import database, workflows
from tests.store.conftest import NOW

pytestmark = pytest.mark.postgres

EPOCH = 1_000_000  # above those of the modules that run before this one on the same database


def a_workflow(namespace: str, number: int) -> contract_model.WorkflowRecord:
    return contract_model.WorkflowRecord(
        namespace, f"{namespace}-uid", f"w-{number}", f"w-{number}-uid", 1, {}, {}, namespace, "c"
    )


async def test_workflows_that_are_recorded_together_share_commits(opened: database.Database) -> None:
    namespace, store = f"team-{uuid.uuid4().hex[:8]}", workflows.Workflows(opened)
    kept = await asyncio.gather(*(store.upsert(a_workflow(namespace, number), epoch=EPOCH) for number in range(100)))
    changes = await store.changed_since(namespace, None)
    await store.close()
    assert all(kept)
    assert len(changes.workflows) == 100
    # The first time a namespace is seen raises its version once more; then once for each commit, of 64 at most.
    assert changes.version <= 4


async def test_a_controller_of_an_older_epoch_writes_no_declaration(opened: database.Database) -> None:
    store, revisions = workflows.Workflows(opened), contract_store.Contracts(opened)
    kept, canonical = a_workflow("shop", 1), b"{}"
    attachment = deliveries.AttachmentRecord("shop", "chat", "chat-uid", "chat", "webhook", {})
    revision = contract_model.ContractRevision(
        "shop", "shop-uid", "c", "c-uid", 0, digests.of_bytes(canonical), canonical, NOW
    )
    await store.upsert(kept, epoch=EPOCH)
    old = EPOCH - 1
    for write in (
        store.upsert(replace(kept, generation=2), epoch=old),
        store.upsert(a_workflow("shop", 2), epoch=old),
        store.remove("shop", kept.name, uid=kept.uid, epoch=old),
        store.announce(epoch=old),
        store.upsert_attachment(attachment, epoch=old),
        store.remove_attachment("shop", "chat", epoch=old),
        revisions.record(revision, epoch=old),
    ):
        with pytest.raises(errors.Conflict, match="epoch"):
            await write
    assert await store.recorded() == (kept,)
    assert await store.attachments("shop") == ()
    assert await revisions.list("shop", "c") == ()
    await store.close()


async def test_workflows_that_trickle_in_share_the_next_commit(opened: database.Database) -> None:
    namespace, store = f"team-{uuid.uuid4().hex[:8]}", workflows.Workflows(opened)

    async def later(number: int) -> None:
        await asyncio.sleep(number / 1000)
        await store.upsert(a_workflow(namespace, number), epoch=EPOCH)

    await store.upsert(a_workflow(namespace, 0), epoch=EPOCH)
    before = (await store.changed_since(namespace, None)).version
    await asyncio.gather(*(later(number) for number in range(1, 21)))
    changes = await store.changed_since(namespace, None)
    await store.close()
    assert len(changes.workflows) == 21
    assert changes.version - before <= 5
