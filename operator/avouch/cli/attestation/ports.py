"""Ports of the attestation commands: the server, places for states, the CI job, registries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from avouch import digests
from avouch.crafting import run as crafting_run
from avouch.crafting import statestore, uploads

if TYPE_CHECKING:  # 15 ms that only `init` pays
    from avouch.materials import images
    from avouch.runners import commits, pullrequests


class Login(NamedTuple):
    """Credentials for one registry; empty where the machine's own are to be used."""

    server: str = ""
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        """Without the password."""
        return f"Login(server={self.server!r}, username={self.username!r})"


class JobFacts(NamedTuple):
    """What the CI job knows beyond its variables. `notes` say what could not be found out."""

    commit: commits.Commit | None = None
    pull_request: pullrequests.PullRequest | None = None
    identity_token: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without the token."""
        return f"Around(commit={self.commit!r}, pull_request={self.pull_request!r}, notes={self.notes!r})"


class Server(Protocol):
    """avouch's server, with the caller's token. Methods raise `errors.AvouchError` only."""

    @property
    def address(self) -> str:
        """Its address."""
        ...

    def open(self, namespace: str, workflow: str, request: crafting_run.RunRequest) -> crafting_run.Run:
        """Open a run, or find the one of this id."""
        ...

    def run(self, run: str, wait: int = 0) -> crafting_run.Run:
        """A run, as soon as it is judged, or after `wait` seconds."""
        ...

    def upload(self, run: str, source: uploads.Source, progress: uploads.Progress) -> bool:
        """Store a material's bytes; False where they were there already."""
        ...

    def upload_artifact(self, namespace: str, source: uploads.Source, progress: uploads.Progress) -> bool:
        """Store bytes without a run; False where they were there already."""
        ...

    def download_artifact(self, digest: digests.Digest, target: Path, progress: uploads.Progress) -> int:
        """Fetch bytes into a file; its size."""
        ...

    def certificate(self, run: str, request: bytes) -> str:
        """A certificate for a key, PEM."""
        ...

    def push(self, run: str, content: bytes) -> str:
        """Push a bundle; its digest."""
        ...

    def reset(self, run: str, trigger: str, reason: str) -> crafting_run.Run:
        """End a run without an attestation."""
        ...


class Adapters(Protocol):
    """All adapters, each built when it is first used."""

    def now(self) -> datetime:
        """The time."""
        ...

    def new_id(self) -> str:
        """A new unique id."""
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

    def trust_root(self) -> Mapping[str, object]:
        """The trust root that the server shows; it is asked without a token."""
        ...

    def trust(self) -> tuple[bytes, ...]:
        """The authorities that the server believes, PEM; anyone may ask."""
        ...

    def local(self, path: str) -> statestore.StateStore:
        """The state in a file; without a path, in the job's own place."""
        ...

    def remote(self, run: str) -> statestore.StateStore:
        """The state on the server."""
        ...

    def job(self, environment: Mapping[str, str], runner: str) -> JobFacts:
        """What the CI job knows of its commit, its pull request and its identity."""
        ...

    def image(self, value: str, login: Login) -> images.Image:
        """What a reference, an OCI layout on disk or an `oci://` chart stands for now."""
        ...

    def report(self, environment: Mapping[str, str], runner: str, text: str) -> tuple[str, str]:
        """Show a text where the CI shows reports; where that is, if anywhere, and what people should know."""
        ...

    def login(self, server: str, token: str, ca: str) -> Path:
        """Check a server and store its address and token; the file."""
        ...
