"""External runs, of CI outside Tekton: what only they have, how one is opened, and the port that stores them."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from avouch import errors
from avouch.controlplane.model import artifacts, runs, workflowspecs
from avouch.findings import Finding

DEFAULT_VERSION = "v0"  # Chainloop's


@dataclass(frozen=True, slots=True)
class Attester:
    """Who attests an external run, as recorded when it was opened; only the same one may continue it.

    `type` and `id` are the predicate's `auth` (`AUTH_TYPE_API_TOKEN`, `AUTH_TYPE_FEDERATED`,
    `AUTH_TYPE_SERVICE_ACCOUNT`); `uris` is what its certificates name (`attestation.identity`).
    """

    type: str
    id: str
    uris: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Runner:
    """Where an external run is executed. `type` and `url` are what its client says; a verified token says the rest.

    `authenticated`: the token proves the type. `proven` holds the variables that it vouches for, such as GITHUB_SHA: an
    attestation that says another value contradicts it. `proven_url` is the job's page, where the token names it.
    """

    type: str = ""
    url: str = ""
    environment: str = "unknown"
    authenticated: bool = False
    workflow_file_path: str = ""
    proven: dict[str, str] = field(default_factory=dict)
    proven_url: str = ""

    def lacks_proof_of(self, wanted: str) -> str:
        """Why this is not proven to be a runner of the type that a contract asks for; "" if it is, or none is asked."""
        if not wanted or (self.authenticated and self.type == wanted):
            return ""
        if self.authenticated:
            return f"the runner's token proves {self.type}"
        return f"no verified token of the runner proves it, which says that it is {self.type or 'none'}"


@dataclass(frozen=True, slots=True)
class Reset:
    """Why somebody gave a run up: `failure` or `cancellation`."""

    trigger: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ExternalPart:
    """What only an external run has. It ends with its one claim, with a reset, or when it expires."""

    run_id: uuid.UUID
    attester: Attester
    runner: Runner
    organization: str
    expires_at: datetime
    lifetime: timedelta  # from the last arrival to the expiry
    version: str = ""
    prerelease: bool = True
    release: bool = False  # the version is to be released once this run has passed
    reset: Reset | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a project. Once released it takes no further attestations."""

    name: str
    prerelease: bool = True
    latest: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """An external run as stored, and the present rules of its Workflow; None where that is gone."""

    run: runs.Run
    external: ExternalPart
    rules: workflowspecs.Rules | None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionRequest:
    """Which version of the project: by name, or the latest. `existing`: it must be there already."""

    name: str = ""
    existing: bool = False
    latest: bool = False
    mark_latest: bool | None = None  # None: only where it is new


@dataclass(frozen=True, slots=True)
class RunnerRequest:
    """What the client says of its runner. `token` is the runner's own OIDC token, which proves it."""

    type: str = ""
    url: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A wish to open a run. `id` is made by the client: asking again with the same one gives the same run."""

    id: uuid.UUID
    namespace: str
    workflow: str
    revision: int = 0  # 0: the newest
    runner: RunnerRequest = field(default_factory=RunnerRequest)
    version: VersionRequest = field(default_factory=VersionRequest)
    release: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A stored run with what its client needs besides. `latest` is the contract's newest revision."""

    stored: Stored
    latest: int
    backend: artifacts.Destination
    skip_runner_variables: bool = False
    created: bool = False
    unproven: tuple[Finding, ...] = ()  # what was told of the runner when it was opened, and not proven


class Store(Protocol):
    """External runs. Each writing method is one transaction; a return means COMMIT."""

    async def find(self, run_id: uuid.UUID) -> Stored | None:
        """One run."""
        ...

    async def open(self, run: runs.Run, extra: ExternalPart, *, mark_latest: bool | None) -> bool:
        """Create run and version. False: it was there. Raises errors.Conflict where the version is released."""
        ...

    async def extend(self, run_id: uuid.UUID, expires_at: datetime) -> None:
        """Extend the run: it expires no earlier than this."""
        ...

    async def accept(self, claim: runs.Claim) -> runs.Receipt:
        """Store the claim that ends the run. Raises errors.Conflict where it has ended."""
        ...

    async def reset(self, run_id: uuid.UUID, reset: Reset, at: datetime) -> None:
        """Give the run up. Raises errors.Conflict where it has ended."""
        ...

    async def version(self, namespace_uid: str, name: str) -> Version | None:
        """A version of a project; the latest for an empty name."""
        ...

    async def state(self, run_id: uuid.UUID) -> tuple[str, bytes] | None:
        """(digest, content) of what the client remembers."""
        ...

    async def put_state(self, run_id: uuid.UUID, content: bytes, *, instead_of: str) -> str:
        """Remember instead of what has this digest. Raises errors.Conflict."""
        ...

    async def drop_state(self, run_id: uuid.UUID) -> None:
        """Delete the stored state."""
        ...


class Backends(Protocol):
    """Where the artifacts of a namespace go."""

    async def of_namespace(self, namespace: str) -> artifacts.Destination:
        """The backend for the next artifact of a namespace."""
        ...


def released(version: str) -> errors.Conflict:
    """The error text for a released version."""
    return errors.Conflict(
        f'version "{version}" is released and immutable: attestations cannot be added (fix: name another version)'
    )
