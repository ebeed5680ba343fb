"""What crafting needs of the world outside: the server, places for states, the CI job, registries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from avouch import digests
from avouch.contract import commits, images, pullrequests
from avouch.crafting import keeping, opened, opening, sources


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """Credentials for one registry; empty where the machine's own are to be used."""

    server: str = ""
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Around:
    """What the CI job knows beyond its variables. `notes` say what could not be found out."""

    commit: commits.Commit | None = None
    pull_request: pullrequests.PullRequest | None = None
    identity_token: str = field(default="", repr=False)
    notes: tuple[str, ...] = ()


class Server(Protocol):
    """avouch's server, with the caller's token. Methods raise errors of ours only."""

    @property
    def address(self) -> str:
        """Where it is."""
        ...

    def open(self, namespace: str, workflow: str, request: opening.Opening) -> opened.Run:
        """Open a run, or find the one of this id."""
        ...

    def run(self, run: str, wait: int = 0) -> opened.Run:
        """A run, as soon as it is judged, or after so many seconds."""
        ...

    def upload(self, run: str, source: sources.Source, progress: sources.Progress) -> bool:
        """Store a material's bytes; False where they were there already."""
        ...

    def upload_artifact(self, namespace: str, source: sources.Source, progress: sources.Progress) -> bool:
        """Store bytes without a run; False where they were there already."""
        ...

    def download_artifact(self, digest: digests.Digest, target: Path, progress: sources.Progress) -> int:
        """Fetch bytes into a file; its size."""
        ...

    def certificate(self, run: str, request: bytes) -> str:
        """A certificate for a key, PEM."""
        ...

    def push(self, run: str, content: bytes) -> str:
        """Push a bundle; its digest."""
        ...

    def reset(self, run: str, trigger: str, reason: str) -> opened.Run:
        """End a run without an attestation."""
        ...


class Adapters(Protocol):
    """All of it, each built when it is first asked for."""

    def now(self) -> datetime:
        """The time."""
        ...

    def new_id(self) -> str:
        """An id that nobody has."""
        ...

    def namespace(self) -> str:
        """The namespace that was asked for; empty where nothing was said."""
        ...

    def server(self, expected: str = "") -> Server:
        """The server.

        Args:
            expected: the address that it must have, where a state says so.

        Raises:
            Invalid: none is known, or another than the expected one was asked for.
        """
        ...

    def trust(self) -> tuple[bytes, ...]:
        """The authorities that the server believes, PEM; anyone may ask."""
        ...

    def local(self, path: str, job: str) -> keeping.Keeper:
        """The state in a file; without a path, in the job's own place."""
        ...

    def remote(self, run: str) -> keeping.Keeper:
        """The state on the server."""
        ...

    def around(self, environment: Mapping[str, str], runner: str) -> Around:
        """What the CI job knows."""
        ...

    def image(self, value: str, login: RegistryLogin) -> images.Image:
        """What an image reference, a layout on disk or an `oci://` chart stands for now."""
        ...

    def report(self, environment: Mapping[str, str], runner: str, text: str) -> tuple[str, str]:
        """Show a text where the CI shows reports; where that is, if anywhere, and what people should know."""
        ...

    def login(self, server: str, token: str, ca: str) -> Path:
        """Check a server and keep the way to it; the file."""
        ...
