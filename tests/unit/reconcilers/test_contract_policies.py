"""Contracts whose policies are looked up: what is recorded, what is told, and what a change of a policy enqueues."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from avouch.contract import owed, owedview, reading, revisions
from avouch.kube.cache import Key
from avouch.reconcilers import conditions, kinds
from tests.unit.reconcilers import test_kinds as stage
from tests.unit.reconcilers.test_policies import Compiler

ATTACHED = {"policies": {"materials": [{"ref": "fresh"}]}}
SCRIPT = {"policies": [{"kind": "SARIF", "embedded": "package main"}]}


def canonical(obj: Mapping[str, Any]) -> bytes:
    whole = {**obj, "apiVersion": "chainloop.dev/v1", "kind": "Contract"}
    return revisions.canonical(reading.read(whole))


def build(compiler: Compiler | None = None) -> tuple[kinds.KindReconciler, stage.Memory]:
    reconciling, memory, _ = stage.build()
    context = dataclasses.replace(reconciling.context, canonical=canonical, compiler=compiler or Compiler())
    return dataclasses.replace(reconciling, context=context), memory


def said(reconciling: kinds.KindReconciler, key: Key) -> dict[str, tuple[str, str]]:
    obj = reconciling.context.cache.get(key)
    assert obj is not None
    return {each["type"]: (each["status"], each["message"]) for each in obj["status"]["conditions"]}


async def test_a_contract_waits_for_its_policy_and_is_recorded_with_it() -> None:
    reconciling, memory = build()
    contract = stage.put(reconciling, "Contract", "c", **ATTACHED)
    await reconciling.reconcile(contract)
    assert said(reconciling, contract)["Ready"] == (
        "False",
        'spec.policies.materials[ref="fresh"]: Policy fresh does not exist in namespace team',
    )
    assert conditions.RECONCILING in said(reconciling, contract)
    assert memory.revisions == []
    stage.put(reconciling, "Policy", "fresh", **SCRIPT)
    await reconciling.reconcile(contract)
    assert said(reconciling, contract)["Ready"][0] == "True"
    (recorded,) = memory.revisions
    assert [one.policy for one in owed.restore(recorded.resolved).policies] == ["fresh"]


async def test_a_policy_that_is_deleted_leaves_the_revision_that_was_there() -> None:
    reconciling, memory = build()
    policy = stage.put(reconciling, "Policy", "fresh", **SCRIPT)
    contract = stage.put(reconciling, "Contract", "c", **ATTACHED)
    await reconciling.reconcile(contract)
    reconciling.context.cache.drop(policy)
    await reconciling.reconcile(contract)
    assert said(reconciling, contract)["Ready"][0] == "False"
    assert len(memory.revisions) == 1


async def test_what_only_an_edit_heals_stalls_the_contract() -> None:
    reconciling, memory = build()
    contract = stage.put(reconciling, "Contract", "c", policies={"materials": [{"ref": "https://h.example/p.yaml"}]})
    await reconciling.reconcile(contract)
    assert conditions.STALLED in said(reconciling, contract)
    assert memory.revisions == []


async def test_the_organization_decides_whether_violations_fail_where_nothing_else_says_so() -> None:
    reconciling, memory = build()
    stage.put(reconciling, "Policy", "fresh", **SCRIPT)
    settings = {"blockOnPolicyViolation": True}
    stage.put(reconciling, "Organization", "acme", "", homeNamespace="team", settings=settings)
    await reconciling.reconcile(stage.put(reconciling, "Contract", "c", **ATTACHED))
    assert [one.gate for one in owed.restore(memory.revisions[-1].resolved).policies] == [True]


async def test_a_contract_without_policies_owes_what_it_says() -> None:
    reconciling, memory = build()
    await reconciling.reconcile(stage.put(reconciling, "Contract", "c", materials=[{"name": "a", "type": "SARIF"}]))
    assert memory.revisions[-1].resolved == b""


async def test_a_policy_that_changes_has_the_contracts_looked_at_that_refer_to_it_also_through_a_group() -> None:
    reconciling, _ = build()
    direct = stage.put(reconciling, "Contract", "direct", **ATTACHED)
    through = stage.put(reconciling, "Contract", "through", policyGroups=[{"ref": "g"}])
    stage.put(reconciling, "Contract", "other", materials=[])
    grouped = {"materials": [{"type": "SARIF", "policies": [{"ref": "fresh"}]}]}
    group = stage.put(reconciling, "PolicyGroup", "g", policies=grouped)
    policy = stage.put(reconciling, "Policy", "fresh", **SCRIPT)
    assert set(kinds.dependents(reconciling.context, policy)) == {direct, through, group}
    assert set(kinds.dependents(reconciling.context, group)) == {through}
    organization = stage.put(reconciling, "Organization", "acme", "", homeNamespace="team")
    assert {direct, through, group} <= set(kinds.dependents(reconciling.context, organization))


def shown(reconciling: kinds.KindReconciler, key: Key) -> dict[str, Any]:
    obj = reconciling.context.cache.get(key)
    assert obj is not None
    found: dict[str, Any] = obj["status"]["resolved"]
    return found


GROUPED = {"materials": [{"name": "scan", "type": "SARIF", "policies": [{"ref": "fresh", "gate": True}]}]}


async def test_the_status_shows_what_is_owed_with_policies_and_groups_looked_up() -> None:
    reconciling, memory = build()
    stage.put(reconciling, "Policy", "fresh", **SCRIPT)
    stage.put(reconciling, "PolicyGroup", "g", policies=GROUPED)
    own = {"materials": [{"name": "notes", "type": "ARTIFACT"}], "policyGroups": [{"ref": "g"}]}
    contract = stage.put(reconciling, "Contract", "c", **own)
    await reconciling.reconcile(contract)
    found = shown(reconciling, contract)
    assert [(each["name"], each["line"], each.get("policyGroup")) for each in found["materials"]] == [
        ("notes", 'spec.materials[name="notes"]', None),
        ("scan", 'spec.policyGroups[ref="g"].materials[0]', "g"),
    ]
    (policy,) = found["policies"]
    assert (policy["name"], policy["gate"], policy["gateBy"], policy["material"]) == (
        "fresh",
        True,
        "attachment",
        "scan",
    )
    assert found == owedview.bounded(owed.of_revision(memory.revisions[-1])), "what plans are made of"


async def test_while_a_contract_waits_for_a_policy_its_status_shows_the_revision_in_force() -> None:
    reconciling, _ = build()
    policy = stage.put(reconciling, "Policy", "fresh", **SCRIPT)
    contract = stage.put(reconciling, "Contract", "c", **ATTACHED)
    await reconciling.reconcile(contract)
    before = shown(reconciling, contract)
    reconciling.context.cache.drop(policy)
    await reconciling.reconcile(contract)
    assert said(reconciling, contract)["Ready"][0] == "False"
    assert shown(reconciling, contract) == before


async def test_a_contract_that_was_never_recorded_shows_nothing_as_owed() -> None:
    reconciling, _ = build()
    contract = stage.put(reconciling, "Contract", "c", **ATTACHED)
    await reconciling.reconcile(contract)
    obj = reconciling.context.cache.get(contract)
    assert obj is not None
    assert "resolved" not in obj["status"]


async def test_a_workflow_may_map_a_material_that_a_policy_group_brings() -> None:
    reconciling, _ = build()
    stage.put(reconciling, "Policy", "fresh", **SCRIPT)
    stage.put(reconciling, "PolicyGroup", "g", policies=GROUPED)
    await reconciling.reconcile(stage.put(reconciling, "Contract", "c", policyGroups=[{"ref": "g"}]))
    for material, known in (("scan", True), ("scam", False)):
        source = {"name": material, "task": "test", "workspace": {"name": "work", "path": "scan.sarif"}}
        workflow = stage.put(
            reconciling, "Workflow", material, contractRef={"name": "c"}, tekton={"materials": [source]}
        )
        await reconciling.reconcile(workflow)
        assert (conditions.MATERIALS_KNOWN not in said(reconciling, workflow)) == known


async def test_a_contract_stalls_where_an_edit_has_to_heal_it_whatever_else_is_missing() -> None:
    reconciling, memory = build()
    both = [{"ref": "https://h.example/p.yaml"}, {"ref": "gone"}]
    contract = stage.put(reconciling, "Contract", "c", policies={"materials": both})
    await reconciling.reconcile(contract)
    assert conditions.STALLED in said(reconciling, contract)
    assert memory.revisions == []


async def test_the_hosts_that_the_organization_lists_are_part_of_the_revision() -> None:
    reconciling, memory = build()
    asking = {"policies": [{"kind": "SARIF", "embedded": "package main\nx := http.send({})\n"}]}
    stage.put(reconciling, "Policy", "fresh", **asking)
    settings = {"policiesAllowedHostnames": ["a.example"]}
    stage.put(reconciling, "Organization", "acme", "", homeNamespace="team", settings=settings)
    await reconciling.reconcile(stage.put(reconciling, "Contract", "c", **ATTACHED))
    assert owed.restore(memory.revisions[-1].resolved).hosts == ("a.example",)
