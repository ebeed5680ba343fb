"""PolicyException: recorded for judging while it excepts anything, forgotten as soon as it does not.

Whether it has expired, judging decides by its own clock. What cannot be read, is suspended or being deleted excepts
nothing. A name that leads nowhere yet keeps nothing from being recorded: it covers no run.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from avouch import errors, findings, rfc3339, spelling
from avouch.api import policyexception as kind
from avouch.controlplane.model import policyexceptions
from avouch.kube.cache import Key, Object
from avouch.reconcilers import conditions, policylookup, specs
from avouch.reconcilers.context import Context

LONGEST = timedelta(days=kind.DAYS)
RECHECK = 60.0  # seconds between looks while something that it names does not exist
_HOUR = 3600.0  # seconds, at most, until the next look at one that is in force


@dataclass(frozen=True, slots=True)
class Seen:
    """What was gathered: when it ends, and what it names that does not exist, each with the name that was meant."""

    now: datetime
    expires_at: datetime
    policy: str = ""
    workflows: tuple[str, ...] = ()


def expires_at(obj: Object, spec: kind.PolicyExceptionSpec) -> datetime:
    """When it ends.

    Raises:
        Invalid: that is no time, or later than an exception may last.
    """
    ends = rfc3339.read(spec.expires_at, "spec.expiresAt")
    latest = rfc3339.read(obj["metadata"]["creationTimestamp"], "metadata.creationTimestamp") + LONGEST
    if ends > latest:
        message = f"an exception lasts at most {kind.DAYS} days: this one until {rfc3339.to_seconds(latest)}"
        raise errors.Invalid(message, field="spec.expiresAt", fix="write an earlier time, and later another exception")
    return ends


def decide(obj: Object, seen: Seen) -> conditions.Desired:
    """The status, from what was gathered."""
    spec = _read(obj)
    if spec.suspend:
        return conditions.suspended(obj.get("status") or {})
    if seen.now >= seen.expires_at:
        fix = "delete it; if the violation is still acceptable, create another one"
        text = errors.with_fix(f"it ended at {rfc3339.to_seconds(seen.expires_at)} and excepts nothing", fix)
        return conditions.stalled(conditions.EXPIRED, text)
    if seen.policy:
        return _missing(conditions.POLICY_NOT_FOUND, seen.policy)
    if seen.workflows:
        return _missing(conditions.WORKFLOW_NOT_FOUND, findings.several(seen.workflows))
    done = conditions.succeeded(f"violations of {spec.policy.name} fail no run until {spec.expires_at}")
    left = (seen.expires_at - seen.now).total_seconds()
    return conditions.Desired(done.conditions, recheck=min(left, _HOUR))


def _missing(reason: str, message: str) -> conditions.Desired:
    said = conditions.Condition(conditions.REFERENCES_FOUND, "False", reason, message)
    return conditions.waiting(message, RECHECK).having(said)


def record_of(obj: Object, namespace_uid: str, ends: datetime) -> policyexceptions.PolicyException:
    """The row that judging reads."""
    spec, meta = _read(obj), obj["metadata"]
    return policyexceptions.PolicyException(
        namespace=meta["namespace"],
        namespace_uid=namespace_uid,
        name=meta["name"],
        policy=spec.policy.name,
        digest=spec.policy.digest or "",
        workflows=tuple(spec.workflows),
        materials=tuple(spec.materials),
        reason=spec.reason,
        granted_by=spec.granted_by,
        expires_at=ends,
    )


async def reconcile(context: Context, key: Key, obj: Object) -> conditions.Desired:
    """Record what excepts something now, forget what does not, and say what there is."""
    now = context.clock.now()
    try:
        spec = _read(obj)
        ends = expires_at(obj, spec)
    except errors.Invalid:
        await remove(context, key, obj)
        raise
    if spec.suspend or now >= ends or obj["metadata"].get("deletionTimestamp"):
        await remove(context, key, obj)
    else:
        record = record_of(obj, context.namespace_uid(key.namespace), ends)
        await context.exceptions.record(record, epoch=context.epoch())
    return decide(obj, Seen(now, ends, _unknown_policy(context, key, spec), _unknown_workflows(context, key, spec)))


async def remove(context: Context, key: Key, _old: Object | None) -> None:
    """Forget it: it excepts nothing any more."""
    await context.exceptions.remove(key.namespace, key.name, epoch=context.epoch())


def _unknown_policy(context: Context, key: Key, spec: kind.PolicyExceptionSpec) -> str:
    """What is wrong with the name of the policy; one may also be embedded where it is attached."""
    name, cache = spec.policy.name, context.cache
    namespaces = policylookup.of(cache, key.namespace).namespaces
    embedding = [each for one in ("Contract", "PolicyGroup") for each in cache.found(one, specs.embedding(name))]
    known = {each.name for each in cache.keys("Policy") if each.namespace in namespaces}
    if name in known or any(each.namespace in namespaces for each in embedding):
        return ""
    return f"there is no Policy {name} in namespace {' or '.join(namespaces)}{_meant(name, known)}"


def _unknown_workflows(context: Context, key: Key, spec: kind.PolicyExceptionSpec) -> tuple[str, ...]:
    known = {each.name for each in context.cache.keys("Workflow") if each.namespace == key.namespace}
    wrong = [name for name in spec.workflows if name not in known]
    return tuple(f"there is no Workflow {name}{_meant(name, known)}" for name in wrong)


def _meant(name: str, known: set[str]) -> str:
    near = spelling.nearest(name, sorted(known))
    return f": did you mean {near}?" if near else ""


def _read(obj: Object) -> kind.PolicyExceptionSpec:
    return specs.spec_of(obj, kind.PolicyExceptionSpec)
