"""Access to the server: its address, token and CA, and one connection for all requests of a command."""

from collections.abc import Mapping
from pathlib import Path

import avouch
from avouch import errors
from avouch.cli import ports as cli_ports
from avouch.cli.attestation import ports
from avouch.client import access, connection, ingest, remotestate
from avouch.crafting import statestore

AGENT = f"avouch/{avouch.__version__}"
NAMESPACE = "AVOUCH_NAMESPACE"


def build(options: cli_ports.Options, environment: Mapping[str, str]) -> "ServerAccess":
    """Access to the server, for one command."""
    return ServerAccess(options, environment)


class ServerAccess:
    """Access to the server, as options, variables and the file of `login` say."""

    def __init__(self, options: cli_ports.Options, environment: Mapping[str, str]) -> None:
        self.options = options
        self.environment = environment
        self._link: connection.Connection | None = None

    def namespace(self) -> str:
        """The namespace that was asked for; empty where nothing was said.

        As in address and token, a line end that a CI's form or a file adds to the variable is not part of it.
        """
        return self.options.namespace or self.environment.get(NAMESPACE, "").strip() or self._stored().namespace

    def server(self, expected: str = "") -> ports.Server:
        """The server.

        Raises:
            Invalid: another one was asked for than the expected one.
        """
        return ingest.Ingest(self._connected(expected))

    def state(self, run: str) -> statestore.StateStore:
        """A state that the server keeps."""
        return remotestate.RemoteState(self._connected(""), run)

    def trust(self) -> tuple[bytes, ...]:
        """The authorities that the server trusts; it is asked without a token."""
        given = access.Login(self.options.server)
        found = access.resolve(given, self.environment, self._stored().login)
        return _authorities(found._replace(token=""))

    def trust_root(self) -> Mapping[str, object]:
        """The trust root that the server shows; it is asked without a token."""
        given = access.Login(self.options.server)
        link = connection.Connection(
            access.resolve(given, self.environment, self._stored().login)._replace(token=""), AGENT
        )
        try:
            return ingest.Ingest(link).trust_root()
        finally:
            link.close()

    def token(self) -> str:
        """The bearer token for the server."""
        return self._connected("").to.token

    def login(self, server: str, token: str, ca: str) -> Path:
        """Check a server and store its address and token; the file."""
        given = access.Login(server, token, access.trusted(ca or self.environment.get(access.CA, "")))
        _authorities(access.resolve(given, {}, access.Login()))
        path = access.file_of(self.environment)
        from avouch.client import config  # lazy: 20 ms (YAML), for `login` and for those who ran it

        config.write(path, access.Stored(given, self.options.namespace))
        return path

    def _connected(self, expected: str) -> connection.Connection:
        if self._link is None:
            self._link = connection.Connection(self._access(expected), AGENT, report=_note)
        found = self._link.to.server
        if expected and found != expected:
            message = f"the attestation belongs to {expected}, not to {found}"
            raise errors.Invalid(message, field="--server", fix=f"use {expected}, or start over with init --replace")
        return self._link

    def _access(self, expected: str) -> access.Access:
        """The server and the token for it; without an API token, the runner's own token."""
        said = self.options.server or self.environment.get(access.SERVER, "")
        given = access.Login(said or expected, self.options.token, self.options.ca)
        found = access.resolve(given, self.environment, self._stored().login)
        if found.token:
            return found
        from avouch.ci import identity  # lazy: 5 ms, for jobs without a token of ours

        proof = identity.fetch(self.environment)
        if not proof.token:
            raise errors.Unauthenticated(f"no token for {found.server} (fix: set {access.TOKEN}; {proof.note})")
        return found._replace(token=proof.token)

    def _stored(self) -> access.Stored:
        """What `login` kept; builds have no such file, and do not pay for reading YAML."""
        file = access.file_of(self.environment)
        if not file.exists():
            return access.Stored()
        from avouch.client import config  # lazy: as in `login`

        return config.read(file)


def _note(message: str) -> None:
    import click

    from avouch.cli import output

    click.echo(f"note: {output.harmless(message)}", err=True)


def _authorities(to: access.Access) -> tuple[bytes, ...]:
    link = connection.Connection(to, AGENT)
    try:
        return ingest.Ingest(link).trust()
    finally:
        link.close()
