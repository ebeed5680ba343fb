"""What is asked of the server when a run is opened."""

import re
from dataclasses import dataclass, field
from typing import Any

from avouch import errors

# Chainloop's rule, less its repeated tail, which the first class covers.
_VERSION = re.compile(r"[a-zA-Z0-9.\-_+]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Version:
    """The project version that the attestation is for. `mark_latest` None: as the server decides.

    Raises:
        Invalid: a name that no version has, or flags that contradict each other.
    """

    name: str = ""
    existing: bool = False
    latest: bool = False
    mark_latest: bool | None = None

    def __post_init__(self) -> None:
        if self.name and not _VERSION.fullmatch(self.name):
            fix = "use letters, digits and . - _ +, at most 128"
            raise errors.Invalid(f"{self.name[:80]!r} is no version", field="--version", fix=fix)
        if self.latest and self.name:
            raise errors.Invalid("--latest-version and --version exclude each other", fix="give one of them")
        if self.latest and self.mark_latest is not None:
            raise errors.Invalid("--latest-version and --mark-latest exclude each other", fix="give one of them")
        if self.existing and not (self.name or self.latest):
            raise errors.Invalid("--existing-version needs --version", fix="say which version must exist")


@dataclass(frozen=True, slots=True)
class Opening:
    """One run to open. `id` is made here, so that asking twice opens one run."""

    id: str
    contract_revision: int = 0
    runner_type: str = ""
    runner_url: str = ""
    identity_token: str = field(default="", repr=False)
    version: Version = field(default_factory=Version)
    release: bool = False
    dry_run: bool = False


def write(request: Opening) -> dict[str, Any]:
    """As it travels."""
    return {
        "id": request.id,
        "contractRevision": request.contract_revision,
        "runner": {
            "type": request.runner_type,
            "url": request.runner_url,
            "identityToken": request.identity_token,
        },
        "version": {
            "name": request.version.name,
            "existing": request.version.existing,
            "latest": request.version.latest,
            "markLatest": request.version.mark_latest,
        },
        "release": request.release,
        "dryRun": request.dry_run,
    }
