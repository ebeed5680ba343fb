"""What only a run outside Tekton has: who crafts it, where, for which version, and until when. Frozen values."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Attester:
    """Who crafts outside Tekton, as recorded when the run was opened; only the same one may go on with it.

    `type` and `id` are the predicate's `auth` (`AUTH_TYPE_API_TOKEN`, `AUTH_TYPE_FEDERATED`,
    `AUTH_TYPE_SERVICE_ACCOUNT`); `uris` is what its certificates name (`attestation.identity`).
    """

    type: str
    id: str
    uris: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Runner:
    """Where a run outside Tekton happens. All but `type` and `url` come from a token that the server verified.

    `proven` holds the variables that this token vouches for, such as GITHUB_SHA: an attestation that says another
    value contradicts it.
    """

    type: str = ""
    url: str = ""
    environment: str = "unknown"
    authenticated: bool = False
    workflow_file_path: str = ""
    proven: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reset:
    """Why somebody gave a run up: `failure` or `cancellation`."""

    trigger: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outside:
    """What only a run outside Tekton has. It ends with its one claim, with a reset, or when it expires."""

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
