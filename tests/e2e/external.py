"""A machine outside the cluster: this checkout's command line, installed as anybody installs it, and nothing more."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from examples.quickstart import install
from tests.cluster import binaries
from tests.cluster.choice import AnyCluster
from tests.terminal import Terminal

WHEELS = (install.ROOT / "build/wheelhouse/server", install.ROOT / "build/quickstart-tools/wheelhouse")
QUIET = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore", "PIP_QUIET": "1"}


@dataclass(frozen=True)
class Machine:
    """Programs on PATH, a home, and a folder for everything else."""

    folder: Path
    environment: dict[str, str]

    def terminal(self, name: str, directory: Path, **variables: str) -> Terminal:
        """A shell on it."""
        return Terminal(self.folder / "terminals" / name, directory, {**self.environment, **variables})

    def job(self, name: str) -> Path:
        """An empty folder for a job."""
        made = self.folder / "jobs" / name
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        return made


def machine(folder: Path) -> Machine:
    """Make one: a virtual environment with the wheel of this checkout and what its extra `cli` asks for.

    Only wheels that are here already may be installed, where they fit this interpreter.
    """
    wheels = folder / "wheels"
    pip = (sys.executable, "-m", "pip")
    _run(*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(install.ROOT))
    for other in (found for shelf in WHEELS for found in shelf.glob("*.whl") if not found.name.startswith("avouch-")):
        if not (wheels / other.name).exists():
            (wheels / other.name).symlink_to(other)
    _run(sys.executable, "-m", "venv", str(folder / "venv"))
    python = folder / "venv/bin/python"
    (wheel,) = wheels.glob("avouch-*.whl")
    offline = {"PIP_NO_INDEX": "1"} if sys.version_info[:2] == (3, 11) else {}
    pips = {**QUIET, **offline, "PIP_FIND_LINKS": str(wheels)}
    _run(str(python), "-m", "pip", "install", f"avouch[cli] @ {wheel.as_uri()}", **pips)
    (folder / "tmp").mkdir()
    environment = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **pips,
    }
    return Machine(folder, environment)


def with_kubectl(cluster: AnyCluster, folder: Path, path: str) -> dict[str, str]:
    """What an operator has besides: kubectl, and a kubeconfig of the cluster."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kubectl").symlink_to(binaries.kubectl())
    return {"PATH": f"{folder}:{path}", "KUBECONFIG": str(cluster.kubeconfig)}


def _run(*command: str, **variables: str) -> None:
    subprocess.run(command, env={**os.environ, **variables}, check=True, stdout=subprocess.DEVNULL)
