"""Policies on a whole cluster: the OPA of our image, in a pod of the restricted profile, with a read-only root."""

from collections.abc import Iterator
from typing import Any

import pytest

from examples.quickstart import install
from tests.cluster import binaries
from tests.cluster.choice import AnyCluster
from tests.e2e.stage import Stage

pytestmark = pytest.mark.cluster

SCRIPT = 'package main\n\nimport rego.v1\n\nviolations contains msg if {\n    msg := FUNCTION("b", ["a"])\n}\n'


@pytest.fixture(scope="module")
def stage(cluster: AnyCluster) -> Iterator[Stage]:
    stage = Stage(cluster, "compiled-policies").open()
    yield stage
    stage.close()


def policy(name: str, function: str) -> dict[str, Any]:
    spec = {"policies": [{"kind": "SARIF", "embedded": SCRIPT.replace("FUNCTION", function)}]}
    return {"apiVersion": "chainloop.dev/v1", "kind": "Policy", "metadata": {"name": name}, "spec": spec}


def compiled(stage: Stage, name: str) -> dict[str, str] | None:
    conditions = stage.get("policies.chainloop.dev", name).get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == "PolicyCompiled"), None)


def test_the_controller_compiles_policies_with_the_opa_of_its_image(stage: Stage) -> None:
    stage.apply(policy("good", "concat"), policy("bad", "joined"))
    good = stage.until(lambda: compiled(stage, "good"), "the policy is compiled")
    version = binaries.PROGRAMS["opa"].version.removeprefix("v")
    assert (good["status"], good["message"]) == ("True", f"compiled by OPA {version}")
    bad = stage.until(lambda: compiled(stage, "bad"), "the policy is compiled")
    assert (bad["status"], bad["reason"]) == ("False", "DoesNotCompile")
    assert bad["message"] == "spec.policies[0].embedded:6:12: undefined function joined"


@pytest.mark.parametrize("process", ["controller", "worker"])
def test_opa_starts_in_the_pods_that_run_it(cluster: AnyCluster, process: str) -> None:
    there = ("-n", install.NAMESPACE, "exec", f"deploy/avouch-{process}", "--")
    said = install.kubectl(cluster, *there, "sh", "-c", '"$AVOUCH_OPA" version')
    assert f"Version: {binaries.PROGRAMS['opa'].version.removeprefix('v')}\n" in said
