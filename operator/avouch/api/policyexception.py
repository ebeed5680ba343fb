"""PolicyException, `avouch.dev/v1alpha1`: violations of one policy that fail no runs of some Workflows."""

from typing import Annotated

from pydantic import Field

from avouch.api import meta, rules

DAYS = 90  # at most, from the creation of the object


class ExceptedPolicy(meta.Model):
    """The policy that is excepted."""

    name: meta.ObjectName
    """Name of the Policy, such as banned-components."""
    digest: meta.DigestText | None = None
    """Digest of the Policy, as its status says; default: whatever it says."""


class PolicyExceptionSpec(meta.Model):
    """Which policy, for which Workflows, who granted it, why, and until when."""

    cel = (
        rules.Rule(
            "self.reason.matches('[^ ]')",
            "the reason is empty",
            "write why a violation of the policy is acceptable for now",
        ),
    )

    policy: ExceptedPolicy
    """Policy whose violations, and whose errors, do not fail a run."""
    workflows: Annotated[
        list[meta.ObjectName], Field(min_length=1, max_length=20, json_schema_extra={"x-kubernetes-list-type": "set"})
    ]
    """Names of the Workflows of this namespace that the exception is for."""
    materials: Annotated[list[meta.Word], Field(max_length=20, json_schema_extra={"x-kubernetes-list-type": "set"})] = (
        Field(default_factory=list)
    )
    """Names of the materials that the exception is for; default: all materials, and the attestation as a whole."""
    reason: Annotated[str, meta.bounded(256, minimum=1)]  # as often in an attestation as it covers evaluations
    """Why a violation is acceptable for now. It is shown in each verdict."""
    granted_by: Annotated[str, meta.bounded(253, minimum=1)]
    """User who grants the exception: the API server refuses any other name than that of who applies it."""
    expires_at: meta.Time
    """When the exception ends: at most 90 days after the object was created."""
    suspend: bool = False
    """If true, nothing is excepted. Default false."""


class PolicyExceptionStatus(meta.Status):
    """Observed state of the exception. ReferencesFound is False while it names what does not exist."""


class PolicyException(meta.Model):
    """Violations of one policy that do not fail the runs of some Workflows, for a time."""

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Standard object's metadata."""
    spec: PolicyExceptionSpec
    """Which policy, for which Workflows, who granted it, why, and until when."""
    status: PolicyExceptionStatus | None = None
    """Observed state of the exception."""


KIND = meta.Kind(
    PolicyException,
    "policyexceptions",
    "avpe",
    columns=(
        meta.READY,
        meta.Column("Policy", ".spec.policy.name"),
        meta.Column("Expires", ".spec.expiresAt"),
        meta.Column("Granted-By", ".spec.grantedBy"),
        meta.REASON,
        meta.AGE,
    ),
)
