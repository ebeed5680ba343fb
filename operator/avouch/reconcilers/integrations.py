"""Integration: whether it says all that a delivery needs. Whether the receiver answers, deliveries tell."""

from avouch.kube.cache import Key, Object
from avouch.reconcilers import conditions
from avouch.reconcilers.context import Context, spec_of


def decide(integration: Object) -> conditions.Desired:
    """What the status should say."""
    spec = spec_of(integration)
    if spec.get("suspend") is True:
        return conditions.suspended(integration.get("status") or {})
    if not (spec.get("webhook") or {}).get("url"):
        return conditions.stalled(
            conditions.INVALID_INTEGRATION, "no address to deliver to (fix: add spec.webhook.url)"
        )
    return conditions.succeeded("ready to be attached")


async def reconcile(_world: Context, _key: Key, obj: Object) -> conditions.Desired:
    """Decide; an Integration is recorded with each attachment that uses it."""
    return decide(obj)


async def remove(world: Context, key: Key, old: Object | None) -> None:
    """Nothing was recorded."""
