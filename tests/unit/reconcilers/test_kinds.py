"""The worker loop over in-memory adapters: one write per settled change, none on a second look."""

import asyncio
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avouch import errors, rfc3339
from avouch.contract import model, revisions
from avouch.controlplane.model import contracts
from avouch.integrations import registry
from avouch.kube import events, status
from avouch.kube.cache import Key, ObjectCache
from avouch.kube.queue import WorkQueue
from avouch.reconcilers import conditions, context, kinds, specs, token_secrets
from tests.unit.reconcilers import tokens

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def canonical(obj: Mapping[str, Any]) -> bytes:
    """A contract of its own for each spec."""
    return revisions.canonical(model.ContractSpec(name=repr(obj["spec"])))


class Memory:
    """Contracts, Workflows and deliveries in memory, with the store's promises."""

    def __init__(self) -> None:
        self.revisions: list[contracts.ContractRevision] = []
        self.workflows: dict[tuple[str, str], contracts.WorkflowRecord] = {}
        self.fail: errors.AvouchError | None = None
        self.newest_fails: errors.AvouchError | None = None

    async def record(
        self, revision: contracts.ContractRevision, documents: Mapping[str, bytes], *, epoch: int
    ) -> contracts.ContractRevision:
        if self.fail:
            raise self.fail
        newest = await self.newest(revision.namespace, revision.name)
        if newest is not None and (newest.digest, newest.resolved) == (revision.digest, revision.resolved):
            return newest
        number = newest.revision + 1 if newest else 1
        kept = contracts.ContractRevision(
            revision.namespace, revision.namespace_uid, revision.name, revision.uid, number, revision.digest,
            revision.canonical, revision.recorded_at, resolved=revision.resolved,
        )  # fmt: skip
        self.revisions.append(kept)
        return kept

    async def newest(self, namespace: str, name: str, *, before: Any = None) -> contracts.ContractRevision | None:
        if self.newest_fails:
            raise self.newest_fails
        found = [r for r in self.revisions if (r.namespace, r.name) == (namespace, name)]
        return found[-1] if found else None

    async def upsert(self, workflow: contracts.WorkflowRecord, *, epoch: int) -> None:
        assert epoch == 1
        self.workflows[workflow.namespace, workflow.name] = workflow

    async def remove(self, namespace: str, name: str, *, uid: str, epoch: int) -> None:
        self.workflows.pop((namespace, name), None)

    async def counts(self, attachment_uid: str) -> Sequence[Any]:
        return (0, 0, 0, "")


