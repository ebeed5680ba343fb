"""Which cluster a command means: one that was given, kind where Docker answers, else one made here.

A person's current kubectl context is never used: a test run must not meet a cluster that somebody works with.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from tests.cluster import kind
from tests.cluster.binaries import kubectl
from tests.cluster.cluster import Cluster, require_possible
from tests.cluster.commands import run
from tests.cluster.errors import Impossible
from tests.cluster.progress import say


class AnyCluster(Protocol):
    """What every sort of cluster can do."""

    kubeconfig: Path

    def up(self) -> None:
        """Bring it up, or leave it when it is."""

    def down(self) -> None:
        """Take it away, or leave it when it is not ours."""

    def status(self) -> list[tuple[str, int | None, bool]]:
        """Its parts: name, pid where there is one, whether it is healthy."""

    def load_image(self, archive: Path) -> None:
        """Make an image archive known to its nodes."""


class GivenCluster:
    """A cluster of somebody else, named by AVOUCH_KUBECONFIG: used as it is."""

    def __init__(self, kubeconfig: Path) -> None:
        if not kubeconfig.is_file():
            raise Impossible(f"AVOUCH_KUBECONFIG names {kubeconfig}, which is no file")
        self.kubeconfig = kubeconfig

    def up(self) -> None:
        """Nothing: it is somebody else's."""
        say(f"using the cluster of AVOUCH_KUBECONFIG={self.kubeconfig}")

    def down(self) -> None:
        """Nothing: it is somebody else's."""
        say("the cluster of AVOUCH_KUBECONFIG is not ours to stop")

    def status(self) -> list[tuple[str, int | None, bool]]:
        """Whether its API server says that it is ready."""
        answer = run(kubectl(), f"--kubeconfig={self.kubeconfig}", "get", "--raw", "/readyz", tolerate=True)
        return [("API server", None, answer == "ok")]

    def load_image(self, archive: Path) -> None:
        """Impossible: its nodes are out of reach."""
        raise Impossible(
            f"{archive.name} cannot be loaded into the cluster of AVOUCH_KUBECONFIG: push it to its registry"
        )


def choose(name: str) -> AnyCluster:
    """The cluster that this machine and its environment stand for."""
    given = os.environ.get("AVOUCH_KUBECONFIG")
    if given:
        return GivenCluster(Path(given))
    if _docker_answers() and shutil.which("kind"):
        return kind.KindCluster(name)
    require_possible()
    return Cluster(name)


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0
