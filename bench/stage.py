"""The real things that measurements run against: kube-apiserver, PostgreSQL by its Unix socket, our server, callers.

The try-out's PostgreSQL is reached by its socket, not through its TLS proxy, which is a second process in Python that
no real installation has. fsync and synchronous_commit are on, as initdb leaves them.
"""

import asyncio
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from avouch import digests
from avouch.attestation import authority, identity
from avouch.contract import reading, revisions
from avouch.controlplane.artifacts import routing
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import contracts as contract_model
from avouch.store import artifacts, contracts, database, inline, migrate, workflows
from tests.cluster.apiserver import ApiServer
from tests.postgres import Postgres

ROOT = Path(__file__).parents[1]
# Modules of a process under measurement: as in an image, without those that only tests install.
MODULES = os.pathsep.join(map(str, (ROOT / "bench/not_shipped", ROOT / "operator", ROOT)))
NAMESPACE, WORKFLOW, ACCOUNT = "shop", "release", "builder"


@dataclass(frozen=True, slots=True)
class Caller:
    """A pod of a TaskRun that may attest, with its token for our audience."""

    who: identity.PodIdentity
    taskrun: str
    pod: str
    token: str


SERVER = ("avouch.processes.main", "server")


def new_authority(folder: Path) -> authority.Authority:
    """The files of an authority and of a certificate for localhost, as the chart mounts them."""
    now = datetime.now(UTC)
    made = authority.new_authority("avouch bench", now, timedelta(days=1))
    certificate, key = authority.serving_certificate(made, ["localhost"], [], now, timedelta(hours=2))
    files = {
        "ca/ca.crt": made.certificate_pem,
        "ca/ca.key": made.private_key_pem(),
        "tls/tls.crt": certificate,
        "tls/tls.key": key,
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return made


class Server:
    """`avouch server`, or another module that takes its settings, as a process of its own."""

    def __init__(
        self, api: ApiServer, database_url: str, folder: Path, module: Sequence[str] = SERVER, **extra: str
    ) -> None:
        self.ca_file = folder / "ca/ca.crt"
        self.port, self._health = free_port(), free_port()
        self.url = f"https://localhost:{self.port}"
        self._log = folder / f"{module[0]}.log"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": MODULES,
            "AVOUCH_NAMESPACE": "avouch",
            "AVOUCH_DATABASE_URL": database_url,
            "AVOUCH_TLS_DIR": str(folder / "tls"),
            "AVOUCH_CA_DIR": str(folder / "ca"),
            "AVOUCH_KUBECONFIG": str(api.kubeconfig),
            "AVOUCH_AGGREGATED_API": "false",
            "AVOUCH_HOST": "127.0.0.1",
            "AVOUCH_PORT": str(self.port),
            "AVOUCH_HEALTH_PORT": str(self._health),
            **extra,
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, "-m", *module], env=environment, stderr=log)

    def cpu(self) -> float:
        """Seconds of CPU that the process has used."""
        return cpu_of(self.process.pid)

    def call(self, method: str, path: str, token: str, body: bytes) -> Any:
        """One request, parsed; an answer that is no success is an error."""
        request = urllib.request.Request(f"{self.url}{path}", data=body, method=method)
        request.add_header("Authorization", f"Bearer {token}")
        context = ssl.create_default_context(cafile=str(self.ca_file))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(request, timeout=20) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as exc:
            raise RuntimeError(f"{method} {path}: {exc.code}: {exc.read().decode()}") from exc

    def wait(self) -> None:
        """Until it is ready."""
        until_ready(self.process, self._health, self._log)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self.process.terminate()
        self.process.wait(30)


