"""What `init` needs of the CI job around us, beyond its variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from avouch.cli.attestation import ports
from avouch.crafting import run
from avouch.runners import commits, pullrequests


@dataclass(frozen=True, slots=True)
class Around:
    """What the job knows. `notes` say what could not be found out."""

    commit: commits.Commit | None = None
    pull_request: pullrequests.PullRequest | None = None
    identity_token: str = field(default="", repr=False)
    notes: tuple[str, ...] = ()


class Server(ports.Server, Protocol):
    """The server, which opens runs too."""

    def open(self, namespace: str, workflow: str, request: run.RunRequest) -> run.Run:
        """Open a run, or find the one of this id."""
        ...


class Adapters(ports.Adapters, Protocol):
    """The world of `init`."""

    def server(self, expected: str = "") -> Server:
        """The server."""
        ...

    def around(self, environment: Mapping[str, str], runner: str) -> Around:
        """What the job knows."""
        ...
