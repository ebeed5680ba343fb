"""IntegrationAttachment: both ends resolved and recorded, so that a verdict finds where it has to go.

The record holds a reference to the signing Secret, never its content: the worker reads it when it delivers.
"""

from dataclasses import dataclass
from typing import Any

from avouch import errors
from avouch.api.attachment import IntegrationAttachmentSpec
from avouch.api.integration import IntegrationSpec
from avouch.controlplane.model import deliveries
from avouch.kube.cache import Key, Object
from avouch.reconcilers import conditions, organizations
from avouch.reconcilers.context import Context, IntegrationTypes
from avouch.reconcilers.specs import declared, spec_of

_RECHECK = 30.0  # seconds between looks at deliveries that wait for a try


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of deliveries by state."""

    pending: int = 0
    delivered: int = 0
    failed: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Ends:
    """What was found at both ends; None = not there. `problem` says why the Integration's namespace is unknown."""

    integration: Object | None
    workflow_found: bool
    namespace: str = ""
    problem: str = ""


def record_of(attachment: Object, integration: Object, types: IntegrationTypes) -> deliveries.AttachmentRecord:
    """The row that judging reads. Suspended ends are recorded as such, so that deliveries wait.

    Raises:
        Invalid: the Integration does not say all that a delivery needs.
    """
    spec, meta = _read(attachment), attachment["metadata"]
    config: dict[str, Any] = {**types.config(declared(integration)), "verdicts": list(map(str, spec.verdicts))}
    target = spec_of(integration, IntegrationSpec)
    if target.secret_ref:
        config["secretRef"] = {**target.secret_ref.to_object(), "namespace": integration["metadata"]["namespace"]}
    if spec.suspend or target.suspend:
        config["suspend"] = True
    if spec.reevaluations:
        config["reevaluations"] = True
    return deliveries.AttachmentRecord(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        integration=integration["metadata"]["name"],
        type=target.type,
        config=config,
        workflow=spec.workflow_ref.name if spec.workflow_ref else "",
        selector=dict(spec.workflow_selector.match_labels) if spec.workflow_selector else {},
    )


def decide(attachment: Object, ends: Ends, counts: Counts) -> conditions.Desired:
    """The status, from what was gathered."""
    told = {
        "pending": counts.pending,
        "delivered": counts.delivered,
        "failed": counts.failed,
        "lastError": counts.last_error or None,
    }
    return _resolved(attachment, ends, counts).having(*_delivering(counts), **told)


def _resolved(attachment: Object, ends: Ends, counts: Counts) -> conditions.Desired:
    spec = _read(attachment)
    name = spec.integration_ref.name
    if spec.suspend:
        return conditions.suspended(attachment.get("status") or {})
    if ends.problem:
        return conditions.waiting(ends.problem)
    if ends.integration is None:
        return conditions.waiting(
            f"Integration {name} does not exist in namespace {ends.namespace}: apply it, or correct spec.integrationRef"
        )
    if conditions.holds(ends.integration, conditions.STALLED):
        return conditions.waiting(f"Integration {name} is not ready: see kubectl describe integration {name}")
    if spec.workflow_ref and not ends.workflow_found:
        return conditions.waiting(
            f"Workflow {spec.workflow_ref.name} does not exist: apply it, or correct spec.workflowRef"
        )
    done = conditions.succeeded("the Integration and the Workflows were found")
    return conditions.Desired(done.conditions, recheck=_RECHECK if counts.pending else None)


def _delivering(counts: Counts) -> tuple[conditions.Condition, ...]:
    if counts.last_error:
        return (
            conditions.Condition(conditions.DELIVERING, "False", conditions.DELIVERY_FAILED, counts.last_error[:1024]),
        )
    if counts.delivered:
        return (
            conditions.Condition(
                conditions.DELIVERING, "True", conditions.DELIVERED, "the receiver accepts deliveries"
            ),
        )
    return ()


async def reconcile(context: Context, key: Key, obj: Object) -> conditions.Desired:
    """Gather both ends and the counts, record the attachment where it is whole, say so."""
    ends = _ends(context, key, obj)
    record = _recordable(obj, ends, context.integrations)
    if record is not None:
        await context.workflows.upsert_attachment(record, epoch=context.epoch())
    else:
        await context.workflows.remove_attachment(key.namespace, key.name, epoch=context.epoch())
    counts = Counts(*await context.deliveries.counts(obj["metadata"]["uid"]))
    return decide(obj, ends, counts)


async def remove(context: Context, key: Key, old: Object | None) -> None:
    """Forget the attachment; deliveries already written go on."""
    await context.workflows.remove_attachment(key.namespace, key.name, epoch=context.epoch())


def _recordable(obj: Object, ends: Ends, types: IntegrationTypes) -> deliveries.AttachmentRecord | None:
    """None where an end is missing; an Integration that does not say enough says so itself."""
    if ends.integration is None or ends.problem:
        return None
    try:
        return record_of(obj, ends.integration, types)
    except errors.Invalid:
        return None


def _read(attachment: Object) -> IntegrationAttachmentSpec:
    return spec_of(attachment, IntegrationAttachmentSpec)


def _ends(context: Context, key: Key, obj: Object) -> Ends:
    spec = _read(obj)
    named, reference = spec.workflow_ref, spec.integration_ref
    found = named is None or context.cache.get(Key("Workflow", key.namespace, named.name)) is not None
    namespace = key.namespace
    if reference.scope == "Organization":
        try:
            namespace = organizations.home_of(context.cache, key.namespace)
        except (errors.NotFound, errors.Conflict) as exc:
            return Ends(None, found, problem=str(exc))
    return Ends(context.cache.get(Key("Integration", namespace, reference.name)), found, namespace)
