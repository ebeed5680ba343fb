"""Least privilege: what our accounts did all the time, by the API server's audit log, against what they are granted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from avouch.processes import permissions
from tests.cluster import audit
from tests.cluster.choice import AnyCluster
from tests.cluster.cluster import Cluster
from tests.e2e.stage import Json

pytestmark = pytest.mark.cluster

ACCOUNT = "system:serviceaccount:avouch:avouch-"
APPLIED = "server-side apply of an object that is not there asks for create, and is logged as patch"

# Granted, and not asked for by any test on this cluster: why it is granted nevertheless.
TRIED = "used, with these very roles, by the tests against an API server alone"
UNUSED = {
    ("controller", "apiregistration.k8s.io", "apiservices", "create"): APPLIED,
    ("controller", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "create"): APPLIED,
    ("controller", "", "configmaps", "create"): APPLIED,
    ("controller", "events.k8s.io", "events", "patch"): "an Event that repeats within six minutes becomes a series",
    ("controller", "", "secrets", "update"): "certificates are renewed after weeks",
    (
        "controller",
        "tekton.dev",
        "taskruns",
        "get",
    ): "a TaskRun that its PipelineRun names before our watch tells of it",
    ("controller", "tekton.dev", "pipelineruns", "get"): "a PipelineRun that may have gone while nobody watched",
    ("controller", "chainloop.dev", "policies/status", "patch"): TRIED,
    ("controller", "chainloop.dev", "policygroups/status", "patch"): TRIED,
    ("server", "events.k8s.io", "events", "create"): TRIED,
    ("server", "events.k8s.io", "events", "patch"): "an Event that repeats within six minutes becomes a series",
    ("server", "", "persistentvolumeclaims", "get"): "there is no storage here, so no workspace is a claim",
}


@dataclass(frozen=True)
class Grant:
    """One verb on one resource in one scope: "" everywhere, or a namespace."""

    process: str
    rule: permissions.Rule
    resource: str
    verb: str
    namespace: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.process, self.rule.group, self.resource, self.verb

    def allows(self, request: Json) -> bool:
        reference: dict[str, Any] = request["objectRef"]
        resource = "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
        asked = (request["user"]["username"], reference.get("apiGroup", ""), resource, request["verb"])
        mine = (f"{ACCOUNT}{self.process}", self.rule.group, self.resource, self.verb)
        named = not self.rule.names or reference.get("name") in self.rule.names
        return asked == mine and named and self.namespace in ("", reference.get("namespace"))


def grants() -> Iterator[Grant]:
    for process, granted in permissions.PERMISSIONS.items():
        scopes = (
            ("", granted.cluster),
            ("", granted.token_secrets),
            ("avouch", granted.namespace),
            ("kube-system", granted.kube_system),
        )
        for namespace, rules in scopes:
            for rule in rules:
                for resource in rule.resources:
                    yield from (Grant(process, rule, resource, verb, namespace) for verb in rule.verbs)


@pytest.fixture(scope="module")
def requests(cluster: AnyCluster) -> list[Json]:
    if not isinstance(cluster, Cluster):
        pytest.skip("NO AUDIT LOG: only the cluster that is built here writes one")
    return [each for each in audit.requests(cluster.folder) if each["user"]["username"].startswith(ACCOUNT)]


def test_no_request_of_ours_was_refused(requests: list[Json]) -> None:
    assert requests
    refused = [
        (each["user"]["username"], each["verb"], each["requestURI"])
        for each in requests
        if each["annotations"].get("authorization.k8s.io/decision") == "forbid"
    ]
    assert refused == []


def test_what_is_granted_and_was_never_used_is_known_and_has_a_reason(requests: list[Json]) -> None:
    asked = [each for each in requests if "objectRef" in each and "resource" in each["objectRef"]]
    unused = {grant.key for grant in grants() if not any(grant.allows(each) for each in asked)}
    assert unused - UNUSED.keys() == set()


def test_what_is_excused_is_granted(requests: list[Json]) -> None:
    assert UNUSED.keys() <= {grant.key for grant in grants()}