class Api:
    """Applies statuses as an API server would, and takes Events."""

    def __init__(self, cache: ObjectCache) -> None:
        self.cache, self.patches, self.events = cache, 0, [""]
        self.events.clear()
        self.version = 100
        self.made: list[Key] = []

    async def apply(self, resource: Any, body: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        self.patches += 1
        self.version += 1
        meta = body["metadata"]
        known = self.cache.get(Key(resource.kind, meta.get("namespace", ""), meta["name"]))
        assert known is not None
        return {
            **known,
            "metadata": {**known["metadata"], "resourceVersion": str(self.version)},
            "status": body["status"],
        }

    async def create(self, resource: Any, body: dict[str, Any]) -> dict[str, Any]:
        if resource.kind == "Event":
            self.events.append(body["reason"])
            return body
        meta = {"uid": "made", "generation": 1, "resourceVersion": "1", **body["metadata"]}
        key = Key(resource.kind, meta["namespace"], meta["name"])
        if self.cache.get(key) is not None:
            raise errors.Conflict("it exists")
        self.cache.put(key, {**body, "metadata": meta, "status": {"observedGeneration": -1}})
        self.made.append(key)
        return body

    async def merge(self, resource: Any, namespace: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return body


class Clock:
    """A second later at each look."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def now(self) -> datetime:
        return NOW + timedelta(seconds=next(self._ticks))


def build() -> tuple[kinds.KindReconciler, Memory, Api]:
    cache = ObjectCache(specs.INDEXERS)
    memory, api = Memory(), Api(cache)
    there = context.Context(
        cache=cache, contracts=memory, workflows=memory, deliveries=memory, backends=memory, exceptions=memory,  # type: ignore[arg-type]
        organizations=memory, issuing=token_secrets.Issuing(tokens.Memory(), tokens.Secrets()),  # type: ignore[arg-type]
        canonical=canonical, clock=Clock(), epoch=lambda: 1, creator=api,
        integrations=registry.Types(), compiler=None, fetches=None,
    )  # fmt: skip
    cache.put(Key("Namespace", "", "team"), {"metadata": {"name": "team", "uid": "ns"}})
    recorder = events.Recorder(api, "i", fallback_namespace="default")
    return kinds.KindReconciler(there, WorkQueue(), status.StatusWriter(api), recorder), memory, api


def put(reconciling: kinds.KindReconciler, kind: str, name: str, namespace: str = "team", **spec: Any) -> Key:
    key = Key(kind, namespace, name)
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": 1, "resourceVersion": "1"}
    meta["creationTimestamp"] = "2026-01-01T00:00:00Z"
    reconciling.context.cache.put(key, {"metadata": meta, "spec": spec, "status": {"observedGeneration": -1}})
    return key


def ready(reconciling: kinds.KindReconciler, key: Key) -> str:
    obj = reconciling.context.cache.get(key)
    assert obj is not None
    return str(conditions.of(obj.get("status") or {}, "Ready").get("status"))


async def test_a_contract_settles_with_one_patch_and_a_second_look_writes_nothing() -> None:
    reconciling, memory, api = build()
    key = put(reconciling, "Contract", "build", materials=[])
    await reconciling.reconcile(key)
    await reconciling.reconcile(key)
    assert (api.patches, api.events, len(memory.revisions)) == (1, ["Ready"], 1)
    assert ready(reconciling, key) == "True"


async def test_a_workflow_is_enqueued_and_heals_when_its_contract_is_recorded() -> None:
    reconciling, memory, _ = build()
    workflow = put(reconciling, "Workflow", "release", contractRef={"name": "build"})
    await reconciling.reconcile(workflow)
    assert ready(reconciling, workflow) == "False"
    assert memory.workflows["team", "release"].contract_name == ""
    await reconciling.reconcile(put(reconciling, "Contract", "build"))
    assert await reconciling.queue.get() == workflow
    await reconciling.reconcile(workflow)
    assert ready(reconciling, workflow) == "True"
    assert memory.workflows["team", "release"].contract_name == "build"


async def test_a_workflow_heals_although_its_contracts_status_stays_when_the_database_was_made_anew() -> None:
    reconciling, memory, api = build()
    contract = put(reconciling, "Contract", "build")
    workflow = put(reconciling, "Workflow", "release", contractRef={"name": "build"})
    for key in (contract, workflow, contract):  # once more for the count
        await reconciling.reconcile(key)
    await reconciling.queue.get()
    reconciling.queue.done(workflow)
    memory.revisions.clear()
    await reconciling.reconcile(workflow)
    assert ready(reconciling, workflow) == "False"
    patches = api.patches
    await reconciling.reconcile(contract)
    assert api.patches == patches
    async with asyncio.timeout(1):
        assert await reconciling.queue.get() == workflow
    await reconciling.reconcile(workflow)
    assert ready(reconciling, workflow) == "True"


async def test_a_contract_that_counts_one_more_workflow_leaves_the_others_alone() -> None:
    reconciling, _, api = build()
    contract = put(reconciling, "Contract", "build")
    await reconciling.reconcile(contract)
    put(reconciling, "Workflow", "release", contractRef={"name": "build"})
    patches = api.patches
    await reconciling.reconcile(contract)
    assert api.patches == patches + 1
    assert len(reconciling.queue) == 0


async def test_a_database_that_is_away_is_said_once_and_the_key_is_tried_again() -> None:
    reconciling, memory, api = build()
    key = put(reconciling, "Contract", "build")
    memory.fail = errors.Unavailable("the database cannot be reached; try again")
    for _ in range(2):
        await reconciling.workers.once(key)
    assert api.patches == 1
    assert reconciling.queue.failures(key) == 2
    memory.fail = None
    await reconciling.workers.once(key)
    assert (ready(reconciling, key), reconciling.queue.failures(key), api.patches) == ("True", 0, 2)
    await reconciling.queue.drain()


async def test_a_workflow_that_cannot_be_looked_at_now_stays_open_and_a_suspended_one_does_not() -> None:
    reconciling, memory, _ = build()
    for key in (
        put(reconciling, "Contract", "c"),
        workflow := put(reconciling, "Workflow", "w", contractRef={"name": "c"}),
    ):
        await reconciling.reconcile(key)

    def said() -> tuple[str, str]:
        found = (reconciling.context.cache.get(workflow) or {})["status"]
        return found.get("openSince", ""), found.get("openUntil", "")

    since, _until = said()
    assert since
    memory.newest_fails = errors.Unavailable("the database is away")
    with pytest.raises(errors.Unavailable):
        await reconciling.reconcile(workflow)
    assert (ready(reconciling, workflow), *said()) == ("False", since, "")
    memory.newest_fails = None
    await reconciling.reconcile(workflow)
    assert (ready(reconciling, workflow), *said()) == ("True", since, "")
    known = reconciling.context.cache.get(workflow)
    assert known is not None
    reconciling.context.cache.put(workflow, {**known, "spec": {**known["spec"], "suspend": True}})
    await reconciling.reconcile(workflow)
    assert said() == (since, rfc3339.to_seconds(memory.workflows["team", "w"].open_until or NOW))
    assert said()[1] > since


async def test_what_is_declared_at_the_start_is_waited_for_whether_or_not_it_can_be_reconciled() -> None:
    reconciling, memory, _ = build()
    keys = [put(reconciling, "Contract", "c"), put(reconciling, "Contract", "d")]
    reconciling.begin([*keys, Key("Namespace", "", "team")])
    waiting = asyncio.ensure_future(reconciling.begun(60))
    await reconciling.reconcile(keys[0])
    await asyncio.sleep(0)
    assert not waiting.done()
    memory.fail = errors.Unavailable("the database is away")
    with pytest.raises(errors.Unavailable):
        await reconciling.reconcile(keys[1])
    await waiting


async def test_a_deleted_workflow_is_forgotten_by_its_uid() -> None:
    reconciling, memory, _ = build()
    key = put(reconciling, "Workflow", "release", contractRef={"name": "build"})
    await reconciling.reconcile(key)
    reconciling.context.last_runs["team", "release"] = None  # type: ignore[assignment]
    reconciling.changed(key, reconciling.context.cache.drop(key))
    await reconciling.reconcile(key)
    assert (memory.workflows, reconciling.context.last_runs) == ({}, {})
    assert reconciling.gone == {}


def message(reconciling: kinds.KindReconciler, key: Key) -> str:
    obj = reconciling.context.cache.get(key)
    assert obj is not None
    return str(next(c["message"] for c in obj["status"]["conditions"] if c["type"] == "Ready"))


async def test_a_workflow_that_names_no_contract_gets_an_empty_one_of_its_own_name() -> None:
    reconciling, memory, api = build()
    workflow, contract = put(reconciling, "Workflow", "release"), Key("Contract", "team", "release")
    await reconciling.reconcile(workflow)
    assert (ready(reconciling, workflow), api.made) == ("False", [contract])
    assert "it is being created" in message(reconciling, workflow)
    made = reconciling.context.cache.get(contract)
    assert made is not None
    assert made["spec"] == {}
    assert "ownerReferences" not in made["metadata"]  # it stays when the Workflow goes
    assert workflow in kinds.dependents(reconciling.context, contract)
    await reconciling.reconcile(contract)
    await reconciling.reconcile(workflow)
    assert (ready(reconciling, workflow), len(api.made)) == ("True", 1)
    record = memory.workflows["team", "release"]
    assert (record.contract_namespace, record.contract_name) == ("team", "release")
    counted = reconciling.context.cache.get(contract)
    assert counted is not None
    assert counted["status"]["workflows"] == 1


async def test_a_contract_of_the_workflows_own_name_is_taken_as_it_is() -> None:
    reconciling, _, api = build()
    contract, workflow = (
        put(reconciling, "Contract", "release", materials=["m"]),
        put(reconciling, "Workflow", "release"),
    )
    await reconciling.reconcile(contract)
    await reconciling.reconcile(workflow)
    found = reconciling.context.cache.get(contract)
    assert found is not None
    assert (ready(reconciling, workflow), found["spec"], api.made) == ("True", {"materials": ["m"]}, [])


async def test_a_default_contract_that_somebody_makes_first_wins() -> None:
    reconciling, _, api = build()
    workflow = put(reconciling, "Workflow", "release")

    async def taken(resource: Any, body: dict[str, Any]) -> dict[str, Any]:
        if resource.kind == "Contract":
            raise errors.Conflict("it exists")
        return body

    api.create = taken  # type: ignore[method-assign]
    await reconciling.reconcile(workflow)
    assert ready(reconciling, workflow) == "False"


async def test_a_deleted_default_contract_never_comes_back_empty() -> None:
    reconciling, memory, api = build()
    contract, workflow = (
        put(reconciling, "Contract", "release", materials=["m"]),
        put(reconciling, "Workflow", "release"),
    )
    await reconciling.reconcile(contract)
    await reconciling.reconcile(workflow)
    reconciling.context.cache.drop(contract)
    await reconciling.reconcile(workflow)
    assert (ready(reconciling, workflow), api.made) == ("False", [])
    assert "was deleted at revision 1: apply it again, or set spec.contractRef" in message(reconciling, workflow)
    assert memory.workflows["team", "release"].contract_name == ""  # no run is opened against it


async def test_the_status_of_a_workflow_names_no_revision_of_a_contract_that_was_deleted() -> None:
    reconciling, _, _ = build()
    contract = put(reconciling, "Contract", "release", materials=["m"])
    workflow = put(reconciling, "Workflow", "release", contractRef={"name": "release"})
    await reconciling.reconcile(contract)
    await reconciling.reconcile(workflow)
    reconciling.context.cache.drop(contract)
    await reconciling.reconcile(workflow)
    said = (reconciling.context.cache.get(workflow) or {})["status"]
    assert (ready(reconciling, workflow), said.get("contractRevision")) == ("False", None)


async def test_a_namespace_made_anew_is_not_held_to_its_predecessors_deleted_contract() -> None:
    reconciling, _, api = build()
    contract = put(reconciling, "Contract", "release", materials=["m"])
    await reconciling.reconcile(contract)
    reconciling.context.cache.drop(contract)
    reconciling.context.cache.put(Key("Namespace", "", "team"), {"metadata": {"name": "team", "uid": "uid-of-another"}})
    workflow = put(reconciling, "Workflow", "release")
    await reconciling.reconcile(workflow)
    assert "it is being created" in message(reconciling, workflow)
    assert api.made == [contract]


async def test_no_default_contract_is_made_where_an_organization_restricts_contracts() -> None:
    reconciling, _, api = build()
    spec = {"homeNamespace": "home", "projects": {"namespaces": ["team"]}}
    strict = {"metadata": {"name": "acme"}, "spec": {**spec, "settings": {"restrictContractCreation": True}}}
    reconciling.context.cache.put(Key("Organization", "", "acme"), strict)
    reconciling.context.cache.put(Key("Organization", "", "rival"), {"metadata": {"name": "rival"}, "spec": spec})
    workflow = put(reconciling, "Workflow", "release")
    await reconciling.reconcile(workflow)
    assert (ready(reconciling, workflow), api.made) == ("False", [])
    assert "restricts who creates Contracts: ask someone who may create" in message(reconciling, workflow)


async def test_a_workflow_of_an_organization_is_bound_to_the_contract_of_its_home() -> None:
    reconciling, memory, _ = build()
    claims = {"homeNamespace": "home", "projects": {"namespaces": ["team"]}}
    reconciling.context.cache.put(Key("Organization", "", "acme"), {"metadata": {"name": "acme"}, "spec": claims})
    put(reconciling, "Contract", "release")
    reference = {"name": "release", "scope": "Organization"}
    workflow = put(reconciling, "Workflow", "w", contractRef=reference)
    await reconciling.reconcile(workflow)
    assert "Contract release does not exist in namespace home" in message(reconciling, workflow)
    assert memory.workflows["team", "w"].contract_name == ""


async def test_a_suspended_workflow_makes_no_contract() -> None:
    reconciling, _, api = build()
    await reconciling.reconcile(put(reconciling, "Workflow", "release", suspend=True))
    assert api.made == []


async def test_a_default_contract_that_is_refused_is_said_with_the_servers_words() -> None:
    reconciling, _, api = build()
    workflow = put(reconciling, "Workflow", "release")

    async def refuse(resource: Any, body: dict[str, Any]) -> dict[str, Any]:
        if resource.kind == "Contract":
            raise errors.Denied("namespace team is being terminated")
        return body

    api.create = refuse  # type: ignore[method-assign]
    await reconciling.reconcile(workflow)
    assert "it cannot be created (namespace team is being terminated)" in message(reconciling, workflow)


def test_a_workflow_is_looked_at_again_when_a_pipeline_or_task_that_it_names_changes() -> None:
    reconciling, _, _ = build()
    named = put(reconciling, "Workflow", "named", tekton={"pipelines": [{"name": "p"}]})
    alone = put(reconciling, "Workflow", "alone", tekton={"tasks": [{"name": "t"}]})
    put(reconciling, "Workflow", "other", tekton={"pipelines": [{"name": "q"}, {"matchLabels": {"a": "b"}}]})
    pipeline = put(reconciling, "Pipeline", "p", tasks=[{"name": "build", "taskRef": {"name": "t"}}])
    asked = kinds.dependents(reconciling.context, Key("Task", "team", "t"))
    assert sorted(asked) == sorted([named, alone])
    assert kinds.dependents(reconciling.context, pipeline) == [named]
    assert kinds.dependents(reconciling.context, Key("Pipeline", "elsewhere", "p")) == []
    assert kinds.dependents(reconciling.context, Key("Task", "elsewhere", "t")) == []


async def test_a_workflow_says_what_its_namespace_lacks_once_pipelines_and_tasks_were_listed() -> None:
    reconciling, _, _ = build()
    key = put(reconciling, "Workflow", "w", tekton={"pipelines": [{"name": "bulid"}]})
    put(reconciling, "Contract", "w")
    put(reconciling, "Pipeline", "build")

    async def told() -> tuple[str, str] | None:
        await reconciling.reconcile(key)
        obj = reconciling.context.cache.get(key)
        assert obj is not None
        found = [c for c in obj["status"]["conditions"] if c["type"] == "ReferencesFound"]
        return (found[0]["reason"], found[0]["message"]) if found else None

    assert await told() is None
    listed = dataclasses.replace(reconciling.context, definitions_listed=lambda: True)
    reconciling = dataclasses.replace(reconciling, context=listed)
    where = 'spec.tekton.pipelines[name="bulid"]'
    assert await told() == ("PipelineNotFound", f"{where}: Pipeline bulid is not in namespace team (fix: write build)")
    put(reconciling, "Pipeline", "bulid")
    assert await told() is None


async def test_a_wait_is_told_after_ten_seconds_and_a_shorter_one_never() -> None:
    reconciling, _, api = build()
    seconds = [0.0]
    reconciling = dataclasses.replace(reconciling, clock=lambda: seconds[0])
    short, long = (put(reconciling, "Workflow", name, contractRef={"name": name}) for name in ("short", "long"))
    for key in (short, long):
        await reconciling.reconcile(key)
    assert api.events == []
    await reconciling.reconcile(put(reconciling, "Contract", "short", materials=[]))
    seconds[0] = 9.9
    for key in (short, long):
        await reconciling.reconcile(key)
    assert api.events == ["Ready", "Ready"]
    seconds[0] = 10.0
    for _ in range(2):
        for key in (short, long):
            await reconciling.reconcile(key)
    assert api.events == ["Ready", "Ready", "DependencyNotReady"]
    assert reconciling.waits == {}


async def test_a_wait_that_its_object_did_not_outlive_is_not_told() -> None:
    reconciling, _, api = build()
    reconciling = dataclasses.replace(reconciling, clock=iter([0.0, 1.0, 20.0, 21.0]).__next__)
    key = put(reconciling, "Workflow", "w", contractRef={"name": "none"})
    await reconciling.reconcile(key)
    reconciling.context.cache.drop(key)
    await reconciling.reconcile(key)
    assert (api.events, reconciling.waits) == ([], {})


async def test_a_wait_is_told_with_what_it_is_for_by_then() -> None:
    reconciling, _, api = build()
    seconds = [0.0]
    reconciling = dataclasses.replace(reconciling, clock=lambda: seconds[0])
    key = put(reconciling, "Workflow", "w", contractRef={"name": "one"})
    await reconciling.reconcile(key)
    obj = reconciling.context.cache.get(key)
    assert obj is not None
    edited = {
        **obj,
        "metadata": {**obj["metadata"], "resourceVersion": "500"},
        "spec": {"contractRef": {"name": "other"}},
    }
    reconciling.context.cache.put(key, edited)
    seconds[0] = 5.0
    await reconciling.reconcile(key)
    (wait,) = reconciling.waits.values()
    assert wait.told.note.startswith("Contract other does not exist")
    assert (wait.until, api.events) == (10.0, [])


async def test_policies_wait_in_a_queue_of_their_own_and_nobody_waits_for_them_at_the_start() -> None:
    reconciling, _, _ = build()
    keys = [put(reconciling, kind, "x") for kind in ("Policy", "PolicyGroup", "Contract")]
    reconciling.begin(keys)
    assert (len(reconciling.queue), len(reconciling.compiling), reconciling.waiting) == (1, 2, 3)
    await reconciling.reconcile(keys[2])
    await reconciling.begun(0.0)
    assert reconciling._tried.is_set()


async def test_many_slow_policies_delay_neither_other_kinds_nor_policies_of_other_namespaces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reconciling, _, _ = build()
    ended, released = [], asyncio.Event()

    async def slow(_context: context.Context, key: Key, _obj: dict[str, Any]) -> conditions.Desired:
        if key.namespace == "team" and key.name != "p0":
            await released.wait()
        ended.append(key)
        return conditions.succeeded("x")

    monkeypatch.setattr(
        kinds, "KINDS", {**kinds.KINDS, "Policy": dataclasses.replace(kinds.KINDS["Policy"], reconcile=slow)}
    )
    many = [put(reconciling, "Policy", f"p{number}") for number in range(500)]
    other = put(reconciling, "Policy", "q", namespace="other")
    contract = put(reconciling, "Contract", "build")
    reconciling.begin([*many, other, contract])
    working = asyncio.ensure_future(reconciling.run())
    async with asyncio.timeout(5):
        while other not in ended or ready(reconciling, contract) != "True":
            await asyncio.sleep(0.01)
    assert len(ended) == 2
    released.set()
    await reconciling.drain()
    await working


async def test_a_group_is_looked_at_again_when_a_policy_that_it_names_changes() -> None:
    reconciling, _, _ = build()
    group = put(reconciling, "PolicyGroup", "all", policies={"attestation": [{"ref": "shop/sbom@sha256:0"}]})
    reconciling.changed(Key("Policy", "central", "sbom"), None)
    assert {await reconciling.compiling.get() for _ in range(2)} == {Key("Policy", "central", "sbom"), group}


def test_what_reads_files_is_looked_at_again_when_they_change_and_nothing_else() -> None:
    reconciling, _, _ = build()
    cache = reconciling.context.cache
    for name in ("home", "team", "other"):
        cache.put(Key("Namespace", "", name), {"metadata": {"name": name, "uid": name}})
    spec = {"homeNamespace": "home", "projects": {"namespaces": ["team"]}}
    cache.put(Key("Organization", "", "acme"), {"metadata": {"name": "acme", "uid": "acme"}, "spec": spec})
    attached = {"policies": {"attestation": [{"ref": "file://a.yaml"}]}}
    within = {"policies": {"attestation": [{"embedded": {"spec": {"path": "a.rego"}}}]}}
    wanted = [
        put(reconciling, "Contract", "file", **attached),
        put(reconciling, "Contract", "embedded", **within),
        put(reconciling, "Contract", "through", policyGroups=[{"ref": "reads"}]),
        put(reconciling, "PolicyGroup", "reads", **attached),
    ]
    policies = [
        put(reconciling, "Policy", name, namespace=name, policies=[{"ref": "b.rego"}]) for name in ("team", "home")
    ]
    for namespace in ("team", "other"):
        put(reconciling, "Policy", "whole", namespace=namespace, embedded="package a")
        put(reconciling, "Contract", "named", namespace=namespace, policies={"attestation": [{"ref": "chainloop://a"}]})
    put(reconciling, "Contract", "far", namespace="other", **attached)
    for namespace, also in (("home", policies), ("team", policies[:1])):
        found = kinds.dependents(reconciling.context, Key("ConfigMap", namespace, "avouch-policies"))
        assert sorted(found) == sorted([*wanted, *also])
