"""Policies that would refuse a pod with the sidecar: the build goes on without. Real API server, webhook and server."""

import asyncio
import base64
import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from avouch.controlplane.model import contracts as contract_model
from avouch.reconcilers.installation import webhook
from avouch.store import database, workflows
from tests import charts
from tests.api import served as servers
from tests.api import shop as shops
from tests.cluster.apiserver import ApiServer
from tests.cluster.binaries import kubectl
from tests.cluster.processes import clean_environment
from tests.postgres import Postgres
from tests.unit.tekton import pods

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]

SERVER = "system:serviceaccount:avouch:avouch-server"
IMAGE = "elsewhere.example/sidecar:1"
POLICY = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "images"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "validations": [
            {
                "expression": "(object.spec.containers + object.spec.?initContainers.orValue([]))"
                ".all(c, !c.image.startsWith('elsewhere.example/'))",
                "message": "images come from our registry",
            }
        ],
    },
}
BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "images"},
    "spec": {
        "policyName": "images",
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"images": "ours"}}},
    },
}


class Build:
    """Pods of a TaskRun in the namespaces `shop`, where the policy holds, and `other`, where it does not."""

    def __init__(self, api: ApiServer, served: servers.Served, uid: dict[str, str]) -> None:
        self.api, self.served, self._uid = api, served, uid

    def pod(self, name: str, namespace: str) -> dict[str, Any]:
        made = pods.pod(steps=1)
        owner = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": "build", "uid": self._uid[namespace]}
        labels = {"tekton.dev/taskRunUID": self._uid[namespace]}
        meta = {"name": name, "namespace": namespace, "labels": labels}
        meta["ownerReferences"] = [{**owner, "controller": True, "blockOwnerDeletion": True}]
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": made["spec"]}

    def created(self, name: str, namespace: str, user: str = "tekton") -> tuple[str, list[str]]:
        """What kubectl said on stderr, and the init containers of the pod; raises where it was refused."""
        config = self.api.client_kubeconfig(user, ["system:masters"])
        command = [kubectl(), f"--kubeconfig={config}", "create", "-o", "json", "-f", "-"]
        done = subprocess.run(
            command, input=json.dumps(self.pod(name, namespace)), env=clean_environment(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stderr, [one["name"] for one in json.loads(done.stdout)["spec"]["initContainers"]]

    def counted(self, decision: str) -> float:
        lines = self.served.health("/metrics")[1].splitlines()
        start = f'avouch_admissions_total{{decision="{decision}"}} '
        return sum(float(line.removeprefix(start)) for line in lines if line.startswith(start))


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    with ApiServer() as api, Postgres() as database_server:
        shop = shops.Shop(api)
        shop.furnish()
        shops.prepare(database_server, shop)
        asyncio.run(_always(database_server.url, {name: shop.uid(name) for name in ("shop", "other")}))
        api.kubectl("create", "namespace", "avouch")
        for template in ("rbac", "policies"):
            documents = charts.rendered(template, **{"admission.dryRun": "true"}).split("\n---\n")
            api.apply("\n---\n".join(each for each in documents if "restrict-contract-creation" not in each))
        for namespace in ("shop", "other"):
            api.kubectl("label", "namespace", namespace, "avouch.dev/inject=enabled")
        api.kubectl("label", "namespace", "shop", "images=ours")
        api.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": [POLICY, BINDING]}))
        uid = {namespace: shop.taskrun("build", namespace) for namespace in ("shop", "other")}
        shop.close()
        settings = {
            "AVOUCH_AGGREGATED_API": "false",
            "AVOUCH_SIDECAR_IMAGE": IMAGE,
            "AVOUCH_DRY_RUNS": "true",
            "AVOUCH_KUBECONFIG": str(api.client_kubeconfig(SERVER, ["system:authenticated"])),
        }
        with servers.Served(api, database_server, tmp_path_factory.mktemp("server"), **settings) as served:
            build = Build(api, served, uid)
            _in_force(build)
            api.apply(json.dumps(_hook(served)))
            servers.until(lambda: "avouch-sidecar" in _init(build))
            yield build


async def _always(url: str, uids: dict[str, str]) -> None:
    """A Workflow for which every pod gets the sidecar."""
    spec = {"contractRef": {"name": "evidence"}, "tekton": {"tasks": [{"name": "compile"}], "inject": "always"}}
    async with database.Database(url) as opened:
        store = workflows.Workflows(opened)
        for name, uid in uids.items():
            record = contract_model.WorkflowRecord(name, uid, "always", f"always-{name}", 1, spec, {}, name, "evidence")
            await store.upsert(record, epoch=1)
        await store.close()


def _hook(served: servers.Served) -> dict[str, Any]:
    made = webhook.configuration("avouch", "avouch-server", b"")
    (hook,) = made["webhooks"]
    ca = base64.b64encode(served.ca.certificate_pem).decode()
    hook["clientConfig"] = {"url": f"https://localhost:{served.admission_port}{webhook.PATH}", "caBundle": ca}
    return made


def _init(build: Build) -> list[str]:
    """Until the API server's caches know the webhook, pods are created without."""
    return build.created(f"warm-{time.monotonic_ns()}", "other")[1]


def _in_force(build: Build) -> None:
    """The policy for images, and that for our server."""
    bare = build.pod("probe", "shop")
    bare["spec"]["containers"][0]["image"] = IMAGE
    servers.until(lambda: "images come from our registry" in _refused(build, bare, "tekton", ["system:masters"]))
    servers.until(lambda: "creates no pods" in _refused(build, build.pod("probe", "other"), SERVER, []))


def _refused(build: Build, pod: dict[str, Any], user: str, groups: list[str]) -> str:
    config = build.api.client_kubeconfig(user, [*groups, "system:authenticated"])
    pod["metadata"]["name"] = f"probe-{time.monotonic_ns()}"
    done = subprocess.run(
        [kubectl(), f"--kubeconfig={config}", "create", "-f", "-"], input=json.dumps(pod), env=clean_environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stderr if done.returncode else ""


def test_a_policy_that_refuses_the_sidecars_image_stops_no_build_and_says_so(build: Build) -> None:
    before = build.counted("PolicyRefuses")
    said, containers = build.created("refused", "shop")
    assert containers == ["prepare"]
    assert "no sidecar was injected: PolicyRefuses" in said
    assert "images come from our registry" in said
    assert build.counted("PolicyRefuses") == before + 1
    (event,) = servers.until(lambda: _events(build))
    assert (event["reason"], event["regarding"]["kind"], event["type"]) == ("SidecarNotInjected", "TaskRun", "Warning")
    assert "images come from our registry" in event["note"]


def _events(build: Build) -> list[dict[str, Any]]:
    found = build.api.kubectl("get", "events.events.k8s.io", "-n", "shop", "-o", "json")
    return [one for one in json.loads(found)["items"] if one["regarding"]["name"] == "build"]


def test_where_no_policy_refuses_it_the_sidecar_is_injected(build: Build) -> None:
    said, containers = build.created("allowed", "other")
    assert (containers, "no sidecar" in said) == (["prepare", "avouch-sidecar"], False)


def test_a_trial_creates_nothing_and_calls_our_webhook_without_end_nowhere(build: Build) -> None:
    before = build.counted("Trial")
    build.created("again", "other")
    assert build.counted("Trial") <= before + 2  # none where the answer is still known
    names = json.loads(build.api.kubectl("get", "pods", "-n", "other", "-o", "json"))["items"]
    assert not [one for one in names if "avouch.dev/trial" in one["metadata"].get("annotations", {})]


def test_the_servers_account_creates_no_pod(build: Build) -> None:
    said = _refused(build, build.pod("evil", "other"), SERVER, [])
    assert "avouch's server creates no pods" in said
