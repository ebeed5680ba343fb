"""What a captured controller can do to pods, and by what it creates: policies of the chart on a real API server."""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from avouch.reconcilers.installation import image_pull, webhook
from tests import charts
from tests.api import installed
from tests.cluster.apiserver import ApiServer
from tests.cluster.binaries import kubectl
from tests.cluster.processes import clean_environment
from tests.unit.tekton import pods

pytestmark = pytest.mark.apiserver

RESCUE = "registry.example/rescue:1"
PATIENCE = 30.0  # seconds until the API server's own caches know the policies


class Account:
    """The controller's account, in the hands of anybody."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._kubeconfig = api.client_kubeconfig(installed.ACCOUNT, ["system:authenticated"])

    def refused(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl says to it; empty where the API server did as asked."""
        command = [kubectl(), f"--kubeconfig={self._kubeconfig}", *arguments]
        done = subprocess.run(
            command, input=stdin, env=clean_environment(), capture_output=True, text=True, check=False
        )
        return done.stderr if done.returncode else ""

    def patch(self, *changes: dict[str, Any]) -> str:
        """What it is told for a JSON patch of the pod."""
        return self.refused("patch", "pod", "build-pod", "-n", "shop", "--type=json", "-p", json.dumps(changes))

    def create(self, body: dict[str, Any]) -> str:
        return self.refused("create", "-f", "-", stdin=json.dumps(body))


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as api:
        api.kubectl("create", "namespace", "avouch")
        api.kubectl("create", "namespace", "shop")
        api.kubectl("create", "serviceaccount", "builder", "-n", "shop")
        for template in ("rbac", "policies"):
            # The Organizations that one of the policies asks about are not needed here.
            documents = charts.rendered(template, **{"sidecar.rescueImage": RESCUE}).split("\n---\n")
            api.apply("\n---\n".join(each for each in documents if "restrict-contract-creation" not in each))
        api.kubectl("apply", "-f", "-", stdin=json.dumps(injected()))
        account, deadline = Account(api), time.monotonic() + PATIENCE
        while not account.patch({"op": "add", "path": "/metadata/labels/probe", "value": str(time.monotonic())}):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield api


@pytest.fixture
def account(api: ApiServer) -> Account:
    return Account(api)


def injected() -> dict[str, Any]:
    """A pod with a sidecar, as it waits for its image."""
    made = pods.pod(steps=1)
    sidecar = {"name": "avouch-sidecar", "image": "registry.example/sidecar:1", "restartPolicy": "Always"}
    made["spec"]["initContainers"].append(sidecar)
    meta = {**made["metadata"], "namespace": "shop"}
    del meta["ownerReferences"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": made["spec"]}


@pytest.mark.parametrize(
    "change",
    [
        {"op": "replace", "path": "/spec/initContainers/1/image", "value": "registry.example/evil:1"},
        {"op": "replace", "path": "/spec/initContainers/0/image", "value": RESCUE},
        {"op": "replace", "path": "/spec/containers/0/image", "value": RESCUE},
        {"op": "add", "path": "/spec/activeDeadlineSeconds", "value": 1},
        {"op": "add", "path": "/spec/tolerations/-", "value": {"key": "a", "operator": "Exists"}},
        {"op": "add", "path": "/metadata/labels/app", "value": "database"},
        {"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}},
        {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/never"]},
        {
            "op": "add",
            "path": "/metadata/ownerReferences",
            "value": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u"}],
        },
    ],
    ids=lambda change: change["path"],
)
def test_no_other_field_and_no_other_image_of_a_pod_can_be_written(account: Account, change: dict[str, Any]) -> None:
    assert "avouch's controller" in account.patch(change)


def test_a_pod_whose_image_does_not_come_is_rescued(api: ApiServer, account: Account) -> None:
    patch = image_pull.rescue_patch(
        json.loads(api.kubectl("get", "pod", "build-pod", "-n", "shop", "-o", "json")), RESCUE
    )
    assert patch is not None
    assert account.patch(*patch) == ""
    spec = json.loads(api.kubectl("get", "pod", "build-pod", "-n", "shop", "-o", "json"))["spec"]
    assert [container["image"] for container in spec["initContainers"]] == ["entrypoint", RESCUE]


def test_others_may_write_what_they_could(api: ApiServer) -> None:
    api.kubectl("label", "pod", "build-pod", "-n", "shop", "theirs=yes")


def _object(api_version: str, kind: str, name: str, **body: Any) -> dict[str, Any]:
    place = {} if kind in ("MutatingWebhookConfiguration", "APIService") else {"namespace": "avouch"}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **place}, **body}


HOOK = webhook.configuration("avouch", "avouch-server", b"")
SERVED = {"group": "other.example", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}


@pytest.mark.parametrize(
    "made",
    [
        _object("v1", "Secret", "stolen"),
        _object("v1", "ConfigMap", "config"),
        _object("coordination.k8s.io/v1", "Lease", "lease"),
        _object("apiregistration.k8s.io/v1", "APIService", "v1.other.example", spec=SERVED),
        {**HOOK, "metadata": {"name": "avouch-everything"}},
    ],
    ids=lambda made: made["kind"],
)
def test_nothing_of_another_name_is_created(account: Account, made: dict[str, Any]) -> None:
    assert "avouch's controller creates no" in account.create(made)


@pytest.mark.parametrize(
    "made",
    [
        _object("v1", "Secret", "avouch-ca"),
        _object("v1", "ConfigMap", "avouch-server"),
        _object("v1", "ConfigMap", "avouch-trust"),
        _object("coordination.k8s.io/v1", "Lease", "avouch-controller"),
        HOOK,
    ],
    ids=lambda made: made["kind"],
)
def test_what_it_needs_is_created(account: Account, made: dict[str, Any]) -> None:
    assert account.create(made) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"failurePolicy": "Fail"},
        {"clientConfig": {"url": "https://evil.example/"}},
        {"clientConfig": {"service": {"namespace": "shop", "name": "evil"}}},
        {"rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}]},
        {"rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"]}]},
    ],
    ids=json.dumps,
)
def test_the_webhook_asks_about_new_pods_alone_and_stops_none(account: Account, change: dict[str, Any]) -> None:
    hook = {**HOOK["webhooks"][0], **change}
    assert "avouch's controller registers no webhook but its own" in account.create({**HOOK, "webhooks": [hook]})
