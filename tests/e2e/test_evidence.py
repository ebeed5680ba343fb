"""What evidence makes of a verdict, and what declarations wait for. All builds run at the same time."""

import json
from collections.abc import Iterator

import pytest

from tests.cluster.choice import AnyCluster
from tests.e2e import made, stage
from tests.e2e.made import FROM_WORK, REPORT, contract, pipelinerun, task, workflow
from tests.e2e.stage import Json, Stage

pytestmark = pytest.mark.cluster

DIGEST = "sha256:" + "5" * 64
RESULTS = f"""
printf registry.example/app:1 > $(results.IMAGE_URL.path)
printf {DIGEST} > $(results.IMAGE_DIGEST.path)
printf 1.2.3 > $(results.version.path)
"""
VALUES = contract(
    "values", {"name": "image", "type": "CONTAINER_IMAGE", "output": True}, {"name": "version", "type": "STRING"}
)
FROM_RESULTS = (
    {"name": "image", "task": "make", "result": {"name": "IMAGE_URL", "digest": "IMAGE_DIGEST"}},
    {"name": "version", "task": "make", "result": {"name": "version"}},
)
RUNS = (
    pipelinerun(
        "values",
        task("make", RESULTS, spec={"results": [{"name": n} for n in ("IMAGE_URL", "IMAGE_DIGEST", "version")]}),
        workflow="values",
    ),
    pipelinerun("linked", task("make", "ln -s /etc/passwd $(workspaces.work.path)/report.txt")),
    pipelinerun("mistyped", task("make", REPORT), workflow="tests"),
    pipelinerun("shared", task("make", REPORT), workflow="shared"),
)
ORGANIZATION: Json = {
    "apiVersion": "avouch.dev/v1alpha1",
    "kind": "Organization",
    "metadata": {"name": "evidence"},
    "spec": {"homeNamespace": "evidence-home", "projects": {"namespaces": ["evidence"]}},
}
PRIVATE = (
    {
        "apiVersion": "avouch.dev/v1alpha1",
        "kind": "Integration",
        "metadata": {"name": "private"},
        "spec": {"type": "webhook", "webhook": {"url": "https://10.9.8.7/verdicts"}},
    },
    {
        "apiVersion": "avouch.dev/v1alpha1",
        "kind": "IntegrationAttachment",
        "metadata": {"name": "private"},
        "spec": {"integrationRef": {"name": "private"}, "workflowRef": {"name": "report"}},
    },
)


@pytest.fixture(scope="module")
def place(cluster: AnyCluster) -> Iterator[Stage]:
    home = Stage(cluster, "evidence-home").open()
    place = Stage(cluster, "evidence").open(**{"avouch.dev/inject": "enabled"})
    home.apply(contract("shared", {"name": "report", "type": "ARTIFACT"}), ORGANIZATION)
    place.apply(VALUES, workflow("values", "values", *FROM_RESULTS))
    place.apply(contract("tests", {"name": "report", "type": "JUNIT_XML"}), workflow("tests", "tests", FROM_WORK))
    place.apply(workflow("shared", "shared", FROM_WORK, scope="Organization"))
    place.apply(*made.gate(), *PRIVATE)
    place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    place.apply(*RUNS)
    yield place
    place.close()
    home.kubectl("delete", "organization", "evidence")
    home.close()


def test_what_results_show_needs_no_sidecar_and_passes_on_the_taskruns_word(place: Stage) -> None:
    run = place.verdict("values")
    assert stage.said(run) == ("Passed", "taskrun")
    assert not place.injected("values")
    assert {"sha256": "5" * 64} in [subject["digest"] for subject in place.statement(run)["subject"]]


def test_a_link_in_place_of_the_report_is_refused_and_the_verdict_says_why(place: Stage) -> None:
    run = place.verdict("linked")
    assert stage.said(run) == ("Failed", "sidecar")
    (refused,) = [f for f in run["status"]["findings"] if f["code"] == "EvidenceRefused"]
    assert "link" in refused["message"]
    assert refused["line"] == 'spec.materials[name="report"]'
    assert "root:" not in json.dumps(run)


def test_material_of_the_wrong_type_is_a_finding_that_names_the_contracts_line(place: Stage) -> None:
    run = place.verdict("mistyped")
    (finding,) = run["status"]["findings"]
    assert run["status"]["verdict"] == "Failed"
    assert (finding["code"], finding["line"]) == ("MaterialTypeMismatch", 'spec.materials[name="report"]')


def test_a_contract_of_the_organization_is_found_in_its_home_namespace(place: Stage) -> None:
    assert place.get("workflows.avouch.dev", "shared")["status"]["contract"] == "evidence-home/shared"
    assert stage.said(place.verdict("shared")) == ("Passed", "sidecar")


def test_a_workflow_waits_for_its_contract_says_so_and_heals_when_it_comes(place: Stage) -> None:
    place.apply(workflow("early", "late", FROM_WORK))
    place.kubectl("wait", "--for=condition=Reconciling", "workflows.avouch.dev/early", "--timeout=30s")
    conditions = {c["type"]: c for c in place.get("workflows.avouch.dev", "early")["status"]["conditions"]}
    assert (conditions["Ready"]["status"], conditions["Ready"]["reason"]) == ("False", "DependencyNotReady")
    assert "Contract late does not exist" in conditions["Ready"]["message"]
    assert "Stalled" not in conditions
    place.apply(contract("late", {"name": "report", "type": "ARTIFACT"}))
    place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev/early", "--timeout=30s")


def test_a_webhook_to_a_private_address_is_refused_and_the_attachment_says_so(place: Stage) -> None:
    place.verdict("linked")
    wrong = place.until(
        lambda: place.get("integrationattachment", "private").get("status", {}).get("lastError"), "lastError", 60
    )
    assert "10.9.8.7 is not at a public address" in wrong
