"""The world of the command line: adapters that are imported when a command first asks for them."""

import importlib
import os
import time
from collections.abc import Mapping
from typing import Any

from avouch.cli import ports

_STEP = "/tekton/results"  # by it Chainloop's CLI and we know a step of Tekton


class World:
    """All adapters of the command line."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables of this process."""
        return os.environ

    def cluster(self, options: ports.Options) -> ports.Cluster:
        """Kubernetes, through the user's kubectl."""
        found: ports.Cluster = _wired("cluster", options)
        return found

    def download(self, url: str, limit: int) -> bytes:
        """What lies at a URL."""
        found: bytes = _wired("download", url, limit)
        return found

    def pod(self) -> tuple[str, Mapping[str, str]] | None:
        """Namespace and labels of the pod of a Tekton step; None elsewhere."""
        if not os.path.isdir(_STEP):
            return None
        found: tuple[str, Mapping[str, str]] = _wired("pod", self.environment)
        return found

    def attesting(self, options: ports.Options) -> Any:
        """What crafting needs."""
        return _wired("attesting", options, self.environment)

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        time.sleep(seconds)


def _wired(name: str, *arguments: Any) -> Any:
    return importlib.import_module(f"avouch.processes.wiring.{name}").build(*arguments)
