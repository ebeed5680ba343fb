"""What the controller remembers of its own records: exact, and no statement for what stands already."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from avouch import digests
from avouch.controlplane.model import contracts
from avouch.reconcilers import recorded

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORKFLOW = contracts.WorkflowRecord("team", "nu", "w", "wu", 1, {"tekton": {"tasks": [{"name": "t"}]}}, {}, "team", "c")
RUN: dict[str, Any] = {"metadata": {"name": "x", "uid": "u"}, "spec": {"taskRef": {"name": "t"}}}


class Store:
    """A store that counts what it is asked."""

    def __init__(self) -> None:
        self.workflows = {WORKFLOW.name: WORKFLOW}
        self.revisions: list[contracts.ContractRevision] = []
        self.asked: list[str] = []

    async def recorded(self) -> Sequence[contracts.WorkflowRecord]:
        return list(self.workflows.values())

    async def upsert(self, workflow: contracts.WorkflowRecord, *, epoch: int) -> bool:
        self.asked.append(f"upsert {workflow.generation}")
        known = self.workflows.get(workflow.name)
        if known is not None and known.uid == workflow.uid and known.generation > workflow.generation:
            return False
        self.workflows[workflow.name] = workflow
        return True

    async def get(self, namespace: str, name: str) -> contracts.WorkflowRecord | None:
        return self.workflows.get(name)

    async def remove(self, namespace: str, name: str, *, uid: str, epoch: int) -> None:
        if name in self.workflows and self.workflows[name].uid == uid:
            del self.workflows[name]

    async def record(
        self, revision: contracts.ContractRevision, documents: Mapping[str, bytes], *, epoch: int
    ) -> contracts.ContractRevision:
        self.asked.append("record")
        self.revisions.append(replace(revision, revision=len(self.revisions) + 1))
        return self.revisions[-1]

    async def newest(self, namespace: str, name: str, *, before: datetime | None = None) -> Any:
        self.asked.append("newest" if before is None else "newest before")
        fitting = [r for r in self.revisions if before is None or r.recorded_at <= before]
        return fitting[-1] if fitting else next(iter(self.revisions), None)


def revision(content: bytes, at: datetime = NOW, namespace_uid: str = "nu") -> contracts.ContractRevision:
    return contracts.ContractRevision("team", namespace_uid, "c", "cu", 0, digests.of_bytes(content), content, at)


async def test_a_workflow_that_stands_as_recorded_is_not_written_and_another_one_is() -> None:
    store = Store()
    known = recorded.Workflows(store)  # type: ignore[arg-type]
    await known.load()
    assert await known.upsert(WORKFLOW, epoch=1)
    assert store.asked == []
    changed = replace(WORKFLOW, generation=2, spec={})
    assert await known.upsert(changed, epoch=1)
    assert store.asked == ["upsert 2"]
    assert (await known.index("team")).of_taskrun(RUN, None) == ()


async def test_an_older_generation_leaves_what_the_database_kept() -> None:
    store = Store()
    store.workflows["w"] = replace(WORKFLOW, generation=5, spec={"suspend": True})
    known = recorded.Workflows(store)  # type: ignore[arg-type]
    assert not await known.upsert(WORKFLOW, epoch=1)
    found = (await known.index("team")).get("w")
    assert found is not None
    assert found.generation == 5


async def test_a_removed_workflow_matches_no_more_unless_it_was_made_anew() -> None:
    store = Store()
    known = recorded.Workflows(store)  # type: ignore[arg-type]
    await known.load()
    await known.remove("team", "w", uid="another", epoch=1)
    assert len((await known.index("team")).of_taskrun(RUN, None)) == 1
    await known.remove("team", "w", uid="wu", epoch=1)
    assert (await known.index("team")).of_taskrun(RUN, None) == ()
    assert await known.keys() == []


async def test_a_database_made_anew_is_filled_again_after_the_next_resync() -> None:
    store = Store()
    known = recorded.Workflows(store)  # type: ignore[arg-type]
    await known.load()
    store.workflows.clear()
    await known.load()
    await known.upsert(WORKFLOW, epoch=1)
    assert store.workflows == {"w": WORKFLOW}


async def test_a_contract_is_recorded_once_and_its_newest_revision_remembered() -> None:
    store = Store()
    known = recorded.Contracts(store, lambda _: "nu")  # type: ignore[arg-type]
    assert await known.newest("team", "c") is None
    one = await known.record(revision(b"1"), epoch=1)
    assert await known.record(revision(b"1", NOW + timedelta(hours=1)), epoch=1) == one
    assert await known.newest("team", "c") == one
    assert await known.newest("team", "c", before=NOW) == one
    assert store.asked == ["newest", "record"]


async def test_a_run_older_than_the_newest_revision_is_held_to_the_one_of_its_time() -> None:
    store = Store()
    known = recorded.Contracts(store, lambda _: "nu")  # type: ignore[arg-type]
    one = await known.record(revision(b"1"), epoch=1)
    await known.record(revision(b"2", NOW + timedelta(hours=1)), epoch=1)
    assert await known.newest("team", "c", before=NOW) == one


async def test_the_revision_of_a_namespaces_predecessor_is_not_remembered_as_the_new_ones() -> None:
    store, present = Store(), {"team": "nu"}
    known = recorded.Contracts(store, lambda name: present[name])  # type: ignore[arg-type]
    await known.record(revision(b"1"), epoch=1)
    present["team"] = "another"
    store.revisions.clear()
    assert await known.newest("team", "c") is None
    anew = await known.record(revision(b"1", namespace_uid="another"), epoch=1)
    assert await known.newest("team", "c") == anew
