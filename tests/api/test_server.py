"""The real server process, kube-apiserver and PostgreSQL: a bound token opens a run and pushes a claim."""

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from avouch import digests
from avouch.attestation import authority
from avouch.contract import reading, revisions
from avouch.controlplane import values
from avouch.store import contracts, database, migrate, workflows
from tests.cluster.apiserver import ApiServer
from tests.postgres import Postgres
from tests.unit.ingest import world as worlds

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: taskruns.tekton.dev}
spec:
  group: tekton.dev
  scope: Namespaced
  names: {plural: taskruns, kind: TaskRun}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
TASKRUN = """
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: build, namespace: shop, labels: {avouch.dev/workflow: release}}
spec: {}
"""
POD = """
apiVersion: v1
kind: Pod
metadata:
  name: build-pod
  namespace: shop
  ownerReferences: [{apiVersion: tekton.dev/v1, kind: TaskRun, name: build, uid: %s, controller: true}]
spec: {serviceAccountName: builder, containers: [{name: step-build, image: example.invalid/x}]}
"""
CONTRACT = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Contract",
    "metadata": {"name": "evidence"},
    "spec": {"materials": [{"name": "note", "type": "STRING"}]},
}


class Served:
    """The process, and how to talk to it."""

    def __init__(self, api: ApiServer, postgres: Postgres, folder: Path) -> None:
        self.port, self.runs_port, self.health_port = _free(), _free(), _free()
        for name in ("tls", "ca"):
            (folder / name).mkdir()
        now = datetime.now(UTC)
        ca = authority.new_authority("avouch tests", now, timedelta(days=1))
        (folder / "ca/ca.crt").write_bytes(ca.certificate_pem)
        (folder / "ca/ca.key").write_bytes(ca.private_key_pem())
        certificate, key = authority.serving_certificate(ca, ["localhost"], [], now, timedelta(hours=1))
        (folder / "tls/tls.crt").write_bytes(certificate)
        (folder / "tls/tls.key").write_bytes(key)
        self.ca = ca
        self._context = ssl.create_default_context(cafile=str(folder / "ca/ca.crt"))
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[2] / "operator"),
            "AVOUCH_NAMESPACE": "avouch",
            "AVOUCH_DATABASE_URL": postgres.url,
            "AVOUCH_TLS_DIR": str(folder / "tls"),
            "AVOUCH_CA_DIR": str(folder / "ca"),
            "AVOUCH_KUBECONFIG": str(api.kubeconfig),
            "AVOUCH_HOST": "127.0.0.1",
            "AVOUCH_PORT": str(self.port),
            "AVOUCH_RUNS_PORT": str(self.runs_port),
            "AVOUCH_HEALTH_PORT": str(self.health_port),
        }
        self.log = folder / "log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "avouch.processes.main", "server"]
            self.process = subprocess.Popen(command, env=environment, stderr=log)

    def health(self, path: str) -> tuple[int, str]:
        return _call(urllib.request.Request(f"http://127.0.0.1:{self.health_port}{path}"), None)

    def call(self, method: str, path: str, token: str, body: bytes | None = None) -> tuple[int, Any]:
        request = urllib.request.Request(f"https://localhost:{self.port}{path}", data=body, method=method)
        request.add_header("Authorization", f"Bearer {token}")
        status, text = _call(request, self._context)
        return status, json.loads(text)

    def wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.health("/readyz")[0] == 200:
                    return
            except OSError:
                assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def authority(self) -> authority.Authority:
        return self.ca


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as api:
        api.apply(CRD)
        api.kubectl("wait", "--for=condition=Established", "crd/taskruns.tekton.dev", "--timeout=20s")
        api.kubectl("create", "namespace", "shop")
        api.kubectl("create", "serviceaccount", "builder", "-n", "shop")
        api.apply(TASKRUN)
        uid = api.kubectl("get", "taskrun", "build", "-n", "shop", "-o", "jsonpath={.metadata.uid}")
        api.kubectl("create", "-f", "-", stdin=POD % uid)
        yield api


