"""What crafting needs: the server, places for states, the CI job, registries. Each is imported when it is asked for."""

import dataclasses
import importlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from avouch import errors
from avouch.cli import ports as shared
from avouch.cli.attestation import ports
from avouch.client import access, localstate
from avouch.crafting import keeping

NAMESPACE = "AVOUCH_NAMESPACE"


def build(options: shared.Options, environment: Mapping[str, str]) -> ports.Adapters:
    """All of it."""
    return Attesting(options, environment)


@dataclass
class Attesting:
    """The adapters of one command; it has one connection to the server."""

    options: shared.Options
    environment: Mapping[str, str]
    _link: Any = None

    def now(self) -> datetime:
        """The time."""
        return datetime.now(UTC)

    def new_id(self) -> str:
        """A random UUID."""
        return str(uuid.uuid4())

    def namespace(self) -> str:
        """The namespace that was asked for."""
        return self.options.namespace or self.environment.get(NAMESPACE, "") or self._stored().namespace

    def server(self, expected: str = "") -> ports.Server:
        """The server."""
        found: ports.Server = _reach().server(self._connected(expected))
        return found

    def trust(self) -> tuple[bytes, ...]:
        """The authorities that the server believes; it is asked without a token."""
        given = access.Login(self.options.server)
        to = dataclasses.replace(access.resolve(given, self.environment, self._stored().login), token="")
        found: tuple[bytes, ...] = _reach().authorities(_reach().link(to))
        return found

    def local(self, path: str) -> keeping.Keeper:
        """The state in a file."""
        place = Path(path) if path else localstate.path_for(self.environment, Path.cwd())
        return localstate.LocalState(place)

    def remote(self, run: str) -> keeping.Keeper:
        """The state on the server."""
        found: keeping.Keeper = _reach().state(self._connected(""), run)
        return found

    def around(self, environment: Mapping[str, str], runner: str) -> Any:
        """What the CI job knows: `surroundings.Around`."""
        return _job().around(environment, runner, self._access("").token)

    def image(self, value: str, login: Any) -> Any:
        """What an image stands for now: `contract.images.Image`."""
        return importlib.import_module("avouch.processes.wiring.images").build(self.environment, value, login)

    def report(self, environment: Mapping[str, str], runner: str, text: str) -> tuple[str, str]:
        """Show a text where the CI shows reports."""
        shown: tuple[str, str] = importlib.import_module("avouch.processes.wiring.showing").build(
            environment, runner, text
        )
        return shown

    def login(self, server: str, token: str, ca: str) -> Path:
        """Check a server and keep the way to it."""
        given = access.Login(server, token, access.trusted(ca or self.environment.get(access.CA, "")))
        found = access.resolve(given, {}, access.Login())
        _reach().authorities(_reach().link(found))
        path = access.file_of(self.environment)
        _module("config").write(path, access.Stored(given, self.options.namespace))
        return path

    def _connected(self, expected: str) -> Any:
        if self._link is None:
            self._link = _reach().link(self._access(expected))
        found = self._link.to.server
        if expected and found != expected:
            message = f"the attestation belongs to {expected}, not to {found}"
            raise errors.Invalid(message, field="--server", fix=f"use {expected}, or start anew with init --replace")
        return self._link

    def _access(self, expected: str) -> access.Access:
        """Where to go and as whom; a job without a token of ours shows the one of its own runner."""
        if self._link is not None:
            known: access.Access = self._link.to
            return known
        said = self.options.server or self.environment.get(access.SERVER, "")
        given = access.Login(said or expected, self.options.token)
        found = access.resolve(given, self.environment, self._stored().login)
        if found.token:
            return found
        token, why = _job().token(self.environment)
        if not token:
            raise errors.Unauthenticated(f"no token for {found.server} (fix: set {access.TOKEN}; {why})")
        return dataclasses.replace(found, token=token)

    def _stored(self) -> access.Stored:
        """What `login` kept; builds have no such file, and do not pay for reading YAML."""
        file = access.file_of(self.environment)
        if not file.exists():
            return access.Stored()
        found: access.Stored = _module("config").read(file)
        return found


def _module(name: str) -> Any:
    return importlib.import_module(f"avouch.client.{name}")


def _job() -> Any:
    return importlib.import_module("avouch.processes.wiring.job")


def _reach() -> Any:
    return importlib.import_module("avouch.processes.wiring.reach")
