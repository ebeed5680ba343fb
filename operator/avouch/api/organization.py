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


class Settings(meta.Model):
    """Settings of the organization."""

    restrict_contract_creation: bool = False
    """Only who may create Contracts in the home namespace may create them in a project; default Contracts are then not
    made either. Default false."""
    api_token_inactivity_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """APITokens that nobody used for so many days are revoked, unless they say inactiveAfter. Absent, none is."""
    skip_runner_variables: bool = False
    """Do not record the variables that a runner sets by itself, such as GITHUB_ACTOR. Default false."""


class OrganizationSpec(meta.Model):
    """What belongs to the organization."""

    suspend: bool = False
    """Stop acting on changes until it is false again. Default false."""
    home_namespace: meta.Name
    """Namespace whose Contracts, Integrations and APITokens every project may refer to with scope Organization."""
    projects: Projects | None = None
    """Namespaces that are projects of this organization; the home namespace always is."""
    settings: Settings | None = None
    """Settings of the organization."""
    retention: expiry.Retention | None = None
    """How long runs of its projects are kept; a Workflow may say otherwise for its own."""


class OrganizationStatus(meta.Status):
    """What the organization holds."""

    projects: int | None = None
    """How many namespaces are projects of this organization."""


class Organization(meta.Model):
    """A home namespace, the namespaces that are its projects, and their settings."""

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Kubernetes' own metadata."""
    spec: OrganizationSpec
    """What belongs to the organization."""
    status: OrganizationStatus | None = None
    """What the organization holds."""


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
