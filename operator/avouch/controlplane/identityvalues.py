"""Whom the server knows by name: organisations and API tokens. Frozen values; times are timezone-aware UTC."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Organisation:
    """What the server needs of the Organization that a namespace belongs to."""

    name: str
    home: str  # its home namespace
    skip_runner_variables: bool = False
    prevent_implicit_workflow_creation: bool = False
    block_on_policy_violation: bool = False
    block_released_versions: bool = False
    retention: dict[str, Any] = field(default_factory=dict)  # of runs: `runs`, `keepLast`


class TokenScope(StrEnum):
    """How far an API token reaches."""

    ORGANIZATION = "Organization"
    PROJECT = "Project"
    WORKFLOW = "Workflow"


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """One API token as kept: never its text. `name` and `uid` are those of the APIToken object that asked for it."""

    id: str
    name: str
    namespace: str
    namespace_uid: str
    uid: str
    scope: str  # a TokenScope
    workflow: str  # the one it is limited to, with scope Workflow
    digest: bytes = field(repr=False)  # sha256 of the text
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    delivered_at: datetime | None = None  # the Secret holds it; a crash before leaves one that nobody knows
    revoked_because: str = ""
    rotate: str = ""  # spec.rotate for which it was made
