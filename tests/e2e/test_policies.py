"""docs/policies.md on the real cluster, and what becomes of runs when policies change under them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import docs
from tests.cluster.choice import AnyCluster
from tests.e2e import external, made, pages, stage
from tests.e2e.stage import Json, Stage

pytestmark = pytest.mark.cluster

NAMED = {"name": "report", "workspace": {"name": "work", "path": "sbom.json"}}


def sbom(component: str) -> str:
    found = {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"type": "library", "name": component}]}
    return f"echo '{json.dumps(found)}' > $(workspaces.work.path)/sbom.json"


def policy(name: str, rule: str) -> Json:
    script = f"package main\n\nimport rego.v1\n\n{rule}\n"
    return {
        "apiVersion": "chainloop.dev/v1",
        "kind": "Policy",
        "metadata": {"name": name},
        "spec": {"policies": [{"kind": "SBOM_CYCLONEDX_JSON", "embedded": script}]},
    }


def group(name: str, *materials: Json) -> Json:
    spec = {"policies": {"materials": list(materials)}}
    return {"apiVersion": "chainloop.dev/v1", "kind": "PolicyGroup", "metadata": {"name": name}, "spec": spec}


def banning(component: str) -> Json:
    rule = f'violations contains "{component} is banned" if {{ input.components[_].name == "{component}" }}'
    return policy("banned", rule)


@pytest.fixture(scope="module")
def place(cluster: AnyCluster) -> Iterator[Stage]:
    place = Stage(cluster, "judged-by-policies").open(**{"avouch.dev/inject": "enabled"})
    place.apply(banning("left-pad"), policy("broken", "violations contains 1 / (count(input.components) - 1)"))
    sboms = {"name": "report", "type": "SBOM_CYCLONEDX_JSON"}
    for name, said in {
        "gated": [{"ref": "banned", "gate": True}],
        "advised": [{"ref": "banned"}],
        "undecided": [{"ref": "broken", "gate": True}, {"ref": "banned"}],
    }.items():
        place.apply(made.contract(name, sboms, policies={"materials": said}), made.workflow(name, name, NAMED))
    required = {"name": "report", "type": "SBOM_CYCLONEDX_JSON", "policies": [{"ref": "banned", "gate": True}]}
    place.apply(
        group("security", required),
        made.contract("grouped", policyGroups=[{"ref": "security"}]),
        made.workflow("grouped", "grouped", NAMED),
    )
    place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    yield place
    place.close()


def build(place: Stage, name: str, workflow: str, component: str) -> Json:
    place.apply(made.pipelinerun(name, made.task("make", sbom(component)), workflow=workflow))
    return place.verdict(name)


def test_the_page_works_as_it_stands(cluster: AnyCluster, machine: external.Machine, tmp_path: Path) -> None:
    shell = {**machine.environment, **external.with_kubectl(cluster, tmp_path / "bin", machine.environment["PATH"])}
    told = pages.pasted([docs.ROOT / "docs/policies.md"], shell, tmp_path)
    shown = told["kubectl avouch -n policed run show compose-1"]
    assert "PolicyViolated: policy banned-components on material sbom: left-pad 1.3.0 is banned" in shown
    assert "banned-components" in shown.partition("POLICY")[2]
    resolved = told["kubectl avouch -n policed contract resolve composed"]
    assert 'yes (attachment)   spec.policies.materials[ref="banned-components"]   banned="left-pad' in resolved
    reasons = re.sub("sha256:[0-9a-f]{64}", "sha256:...", told["kubectl avouch -n policed why compose-1"])
    head, _, decided = reasons.partition("\n")
    assert head.endswith(" of PipelineRun/compose-1: Failed, judged by Contract composed, revision 1")
    assert decided in (docs.ROOT / "docs/policies.md").read_text(), "the page shows what is printed"
    excepted = told["kubectl avouch -n policed run show compose-2"]
    assert "excepted by PolicyException until-the-fix of" in excepted
    assert "left-pad is on its way out" in excepted


def test_a_material_that_a_policy_group_brings_is_collected_shown_and_missed_like_any_other(place: Stage) -> None:
    run = build(place, "grouped", "grouped", "right-pad")
    assert stage.said(run) == ("Passed", "sidecar")
    assert (run["status"]["materialsFound"], run["status"]["materialsAsked"]) == (1, 1)
    assert [(one["name"], one["group"]) for one in run["status"]["policies"]] == [("banned", "security")]
    place.apply(made.pipelinerun("lacking", made.task("make", "true"), workflow="grouped"))
    lacking = place.verdict("lacking")
    (missing,) = lacking["status"]["findings"]
    line = 'spec.policyGroups[ref="security"].materials[0]'
    assert (missing["code"], missing["material"], missing["line"]) == ("MaterialMissing", "report", line)


def test_a_violation_fails_the_run_and_the_signed_attestation_says_so(place: Stage) -> None:
    run = build(place, "violated", "gated", "left-pad")
    assert (stage.said(run)[0], stage.codes(run)) == ("Failed", ["PolicyViolated"])
    (said,) = run["status"]["policies"]
    assert (said["name"], said["status"], said["violations"]) == ("banned", "Violated", ["left-pad is banned"])
    told = place.told("violated", "AttestationFailed")
    assert (
        "PolicyViolated: policy banned on material report: left-pad is banned (fix: correct material report, " in told
    )
    evaluated = place.statement(run)["predicate"]["policyEvaluations"]["report"]
    assert evaluated[0]["violations"] == [{"subject": "banned", "message": "left-pad is banned"}]
    assert place.outcomes("violated") == {"make": ("True", "Succeeded")} or place.ended("violated")[0] == "True"


def test_what_no_policy_finds_anything_in_passes(place: Stage) -> None:
    run = build(place, "clean", "gated", "right-pad")
    assert stage.said(run) == ("Passed", "sidecar")
    assert run["status"]["policies"][0]["status"] == "Passed"


def test_without_a_gate_a_violation_is_a_note(place: Stage) -> None:
    run = build(place, "advised", "advised", "left-pad")
    assert (stage.said(run)[0], stage.codes(run)) == ("Passed", ["PolicyViolatedUngated"])


def test_a_policy_that_cannot_be_evaluated_is_an_error_and_stops_no_other(place: Stage) -> None:
    run = build(place, "undecided", "undecided", "left-pad")
    assert stage.said(run)[0] == "Error"
    assert {one["name"]: one["status"] for one in run["status"]["policies"]} == {
        "broken": "Error",
        "banned": "Violated",
    }


def test_a_policy_that_changes_makes_a_revision_and_earlier_builds_keep_theirs(place: Stage) -> None:
    before = place.get("contract", "gated")["status"]["revision"]
    place.apply(banning("right-pad"))
    place.until(
        lambda: place.get("contract", "gated")["status"]["revision"] > before or None, "a revision with the new policy"
    )
    # One that is created in the second in which the revision was recorded is judged by the one before.
    runs = (build(place, f"after-{number}", "gated", "right-pad") for number in range(3))
    run = next(each for each in runs if each["spec"]["contract"]["revision"] == before + 1)
    assert (stage.said(run)[0], stage.codes(run)) == ("Failed", ["PolicyViolated"])
    assert place.verdict("clean")["status"]["verdict"] == "Passed"


def test_a_contract_whose_policy_is_gone_says_so_and_its_last_revision_stays_in_force(place: Stage) -> None:
    place.kubectl("delete", "policy", "banned")
    place.kubectl("wait", "--for=condition=Ready=False", "contract/gated", "--timeout=60s")
    ready = next(c for c in place.get("contract", "gated")["status"]["conditions"] if c["type"] == "Ready")
    assert 'spec.policies.materials[ref="banned"]: Policy banned does not exist' in ready["message"]
    run = build(place, "orphaned", "gated", "right-pad")
    assert (stage.said(run)[0], stage.codes(run)) == ("Failed", ["PolicyViolated"])
