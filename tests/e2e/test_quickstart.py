"""The main job on a real cluster, installed and used as the README says. `make demo` runs the same code."""

import json
from typing import Any

import pytest

from examples.quickstart import demo, install
from tests.cluster.choice import AnyCluster

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def verdicts(cluster: AnyCluster) -> dict[str, dict[str, Any]]:
    demo.prepare(cluster)
    return {scene.run: demo.play(cluster, scene) for scene in demo.SCENES}


def codes(run: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in run["status"].get("findings", [])]


def test_a_run_that_delivers_everything_passes_on_the_sidecars_evidence(verdicts: dict[str, Any]) -> None:
    good = verdicts["good"]["status"]
    assert (good["verdict"], good["evidence"], good["materialsFound"]) == ("Passed", "sidecar", 3)


def test_its_statement_names_the_image_that_was_pushed(cluster: AnyCluster, verdicts: dict[str, Any]) -> None:
    pushed = json.loads(install.kubectl(cluster, "-n", "quickstart", "get", "pipelinerun", "good", "-o", "json"))
    (image,) = [result["value"] for result in pushed["status"]["results"] if result["name"] == "image"]
    path = f"/apis/runs.avouch.dev/v1alpha1/namespaces/quickstart/workflowruns/{verdicts['good']['metadata']['name']}"
    statement = json.loads(install.kubectl(cluster, "get", "--raw", f"{path}/statement"))
    subjects = [subject["digest"].get("sha256") for subject in statement["subject"]]
    assert image.rpartition("@sha256:")[2] in subjects


def test_a_run_without_its_sbom_fails_and_says_which_line_asked_and_what_mends_it(verdicts: dict[str, Any]) -> None:
    failed = verdicts["without-sbom"]
    (finding,) = failed["status"]["findings"]
    assert failed["status"]["verdict"] == "Failed"
    assert finding["code"] == "MaterialMissing"
    assert finding["line"] == 'spec.materials[name="sbom"]'
    assert "sbom.cdx.json" in finding["fix"]


def test_a_run_with_a_banned_component_fails_by_the_policy_that_names_it(verdicts: dict[str, Any]) -> None:
    failed = verdicts["banned"]
    (finding,) = failed["status"]["findings"]
    assert (failed["status"]["verdict"], failed["status"]["materialsFound"]) == ("Failed", 3)
    assert finding["code"] == "PolicyViolated"
    assert finding["line"] == 'spec.policies.materials[ref="components-banned"]'
    assert "ctx 0.2.2" in finding["message"]


def test_a_step_that_claims_another_digest_is_contradicted_with_both_values(verdicts: dict[str, Any]) -> None:
    lying = verdicts["lying"]
    assert lying["status"]["verdict"] == "Rejected"
    (message,) = [f["message"] for f in lying["status"]["findings"] if f["code"] == "MaterialContradicted"]
    assert message.count("sha256:") >= 2


def test_the_commands_that_the_demo_prints_answer(cluster: AnyCluster, verdicts: dict[str, Any]) -> None:
    describe, declared, events = (command.split()[1:] for command in demo.NEXT)
    described = install.kubectl(cluster, *describe)
    assert "MaterialMissing" in described
    assert "PolicyViolated" in described
    assert "MaterialContradicted" in described
    assert "release-to-receiver" in install.kubectl(cluster, *declared)
    verdicts_told = {"AttestationPassed", "AttestationFailed", "AttestationRejected"}

    def told() -> dict[str, Any] | None:
        found = install.kubectl(cluster, *events)
        return {"events": found} if verdicts_told <= set(found.split()) else None

    demo.wait_for(told, "an Event for each verdict")


def test_every_verdict_was_delivered_once_with_a_right_signature(cluster: AnyCluster, verdicts: dict[str, Any]) -> None:
    def delivered() -> dict[str, Any] | None:
        log = install.kubectl(cluster, "-n", "quickstart", "logs", "deployment/receiver")
        return {"log": log} if all(run["metadata"]["name"] in log for run in verdicts.values()) else None

    log = demo.wait_for(delivered, "a delivery for each")["log"]
    assert "REFUSED" not in log
    for run in verdicts.values():
        assert f"{run['metadata']['name']} {run['status']['verdict']}" in log


def test_no_build_was_broken_by_a_verdict(cluster: AnyCluster, verdicts: dict[str, Any]) -> None:
    for name in verdicts:
        run = json.loads(install.kubectl(cluster, "-n", "quickstart", "get", "pipelinerun", name, "-o", "json"))
        assert run["status"]["conditions"][0]["status"] == "True"


def test_kubectl_shows_the_runs_as_a_table(cluster: AnyCluster, verdicts: dict[str, Any]) -> None:
    table = install.kubectl(cluster, "-n", "quickstart", "get", "workflowruns")
    assert table.splitlines()[0].split() == [
        "NAME", "WORKFLOW", "RUN", "OF", "VERDICT", "REASON", "EVIDENCE", "MATERIALS", "AGE",
    ]  # fmt: skip


def test_a_server_that_is_down_breaks_no_build_and_the_missing_sidecar_is_named(
    cluster: AnyCluster, verdicts: dict[str, Any]
) -> None:
    scene = demo.SCENES[0]
    install.kubectl(cluster, "-n", "avouch", "scale", "deployment/avouch-server", "--replicas=0")
    install.kubectl(cluster, "-n", "avouch", "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/component=server",
                    "--timeout=90s")  # fmt: skip
    try:
        name = scene.file
        install.kubectl(cluster, "delete", "-f", str(demo.HERE / name), "--wait=true")
        install.kubectl(cluster, "apply", "-f", str(demo.HERE / name))
        install.kubectl(cluster, "-n", "quickstart", "wait", "--for=condition=Succeeded", "pipelinerun/good",
                        "--timeout=120s")  # fmt: skip
    finally:
        install.kubectl(cluster, "-n", "avouch", "scale", "deployment/avouch-server", "--replicas=1")
        install.kubectl(cluster, "-n", "avouch", "rollout", "status", "deployment/avouch-server", "--timeout=120s")
        install.kubectl(cluster, "wait", "--for=create", "apiservice", "v1alpha1.runs.avouch.dev", "--timeout=60s")
        install.kubectl(cluster, "wait", "--for=condition=Available", "apiservice/v1alpha1.runs.avouch.dev",
                        "--timeout=60s")  # fmt: skip
    uid = demo.read(cluster, "pipelinerun", "good")["metadata"]["uid"]
    run = demo.wait_for(lambda: demo.judged(cluster, uid), "a verdict without the server")
    # Admission was down as well, so nothing was injected: what only the pod had is missing, and nothing passed.
    assert run["status"]["verdict"] == "Failed"
    assert "MaterialMissing" in codes(run)
