"""What a Contract owes is compiled before it is recorded. The compiler itself is in tests/opa and tests/api."""

import asyncio

import pytest

from avouch import errors
from avouch.reconcilers import conditions, contractscripts, policies
from tests.unit.reconcilers import test_kinds as stage
from tests.unit.reconcilers.test_contract_policies import ATTACHED, build, said
from tests.unit.reconcilers.test_policies import Compiler

EMBEDDED = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Policy",
    "metadata": {"name": "own"},
    "spec": {"policies": [{"kind": "SARIF", "embedded": "bad"}]},
}


def scripts(*sources: str) -> dict[str, object]:
    return {"policies": [{"kind": "SARIF", "embedded": source} for source in sources]}


async def test_a_policy_that_does_not_compile_keeps_the_contract_at_the_revision_that_it_had() -> None:
    reconciling, memory = build()
    stage.put(reconciling, "Policy", "fresh", **scripts("good"))
    contract = stage.put(reconciling, "Contract", "c", **ATTACHED)
    await reconciling.reconcile(contract)
    stage.put(reconciling, "Policy", "fresh", **scripts("good", "bad"))
    await reconciling.reconcile(contract)
    told = 'spec.policies.materials[ref="fresh"]: policy fresh does not compile: spec.policies[1].embedded:2:1: '
    assert said(reconciling, contract)["Ready"] == (
        "False",
        f"{told}if keyword is required (fix: correct the script)",
    )
    assert conditions.RECONCILING in said(reconciling, contract)
    assert len(memory.revisions) == 1
    stage.put(reconciling, "Policy", "fresh", **scripts("good", "better"))
    await reconciling.reconcile(contract)
    assert said(reconciling, contract)["Ready"][0] == "True"
    assert len(memory.revisions) == 2


async def test_one_that_stands_in_the_contract_stalls_it() -> None:
    reconciling, memory = build()
    attached = {"policies": {"attestation": [{"embedded": EMBEDDED}]}}
    contract = stage.put(reconciling, "Contract", "c", **attached)
    await reconciling.reconcile(contract)
    assert (
        "spec.policies.attestation[embedded]: policy own does not compile" in said(reconciling, contract)["Stalled"][1]
    )
    assert memory.revisions == []


async def test_several_flaws_are_counted() -> None:
    reconciling, _ = build()
    stage.put(reconciling, "Policy", "fresh", **scripts("bad", "bad", "bad"))
    contract = stage.put(reconciling, "Contract", "c", **ATTACHED)
    await reconciling.reconcile(contract)
    assert (
        "spec.policies[0].embedded:2:1: if keyword is required (and 2 more)" in said(reconciling, contract)["Ready"][1]
    )


async def test_what_is_in_force_is_not_compiled_again() -> None:
    compiler = Compiler()
    reconciling, _ = build(compiler)
    stage.put(reconciling, "Policy", "fresh", **scripts("good"))
    contract = stage.put(reconciling, "Contract", "c", **ATTACHED)
    await reconciling.reconcile(contract)
    await reconciling.reconcile(contract)
    assert compiler.asked == ["good"]


async def test_without_a_compiler_the_contract_is_recorded_and_runs_tell_what_they_cannot_evaluate() -> None:
    reconciling, memory = build(Compiler(good=errors.NotInstalled("there is no OPA", fix="install it")))
    stage.put(reconciling, "Policy", "fresh", **scripts("good"))
    await reconciling.reconcile(stage.put(reconciling, "Contract", "c", **ATTACHED))
    assert len(memory.revisions) == 1


async def test_one_whose_turn_has_not_come_waits_without_a_worker() -> None:
    reconciling, memory = build()
    stage.put(reconciling, "Policy", "fresh", **scripts("good"))
    contract = stage.put(reconciling, "Contract", "c", **ATTACHED)
    with reconciling.context.compiling.of("team"):
        assert await reconciling.reconcile(contract) == contractscripts.AGAIN
    assert said(reconciling, contract)["Ready"] == ("False", "spec: its policies are being compiled")
    assert memory.revisions == []
    assert await reconciling.reconcile(contract) is None
    assert len(memory.revisions) == 1


async def test_what_takes_too_long_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "TOGETHER", 0.01)
    reconciling, memory = build()
    stage.put(reconciling, "Policy", "fresh", **scripts("endless"))
    contract = stage.put(reconciling, "Contract", "c", **ATTACHED)
    with pytest.raises(errors.Unavailable, match="its policies are being compiled"):
        async with asyncio.timeout(5):
            await reconciling.reconcile(contract)
    assert memory.revisions == []
    with reconciling.context.compiling.of("team") as turn:
        assert turn, "it gave its turn back"


async def test_one_that_stands_in_a_group_may_be_mended_there() -> None:
    reconciling, memory = build()
    said_there = {"attestation": [{"embedded": EMBEDDED}]}
    stage.put(reconciling, "PolicyGroup", "g", policies=said_there)
    contract = stage.put(reconciling, "Contract", "c", policyGroups=[{"ref": "g"}])
    await reconciling.reconcile(contract)
    assert "policy own does not compile" in said(reconciling, contract)["Ready"][1]
    assert conditions.STALLED not in said(reconciling, contract)
    assert memory.revisions == []
