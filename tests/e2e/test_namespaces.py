"""Namespaces with rules of their own: a ResourceQuota, Pod Security `restricted`, users who forge what they can."""

import json
from collections.abc import Iterator

import pytest

from tests.cluster.choice import AnyCluster
from tests.e2e import made, stage
from tests.e2e.made import REPORT, pipelinerun, task
from tests.e2e.stage import Json, Stage

pytestmark = pytest.mark.cluster

INJECT = {"avouch.dev/inject": "enabled"}
QUOTA: Json = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "few"},
    "spec": {"hard": {"pods": "20"}},
}
UNPRIVILEGED = {
    "runAsUser": 65532,
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
MODEST = pipelinerun(
    "modest",
    task("make", REPORT, spec={"stepTemplate": {"securityContext": UNPRIVILEGED}}),
    taskRunTemplate={"podTemplate": {"securityContext": {"runAsUser": 65532, "fsGroup": 65532}}},
)


@pytest.fixture(scope="module")
def frugal(cluster: AnyCluster) -> Iterator[Stage]:
    place = Stage(cluster, "frugal").open(**INJECT)
    place.apply(QUOTA, *made.gate(), *made.gate("always", inject="always"))
    place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    place.apply(pipelinerun("careful", task("make", REPORT)))
    place.apply(pipelinerun("bold", task("make", REPORT), workflow="always"))
    yield place
    place.close()


@pytest.fixture(scope="module")
def restricted(cluster: AnyCluster) -> Iterator[Stage]:
    """Tekton's own containers meet `restricted` only with its feature flag, which others here go without."""
    place = Stage(cluster, "restricted").open(**INJECT, **{"pod-security.kubernetes.io/enforce": "restricted"})
    flag(cluster, "true")
    try:
        place.apply(*made.gate())
        place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
        place.apply(MODEST)
        place.until(lambda: place.pods("modest"), "the pod")
    finally:
        flag(cluster, "false")
    yield place
    place.close()


def flag(cluster: AnyCluster, value: str) -> None:
    patch = json.dumps({"data": {"set-security-context": value}})
    Stage(cluster, "tekton-pipelines").kubectl("patch", "configmap", "feature-flags", "--type=merge", "-p", patch)


def test_where_there_is_a_quota_auto_does_not_inject_and_the_build_is_green(frugal: Stage) -> None:
    assert frugal.ended("careful")[0] == "True"
    assert not frugal.injected("careful")


def test_the_pipelinerun_says_that_the_quota_kept_the_sidecar_out(frugal: Stage) -> None:
    assert "ResourceQuota" in frugal.told("careful", "SidecarNotInjected")
    assert stage.said(frugal.verdict("careful")) == ("Failed", "taskrun")


def test_where_there_is_a_quota_always_injects_nevertheless(frugal: Stage) -> None:
    assert stage.said(frugal.verdict("bold")) == ("Passed", "sidecar")
    assert "SidecarNotInjected" not in frugal.events("PipelineRun", "bold")


def test_an_injected_pod_is_admitted_where_pod_security_is_restricted(restricted: Stage) -> None:
    assert restricted.ended("modest")[0] == "True"
    assert restricted.injected("modest")
    assert stage.said(restricted.verdict("modest")) == ("Passed", "sidecar")
