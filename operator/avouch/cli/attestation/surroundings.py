"""What `init` needs of the CI job around us, beyond its variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from avouch.cli.attestation import ports
from avouch.contract import commits, pullrequests


@dataclass(frozen=True, slots=True)
class Around:
    """What the job knows. `notes` say what could not be found out."""

    commit: commits.Commit | None = None
    pull_request: pullrequests.PullRequest | None = None
    identity_token: str = field(default="", repr=False)
    notes: tuple[str, ...] = ()


class Adapters(ports.Adapters, Protocol):
    """The world of `init`."""

    def around(self, environment: Mapping[str, str], runner: str) -> Around:
        """What the job knows."""
        ...
