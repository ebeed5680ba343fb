"""etcd and kube-apiserver, which decide everything; controller manager and scheduler, which act on it."""

import ipaddress
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.cluster import kubeconfig, pki
from tests.cluster.binaries import binary
from tests.cluster.processes import Process

_ISSUER = "https://kubernetes.default.svc"


def _unwrapped(command: Sequence[str | Path]) -> list[str]:
    return [str(word) for word in command]


@dataclass(frozen=True)
class ControlPlane:
    """The two or four processes, where they listen, and the keys they know each other by."""

    folder: Path
    address: str
    """Under which everybody reaches the API server; for a node's sake not loopback where there is a node."""
    services: str
    """Network of the Service addresses; its first one is the API server's."""
    port: int = 6443
    etcd_port: int = 2379
    etcd_peer_port: int = 2380
    names: tuple[str, ...] = ()
    """Further names and addresses for the API server's certificate."""
    wrap: Callable[[Sequence[str | Path]], list[str]] = _unwrapped
    """Puts a command where it has to run, for example into a network namespace."""
    extra: tuple[str, ...] = field(default=())
    """Further flags of kube-apiserver."""

    @property
    def url(self) -> str:
        """Base address of the API."""
        return f"https://{self.address}:{self.port}"

    @cached_property
    def authority(self) -> pki.Authority:
        """Issues every client's and server's certificate but the aggregation layer's."""
        return pki.Authority(self.folder / "pki", "ca")

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "kubeconfig"

    def process(self, name: str) -> Process:
        """A process of this cluster by name."""
        return Process(name, self.folder)

    def client(self, name: str, user: str, groups: Sequence[str] = ()) -> Path:
        """Kubeconfig of somebody: a component or a user of a test."""
        pair = self.authority.issue(name, user, groups)
        return kubeconfig.write(self.folder / f"{name}.kubeconfig", self.url, self.authority.pair.cert, pair)

    def start_etcd(self) -> None:
        """Start the store. It does not wait for the disk: what a test loses in a power cut does not matter."""
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.etcd_peer_port}"
        self.process("etcd").start(
            self.wrap(
                [
                    binary("etcd"),
                    f"--data-dir={self.folder / 'etcd'}",
                    "--unsafe-no-fsync",
                    f"--listen-client-urls={client}",
                    f"--advertise-client-urls={client}",
                    f"--listen-peer-urls={peer}",
                    f"--initial-advertise-peer-urls={peer}",
                    f"--initial-cluster=default={peer}",
                    "--log-level=warn",
                ]
            )
        )

    def start_apiserver(self) -> None:
        """Start the API server and wait until it says that it is ready."""
        process = self.process("kube-apiserver")
        process.start(self.wrap(self._apiserver_command()))
        administrator = self.authority.issue("admin", "avouch-admin", ["system:masters"])
        kubeconfig.write(self.kubeconfig, self.url, self.authority.pair.cert, administrator)
        process.wait_until(lambda: self.ready(administrator), 60, "the API was ready")

    def ready(self, client: pki.Pair) -> bool:
        """Whether the API server answers and all its start-up work is done."""
        context = ssl.create_default_context(cafile=str(self.authority.pair.cert))
        context.load_cert_chain(client.cert, client.key)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(f"{self.url}/readyz", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def start_manager(self, pods: str) -> None:
        """Start the controllers that create pods, ServiceAccounts and endpoints."""
        self._start_controller(
            "kube-controller-manager",
            "--use-service-account-credentials",
            f"--root-ca-file={self.authority.pair.cert}",
            f"--service-account-private-key-file={pki.service_account_key(self.folder / 'pki')}",
            f"--cluster-signing-cert-file={self.authority.pair.cert}",
            f"--cluster-signing-key-file={self.authority.pair.key}",
            f"--cluster-cidr={pods}",
        )

    def start_scheduler(self) -> None:
        """Start what puts pods on nodes."""
        self._start_controller("kube-scheduler")

    def _start_controller(self, name: str, *flags: str) -> None:
        config = self.client(name, f"system:{name}")
        common = [f"--{purpose}kubeconfig={config}" for purpose in ("", "authentication-", "authorization-")]
        command: list[str | Path] = [binary(name), *common, "--bind-address=127.0.0.1", "--leader-elect=false", *flags]
        self.process(name).start(self.wrap(command))

    def _apiserver_command(self) -> list[str | Path]:
        first_service = str(ipaddress.ip_network(self.services)[1])
        in_cluster = [
            f"kubernetes{suffix}" for suffix in ("", ".default", ".default.svc", ".default.svc.cluster.local")
        ]
        names = [self.address, first_service, "127.0.0.1", "localhost", *in_cluster, *self.names]
        serving = self.authority.issue("apiserver", "kube-apiserver", names=list(dict.fromkeys(names)))
        to_kubelet = self.authority.issue("apiserver-to-kubelet", "kube-apiserver-kubelet-client", ["system:masters"])
        front = pki.Authority(self.folder / "pki", "front-proxy-ca")
        aggregator = front.issue("front-proxy-client", "front-proxy-client")
        signing = pki.service_account_key(self.folder / "pki")
        return [
            binary("kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--bind-address={self.address}",
            f"--advertise-address={self.address}",
            "--endpoint-reconciler-type=" + ("none" if self.address.startswith("127.") else "lease"),
            f"--secure-port={self.port}",
            f"--service-cluster-ip-range={self.services}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--enable-aggregator-routing=true",
            f"--client-ca-file={self.authority.pair.cert}",
            f"--tls-cert-file={serving.cert}",
            f"--tls-private-key-file={serving.key}",
            f"--service-account-issuer={_ISSUER}",
            f"--service-account-key-file={signing}",
            f"--service-account-signing-key-file={signing}",
            f"--kubelet-certificate-authority={self.authority.pair.cert}",
            f"--kubelet-client-certificate={to_kubelet.cert}",
            f"--kubelet-client-key={to_kubelet.key}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={front.pair.cert}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={aggregator.cert}",
            f"--proxy-client-key-file={aggregator.key}",
            *self.extra,
        ]
