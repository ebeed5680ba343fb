"""APIToken, `avouch.dev/v1alpha1`: a revocable token for CI outside the cluster. Its text lands in a Secret, once."""

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
    """A field that never changes, whether or not it is set."""
    same = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    return rules.Rule(same, f"{field} cannot be changed", "make another APIToken and delete this one")


class Rotation(meta.Model):
    """When another token takes over."""

    every: Every | None = None
    """Make another token when the present one is this old, such as 720h; absent, only when spec.rotate changes."""
    overlap: Overlap | None = None
    """How long the token of before goes on working once another one took over. Default 24h."""


class APITokenSpec(meta.Model):
    """What the token may do, and how long."""

    cel = (
        rules.Rule(
            "(has(self.scope) && self.scope == 'Workflow') == has(self.workflow)",
            "workflow and scope Workflow belong together",
            "write scope: Workflow and the name of the Workflow, or neither",
        ),
        rules.Rule(
            "!has(self.lifetime) || !has(self.expiresAt)",
            "lifetime and expiresAt both say when the token ends",
            "keep one of lifetime and expiresAt",
        ),
        rules.Rule(
            "(has(self.scope) ? self.scope : 'Project') == (has(oldSelf.scope) ? oldSelf.scope : 'Project')",
            "scope cannot be changed",
            "make another APIToken and delete this one",
        ),
        _fixed("workflow"),
        _fixed("secretName"),
    )

    suspend: bool = False
    """Make no new token until it is false again; those that are there go on working. Default false."""
    scope: Literal["Project", "Organization", "Workflow"] | None = None
    """Project (the default): every Workflow of this namespace; Workflow: one of them; Organization: every Workflow of
    every project, and only in the home namespace of an Organization."""
    workflow: meta.Name | None = None
    """With scope Workflow: its name, in this namespace."""
    lifetime: Lifetime | None = None
    """How long each token works, such as 2160h; absent, it never expires."""
    expires_at: meta.Time | None = None
    """When the token ends, instead of lifetime, such as 2027-01-01T00:00:00Z."""
    rotate: Annotated[str, meta.bounded(253)] = ""
    """Any other text makes another token and writes it into the Secret, such as today's date."""
    rotation: Rotation | None = None
    """When another token takes over by itself, and how long the one of before goes on working."""
    revoked: bool = False
    """Revoke every token of this object at once, for good: only another spec.rotate makes one. Default false."""
    inactive_after: Unused | None = None
    """Revoke the token when nobody used it for this long; absent, the Organization's apiTokenInactivityDays decides."""
    secret_name: meta.ObjectName | None = None
    """Name of the Secret that the token is written to, key token. Default avouch-token- and the name of this object."""


class ActiveToken(meta.Model):
    """A token that works."""

    id: Annotated[str, meta.bounded(16)]
    """Its id: the part between the first and the second underscore of its text."""
    created_at: meta.Time
    """When it was made."""
    expires_at: meta.Time | None = None
    """When it ends; absent, never."""


class APITokenStatus(meta.Status):
    """What became of the token."""

    expires_at: meta.Time | None = None
    """When the present token ends; absent, it never expires."""
    last_used_at: meta.Time | None = None
    """When one of the tokens was last used, to within an hour."""
    secret_name: Annotated[str, meta.bounded(253)] | None = None
    """Secret that holds the present token."""
    tokens: Annotated[list[ActiveToken], Field(max_length=100)] = Field(default_factory=list)
    """Tokens that work, the present one first."""


class APIToken(meta.Model):
    """A revocable token for CI outside the cluster. Only its digest is kept; its text lands in a Secret."""

    cel = (
        rules.Rule(
            "self.metadata.name.size() <= 63 && self.metadata.name.matches('" + rules.DNS_1123 + "')",
            "metadata.name must contain only lowercase letters, numbers, and hyphens, at most 63",
            "rename the APIToken, such as github",
        ),
    )

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Kubernetes' own metadata."""
    spec: APITokenSpec
    """What the token may do, and how long."""
    status: APITokenStatus | None = None
    """What became of the token."""


KIND = meta.Kind(
    APIToken,
    "apitokens",
    "avtok",
    columns=(
        meta.READY,
        meta.Column("Scope", ".spec.scope"),
        meta.Column("Expires", ".status.expiresAt"),
        meta.Column("LastUsed", ".status.lastUsedAt", "date"),
        meta.Column("Secret", ".status.secretName", priority=1),
        meta.REASON,
        meta.AGE,
    ),
)
