"""Debian packages that a node needs beside our own binaries, installed when they are missing."""

import os
import shutil
import subprocess

from tests.cluster.errors import ClusterError, Impossible
from tests.cluster.progress import stage

NEEDED = {
    "containerd": "/usr/bin/containerd",
    "runc": "/usr/sbin/runc",
    "containernetworking-plugins": "/usr/lib/cni/ptp",
    "iptables": "/usr/sbin/iptables",
    "nftables": "/usr/sbin/nft",
    "conntrack": "/usr/sbin/conntrack",
    "iproute2": "/usr/sbin/ip",
    "busybox-static": "/usr/bin/busybox",
    "buildah": "/usr/bin/buildah",
    "mmdebstrap": "/usr/bin/mmdebstrap",
}
"""Each package and the file by which its presence is told."""

_OTHER_PATHS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin")


def missing() -> list[str]:
    """Names of the packages whose file is nowhere to be found."""
    return [package for package, file in NEEDED.items() if not _present(file)]


def ensure() -> None:
    """Install what is missing, or say in one line what a person has to install."""
    absent = missing()
    if not absent:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise Impossible(f"missing on this machine: {', '.join(absent)} (names of Debian packages)")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with stage(f"install Debian packages: {' '.join(absent)}"):
        for command in (
            ["apt-get", "-qq", "update"],
            ["apt-get", "-qq", "install", "--no-install-recommends", *absent],
        ):
            done = subprocess.run([*command, "-y"], env=environment, capture_output=True, text=True, check=False)
            if done.returncode and "install" in command:
                raise ClusterError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


def _present(file: str) -> bool:
    directory, _, name = file.rpartition("/")
    return os.path.exists(file) or any(
        os.path.exists(f"{other}/{name}") for other in _OTHER_PATHS if directory != other
    )
