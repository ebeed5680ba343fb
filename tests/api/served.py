"""The real server process: started, asked, measured, killed and started again."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec

from avouch.attestation import authority, identity
from tests.api.shop import Pod
from tests.cluster.apiserver import ApiServer
from tests.postgres import Postgres
from tests.unit.ingest import fakes

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0  # seconds until a wait is a failure


def until(look: Callable[[], Any], why: str = "", patience: float = PATIENCE) -> Any:
    """What `look` says once it is true; fails with `why` where it stays false."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, why or f"not within {patience} s: {look}"
        time.sleep(0.02)
    return found


@dataclass(frozen=True)
class Answer:
    """What the server said. `body` is the parsed JSON."""

    status: int
    body: Any
    headers: dict[str, str]


def certified(folder: Path, shared: authority.Authority | None = None) -> authority.Authority:
    """Write what a server's two Secrets hold into `tls` and `ca` of a folder, of a new authority or a shared one."""
    for name in ("tls", "ca"):
        (folder / name).mkdir()
    now = datetime.now(UTC)
    ca = shared or authority.new_authority("avouch tests", now - timedelta(hours=2), timedelta(days=1))
    (folder / "ca/ca.crt").write_bytes(ca.certificate_pem)
    (folder / "ca/ca.key").write_bytes(ca.private_key_pem())
    certificate, key = authority.serving_certificate(ca, ["localhost"], [], now, timedelta(hours=1))
    (folder / "tls/tls.crt").write_bytes(certificate)
    (folder / "tls/tls.key").write_bytes(key)
    (folder / "tls/ca.crt").write_bytes(ca.certificate_pem)
    return ca


class Served:
    """The process, and how to talk to it. It can be killed and started again at the same address."""

    def __init__(
        self, api: ApiServer, postgres: Postgres, folder: Path, twin: "Served | None" = None, **environment: str
    ) -> None:
        """`twin` is another replica, whose authority this one shares."""
        self.port, self.runs_port, self.health_port = free_port(), free_port(), free_port()
        self.admission_port = free_port()
        self.ca = certified(folder, twin.ca if twin else None)
        self.context = ssl.create_default_context(cafile=str(folder / "ca/ca.crt"))
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "operator"),
            "AVOUCH_NAMESPACE": "avouch",
            "AVOUCH_DATABASE_URL": postgres.url_of("server"),
            "AVOUCH_TLS_DIR": str(folder / "tls"),
            "AVOUCH_CA_DIR": str(folder / "ca"),
            "AVOUCH_KUBECONFIG": str(api.kubeconfig),
            "AVOUCH_HOST": "127.0.0.1",
            "AVOUCH_PORT": str(self.port),
            "AVOUCH_RUNS_PORT": str(self.runs_port),
            "AVOUCH_ADMISSION_PORT": str(self.admission_port),
            "AVOUCH_HEALTH_PORT": str(self.health_port),
            **environment,
        }
        self.log = folder / "log"
        self.process = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "avouch.processes.main", "server"]
            self.process = subprocess.Popen(command, env=self._environment, stderr=log)
        return self.process

    def wait(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            try:
                return self.health("/readyz")[0] == 200
            except OSError:
                return False

        until(ready, f"not ready: {self.log}")

    def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is said."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)

    def __enter__(self) -> Self:
        self.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0, self.log.read_text()[-4000:]

    def health(self, path: str) -> tuple[int, str]:
        status, text, _ = _asked(urllib.request.Request(f"http://127.0.0.1:{self.health_port}{path}"), None)
        return status, text

    def ask(self, method: str, path: str, token: str = "", body: bytes | None = None, **headers: str) -> Answer:
        request = urllib.request.Request(f"https://localhost:{self.port}{path}", data=body, method=method)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        status, text, found = _asked(request, self.context)
        return Answer(status, json.loads(text), found)

    def call(self, method: str, path: str, token: str, body: bytes | None = None) -> tuple[int, Any]:
        answer = self.ask(method, path, token, body)
        return answer.status, answer.body

    def connection(self, timeout: float = 30) -> ssl.SSLSocket:
        """A connection for requests that no library would send."""
        plain = socket.create_connection(("localhost", self.port), timeout=timeout)
        return self.context.wrap_socket(plain, server_hostname="localhost")

    def memory(self, *, since_reset: bool = False) -> int:
        """Bytes of memory in use; with `since_reset` the most since `reset_memory`."""
        said = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{'VmHWM' if since_reset else 'VmRSS'}:\s+(\d+) kB", said)
        assert found is not None
        return int(found[1]) * 1024

    def reset_memory(self) -> None:
        """Let the high-water mark of memory start from now (proc(5), clear_refs)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def open_run(self, pod: Pod, workflow: str = "release") -> str:
        """The id of the pod's run for this Workflow."""
        answer = self.ask("POST", "/v1/runs", pod.token, b"{}")
        assert answer.status in (200, 201), answer
        return next(str(run["id"]) for run in answer.body["runs"] if run["workflow"] == workflow)

    def leaf(self, pod: Pod, key: ec.EllipticCurvePrivateKey, **differs: str) -> bytes:
        """A certificate for the pod, as the server would issue it; `differs` names parts of another identity."""
        who = {"namespace": pod.namespace, "service_account": pod.account, "pod_uid": pod.uid}
        said = identity.PodIdentity(**{**who, "task_run_uid": pod.taskrun_uid, **differs})
        return authority.issue(self.ca, fakes.csr(key), said, datetime.now(UTC))

    def claim(self, pod: Pod, run_id: str, workflow: str = "release") -> bytes:
        """A good bundle; every call another one, since signatures are random."""
        key = ec.generate_private_key(ec.SECP256R1())
        return fakes.bundle_of(key, self.leaf(pod, key), run_id, contract_version="1", workflow_name=workflow)

    def push(self, pod: Pod, run_id: str, content: bytes, **headers: str) -> Answer:
        return self.ask("POST", f"/v1/runs/{run_id}/bundles", pod.token, content, **headers)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answer_of(connection: ssl.SSLSocket) -> Answer:
    """The answer to what was written to a connection by hand."""
    with http.client.HTTPResponse(connection) as response:  # it holds the connection open until it is closed
        response.begin()
        text = response.read()
    return Answer(response.status, json.loads(text), {name.lower(): value for name, value in response.getheaders()})


def _asked(request: urllib.request.Request, context: ssl.SSLContext | None) -> tuple[int, str, dict[str, str]]:
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers.items())
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read().decode(), dict(exc.headers.items())
