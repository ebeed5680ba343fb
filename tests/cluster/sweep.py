"""Removes everything that a cluster left on the machine, whether it was stopped well or killed."""

import shutil
import time
from pathlib import Path

from tests.cluster import cgroups, network, processes
from tests.cluster.addresses import Addresses
from tests.cluster.commands import run
from tests.cluster.errors import ClusterError
from tests.cluster.processes import Process

_NETWORK_RESULTS = Path("/var/lib/cni/results")
_LOG_LINKS = Path("/var/log/containers")
_RUNC_STATE = Path("/run/containerd/runc/k8s.io")


def sweep(addresses: Addresses, folder: Path) -> None:
    """Leave no process, mount, control group, network or file of this cluster.

    Nobody is asked to end in good order: all that the programs could still write is deleted a moment later.
    """
    for file in (folder / "run").glob("*.pid"):
        Process(file.stem, folder).kill()
    _end_shims(folder)
    deadline = time.monotonic() + 5
    while cgroups.kill(addresses.cgroup) and time.monotonic() < deadline:
        time.sleep(0.1)
    _unmount(folder)
    cgroups.remove(addresses.cgroup)
    network.remove(addresses)
    _forget_networks(addresses)
    _forget_containers(folder)
    for link in _LOG_LINKS.glob("*.log"):
        if link.is_symlink() and folder in link.readlink().parents:
            link.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _end_shims(folder: Path) -> None:
    """A shim outlives its containerd; it is ours when it was told our socket."""
    ours = str(folder / "run/containerd.sock").encode()
    for commandline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = commandline.read_bytes().split(b"\0")
        except OSError:
            continue
        if ours in words and b"containerd-shim" in words[0]:
            processes.end(int(commandline.parent.name))


def _forget_networks(addresses: Addresses) -> None:
    """Delete the records that the network plugins keep at a fixed place for each pod."""
    ours = f"{addresses.namespace}-"
    for result in _NETWORK_RESULTS.glob(f"{ours}*-eth0"):
        sandbox = result.name.removeprefix(ours).removesuffix("-eth0")
        if "-" not in sandbox:  # else it is of a cluster whose name only starts like ours
            (_NETWORK_RESULTS / f"cni-loopback-{sandbox}-lo").unlink(missing_ok=True)
            result.unlink(missing_ok=True)


def _forget_containers(folder: Path) -> None:
    """Delete the sockets and records that shims and runc keep at a fixed place for each container that was killed."""
    for bundle in (folder / "containerd/state/io.containerd.runtime.v2.task/k8s.io").glob("*"):
        shutil.rmtree(_RUNC_STATE / bundle.name, ignore_errors=True)
        address = bundle / "address"
        if address.exists():
            Path(address.read_text(encoding="utf-8").removeprefix("unix://")).unlink(missing_ok=True)


def _unmount(folder: Path) -> None:
    """Unmount what is mounted below the cluster's folder, the youngest mount first.

    A mount that stays is an error: deleting the folder would delete through it, and it may show a folder of a person.
    """
    for mount in reversed(_mounts_below(folder)):
        run("umount", "--lazy", mount, tolerate=True)
    if left := _mounts_below(folder):
        raise ClusterError(f"still mounted, so nothing is deleted: {', '.join(map(str, left))}")


def _mounts_below(folder: Path) -> list[Path]:
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    mounts = [Path(line.split()[4].replace("\\040", " ")) for line in lines]
    return [mount for mount in mounts if mount.is_relative_to(folder)]
