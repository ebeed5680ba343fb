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


async def test_what_is_removed_is_one_workflow_of_one_namespace(opened: database.Database) -> None:
    store = workflows.Workflows(opened)
    here, there = ([a_workflow(namespace, number) for number in (1, 2)] for namespace in ("here", "there"))
    for workflow in (*here, *there):
        await store.upsert(workflow, epoch=EPOCH)
    version = (await store.changed_since("here", None)).version
    await store.remove("here", "w-1", uid="its successor", epoch=EPOCH)
    await store.remove("nowhere", "w-1", uid="w-1-uid", epoch=EPOCH)
    await store.remove("here", "nothing", uid="w-1-uid", epoch=EPOCH)
    assert await store.changed_since("here", version) == workflows.Changes(version, ())
    await store.remove("here", "w-1", uid="w-1-uid", epoch=EPOCH)
    asked = [("here", "w-1"), ("here", "w-2"), ("there", "w-1"), ("there", "w-2")]
    assert [await store.get(*one) for one in asked] == [None, here[1], *there]
    assert await store.keys() == [("here", "w-2", "w-2-uid"), ("there", "w-1", "w-1-uid"), ("there", "w-2", "w-2-uid")]
    await store.close()


async def test_a_reader_is_told_what_changed_after_its_version_and_everything_after_a_removal(
    opened: database.Database,
) -> None:
    store = workflows.Workflows(opened)
    first, second, third = (a_workflow("here", number) for number in (1, 2, 3))
    for workflow in (first, a_workflow("there", 1), second):
        await store.upsert(workflow, epoch=EPOCH)
    seen = await store.changed_since("here", None)
    assert ({one.name for one in seen.workflows}, seen.whole) == ({first.name, second.name}, True)
    assert await store.changed_since("here", seen.version) == workflows.Changes(seen.version, ())
    await store.upsert(third, epoch=EPOCH)
    assert await store.changed_since("here", seen.version) == workflows.Changes(seen.version + 1, (third,))
    await store.remove("here", third.name, uid=third.uid, epoch=EPOCH)
    removed = await store.changed_since("here", seen.version + 1)
    assert (removed.version, removed.whole, len(removed.workflows)) == (seen.version + 2, True, 2)
    await store.upsert(third, epoch=EPOCH)
    assert await store.changed_since("here", removed.version) == workflows.Changes(removed.version + 1, (third,))
    restored = await store.changed_since("here", removed.version + 2)
    assert (restored.version, restored.whole, len(restored.workflows)) == (removed.version + 1, True, 3)
    assert await store.changed_since("nowhere", None) == workflows.Changes(0, (), whole=True)
    await store.close()


async def test_an_attachment_is_replaced_and_removed_alone(opened: database.Database) -> None:
    store = workflows.Workflows(opened)
    made = [
        deliveries.AttachmentRecord(namespace, name, f"{namespace}-{name}", "i", "webhook", {"url": "a"}, workflow="w")
        for namespace in ("here", "there")
        for name in ("chat", "mail")
    ]
    for one in made:
        await store.upsert_attachment(one, epoch=EPOCH)
    changed = replace(made[0], uid="anew", integration="j", type="slack", config={"url": "b"}, workflow="",
                      selector={"matchLabels": {"a": "b"}})  # fmt: skip
    await store.upsert_attachment(changed, epoch=EPOCH)
    assert await store.attachments("here") == (changed, made[1])
    await store.remove_attachment("here", "chat", epoch=EPOCH)
    assert [await store.attachments(one) for one in ("here", "there")] == [(made[1],), (made[2], made[3])]
    await store.close()
