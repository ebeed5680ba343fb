"""PolicyGroup: read, each reference looked up, each embedded policy compiled. It is Ready when all its policies are.

What a reference means stands in `policylookup`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from avouch import digests, errors
from avouch.api import contract as contract_kind
from avouch.api import policy as kind
from avouch.contract import policies as reading
from avouch.contract import upstream
from avouch.kube.cache import Key, Object
from avouch.policy import identity, resolution, scripts
from avouch.reconcilers import conditions, policies, policylookup
from avouch.reconcilers.context import Context
from avouch.reconcilers.specs import suspended

_TOLD = 5  # references in a condition
_WORDS = 2048  # characters of a condition's message


@dataclass(frozen=True, slots=True)
class Found:
    """What was gathered of a group: why it cannot be read; or its digest and what became of its policies.

    Attributes:
        unresolved: references without a policy, by their places.
        waiting: policies that are there and not Ready.
        compiled: what the compiler said of embedded policies.
    """

    problem: errors.Invalid | None = None
    digest: digests.Digest | None = None
    unresolved: Sequence[tuple[str, policylookup.Unresolved]] = ()
    waiting: Sequence[str] = ()
    compiled: policies.Compiled = policies.NOTHING


def decide(found: Found) -> conditions.Desired:
    """The status, from what was gathered."""
    if found.problem is not None:
        return policies.unreadable(found.problem)
    refs, compiled = _refs(found), _compiled(found)
    return _resolved(refs, compiled).having(compiled, refs, digest=str(found.digest))


def _resolved(refs: conditions.Condition, compiled: conditions.Condition) -> conditions.Desired:
    if compiled.status == "False" and compiled.reason != conditions.POLICY_NOT_READY:
        return conditions.stalled(compiled.reason, compiled.message)
    if refs.reason == conditions.REFERENCE_ELSEWHERE:
        return conditions.stalled(refs.reason, refs.message)
    if refs.status != "True":
        return conditions.waiting(refs.message)
    if compiled.reason == conditions.POLICY_NOT_READY:
        return conditions.waiting(compiled.message)
    return policies.resolved(compiled)


def _refs(found: Found) -> conditions.Condition:
    if not found.unresolved:
        return conditions.Condition(conditions.REFS_RESOLVED, "True", conditions.RESOLVED, "each policy was found")
    # What only an edit of the group heals is said first.
    ordered = sorted(found.unresolved, key=lambda one: one[1].reason != conditions.REFERENCE_ELSEWHERE)
    message = conditions.several([f"{place}: {one}" for place, one in ordered])
    return conditions.Condition(conditions.REFS_RESOLVED, "False", ordered[0][1].reason, message[:_WORDS])


def _compiled(found: Found) -> conditions.Condition:
    said = found.compiled.condition
    if said.status != "True":
        return said
    if found.waiting:
        message = f"{'; '.join(found.waiting[:_TOLD])}: not Ready"
        return conditions.Condition(conditions.POLICY_COMPILED, "False", conditions.POLICY_NOT_READY, message[:_WORDS])
    return conditions.Condition(said.type, "True", conditions.COMPILED, "each policy compiles")


async def reconcile(context: Context, key: Key, obj: Object) -> conditions.Desired:
    """Read, look up, compile and decide; nothing is recorded."""
    if suspended(obj):
        return policies.kept(obj)
    try:
        group = policies.read(obj, key.kind)
        if not isinstance(group, kind.PolicyGroup):
            raise TypeError(f"{key.kind} is no PolicyGroup")
        attached = list(resolution.attachments(group.spec))
        within = [(place, policy) for place, each in attached if (policy := _embedded(place, each)) is not None]
    except errors.Invalid as exc:
        return decide(Found(problem=exc))
    looked, recheck = await policylookup.asked(
        context, key.namespace, lambda lookup: _looked_up(lookup, attached, within)
    )
    said = await policies.compiled(context.compiler, looked.embedded)
    desired = decide(Found(None, identity.digest(group), looked.unresolved, list(looked.waiting), said))
    return replace(desired, recheck=desired.recheck or recheck)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What references led to.

    Attributes:
        unresolved: references without a policy, by their places.
        waiting: policies that are there and not Ready.
        embedded: the scripts of embedded policies.
    """

    unresolved: list[tuple[str, policylookup.Unresolved]] = field(default_factory=list)
    waiting: dict[str, None] = field(default_factory=dict)
    embedded: list[scripts.Script] = field(default_factory=list)


def _looked_up(
    lookup: policylookup.Lookup,
    attached: Sequence[tuple[str, contract_kind.PolicyAttachment]],
    embedded: Sequence[tuple[str, kind.Policy]],
) -> _Looked:
    found = _Looked()
    for place, own in embedded:
        try:
            found.embedded.extend(policies.within(f"{place}.embedded", scripts.of(lookup.whole(own).spec)))
        except (errors.Invalid, errors.NotFound, errors.Unavailable) as exc:
            missing = policylookup.Unresolved(conditions.SCRIPT_NOT_FOUND, str(exc))
            found.unresolved.append((f"{place}.embedded", missing))
    for place, each in attached:
        policy = None if each.ref is None else lookup.found("Policy", each.ref)
        if isinstance(policy, policylookup.Unresolved):
            found.unresolved.append((f"{place}.ref", policy))
        elif policy is not None and not conditions.holds(policy, conditions.READY):
            found.waiting[f"Policy {policy['metadata']['namespace']}/{policy['metadata']['name']}"] = None
    return found


def _embedded(place: str, attachment: contract_kind.PolicyAttachment) -> kind.Policy | None:
    """The policy that an attachment has in itself, if any. Raises errors.Invalid."""
    if attachment.embedded is None:
        return None
    try:
        policy = reading.read(upstream.to_object(attachment.embedded))
    except errors.Invalid as exc:
        where = ".".join(part for part in (f"{place}.embedded", exc.field) if part)
        raise errors.Invalid(exc.args[0], field=where, fix=exc.fix) from exc
    if not isinstance(policy, kind.Policy):
        raise errors.Invalid("is no Policy", field=f"{place}.embedded.kind", fix="write kind: Policy")
    return policy


async def remove(context: Context, key: Key, old: Object | None) -> None:
    """Nothing was recorded."""
