"""Contracts whose policies are looked up: what is recorded, what is told, and what a change of a policy enqueues."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from avouch.contract import owed, reading, revisions
from avouch.kube.cache import Key
from avouch.reconcilers import conditions, kinds
from tests.unit.reconcilers import test_kinds as stage

ATTACHED = {"policies": {"materials": [{"ref": "fresh"}]}}
SCRIPT = {"policies": [{"kind": "SARIF", "embedded": "package main"}]}


def canonical(obj: Mapping[str, Any]) -> bytes:
    whole = {**obj, "apiVersion": "chainloop.dev/v1", "kind": "Contract"}
    return revisions.canonical(reading.read(whole))


def build() -> tuple[kinds.KindReconciler, stage.Memory]:
    reconciling, memory, _ = stage.build()
    context = dataclasses.replace(reconciling.context, canonical=canonical)
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
