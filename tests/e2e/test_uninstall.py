"""The last thing here: avouch goes, holds nobody up, keeps what is the user's, and comes back to it."""

import json
from collections.abc import Iterator

import pytest

from examples.quickstart import install
from tests.cluster.choice import AnyCluster
from tests.e2e import made, stage
from tests.e2e.made import FROM_WORK, REPORT, pipelinerun, task, workflow
from tests.e2e.stage import Stage

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def place(cluster: AnyCluster) -> Iterator[Stage]:
    place = Stage(cluster, "bereft").open(**{"avouch.dev/inject": "enabled"})
    place.apply(*made.gate())
    place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    yield place
    place.close()


@pytest.fixture(scope="module")
def tag(cluster: AnyCluster) -> str:
    path = "jsonpath={.spec.template.spec.containers[0].image}"
    image = Stage(cluster, "avouch").kubectl("get", "deployment", "avouch-server", "-o", path)
    return image.rpartition(":")[2]


@pytest.fixture(scope="module")
def uninstalled(cluster: AnyCluster, place: Stage, tag: str) -> Stage:
    install.helm(cluster, "uninstall", "avouch", "--wait", "--timeout=120s")
    place.apply(pipelinerun("alone", task("make", REPORT)), workflow("meanwhile", "report", FROM_WORK))
    return place


@pytest.fixture(scope="module")
def installed_again(cluster: AnyCluster, uninstalled: Stage, tag: str) -> Stage:
    uninstalled.ended("alone")
    install.install(cluster, tag)
    return uninstalled


def test_nothing_that_holds_up_others_is_left(uninstalled: Stage) -> None:
    left = uninstalled.kubectl("get", "apiservices,mutatingwebhookconfigurations", "-o", "name")
    assert "/v1alpha1.runs.avouch.dev" not in left
    assert "/avouch-pods" not in left


def test_kinds_and_what_users_declared_stay(uninstalled: Stage) -> None:
    kinds = uninstalled.kubectl("get", "customresourcedefinitions", "-o", "name")
    assert "workflows.avouch.dev" in kinds
    assert "contracts.chainloop.dev" in kinds
    assert uninstalled.get("workflows.avouch.dev", "report")["spec"]["contractRef"]["name"] == "report"


def test_pods_start_in_namespaces_that_asked_for_injection(uninstalled: Stage) -> None:
    assert uninstalled.ended("alone")[0] == "True"
    assert not uninstalled.injected("alone")


def test_namespaces_can_be_deleted(uninstalled: Stage) -> None:
    leaving = Stage(uninstalled.cluster, "leaving").open(**{"avouch.dev/inject": "enabled"})
    leaving.apply(*made.gate())
    leaving.kubectl("delete", "namespace", "leaving", "--timeout=60s")


def test_installed_again_old_declarations_are_ready(installed_again: Stage) -> None:
    installed_again.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    assert "meanwhile" in json.dumps(installed_again.get("workflows.avouch.dev"))


def test_installed_again_new_runs_are_judged(installed_again: Stage) -> None:
    installed_again.kubectl("wait", "--for=create", "apiservice", "v1alpha1.runs.avouch.dev", "--timeout=60s")
    installed_again.kubectl("wait", "--for=condition=Available", "apiservice/v1alpha1.runs.avouch.dev", "--timeout=60s")
    installed_again.apply(pipelinerun("again", task("make", REPORT)))
    assert stage.said(installed_again.verdict("again", workflow="report")) == ("Passed", "sidecar")
