"""Policy and PolicyGroup: read and held against Chainloop's schema. Nothing evaluates them yet, and they say so."""

from avouch import digests, errors
from avouch.contract import policies
from avouch.kube.cache import Key, Object
from avouch.reconcilers import conditions
from avouch.reconcilers.context import Context
from avouch.reconcilers.specs import suspended

_NOT_EVALUATED = conditions.Condition(
    conditions.EVALUATED,
    "False",
    conditions.NOT_EVALUATED,
    "this version does not evaluate policies: runs of a Contract that carries any are judged Error, never Passed",
)


def decide(obj: Object, found: digests.Digest | errors.Invalid) -> conditions.Desired:
    """The status, from what was gathered."""
    digest = str(found) if isinstance(found, digests.Digest) else None
    return _resolved(obj, found).having(_NOT_EVALUATED, digest=digest)


def _resolved(obj: Object, found: digests.Digest | errors.Invalid) -> conditions.Desired:
    if suspended(obj):
        return conditions.suspended(obj.get("status") or {})
    if isinstance(found, errors.Invalid):
        return conditions.stalled(conditions.INVALID_POLICY, str(found))
    return conditions.succeeded("valid, and not evaluated by this version")


async def reconcile(_context: Context, key: Key, obj: Object) -> conditions.Desired:
    """Read and decide; nothing is recorded."""
    try:
        return decide(obj, policies.digest({**obj, "apiVersion": "chainloop.dev/v1", "kind": key.kind}))
    except errors.Invalid as exc:
        return decide(obj, exc)


async def remove(context: Context, key: Key, old: Object | None) -> None:
    """Nothing was recorded."""
