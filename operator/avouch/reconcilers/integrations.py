"""Integration: whether it says all that a delivery needs. Whether the receiver answers, deliveries tell."""

from avouch import errors
from avouch.kube.cache import Key, Object
from avouch.reconcilers import conditions
from avouch.reconcilers.context import Context, IntegrationTypes
from avouch.reconcilers.specs import declared, suspended


def decide(integration: Object, types: IntegrationTypes) -> conditions.Desired:
    """The status, from what was gathered."""
    if suspended(integration):
        return conditions.suspended(integration.get("status") or {})
    try:
        types.config(declared(integration))
    except errors.Invalid as exc:
        return conditions.stalled(conditions.INVALID_INTEGRATION, str(exc))
    return conditions.succeeded("ready to be attached")


async def reconcile(context: Context, _key: Key, obj: Object) -> conditions.Desired:
    """Decide; an Integration is recorded with each attachment that uses it."""
    return decide(obj, context.integrations)


async def remove(context: Context, key: Key, old: Object | None) -> None:
    """Nothing was recorded."""
