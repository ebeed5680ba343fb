"""APIToken, `avouch.dev/v1alpha1`: a revocable token for CI outside the cluster. A Secret gets its text, once."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from avouch.api import durations, meta, rules

_LIFETIME = durations.Span("10m", "87600h")
_EVERY = durations.Span("1h", "8760h")
_OVERLAP = durations.Span("0s", "8760h")
_UNUSED = durations.Span("24h", "87600h")  # use is written down once an hour: less would sweep what is in use

Lifetime = Annotated[str, _LIFETIME.field, AfterValidator(_LIFETIME.check)]
Every = Annotated[str, _EVERY.field, AfterValidator(_EVERY.check)]
Overlap = Annotated[str, _OVERLAP.field, AfterValidator(_OVERLAP.check)]
Unused = Annotated[str, _UNUSED.field, AfterValidator(_UNUSED.check)]


def _fixed(field: str) -> rules.Rule:
    """A rule that the field cannot be set, changed or removed later."""
    same = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    return rules.Rule(same, f"{field} cannot be changed", "create a new APIToken and delete this one")


class Rotation(meta.Model):
    """When a new token replaces the current one."""

    every: Every | None = None
    """Age at which the current token is replaced, such as 720h; without it, only spec.rotate replaces the token."""
    overlap: Overlap | None = None
    """How long the previous token keeps working after a rotation. Default 24h."""


class APITokenSpec(meta.Model):
    """What the token may do, and for how long."""

    cel = (
        rules.Rule(
            "(has(self.scope) && self.scope == 'Workflow') == has(self.workflow)",
            "workflow must be set exactly when scope is Workflow",
            "write scope: Workflow and the name of the Workflow, or neither",
        ),
        rules.Rule(
            "!has(self.lifetime) || !has(self.expiresAt)",
            "lifetime and expiresAt cannot both be set",
            "keep one of lifetime and expiresAt",
        ),
        rules.Rule(
            "(has(self.scope) ? self.scope : 'Project') == (has(oldSelf.scope) ? oldSelf.scope : 'Project')",
            "scope cannot be changed",
            "create a new APIToken and delete this one",
        ),
        _fixed("workflow"),
        _fixed("secretName"),
    )

    suspend: bool = False
    """If true, no new token is created; existing tokens keep working. Default false."""
    scope: Literal["Project", "Organization", "Workflow"] | None = None
    """Workflows that the token covers. Project (the default): all of this namespace; Workflow: the named one;
    Organization: all of every project, allowed only in the home namespace of an Organization."""
    workflow: meta.Name | None = None
    """Name of a Workflow in this namespace; only with scope Workflow."""
    lifetime: Lifetime | None = None
    """How long each token is valid, such as 2160h; without it, tokens never expire."""
    expires_at: meta.Time | None = None
    """When the token expires, such as 2027-01-01T00:00:00Z; instead of lifetime."""
    rotate: Annotated[str, meta.bounded(253)] = ""
    """Change this text, such as to today's date, to create a new token and write it into the Secret."""
    rotation: Rotation | None = None
    """When a new token is created automatically, and how long the previous one keeps working."""
    revoked: bool = False
    """If true, all tokens of this object are revoked; only a new spec.rotate creates another one. Default false."""
    inactive_after: Unused | None = None
    """Revoke a token that is unused for this long; default: the Organization's apiTokenInactivityDays."""
    secret_name: meta.ObjectName | None = None
    """Name of the Secret that the token is written to, key token. Default avouch-token- and the name of this object."""


class ActiveToken(meta.Model):
    """A valid token."""

    id: Annotated[str, meta.bounded(16)]
    """Id of the token: the part between the first and the second underscore of its text."""
    created_at: meta.Time
    """When the token was created."""
    expires_at: meta.Time | None = None
    """When the token expires; absent if it never does."""


class APITokenStatus(meta.Status):
    """Observed state of the token."""

    scope: Annotated[str, meta.bounded(16)] | None = None
    """Workflows that the token covers: spec.scope, or its default."""
    expires_at: meta.Time | None = None
    """When the current token expires; absent if it never does."""
    last_used_at: meta.Time | None = None
    """When one of the tokens was last used, to within an hour."""
    secret_name: Annotated[str, meta.bounded(253)] | None = None
    """Secret that holds the current token."""
    tokens: Annotated[list[ActiveToken], Field(max_length=100)] = Field(default_factory=list)
    """Valid tokens, the current one first."""


class APIToken(meta.Model):
    """A revocable token for CI outside the cluster. Only its digest is stored; its text is written to a Secret."""

    cel = (
        rules.Rule(
            "self.metadata.name.size() <= 63 && self.metadata.name.matches('" + rules.DNS_1123 + "')",
            "metadata.name must contain only lowercase letters, numbers, and hyphens, at most 63",
            "rename the APIToken, such as github",
        ),
    )

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Standard object's metadata."""
    spec: APITokenSpec
    """What the token may do, and for how long."""
    status: APITokenStatus | None = None
    """Observed state of the token."""


KIND = meta.Kind(
    APIToken,
    "apitokens",
    "avtok",
    columns=(
        meta.READY,
        meta.Column("Scope", ".status.scope"),
        meta.Column("Expires", ".status.expiresAt"),
        meta.Column("LastUsed", ".status.lastUsedAt", "date"),
        meta.Column("Secret", ".status.secretName", priority=1),
        meta.REASON,
        meta.AGE,
    ),
)