@pytest.fixture(scope="module")
def served(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Postgres() as postgres:
        migrate.migrate(postgres.url)
        uid = api.kubectl("get", "namespace", "shop", "-o", "jsonpath={.metadata.uid}")
        asyncio.run(_record(postgres.url, uid))
        served = Served(api, postgres, tmp_path_factory.mktemp("server"))
        try:
            served.wait()
            yield served
        finally:
            served.process.terminate()
            assert served.process.wait(20) == 0, served.log.read_text()


async def _record(url: str, namespace_uid: str) -> None:
    canonical = revisions.canonical(reading.read(CONTRACT))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    async with database.Database(url) as opened:
        await contracts.Contracts(opened).record(
            values.ContractRevision(
                "shop", namespace_uid, "evidence", "contract-uid", 0, digests.of_bytes(canonical), canonical, now
            ),
            epoch=1,
        )
        await workflows.Workflows(opened).upsert(
            values.WorkflowRecord(
                "shop", namespace_uid, "release", "workflow-uid", 1,
                {"contractRef": {"name": "evidence"}}, {}, "shop", "evidence",
            ),
            epoch=1,
        )  # fmt: skip


def bound(api: ApiServer, audience: str = "avouch") -> str:
    uid = api.kubectl("get", "pod", "build-pod", "-n", "shop", "-o", "jsonpath={.metadata.uid}")
    return api.kubectl(
        "create", "token", "builder", "-n", "shop", f"--audience={audience}",
        "--bound-object-kind=Pod", "--bound-object-name=build-pod", f"--bound-object-uid={uid}",
    ).strip()  # fmt: skip


def test_a_bound_token_opens_a_run_and_its_claim_is_committed_once(api: ApiServer, served: Served) -> None:
    token = bound(api)
    status, answer = served.call("POST", "/v1/runs", token, b"{}")
    assert (status, len(answer["runs"])) == (201, 1), answer
    run = answer["runs"][0]
    assert run["plan"]["materials"][0]["name"] == "note"
    assert served.call("POST", "/v1/runs", token, b"{}") == (200, answer)

    key = ec.generate_private_key(ec.SECP256R1())
    body = json.dumps({"csr": worlds.csr(key).decode()}).encode()
    status, certified = served.call("POST", f"/v1/runs/{run['id']}/certificate", token, body)
    assert status == 200, certified
    content = worlds.bundle_of(key, certified["certificate"].encode(), run["id"], contract_version="1")
    first = served.call("POST", f"/v1/runs/{run['id']}/bundles", token, content)
    second = served.call("POST", f"/v1/runs/{run['id']}/bundles", token, content)
    assert (first[0], second[0]) == (201, 200), (first, second)
    assert first[1]["id"] == second[1]["id"]

    digest = digests.of_bytes(b"bytes")
    path = f"/v1/runs/{run['id']}/materials/{digest}"
    assert served.call("PUT", path, token, b"bytes")[0] == 201
    assert served.call("PUT", path, token, b"other")[0] == 400


@pytest.mark.parametrize("audience", ["other", "https://kubernetes.default.svc"])
def test_a_token_for_another_audience_is_401(api: ApiServer, served: Served, audience: str) -> None:
    assert served.call("POST", "/v1/runs", bound(api, audience), b"{}")[0] == 401


def test_a_token_bound_to_no_pod_is_401(api: ApiServer, served: Served) -> None:
    token = api.token("builder", "shop", "avouch")
    assert served.call("POST", "/v1/runs", token, b"{}")[0] == 401


def test_metrics_name_outcomes_and_no_users_text(api: ApiServer, served: Served) -> None:
    status, text = served.health("/metrics")
    assert status == 200
    assert 'avouch_claims_total{outcome="created"} 1.0' in text
    assert "shop" not in text


def _free() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _call(request: urllib.request.Request, context: ssl.SSLContext | None) -> tuple[int, str]:
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read().decode()
