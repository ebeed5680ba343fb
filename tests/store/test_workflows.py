"""Workflows over a real PostgreSQL: how many commits they take, and what each raises."""

import asyncio
import uuid

import pytest

from avouch.controlplane.model import contracts as contract_model
from avouch.store import database, workflows

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
