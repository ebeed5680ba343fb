"""containerd for one cluster: its own configuration, storage and socket, never the machine's."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.addresses import Addresses
from tests.cluster.commands import run
from tests.cluster.processes import Process, inside

_PLUGINS = ("/usr/lib/cni", "/opt/cni/bin")
_UNUSED = (
    "io.containerd.internal.v1.opt",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.tracing.processor.v1.otlp",
)


@dataclass(frozen=True)
class Containerd:
    """Runs the pods' containers and keeps the node's images."""

    folder: Path
    """State folder of the cluster."""
    addresses: Addresses
    sandbox_image: str
    """Image whose one process holds a pod's namespaces."""

    @property
    def socket(self) -> Path:
        """Where the kubelet and `ctr` reach it."""
        return self.folder / "run/containerd.sock"

    @property
    def process(self) -> Process:
        """The daemon."""
        return Process("containerd", self.folder)

    def start(self) -> None:
        """Write the configuration and start the daemon."""
        home = self.folder / "containerd"
        (home / "cni").mkdir(parents=True, exist_ok=True)
        (home / "cni/10-avouch.conflist").write_text(json.dumps(self._network(), indent=2), encoding="utf-8")
        (home / "config.toml").write_text(self._config(home), encoding="utf-8")
        command = ["containerd", "--config", home / "config.toml"]
        self.process.start(inside(self.addresses.namespace, [str(word) for word in command]))
        self.process.wait_until(lambda: "Server:" in self.ctr("version", tolerate=True), 30, "it answered")

    def ctr(self, *arguments: str | Path, tolerate: bool = False) -> str:
        """What containerd's own client prints, in the kubelet's containerd namespace."""
        return run("ctr", "--address", self.socket, "--namespace", "k8s.io", *arguments, tolerate=tolerate)

    def load(self, archive: Path) -> None:
        """Make the images of an OCI or Docker archive known to the node."""
        self.ctr("images", "import", archive)

    def name_by_digest(self, image: str) -> str:
        """Name a loaded image REPOSITORY@DIGEST, too, as one that was pulled is: statuses of pods have that name."""
        digest = self.ctr("images", "list", f"name=={image}").splitlines()[1].split()[2]
        name = f"{image.rpartition(':')[0]}@{digest}"
        self.ctr("images", "tag", "--force", image, name)
        return name

    def _config(self, home: Path) -> str:
        plugin_folder = next((folder for folder in _PLUGINS if Path(folder, "ptp").exists()), _PLUGINS[0])
        on_overlay = "overlay" in run("stat", "--file-system", "--format=%T", home)
        return _CONFIG.format(
            root=home / "root",
            state=home / "state",
            socket=self.socket,
            unused=json.dumps(list(_UNUSED)),
            sandbox_image=self.sandbox_image,
            snapshotter="native" if on_overlay else "overlayfs",
            plugin_folder=plugin_folder,
            network_folder=home / "cni",
        )

    def _network(self) -> dict[str, object]:
        """Each pod gets a cable of its own, so all traffic is routed and kube-proxy's rules see all of it."""
        addresses = {
            "type": "host-local",
            "dataDir": str(self.folder / "containerd/addresses"),
            "ranges": [[{"subnet": self.addresses.pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        return {
            "cniVersion": "0.4.0",
            "name": self.addresses.namespace,
            "plugins": [
                {"type": "ptp", "ipMasq": False, "ipam": addresses},
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }


# restrict_oom_score_adj: where root lacks CAP_SYS_RESOURCE no sandbox starts without it.
# netns_mounts_under_state_dir: a killed cluster's mounts are then found below its own folder.
_CONFIG = """\
version = 2
root = "{root}"
state = "{state}"
oom_score = 0
disabled_plugins = {unused}

[grpc]
address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{sandbox_image}"
stream_server_address = "127.0.0.1"
restrict_oom_score_adj = true
disable_apparmor = true
netns_mounts_under_state_dir = true
tolerate_missing_hugetlb_controller = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugin_folder}"
conf_dir = "{network_folder}"
"""
