"""Who calls: organizations, API tokens and identities of OIDC, with the ports that know them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Organization:
    """What the server needs of the Organization that a namespace belongs to."""

    name: str
    home: str  # its home namespace
    skip_runner_variables: bool = False
    retention: dict[str, Any] = field(default_factory=dict)  # of runs: `runs`, `keepLast`
    quotas: dict[str, Any] = field(default_factory=dict)  # of each project: those of `quotas.SPELLED`


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


class Tokens(Protocol):
    """API tokens, without their texts."""

    async def find(self, token_id: str) -> TokenRecord | None:
        """One token; None also for one of a namespace that was deleted and made anew."""
        ...

    async def of_name(self, namespace: str, name: str) -> Sequence[TokenRecord]:
        """The newest tokens of every APIToken object that had this name, newest first."""
        ...

    async def record(self, token: TokenRecord, *, epoch: int) -> None:
        """Keep a new token, good from now on. Those of the same object that were never `delivered` are gone."""
        ...

    async def delivered(self, token_id: str, at: datetime, *, epoch: int) -> None:
        """Record that its Secret holds the token."""
        ...

    async def expire(self, token_id: str, at: datetime | None, *, epoch: int) -> None:
        """Set when the token expires; None: never."""
        ...

    async def revoke(self, uid: str, at: datetime, because: str, *, epoch: int) -> int:
        """Revoke every token of an APIToken object. Returns how many were not revoked before."""
        ...

    async def used(self, token_id: str, at: datetime) -> None:
        """It was used; written at most once an hour."""
        ...

    async def keys(self) -> Sequence[tuple[str, str, str]]:
        """(namespace, name, uid) of every APIToken object with a token that is not revoked, for the resync's diff."""
        ...


class Organizations(Protocol):
    """Which namespaces belong to which Organization, as the controller recorded them."""

    async def of_namespace(self, namespace: str) -> Organization | None:
        """The Organization that claims a namespace; None if none does, or two do."""
        ...

    async def record(self, organization: Organization, projects: Sequence[str], *, epoch: int) -> None:
        """Keep an Organization and the namespaces that it alone claims, instead of those of before."""
        ...

    async def remove(self, name: str, *, epoch: int) -> None:
        """Delete an Organization and its projects."""
        ...

    async def names(self) -> Sequence[str]:
        """Every Organization recorded, for the resync's diff."""
        ...


@dataclass(frozen=True, slots=True)
class OidcIdentity:
    """Whoever a token speaks for: signature, issuer, audience and times were verified.

    `runner` is the type of runner that this issuer's tokens come from, by the settings; empty for any other issuer.
    """

    issuer: str
    audience: str
    subject: str
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    runner: str = ""


class OidcVerifier(Protocol):
    """Looks at tokens of issuers outside the cluster."""

    def knows(self, token: str) -> bool:
        """Whether a token says that it is of an allowed issuer: a hint where to go with it, nothing more."""
        ...

    def audience_of(self, token: str) -> str:
        """The one audience that a token says it is for, unverified; "" where there is none or are several."""
        ...

    async def verify(self, token: str, audience: str) -> OidcIdentity:
        """The identity behind a token. Raises errors.Unauthenticated; errors.Unavailable without its issuer's keys."""
        ...
