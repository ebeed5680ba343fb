"""etcd and kube-apiserver for one test session: ready in about three seconds, needs neither root nor a node.

    with ApiServer() as api:
        api.kubectl("get", "namespaces")

Everything that the API server itself decides is real: schemas and CEL rules of CRDs, RBAC, admission policies and
webhooks, server-side apply, watches, ServiceAccount tokens, aggregated APIs. Nothing acts on the objects: no pod ever
runs, no default ServiceAccount appears, nothing is garbage-collected.
"""

import hashlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster import exposure, tekton
from tests.cluster.binaries import kubectl
from tests.cluster.controlplane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.processes import clean_environment

_SERVICES = "198.19.255.128/25"


class ApiServer:
    """A real API server on free loopback ports, in a folder that is deleted afterwards.

    Enter it in a thread that lives as long as the test session, best the main one: the kernel ends both programs with
    the thread that started them, so that a killed test run leaves none behind.
    """

    def __init__(self, extra_flags: Sequence[str] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="avouch-api-"))
        etcd_port, etcd_peer_port, port = _free_ports(3)
        self._plane = ControlPlane(
            folder=self.folder,
            address="127.0.0.1",
            services=_SERVICES,
            port=port,
            etcd_port=etcd_port,
            etcd_peer_port=etcd_peer_port,
            wrap=_dies_with_us,
            extra=tuple(extra_flags),
        )
        self.url = self._plane.url
        self.kubeconfig = self._plane.kubeconfig
        """The administrator's kubeconfig file."""
        self.ca_file = self._plane.authority.pair.cert
        """Verifies the API server; for a webhook or an aggregated API issue its certificate with `server_cert`."""

    def __enter__(self) -> Self:
        """Start both programs and wait until the API is ready."""
        try:
            self._plane.start_etcd()
            self._plane.start_apiserver()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both programs and delete every trace."""
        self._stop()

    def client_cert(self, user: str, groups: Sequence[str] = ()) -> tuple[Path, Path]:
        """Certificate and key that the API server knows as this user in these groups."""
        pair = self._plane.authority.issue(f"client-{_file_name(user, *groups)}", user, groups)
        return pair.cert, pair.key

    def client_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Kubeconfig of this user in these groups."""
        return self._plane.client(f"client-{_file_name(user, *groups)}", user, groups)

    def server_cert(self, *names: str) -> tuple[Path, Path]:
        """Certificate and key for a server of a test that the API server calls; `ca_file` verifies it."""
        pair = self._plane.authority.issue(f"server-{_file_name(*names)}", names[0], names=names)
        return pair.cert, pair.key

    @property
    def front_proxy_ca_file(self) -> Path:
        """What an aggregated API verifies the API server's own calls with."""
        return self.folder / "pki/front-proxy-ca.crt"

    def token(self, service_account: str, namespace: str = "default", audience: str | None = None) -> str:
        """A token of a ServiceAccount, issued by the API server's TokenRequest."""
        audiences = [f"--audience={audience}"] if audience else []
        return self.kubectl("create", "token", service_account, "-n", namespace, *audiences).strip()

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints as administrator; a failure is an error with its words."""
        done = subprocess.run(
            [kubectl(), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, manifest: str) -> str:
        """Apply YAML text on the server's side."""
        return self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)

    def expose(self, name: str, namespace: str, port: int) -> None:
        """Make a Service lead to a port of this machine, for an aggregated API or a webhook that a test serves.

        The process must listen on all addresses: Kubernetes accepts no loopback address as an endpoint.
        """
        self.apply(tekton.as_yaml(exposure.service(name, namespace, exposure.machine_address(), port)))

    def install_tekton_crds(self) -> None:
        """Let the API server know TaskRuns, PipelineRuns and the rest of Tekton's kinds; nothing runs them."""
        self.apply(tekton.as_yaml(tekton.crds()))
        names = [f"crd/{crd['metadata']['name']}" for crd in tekton.crds()]
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)

    def _stop(self) -> None:
        for name in ("kube-apiserver", "etcd"):
            self._plane.process(name).stop(patience=2)
        shutil.rmtree(self.folder, ignore_errors=True)


def _dies_with_us(command: Sequence[str | Path]) -> list[str]:
    """Let the kernel end the program when a killed test run leaves no time to."""
    setpriv = shutil.which("setpriv")
    prefix = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
    return [*prefix, *map(str, command)]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]
    finally:
        for free in sockets:
            free.close()


def _file_name(*parts: str) -> str:
    """A short name that is another one for every other user, group or host."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
