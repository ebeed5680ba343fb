"""What crafting needs: the server, places for states, the CI job, registries. Each is imported when it is asked for."""

import importlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from avouch.cli import ports as shared
from avouch.cli.attestation import ports
from avouch.client import localstate
from avouch.crafting import statestore


def build(options: shared.Options, environment: Mapping[str, str]) -> ports.Adapters:
    """All of it."""
    return Attesting(options, environment)


@dataclass
class Attesting:
    """The adapters of one command."""

    options: shared.Options
    environment: Mapping[str, str]
    _reached: Any = None

    def now(self) -> datetime:
        """The time."""
        return datetime.now(UTC)

    def new_id(self) -> str:
        """A random UUID."""
        return str(uuid.uuid4())

    def namespace(self) -> str:
        """The namespace that was asked for."""
        found: str = self._reach().namespace()
        return found

    def server(self, expected: str = "") -> Any:
        """The server: `surroundings.Server`."""
        return self._reach().server(expected)

    def trust(self) -> tuple[bytes, ...]:
        """The authorities that the server believes."""
        found: tuple[bytes, ...] = self._reach().trust()
        return found

    def local(self, path: str) -> statestore.Keeper:
        """The state in a file."""
        place = Path(path) if path else localstate.path_for(self.environment, Path.cwd())
        return localstate.LocalState(place)

    def remote(self, run: str) -> statestore.Keeper:
        """The state on the server."""
        found: statestore.Keeper = self._reach().state(run)
        return found

    def around(self, environment: Mapping[str, str], runner: str) -> Any:
        """What the CI job knows: `surroundings.Around`."""
        return _wired("job").around(environment, runner, self._reach().token())

    def image(self, value: str, login: Any) -> Any:
        """What an image stands for now: `materials.images.Image`."""
        return _wired("images").build(self.environment, value, login)

    def report(self, environment: Mapping[str, str], runner: str, text: str) -> tuple[str, str]:
        """Show a text where the CI shows reports."""
        shown: tuple[str, str] = _wired("showing").build(environment, runner, text)
        return shown

    def login(self, server: str, token: str, ca: str) -> Path:
        """Check a server and keep the way to it."""
        file: Path = self._reach().login(server, token, ca)
        return file

    def _reach(self) -> Any:
        self._reached = self._reached or _wired("reach").build(self.options, self.environment)
        return self._reached


def _wired(name: str) -> Any:
    return importlib.import_module(f"avouch.processes.wiring.{name}")
