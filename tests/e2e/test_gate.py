"""tekton/gate.yaml in a deployment: a step that waits for the verdict on another build, and stops at a bad one."""

from collections.abc import Iterator

import pytest
import yaml

from examples.quickstart import install
from tests import docs
from tests.cluster.choice import AnyCluster
from tests.e2e import made
from tests.e2e.made import REPORT, pipelinerun, task
from tests.e2e.stage import Json, Stage

pytestmark = pytest.mark.cluster


def deployment(name: str, image: str, build: str, timeout: int = 120) -> Json:
    """A TaskRun whose first step is the gate, and whose second would deploy."""
    given = {"image": image, "run": build, "workflow": "report", "timeout": str(timeout)}
    gate = {
        "name": "gate",
        "ref": {"name": "avouch-gate"},
        "params": [{"name": key, "value": value} for key, value in given.items()],
    }
    steps = [gate, {"name": "deploy", **made.step("echo deployed")}]
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"name": name},
        "spec": {"serviceAccountName": "deployer", "taskSpec": {"steps": steps}},
    }


@pytest.fixture(scope="module")
def place(cluster: AnyCluster) -> Iterator[Stage]:
    place = Stage(cluster, "gated-deployments").open(**{"avouch.dev/inject": "enabled"})
    place.apply(*made.gate(), yaml.safe_load((docs.ROOT / "tekton/gate.yaml").read_text()))
    place.kubectl("create", "serviceaccount", "deployer")
    place.kubectl(
        "create", "rolebinding", "deployer", "--clusterrole=view", "--serviceaccount=gated-deployments:deployer"
    )
    place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    place.apply(pipelinerun("good", task("make", REPORT)), pipelinerun("bad", task("make", "true")))
    yield place
    place.close()


@pytest.fixture(scope="module")
def image(cluster: AnyCluster) -> str:
    """The image that the server itself runs."""
    where = "jsonpath={.spec.template.spec.containers[0].image}"
    return Stage(cluster, install.NAMESPACE).kubectl("get", "deployment", "avouch-server", "-o", where)


def ended(place: Stage, name: str) -> dict[str, int]:
    """Exit codes of the steps of a TaskRun that is Done."""

    def look() -> list[Json] | None:
        status = place.get("taskrun", name).get("status", {})
        done = (status.get("conditions") or [{}])[0].get("status") in ("True", "False")
        return list(status["steps"]) if done else None

    return {one["name"]: one["terminated"]["exitCode"] for one in place.until(look, f"the end of TaskRun {name}")}


def test_a_build_that_passed_is_deployed_as_soon_as_it_has_its_verdict(place: Stage, image: str) -> None:
    place.apply(deployment("deploy-good", image, "good"))
    assert ended(place, "deploy-good") == {"gate": 0, "deploy": 0}


def test_a_build_that_did_not_pass_is_not_deployed_and_the_step_says_why(place: Stage, image: str) -> None:
    place.apply(deployment("deploy-bad", image, "bad"))
    found = ended(place, "deploy-bad")
    assert found["gate"] == 4
    assert found["deploy"] != 0
    assert "MaterialMissing: material report" in place.kubectl("logs", "deploy-bad-pod", "-c", "step-gate")


def test_a_build_that_nobody_knows_opens_no_gate(place: Stage, image: str) -> None:
    place.apply(deployment("deploy-nothing", image, "no-such-build", timeout=3))
    assert ended(place, "deploy-nothing")["gate"] == 4


@pytest.mark.parametrize("file", ["task.yaml", "stepaction.yaml", "gate.yaml"])
def test_tekton_takes_what_is_shipped_for_it(place: Stage, file: str) -> None:
    place.kubectl("apply", "--server-side", "--dry-run=server", "-f", str(docs.ROOT / "tekton" / file))
