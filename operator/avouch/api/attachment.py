"""IntegrationAttachment, `avouch.dev/v1alpha1`: one Integration attached to one Workflow, or to a selection of them."""

from typing import Annotated

from pydantic import Field

from avouch.api import meta, rules, vocabulary

Verdict = Annotated[vocabulary.VerdictName, Field(strict=False)]


class IntegrationAttachmentSpec(meta.Model):
    """Which verdicts are delivered, and to which Integration."""

    cel = (
        rules.exactly_one(
            ("workflowRef", "workflowSelector"),
            "name one Workflow in workflowRef, or select several by label in workflowSelector",
        ),
    )

    integration_ref: meta.ScopedRef
    """Integration to deliver to."""
    workflow_ref: meta.LocalRef | None = None
    """The one Workflow whose verdicts are delivered."""
    workflow_selector: meta.MatchLabels | None = None
    """Labels of the Workflows of this namespace whose verdicts are delivered."""
    suspend: bool = False
    """If true, deliveries are held back. Default false."""
    verdicts: Annotated[
        list[Verdict], Field(min_length=1, max_length=7, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = Field(default_factory=lambda: list(vocabulary.VerdictName))
    """Verdicts to deliver, such as [Failed, Rejected]; default: all of them."""
    reevaluations: bool = False
    """If true, also deliver the new verdicts of runs that somebody had judged again. Default false."""


class IntegrationAttachmentStatus(meta.Status):
    """Observed state of the deliveries."""

    pending: int | None = None
    """Number of deliveries that wait for their first or next attempt."""
    delivered: int | None = None
    """Number of deliveries that the receiver accepted."""
    failed: int | None = None
    """Number of deliveries that were given up."""
    last_error: meta.Text | None = None
    """Error of the last attempt."""


class IntegrationAttachment(meta.Model):
    """One Integration attached to one Workflow, or to a selection of them."""

    metadata: meta.ObjectMeta = Field(default_factory=meta.ObjectMeta)
    """Standard object's metadata."""
    spec: IntegrationAttachmentSpec
    """Which verdicts are delivered, and to which Integration."""
    status: IntegrationAttachmentStatus | None = None
    """Observed state of the deliveries."""


KIND = meta.Kind(
    IntegrationAttachment,
    "integrationattachments",
    "avatt",
    columns=(
        meta.READY,
        meta.Column("Workflow", ".spec.workflowRef.name"),
        meta.Column("Integration", ".spec.integrationRef.name"),
        meta.Column("Delivering", meta.condition("Delivering", "status")),
        meta.Column("Delivered", ".status.delivered", "integer"),
        meta.Column("Failed", ".status.failed", "integer"),
        meta.Column("Pending", ".status.pending", "integer", priority=1),
        meta.REASON,
        meta.AGE,
    ),
    selectable=(".spec.integrationRef.name", ".spec.workflowRef.name"),
)
