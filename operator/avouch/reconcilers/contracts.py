"""Contract: read, brought into its canonical form, recorded as a revision. Every revision is kept."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from avouch import digests, errors, rfc3339
from avouch.contract import owed as owed_form
from avouch.contract import owedview, revisions
from avouch.controlplane.model import contracts, replays
from avouch.kube.cache import Key, Object
from avouch.policy import resolution
from avouch.reconcilers import conditions, contractscripts, organizations, policylookup
from avouch.reconcilers.context import Context
from avouch.reconcilers.specs import contract_of, file_by_policies, suspended


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of the contract: its newest revision, or why it could not be read, or its policies not be found.

    `shown`: what runs owe that are held to that revision, as the status shows it.
    """

    revision: contracts.ContractRevision | None = None
    shown: conditions.Json | None = None
    problem: errors.Invalid | None = None
    unresolved: Sequence[resolution.Unresolved] = ()


def decide(
    contract: Object, recorded: Recorded, workflows: int, replayed: replays.Replay | None = None
) -> conditions.Desired:
    """The status, from what was gathered."""
    revision = recorded.revision
    fields = {"workflows": workflows}
    if revision is not None:
        digest, source = str(revision.digest), revision.source_digest or None
        return _resolved(contract, recorded).having(
            **fields,
            revision=revision.revision,
            digest=digest,
            sourceDigest=source,
            resolved=recorded.shown,
            replay=_replay(replayed, revision) if replayed else None,
        )
    return _resolved(contract, recorded).having(**fields)


def _replay(replayed: replays.Replay, revision: contracts.ContractRevision) -> dict[str, Any] | None:
    """What the newest revision would have done to past runs; nothing is said of another one."""
    asked, result = replayed.asked, replayed.result
    if (asked.revision, asked.namespace_uid) != (revision.revision, revision.namespace_uid):
        return None
    return {
        "revision": asked.revision,
        "at": rfc3339.to_seconds(replayed.at),
        "message": replays.told(result),
        "replayed": result.replayed,
        "wouldFail": result.would_fail,
        "wouldPass": result.would_pass,
        "unknown": result.unknown,
        "examples": [asdict(one) for one in result.examples],
    }


def _resolved(contract: Object, recorded: Recorded) -> conditions.Desired:
    if suspended(contract):
        return conditions.suspended(contract.get("status") or {})
    if recorded.problem is not None:
        return conditions.stalled(conditions.INVALID_CONTRACT, str(recorded.problem))
    if recorded.unresolved:
        return _unresolved(recorded.unresolved)
    return conditions.succeeded("recorded")


def _unresolved(found: Sequence[resolution.Unresolved]) -> conditions.Desired:
    """Waiting, where all that is missing may appear by itself."""
    told = conditions.several(found)
    if all(one.missing for one in found):
        return conditions.waiting(told)
    return conditions.stalled(conditions.INVALID_CONTRACT, told)


async def reconcile(context: Context, key: Key, obj: Object) -> conditions.Desired:
    """Read, look its policies up, and record; one that is suspended or in disorder keeps the revision it had."""
    bound, replayed = _bound(context, key), context.replayed.get((key.namespace, key.name))
    if suspended(obj):
        return decide(obj, await _kept(context, key), bound, replayed)
    try:
        canonical, source = await asyncio.to_thread(_read, context.canonical, obj)  # 90 ms for the largest
    except errors.Invalid as exc:
        return decide(obj, replace(await _kept(context, key), problem=exc), bound, replayed)
    owed, recheck = await _owed(context, key, canonical) if file_by_policies(obj) else (None, None)
    resolved = owed_form.canonical(owed.owed) if isinstance(owed, resolution.Resolved) else b""
    if isinstance(owed, resolution.Resolved) and not await _in_force(context, key, resolved):
        owed, recheck = await contractscripts.checked(context, key.namespace, owed, recheck)
    if owed is not None and not isinstance(owed, resolution.Resolved):
        kept = replace(await _kept(context, key), unresolved=owed)
        return replace(decide(obj, kept, bound, replayed), recheck=recheck)
    revision = contracts.ContractRevision(
        namespace=key.namespace,
        namespace_uid=context.namespace_uid(key.namespace),
        name=key.name,
        uid=str(obj["metadata"]["uid"]),
        revision=0,  # the store gives the number
        digest=digests.of_bytes(canonical),
        canonical=canonical,
        recorded_at=context.clock.now(),
        source_digest=source,
        resolved=resolved,
    )
    documents = owed.documents if owed else {}
    recorded = await context.contracts.record(revision, documents, epoch=context.epoch())
    is_new = recorded.recorded_at == revision.recorded_at
    return replace(decide(obj, await _shown(recorded), bound, replayed), requeue_dependents=is_new, recheck=recheck)


async def _in_force(context: Context, key: Key, resolved: bytes) -> bool:
    """Whether the newest revision has these policies: they were compiled when it was recorded."""
    newest = await context.contracts.newest(key.namespace, key.name)
    return newest is not None and newest.resolved == resolved


async def _kept(context: Context, key: Key) -> Recorded:
    """The revision that stays in force."""
    return await _shown(await context.contracts.newest(key.namespace, key.name))


async def _shown(revision: contracts.ContractRevision | None) -> Recorded:
    """A revision with what it owes, by the reading that plans are made by."""
    if revision is None:
        return Recorded()
    shown = await asyncio.to_thread(lambda: owedview.bounded(owed_form.of_revision(revision)))
    return Recorded(revision, shown)


def _read(canonical: Callable[[Object], bytes], obj: Object) -> tuple[bytes, str]:
    """The canonical form, and the digest of its source. Raises errors.Invalid."""
    return canonical(obj), str(revisions.source_digest(obj))


async def _owed(
    context: Context, key: Key, canonical: bytes
) -> tuple[resolution.Resolved | Sequence[resolution.Unresolved], float | None]:
    """What the contract owes with its policies looked up, and after how many seconds that may be something else.

    Of the largest contract that takes a tenth of a second.
    """
    settings = organizations.settings_of(context.cache, key.namespace)
    blocks, hosts = settings.block_on_policy_violation, settings.policies_allowed_hostnames

    def resolved(known: policylookup.Lookup) -> resolution.Resolved | Sequence[resolution.Unresolved]:
        return resolution.resolve(revisions.restore(canonical), known, blocks=blocks, hosts=hosts)

    return await policylookup.asked(context, key.namespace, resolved)


async def remove(context: Context, key: Key, old: Object | None) -> None:
    """Revisions are append-only: runs were judged against them."""


def _bound(context: Context, key: Key) -> int:
    """Workflows bound to this contract: those that name it here, and those that name it as their organization's."""
    filed = (context.cache.get(k) for k in context.cache.found("Workflow", f"contract/{key.name}"))
    return sum(_means(context, key, workflow) for workflow in filed if workflow is not None)


def _means(context: Context, key: Key, workflow: Object) -> bool:
    own = str(workflow["metadata"]["namespace"])
    if not contract_of(workflow)[1]:
        return own == key.namespace
    try:
        return organizations.home_of(context.cache, own) == key.namespace
    except (errors.NotFound, errors.Conflict):
        return False
