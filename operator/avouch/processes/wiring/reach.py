"""The server over HTTPS. Apart from `attesting`, since adding a text to a local attestation needs no network."""

import avouch
from avouch.cli.attestation import ports
from avouch.client import access, connection, ingest, remotestate
from avouch.crafting import keeping

AGENT = f"avouch/{avouch.__version__}"


def link(to: access.Access) -> connection.Connection:
    """One connection, for all requests of a command."""
    return connection.Connection(to, AGENT)


def server(over: connection.Connection) -> ports.Server:
    """The server."""
    return ingest.Ingest(over)


def authorities(over: connection.Connection) -> tuple[bytes, ...]:
    """Whom the server believes."""
    return ingest.Ingest(over).trust()


def state(over: connection.Connection, run: str) -> keeping.Keeper:
    """A state that the server keeps."""
    return remotestate.RemoteState(over, run)
