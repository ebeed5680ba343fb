"""Organization, `avouch.dev/v1alpha1`, cluster-scoped: which namespaces belong together, and under what settings."""

from typing import Annotated

from pydantic import Field

from avouch.api import expiry, meta


class Projects(meta.Model):
    """Which namespaces are projects of the organization: those named, and those that the labels select."""

    namespaces: Annotated[list[meta.Name], Field(max_length=1000)] = Field(default_factory=list)
    """Names of namespaces."""
    selector: meta.MatchLabels | None = None
    """Namespaces that carry these labels."""


_Most = Annotated[int, Field(ge=0, le=2**53)]
_Host = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]


class Quotas(meta.Model):
    """What each project may keep, instead of the quotas of the chart's values; 0 is no limit."""

    artifact_bytes: _Most | None = None
    """Bytes of the artifacts that a namespace stored."""
    artifact_count: _Most | None = None
    """Number of the artifacts that a namespace stored."""
    open_runs: _Most | None = None
    """External runs that a namespace may have open at a time."""
    state_bytes: _Most | None = None
    """Bytes of the states that a namespace's open external runs may keep on the server."""


class Settings(meta.Model):
    """Settings of the organization."""

    restrict_contract_creation: bool = False
    """If true, only users who may create Contracts in the home namespace may create them in a project, and no default
    Contracts are created. Default false."""
    api_token_inactivity_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """Days after which an unused APIToken is revoked, unless it sets inactiveAfter; without it, none is revoked."""
    skip_runner_variables: bool = False
    """If true, variables that the runner itself sets, such as GITHUB_ACTOR, are not recorded. Default false."""
    block_on_policy_violation: bool = False
    """If true, a violation of a policy fails the run, unless the policy's attachment says gate: false. Default false:
    it fails the run only where the attachment, or that of its group, says gate: true."""
    policies_allowed_hostnames: Annotated[list[_Host], Field(max_length=50)] = Field(default_factory=list)
    """Hosts that policies of the organization may be fetched from (https://, oci://), and that their scripts may ask
    with http.send. Each is one host, without scheme, port or wildcard. Default: none."""
    quotas: Quotas | None = None
    """What each project may keep, instead of the quotas of the chart's values."""


class OrganizationSpec(meta.Model):
    """What belongs to the organization."""

    suspend: bool = False
    """If true, changes of this object have no effect. Default false."""
    home_namespace: meta.Name
    """Namespace whose Contracts, Integrations and APITokens every project may refer to with scope Organization."""
    projects: Projects | None = None
    """Namespaces that are projects of this organization; the home namespace always is."""
    settings: Settings | None = None
    """Settings of the organization."""
    retention: expiry.Retention | None = None
    """How long runs of its projects are kept; a Workflow may override it."""


class OrganizationStatus(meta.Status):
    """Observed state of the organization."""

    projects: int | None = None
    """Number of namespaces that are projects of this organization."""


class Organization(meta.Model):
    """A home namespace, the namespaces that are its projects, and their settings."""

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Standard object's metadata."""
    spec: OrganizationSpec
    """What belongs to the organization."""
    status: OrganizationStatus | None = None
    """Observed state of the organization."""


KIND = meta.Kind(
    Organization,
    "organizations",
    "avorg",
    columns=(
        meta.READY,
        meta.Column("Home", ".spec.homeNamespace"),
        meta.Column("Projects", ".status.projects", "integer"),
        meta.REASON,
        meta.AGE,
    ),
    cluster=True,
    selectable=(".spec.homeNamespace",),
)
