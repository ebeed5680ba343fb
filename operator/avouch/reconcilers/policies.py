"""Policy: read, and each of its scripts compiled. One that does not compile, or is not to be found, is not Ready.

Scripts are anybody's: a look at one is bounded by the compiler, one at all of a policy here.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from avouch import digests, errors
from avouch.api import policy as kind
from avouch.contract import policies
from avouch.kube.cache import Key, Object
from avouch.policy import evaluation, identity, rego, scripts
from avouch.reconcilers import conditions, policylookup
from avouch.reconcilers.context import Context
from avouch.reconcilers.specs import suspended

TOGETHER = 25.0  # seconds for all scripts of one object, less than a worker waits for one attempt
RECHECK = 60.0  # seconds between looks whether there is an OPA by now
_WORDS = 2048  # characters of a condition's message


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the compiler said of scripts.

    Attributes:
        by: the compiler, such as OPA 1.22.3.
        flaws: what is wrong, each with its place.
        missing: why nothing compiles.
    """

    by: str = ""
    flaws: Sequence[str] = ()
    missing: str = ""

    @property
    def condition(self) -> conditions.Condition:
        """Whether runs can be judged by them."""
        status, reason, message = self._said()
        return conditions.Condition(conditions.POLICY_COMPILED, status, reason, message[:_WORDS])

    def _said(self) -> tuple[str, str, str]:
        if self.flaws:
            return "False", conditions.DOES_NOT_COMPILE, conditions.several(self.flaws)
        if self.missing:
            return "Unknown", conditions.ENGINE_MISSING, self.missing
        return "True", conditions.COMPILED, f"compiled by {self.by}" if self.by else "there is no script to compile"


NOTHING = Compiled()  # no script, so nothing is wrong with any


@dataclass(frozen=True, slots=True)
class Found:
    """What was gathered of a policy: why it cannot be read, or its digest and what the compiler said.

    `unread`: why a script that it names cannot be read.
    """

    problem: errors.Invalid | None = None
    unread: errors.AvouchError | None = None
    digest: digests.Digest | None = None
    compiled: Compiled = NOTHING


def decide(found: Found) -> conditions.Desired:
    """The status, from what was gathered."""
    if found.problem is not None:
        return unreadable(found.problem)
    if found.unread is not None:
        return _without_script(found.unread)
    said = found.compiled.condition
    return resolved(said).having(said, digest=str(found.digest))


def resolved(compiled: conditions.Condition) -> conditions.Desired:
    """Ready, from what is said of the scripts."""
    if compiled.status == "True":
        return conditions.succeeded(compiled.message)
    if compiled.status == "Unknown":
        return conditions.waiting(compiled.message, recheck=RECHECK)
    return conditions.stalled(compiled.reason, compiled.message)


def unreadable(problem: errors.Invalid) -> conditions.Desired:
    """It breaks rules: nothing was compiled."""
    reason, message = conditions.INVALID_POLICY, str(problem)
    said = conditions.Condition(conditions.POLICY_COMPILED, "False", reason, message[:_WORDS])
    return conditions.stalled(reason, message).having(said)


def _without_script(problem: errors.AvouchError) -> conditions.Desired:
    """It names a script that is not there, or is none: it may be there in a moment."""
    message = str(problem)
    said = conditions.Condition(conditions.POLICY_COMPILED, "False", conditions.SCRIPT_NOT_FOUND, message[:_WORDS])
    return conditions.waiting(message[:_WORDS]).having(said)


def kept(obj: Object) -> conditions.Desired:
    """Suspended: what was said of it stays."""
    status: Mapping[str, Any] = obj.get("status") or {}
    said = (conditions.of(status, one) for one in (conditions.POLICY_COMPILED, conditions.REFS_RESOLVED))
    known = (conditions.Condition(*(str(one[field]) for field in _FIELDS)) for one in said if one)
    return conditions.suspended(status).having(*known, digest=status.get("digest"))


_FIELDS = ("type", "status", "reason", "message")
_DECLARED = ("metadata", "spec")


async def compiled(compiler: evaluation.Compiler, found: Sequence[scripts.Script]) -> Compiled:
    """What the compiler says of them, within the time that one object may take."""
    flaws: list[str] = []
    try:
        async with asyncio.timeout(TOGETHER):
            for script in found:
                flaws += await _flaws(compiler, script)
    except TimeoutError:
        message = f"spec: its scripts take more than {TOGETHER:.0f} seconds to be compiled"
        flaws.append(errors.with_fix(message, "write them into several policies"))
    except errors.NotInstalled as exc:
        return Compiled(flaws=flaws, missing=errors.with_fix(str(exc), exc.fix))
    return Compiled(evaluation.engine_of(compiler.version), flaws)


async def _flaws(compiler: evaluation.Compiler, script: scripts.Script) -> Sequence[str]:
    try:
        return [_placed(script, flaw) for flaw in await evaluation.flaws(compiler, script)]
    except errors.TooLarge as exc:
        return [f"{script.place}: {errors.with_fix(exc.args[0], exc.fix)}"]


def _placed(script: scripts.Script, flaw: rego.Flaw) -> str:
    """Such as `spec.policies[0].embedded:12:5: var x is unsafe`."""
    return f"{script.place}:{flaw}" if flaw.line else f"{script.place}: {flaw}"


def read(obj: Object, name: str) -> kind.Policy | kind.PolicyGroup:
    """What a declared object says, whatever its status does; a list of them does not tell the kind.

    Raises:
        errors.Invalid: it breaks rules.
    """
    said = {field: obj[field] for field in _DECLARED if field in obj}
    return policies.read({"apiVersion": "chainloop.dev/v1", "kind": name, **said})


async def reconcile(context: Context, key: Key, obj: Object) -> conditions.Desired:
    """Read, compile and decide; nothing is recorded."""
    if suspended(obj):
        return kept(obj)
    try:
        policy = read(obj, key.kind)
    except errors.Invalid as exc:
        return decide(Found(problem=exc))
    if not isinstance(policy, kind.Policy):
        raise TypeError(f"{key.kind} is no Policy")
    whole, recheck = await policylookup.asked(context, key.namespace, lambda lookup: _whole(lookup, policy))
    if not isinstance(whole, kind.Policy):
        return replace(decide(Found(unread=whole)), recheck=recheck)
    said = await compiled(context.compiler, _scripts(policy, whole))
    digest = identity.digest(whole)
    changed = str(digest) != (obj.get("status") or {}).get("digest")  # by a script that the object only names
    desired = decide(Found(digest=digest, compiled=said))
    return replace(desired, requeue_dependents=changed, recheck=desired.recheck or recheck)


def _whole(lookup: policylookup.Lookup, policy: kind.Policy) -> kind.Policy | errors.AvouchError:
    """The policy with every script in it, or why one cannot be read."""
    try:
        return lookup.whole(policy)
    except (errors.Invalid, errors.NotFound, errors.Unavailable) as exc:
        return exc


def _scripts(policy: kind.Policy, whole: kind.Policy) -> Sequence[scripts.Script]:
    """The scripts of a policy with their texts, each where the object names it."""
    named, found = scripts.of(policy.spec), scripts.of(whole.spec)
    return [replace(script, place=one.place) for one, script in zip(named, found, strict=True)]


def within(place: str, found: Sequence[scripts.Script]) -> Sequence[scripts.Script]:
    """Scripts of a policy that stands in a field of another object."""
    return [replace(script, place=f"{place}.{script.place}") for script in found]


async def remove(context: Context, key: Key, old: Object | None) -> None:
    """Nothing was recorded."""
