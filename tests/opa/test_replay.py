"""A policy that a revision adds, tried on past runs with the real OPA: it says of them what it will say of new ones."""

import uuid
from dataclasses import replace
from typing import Any

import pytest

from avouch import digests
from avouch.contract import reading, revisions
from avouch.controlplane.judging import judge, policies, replay
from avouch.controlplane.model import contracts, replays
from avouch.opa import engine
from tests.opa import test_judging as policed
from tests.unit.controlplane.judging import tekton_cases as cases
from tests.unit.controlplane.judging import test_judge as judges
from tests.unit.controlplane.judging import test_replay as stage

pytestmark = pytest.mark.opa

SBOM = {"name": "sbom", "type": cases.SBOM}


def revision(cluster: policed.Cluster, gate: bool) -> contracts.ContractRevision:
    """The revision that adds the policies of the cluster to a contract that asks for an SBOM."""
    attached = {"materials": [{"ref": name, "gate": gate} for name in cluster.objects]}
    spec: dict[str, Any] = {"materials": [SBOM], "policies": attached}
    cluster.attach_all(spec)
    manifest = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "contract"}, "spec": spec}
    canonical = revisions.canonical(reading.read(manifest))
    digest = digests.of_bytes(canonical)
    return contracts.ContractRevision(
        "team-a", "ns-uid", "contract", "c", 4, digest, canonical, cases.DONE, resolved=cluster.form
    )


async def replayed(
    running: engine.Engine, cluster: policed.Cluster, monkeypatch: pytest.MonkeyPatch, *, gate: bool = True
) -> replays.Result:
    """One run, which passed without policies, held to the revision that has them."""
    said = cases.said(cases.file(), workflow_run_id=str(uuid.UUID(int=1)))
    monkeypatch.setattr(judge.Judging, "_read", lambda self, claim, case: said)
    record = stage.past(1, plan=cases.planned(cases.asked()).to_json())
    record = replace(record, claims=(said.claim,), heard=frozenset({str(said.claim.digest)}))
    on = stage.Stage((record,), revision(cluster, gate))
    evaluating = policies.Evaluating(cluster, cluster, running, cluster, cluster)
    made = replace(judges.judge(judges.Queue()), evaluating=evaluating)
    assert await replay.Replaying(on, on.record, on, on, made).step()  # type: ignore[arg-type]
    (result,) = on.settled
    return result


async def test_a_run_that_the_new_policy_finds_something_in_would_have_failed_and_says_what(
    running: engine.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = policed.Cluster(policed.policy("components", policed.PASSING), content=policed.SBOM)
    result = await replayed(running, cluster, monkeypatch)
    assert (result.replayed, result.would_fail) == (1, 1)
    assert (result.examples[0].reason, result.examples[0].verdict) == ("PolicyViolated", "Failed")
    assert "left-pad" in result.examples[0].message


async def test_a_run_that_it_finds_nothing_in_or_that_it_does_not_gate_keeps_its_verdict(
    running: engine.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = policed.Cluster(policed.policy("components", policed.PASSING))
    assert await replayed(running, clean, monkeypatch) == replays.Result(replayed=1)
    found = policed.Cluster(policed.policy("components", policed.PASSING), content=policed.SBOM)
    assert await replayed(running, found, monkeypatch, gate=False) == replays.Result(replayed=1)


async def test_a_policy_that_cannot_be_evaluated_would_have_let_no_run_pass(
    running: engine.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = policed.Cluster(policed.policy("broken", policed.WRONG["failing"]))
    result = await replayed(running, broken, monkeypatch)
    assert (result.would_fail, result.examples[0].verdict) == (1, "Error")
    assert result.examples[0].reason == "PolicyNotEvaluated"
