"""The language of runs crafted outside Tekton: what is asked for, what is stored, what is answered.

`outsideopening` opens them and `outsideintake` goes on with them.
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from avouch import errors, plan
from avouch.api import durations
from avouch.controlplane import outsidevalues, values

EXPIRY = timedelta(hours=24)  # where the Workflow says nothing
MAX_STATE = 6 * 1024 * 1024  # bytes of what a client remembers between its commands, as in Chainloop
DEFAULT_VERSION = "v0"  # Chainloop's


@dataclass(frozen=True, slots=True)
class Stored:
    """A run outside Tekton as stored, and the present spec of its Workflow; None where that is gone."""

    run: values.Run
    outside: outsidevalues.Outside
    workflow_spec: dict[str, Any] | None
    findings: tuple[values.Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedVersion:
    """Which version of the project: by name, or the latest. `existing`: it must be there already."""

    name: str = ""
    existing: bool = False
    latest: bool = False
    mark_latest: bool | None = None  # None: only where it is new


@dataclass(frozen=True, slots=True)
class SaidRunner:
    """What the client says of its runner. `token` is the runner's own OIDC token, which proves it."""

    type: str = ""
    url: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Opening:
    """A wish to open a run. `id` is made by the client: asking again with the same one gives the same run."""

    id: uuid.UUID
    namespace: str
    workflow: str
    revision: int = 0  # 0: the newest
    runner: SaidRunner = field(default_factory=SaidRunner)
    version: WantedVersion = field(default_factory=WantedVersion)
    release: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A run with all that its client needs. `latest` is the contract's newest revision."""

    run: values.Run
    outside: outsidevalues.Outside
    plan: plan.Plan
    latest: int
    backend: values.Backend
    skip_runner_variables: bool = False
    gate: bool = False
    created: bool = False
    findings: tuple[values.Finding, ...] = ()


class Store(Protocol):
    """Runs outside Tekton. Each writing method is one transaction; a return means COMMIT."""

    async def find(self, run_id: uuid.UUID) -> Stored | None:
        """One run."""
        ...

    async def open(self, run: values.Run, extra: outsidevalues.Outside, *, mark_latest: bool | None) -> bool:
        """Create run and version. False: it was there. Raises errors.Conflict where the version is released."""
        ...

    async def extend(self, run_id: uuid.UUID, expires_at: datetime) -> None:
        """Expire not before this."""
        ...

    async def accept(self, claim: values.Claim) -> values.Receipt:
        """Store the claim that ends the run. Raises errors.Conflict where it has ended."""
        ...

    async def reset(self, run_id: uuid.UUID, reset: outsidevalues.Reset, at: datetime) -> None:
        """Give the run up. Raises errors.Conflict where it has ended."""
        ...

    async def version(self, namespace_uid: str, name: str) -> outsidevalues.Version | None:
        """A version of a project; the latest for an empty name."""
        ...

    async def state(self, run_id: uuid.UUID) -> tuple[str, bytes] | None:
        """(digest, content) of what the client remembers."""
        ...

    async def put_state(self, run_id: uuid.UUID, content: bytes, *, instead_of: str) -> str:
        """Remember instead of what has this digest. Raises errors.Conflict."""
        ...

    async def drop_state(self, run_id: uuid.UUID) -> None:
        """Forget it."""
        ...


class Backends(Protocol):
    """Where the artifacts of a namespace go."""

    async def of_namespace(self, namespace: str) -> values.Backend:
        """The one that the next artifact goes to."""
        ...


def released(version: str) -> errors.Conflict:
    """Why a version takes nothing more."""
    return errors.Conflict(f'version "{version}" is released and immutable: attestations cannot be added')


def expiry_of(spec: dict[str, Any]) -> timedelta:
    """How long a run may stay open without a sign of life."""
    said = spec.get("runExpiry")
    return durations.read(str(said)) if said else EXPIRY
