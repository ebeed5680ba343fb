"""CASBackends with the real controller, the real server with its own permissions, and a real S3-compatible store."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from avouch import digests
from avouch.processes import permissions
from avouch.store import migrate
from tests import objectstores, postgres
from tests.api import shop as shops
from tests.api.served import Served
from tests.api.test_controller import CONTRACT, ROOT, TEKTON, Bench
from tests.cluster.apiserver import ApiServer

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]

WORKFLOW = """
apiVersion: avouch.dev/v1alpha1
kind: Workflow
metadata: {name: release, namespace: shop}
spec: {contractRef: {name: build}}
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with postgres.running() as database, ApiServer() as api:
        migrate.migrate(database.url)
        api.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        for kind in ("PipelineRun", "TaskRun"):
            api.apply(TEKTON.format(plural=f"{kind.lower()}s", singular=kind.lower(), kind=kind))
        api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        for name in ("avouch", "shop", "pairs"):
            api.kubectl("create", "namespace", name)
        yield Bench(api, database, tmp_path_factory.mktemp("controller"))


@pytest.fixture(scope="module")
def running(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server as the chart lets it run: not one Secret may it read until somebody names that."""
    user = "least-server"
    bench.grant(user, permissions.SERVER)
    settings = {
        "AVOUCH_KUBECONFIG": str(bench.api.client_kubeconfig(user)),
        "AVOUCH_AGGREGATED_API": "false",
        "AVOUCH_BLOBS": "inline:",
        "AVOUCH_DESTINATIONS": "127.0.0.0/8",  # where the object store is
    }
    with (
        bench.controller(),
        Served(bench.api, bench.database, tmp_path_factory.mktemp("server"), **settings) as served,
    ):
        yield served


@pytest.fixture(scope="module")
def store() -> Iterator[objectstores.Served]:
    with objectstores.s3() as served:
        yield served


def backend(name: str, namespace: str, **spec: Any) -> str:
    meta = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "avouch.dev/v1alpha1", "kind": "CASBackend", "metadata": meta, "spec": spec})


def secret(name: str, namespace: str, values: Any) -> str:
    data = {key: base64.b64encode(value).decode() for key, value in values.items()}
    meta = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})


def let_read(bench: Bench, namespace: str, name: str) -> None:
    """What the chart's `artifacts.secrets` renders."""
    bench.api.kubectl(
        "create", "role", "artifacts", "-n", namespace, "--verb=get", "--resource=secrets", f"--resource-name={name}"
    )
    bench.api.kubectl("create", "rolebinding", "artifacts", "-n", namespace, "--role=artifacts", "--user=least-server")


def message(bench: Bench, name: str, namespace: str) -> str:
    return bench.condition("casbackend", name, namespace).get("message", "")


def files(store: objectstores.Served) -> list[Path]:
    return [path for path in (store.folder / objectstores.BUCKET).rglob("sha256/*/*") if path.is_file()]


def test_an_artifact_lands_in_the_bucket_of_its_namespace_as_soon_as_the_server_may_go_there(
    bench: Bench, running: Served, store: objectstores.Served
) -> None:
    bench.api.apply(CONTRACT.format(name="build", namespace="shop"))
    bench.api.apply(WORKFLOW)
    bench.ready("workflow", "release", "shop")
    bench.api.apply(secret("keys", "shop", store.secret))
    spec = {**store.spec, "secretRef": {"name": "keys"}, "default": True}
    bench.api.apply(backend("bucket", "shop", **spec))
    bench.becomes(
        lambda: "spec.secretRef: avouch-server may not read this Secret" in message(bench, "bucket", "shop"), True
    )
    assert bench.condition("casbackend", "bucket", "shop")["status"] == "False"

    shop = shops.Shop(bench.api)
    shop.account("builder")
    shop.taskrun("build")
    pod = shop.pod("build")
    shop.close()
    run = running.call("POST", "/v1/runs", pod.token, b"{}")[1]["runs"][0]
    digest = digests.of_bytes(b"bytes")
    path = f"/v1/runs/{run['id']}/materials/{digest}"
    refused = running.ask("PUT", path, pod.token, b"bytes")
    assert refused.status == 503  # and not quietly into some other store
    assert "shop/bucket" in json.dumps(refused.body)

    let_read(bench, "shop", "keys")
    bench.api.apply(backend("bucket", "shop", **spec, maxBytes=20_000_000))  # a new spec is checked at once
    bench.ready("casbackend", "bucket", "shop")
    assert bench.condition("casbackend", "bucket", "shop", "Writable")["status"] == "True"
    assert files(store) == []  # the probe is gone
    assert running.call("PUT", path, pod.token, b"bytes")[0] == 201
    uid = bench.get("casbackend", "bucket", "shop")["metadata"]["uid"]
    assert [(path.name, uid in path.parts) for path in files(store)] == [(digest.hex, True)]
    assert bench.rows("select digest, backend_uid, size from avouch.artifacts") == [(str(digest), uid, 5)]
    assert bench.rows("select run_id::text, digest from avouch.run_artifacts") == [(run["id"], str(digest))]


def test_two_defaults_of_a_namespace_stop_each_other_until_one_yields(bench: Bench, running: Served) -> None:
    for name in ("a", "b"):
        bench.api.apply(backend(name, "pairs", inline={}, default=True))
    for name in ("a", "b"):
        bench.becomes(lambda name=name: "a and b both set spec.default: true" in message(bench, name, "pairs"), True)
        assert bench.condition("casbackend", name, "pairs", "Stalled")["status"] == "True"
    bench.api.kubectl("delete", "casbackend", "b", "-n", "pairs")
    bench.ready("casbackend", "a", "pairs")
    assert bench.condition("casbackend", "a", "pairs", "Writable")["status"] == "True"
