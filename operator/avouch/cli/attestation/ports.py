"""What crafting needs of the world outside. `surroundings` and `registries` are for those commands that need more."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from avouch import digests
from avouch.crafting import run as opened
from avouch.crafting import statestore, uploads


class Server(Protocol):
    """avouch's server, with the caller's token. Methods raise errors of ours only."""

    @property
    def address(self) -> str:
        """Where it is."""
        ...

    def run(self, run: str, wait: int = 0) -> opened.Run:
        """A run, as soon as it is judged, or after so many seconds."""
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

    def local(self, path: str) -> statestore.Keeper:
        """The state in a file; without a path, in the job's own place."""
        ...

    def remote(self, run: str) -> statestore.Keeper:
        """The state on the server."""
        ...

    def report(self, environment: Mapping[str, str], runner: str, text: str) -> tuple[str, str]:
        """Show a text where the CI shows reports; where that is, if anywhere, and what people should know."""
        ...

    def login(self, server: str, token: str, ca: str) -> Path:
        """Check a server and keep the way to it; the file."""
        ...