@contextlib.contextmanager
def serving(
    api: ApiServer, database_url: str, folder: Path, module: Sequence[str] = SERVER, **extra: str
) -> Iterator[Server]:
    """A server that is ready; `new_authority` made its files."""
    server = Server(api, database_url, folder, module, **extra)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def database_server() -> Iterator[Postgres]:
    """PostgreSQL with our schema."""
    with Postgres() as started:
        migrate.migrate(started.socket_url)
        yield started


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A database with our schema; its URL leads to the Unix socket."""
    with database_server() as started:
        yield started.socket_url


def data_of(started: Postgres) -> Path:
    """Where the data of a running PostgreSQL lie."""
    return next((started.folder / "data").glob("**/postmaster.pid")).parent


def postmaster(started: Postgres) -> int:
    """The process that all others of PostgreSQL descend from."""
    return int((data_of(started) / "postmaster.pid").read_text().split()[0])


def callers(api: ApiServer, database_url: str, count: int, contract: dict[str, Any], **tekton: Any) -> Sequence[Caller]:
    """A namespace with a recorded Workflow, and pods of TaskRuns that owe it evidence, `count` of them."""
    api.install_tekton_crds()
    api.kubectl("create", "namespace", NAMESPACE)
    api.kubectl("create", "serviceaccount", ACCOUNT, "-n", NAMESPACE)
    uid = api.kubectl("get", "namespace", NAMESPACE, "-o", "jsonpath={.metadata.uid}")
    asyncio.run(_record(database_url, uid, contract, tekton))
    return [_caller(api, f"build-{number}") for number in range(count)]


def _caller(api: ApiServer, name: str) -> Caller:
    meta = {"name": name, "namespace": NAMESPACE, "labels": {"avouch.dev/workflow": WORKFLOW}}
    run = _created(api, {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": meta, "spec": {}})
    owner = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": name, "uid": run, "controller": True}
    pod = f"{name}-pod"
    pod_uid = _created(
        api,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod, "namespace": NAMESPACE, "ownerReferences": [owner]},
            "spec": {
                "serviceAccountName": ACCOUNT,
                "initContainers": [{"name": "avouch-sidecar", "image": "example.invalid/x"}],
                "containers": [{"name": "step-build", "image": "example.invalid/x"}],
            },
        },
    )
    named = json.dumps({"status": {"podName": pod}})  # as Tekton does once it has made the pod
    api.kubectl("patch", "taskrun", name, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", named)
    token = api.kubectl(
        "create", "token", ACCOUNT, "-n", NAMESPACE, "--audience=avouch",
        "--bound-object-kind=Pod", f"--bound-object-name={pod}", f"--bound-object-uid={pod_uid}",
    ).strip()  # fmt: skip
    return Caller(identity.PodIdentity(NAMESPACE, ACCOUNT, pod_uid, run), name, pod, token)


def _created(api: ApiServer, document: dict[str, Any]) -> str:
    return api.kubectl("create", "-f", "-", "-o", "jsonpath={.metadata.uid}", stdin=json.dumps(document))


async def _record(url: str, namespace_uid: str, contract: dict[str, Any], tekton: dict[str, Any]) -> None:
    """What the controller would have recorded."""
    canonical = revisions.canonical(reading.read(contract))
    name = contract["metadata"]["name"]
    digest, long_ago = digests.of_bytes(canonical), datetime(2026, 1, 1, tzinfo=UTC)
    spec = {"contractRef": {"name": name}, **({"tekton": tekton} if tekton else {})}
    async with database.Database(url) as opened:
        await contracts.Contracts(opened).record(
            contract_model.ContractRevision(
                NAMESPACE, namespace_uid, name, "contract-uid", 0, digest, canonical, long_ago
            ),
            epoch=1,
        )
        await workflows.Workflows(opened).upsert(
            contract_model.WorkflowRecord(
                NAMESPACE, namespace_uid, WORKFLOW, "workflow-uid", 1, spec, {}, NAMESPACE, name
            ),
            epoch=1,
        )


def until_ready(process: subprocess.Popen[bytes], health_port: int, log: Path) -> None:
    """Wait for a process of ours. Raises RuntimeError with the end of its log if it ends, or takes over 30 s."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 30
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"it did not start:\n{log.read_text()[-4000:]}")
        with contextlib.suppress(OSError), opener.open(f"http://127.0.0.1:{health_port}/readyz", timeout=5):
            return
        time.sleep(0.1)


def cpu_of(pid: int) -> float:
    """Seconds of CPU of one process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """Opens the install's own store, whatever is asked for."""

    backend: artifact_model.BlobStore

    async def open(self, uid: str) -> artifact_model.BlobStore:
        return self.backend


def artifact_store(opened: database.Database) -> artifact_model.ArtifactStore:
    """Artifacts in the database, as an install without a volume keeps them."""
    return routing.Routed(artifacts.Artifacts(opened), BuiltIn(inline.Inline(opened)))
