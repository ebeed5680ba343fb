"""The one node of a cluster: kubelet and kube-proxy beside containerd, and cluster DNS on top."""

import json
import string
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import images, places
from tests.cluster.addresses import Addresses
from tests.cluster.binaries import binary
from tests.cluster.containerd import Containerd
from tests.cluster.controlplane import ControlPlane
from tests.cluster.processes import Process, inside


@dataclass(frozen=True)
class Node:
    """Runs pods. It is called like the cluster's network namespace."""

    plane: ControlPlane
    addresses: Addresses

    @property
    def name(self) -> str:
        """Name of the Node object."""
        return self.addresses.namespace

    @property
    def folder(self) -> Path:
        """State folder of the cluster."""
        return self.plane.folder

    @property
    def containerd(self) -> Containerd:
        """The node's container runtime."""
        return Containerd(self.folder, self.addresses, images.PAUSE)

    def start_kubelet(self) -> None:
        """Start the kubelet; it registers the node."""
        home = self.folder / "kubelet"
        for part in ("root", "logs", "plugins", "manifests"):
            (home / part).mkdir(parents=True, exist_ok=True)
        (home / "resolv.conf").write_text("", encoding="utf-8")
        config = home / "config.json"
        config.write_text(json.dumps(self._kubelet_config(home), indent=2), encoding="utf-8")
        kubeconfig = self.plane.client("kubelet", f"system:node:{self.name}", ["system:nodes"])
        self._start(
            "kubelet",
            binary("kubelet"),
            f"--config={config}",
            f"--kubeconfig={kubeconfig}",
            f"--root-dir={home / 'root'}",
            f"--cert-dir={home / 'pki'}",
            f"--hostname-override={self.name}",
            f"--node-ip={self.addresses.node}",
        )

    def start_proxy(self) -> None:
        """Start kube-proxy, which turns Service addresses into pod addresses inside the cluster's own network."""
        config = self.folder / "kube-proxy.json"
        kubeconfig = self.plane.client("kube-proxy", "system:kube-proxy")
        nothing = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
        document = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "clusterCIDR": self.addresses.pods,
            "hostnameOverride": self.name,
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "oomScoreAdj": 0,
            "conntrack": nothing | {"udpTimeout": "0s", "udpStreamTimeout": "0s"},
            "nftables": {"minSyncPeriod": "200ms"},
        }
        config.write_text(json.dumps(document, indent=2), encoding="utf-8")
        self._start("kube-proxy", binary("kube-proxy"), f"--config={config}")

    def dns_manifest(self) -> str:
        """CoreDNS at the address that every pod's resolver asks."""
        template = string.Template((places.HERE / "manifests/coredns.yaml").read_text(encoding="utf-8"))
        return template.substitute(image=images.COREDNS, address=self.addresses.dns)

    def _start(self, name: str, *command: str | Path) -> None:
        Process(name, self.folder).start(inside(self.addresses.namespace, command))

    def _kubelet_config(self, home: Path) -> dict[str, object]:
        serving = self.plane.authority.issue(
            "kubelet-serving", f"system:node:{self.name}", ["system:nodes"], [self.name, self.addresses.node]
        )
        never = {
            "memory.available": "0%",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        }
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.addresses.node,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.plane.authority.pair.cert)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(serving.cert),
            "tlsPrivateKeyFile": str(serving.key),
            "containerRuntimeEndpoint": f"unix://{self.containerd.socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.addresses.cgroup}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "enforceNodeAllocatable": [],
            "makeIPTablesUtilChains": False,
            "clusterDNS": [self.addresses.dns],
            "clusterDomain": "cluster.local",
            "resolvConf": str(home / "resolv.conf"),
            "podLogsDir": str(home / "logs"),
            "volumePluginDir": str(home / "plugins"),
            "evictionHard": never,
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "serializeImagePulls": False,
            "registryPullQPS": 0,
            "eventRecordQPS": 0,
            "maxPods": 200,
            "kubeAPIQPS": 200,
            "kubeAPIBurst": 400,
        }
