"""The kinds that users declare: reconcile an object, write its status once, tell about transitions, or try again later.

The one place where errors become conditions, and the only one that writes status.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias

from avouch import errors, rfc3339
from avouch.kube import events, resources, status
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.kube.queue import WorkQueue
from avouch.reconcilers import (
    apitokens,
    attachments,
    casbackends,
    conditions,
    contracts,
    integrations,
    organizations,
    policies,
    policyexceptions,
    policygroups,
    workers,
    workflows,
)
from avouch.reconcilers.context import Context
from avouch.reconcilers.specs import ELSEWHERE, WITH_POLICIES, file_by_contract, named, referring_to

_WORKERS = 32  # that many Workflows may share one commit
COMPILED = ("Policy", "PolicyGroup")  # kinds that take long: they have a queue and workers of their own
_COMPILING = 2  # workers of those: as many as may compile at once
LEISURE = 30.0  # seconds after which counts in a status catch up
_LESS = 5.0  # seconds, where they become less: a folder of Workflows is applied at once, few are deleted
PATIENCE = 10.0  # seconds for which an object waits before an Event tells of it
SLOW = 2.0  # seconds after which an object says that it is being worked on

Reconcile: TypeAlias = Callable[[Context, Key, Object], Awaitable[conditions.Desired]]
Remove: TypeAlias = Callable[[Context, Key, Object | None], Awaitable[None]]
Kept: TypeAlias = Callable[[Object, datetime], Mapping[str, Any]]
"""Fields of a status that stay as they are while the object is looked at, or cannot be."""


def nothing(_obj: Object, _now: datetime) -> Mapping[str, Any]:
    """Keep no field."""
    return {}


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind is reconciled."""

    resource: resources.Resource
    reconcile: Reconcile
    remove: Remove
    kept: Kept = nothing


KINDS: Mapping[str, Kind] = {
    "Contract": Kind(resources.CONTRACTS, contracts.reconcile, contracts.remove),
    "Organization": Kind(resources.ORGANIZATIONS, organizations.reconcile, organizations.remove),
    "Workflow": Kind(resources.WORKFLOWS, workflows.reconcile, workflows.remove, workflows.kept),
    "Integration": Kind(resources.INTEGRATIONS, integrations.reconcile, integrations.remove),
    "IntegrationAttachment": Kind(resources.ATTACHMENTS, attachments.reconcile, attachments.remove),
    "CASBackend": Kind(resources.CAS_BACKENDS, casbackends.reconcile, casbackends.remove),
    "Policy": Kind(resources.POLICIES, policies.reconcile, policies.remove),
    "PolicyGroup": Kind(resources.POLICY_GROUPS, policygroups.reconcile, policygroups.remove),
    "PolicyException": Kind(resources.POLICY_EXCEPTIONS, policyexceptions.reconcile, policyexceptions.remove),
    "APIToken": Kind(resources.API_TOKENS, apitokens.reconcile, apitokens.remove),
}


def desired_of(kind: str, error: errors.AvouchError) -> conditions.Desired:
    """What a failed reconcile says: the one table from errors to conditions."""
    if isinstance(error, errors.Invalid):
        return conditions.stalled(conditions.INVALID[kind], str(error))
    if isinstance(error, errors.Unavailable):
        return conditions.retrying(str(error))
    return conditions.retrying("reconciling failed unexpectedly; see the controller's log")


def dependents(context: Context, key: Key) -> list[Key]:
    """Whose outcome may change because of this object."""
    found = _DEPENDENTS.get(key.kind)
    return found(context.cache, key) if found else []


def _through_pipelines(cache: ObjectCache, key: Key) -> list[Key]:
    place = named(*key)
    pipelines = cache.found("Pipeline", place)
    through = [workflow for each in pipelines for workflow in cache.found("Workflow", named(*each))]
    return list(dict.fromkeys([*cache.found("Workflow", place), *through]))


def _referring(cache: ObjectCache, key: Key) -> list[Key]:
    """Groups and Contracts that a Policy or PolicyGroup is part of, also through a group; and what excepts it."""
    filed = referring_to(key.kind, key.name)
    groups = cache.found("PolicyGroup", filed)
    through = [each for one in groups for each in cache.found("Contract", referring_to("PolicyGroup", one.name))]
    excepting = cache.found("PolicyException", filed) if key.kind == "Policy" else []
    return list(dict.fromkeys([*groups, *cache.found("Contract", filed), *through, *excepting]))


def _of_workflow(cache: ObjectCache, key: Key) -> list[Key]:
    excepting = cache.found("PolicyException", named(*key))
    return [*cache.found("IntegrationAttachment", f"namespace/{key.namespace}"), *excepting]


def _reading(cache: ObjectCache, key: Key) -> list[Key]:
    """What reads files of a ConfigMap, also through a group: in its namespace, and in projects of that home."""
    filed = [each for kind in ("Policy", "Contract", "PolicyGroup") for each in cache.found(kind, ELSEWHERE)]
    seeing = {each for each in {one.namespace for one in filed} if _sees(cache, each, key.namespace)}
    own = [each for each in filed if each.namespace in seeing]
    groups = [referring_to("PolicyGroup", one.name) for one in own if one.kind == "PolicyGroup"]
    through = [each for group in groups for each in cache.found("Contract", group)]
    return list(dict.fromkeys([*own, *through]))


def _sees(cache: ObjectCache, namespace: str, home: str) -> bool:
    """Whether files of one namespace are found from another."""
    if namespace == home:
        return True
    try:
        return organizations.home_of(cache, namespace) == home
    except (errors.NotFound, errors.Conflict, errors.Invalid):
        return False


def _rival_backends(cache: ObjectCache, key: Key) -> list[Key]:
    """Two that claim one role stand in each other's way."""
    return [other for other in cache.found("CASBackend", f"namespace/{key.namespace}") if other != key]


def _of_organizations(cache: ObjectCache, key: Key) -> list[Key]:
    kinds = ("Organization", "Workflow", "IntegrationAttachment", "APIToken", "PolicyGroup")
    others = [other for kind in kinds for other in cache.keys(kind) if other != key]
    return [*others, *cache.found("Contract", WITH_POLICIES), *cache.found("Policy", ELSEWHERE)]


_DEPENDENTS: Mapping[str, Callable[[ObjectCache, Key], list[Key]]] = {
    "Contract": lambda cache, key: cache.found("Workflow", f"contract/{key.name}"),
    "Pipeline": _through_pipelines,
    "Task": _through_pipelines,
    "Policy": _referring,
    "PolicyGroup": _referring,
    "Integration": lambda cache, key: cache.found("IntegrationAttachment", f"integration/{key.name}"),
    "Workflow": _of_workflow,
    "CASBackend": _rival_backends,
    "ConfigMap": _reading,
    "Namespace": lambda cache, _key: cache.keys("Organization"),
    "Organization": _of_organizations,
}


def counted_by(context: Context, key: Key, obj: Object) -> list[Key]:
    """Contracts that count this Workflow: they hear of it at leisure, or binding a thousand would write a thousand."""
    if key.kind != "Workflow":
        return []
    filed = file_by_contract(obj)
    return [k for k in context.cache.keys("Contract") if f"contract/{k.name}" in filed]


@dataclass(frozen=True, slots=True)
class KindReconciler:
    """Reconciles declared objects: a queue, its workers, and an Event on each transition.

    What compiles policies waits in a queue of its own, where namespaces take turns: many policies, or slow ones, delay
    neither other kinds nor the policies of others.
    """

    context: Context
    queue: WorkQueue[Key]
    writer: status.StatusWriter
    recorder: events.Recorder
    count: workers.Count = workers.forget
    gone: dict[Key, Object] = field(default_factory=dict)  # what was known of deleted objects until they are removed
    waits: dict[Key, "Wait"] = field(default_factory=dict)  # objects that began to wait, and nobody was told
    clock: Callable[[], float] = time.monotonic
    compiling: WorkQueue[Key] = field(default_factory=lambda: WorkQueue(group=lambda key: key.namespace))
    _untried: set[Key] = field(default_factory=set)
    _tried: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self, key: Key, old: Object | None) -> None:
        """A declaration asks for something else, or was deleted (`old`): enqueue it and all that depends on it."""
        if old is not None:
            self.gone[key] = old
        if key.kind in KINDS:
            self.queue_of(key).add(key)
        self.add_many(dependents(self.context, key))
        now = old or self.context.cache.get(key)
        for counting in counted_by(self.context, key, now) if now else ():
            self.queue.add_after(counting, _LESS if old else LEISURE)

    def begin(self, keys: Iterable[Key]) -> None:
        """Enqueue what is declared at the start: `begun` waits until each of it was tried once, but for no policy."""
        known = [key for key in keys if key.kind in KINDS]
        self._untried.update(key for key in known if key.kind not in COMPILED)
        self.add_many(known)
        self._ended(None)

    async def begun(self, patience: float) -> None:
        """Wait until what `begin` enqueued was tried, but no longer than `patience` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._tried.wait()

    def _ended(self, key: Key | None) -> None:
        self._untried.discard(key or Key("", "", ""))
        if not self._untried:
            self._tried.set()

    def queue_of(self, key: Key) -> WorkQueue[Key]:
        """The queue that the key waits in."""
        return self.compiling if key.kind in COMPILED else self.queue

    def add_many(self, keys: Iterable[Key]) -> None:
        """Schedule one run of each key."""
        for key in keys:
            self.queue_of(key).add(key)

    @property
    def waiting(self) -> int:
        """How many keys wait."""
        return len(self.queue) + len(self.compiling)

    @property
    def workers(self) -> workers.Workers:
        """The workers' loop over the queue of most kinds."""
        return workers.Workers(self.queue, self.reconcile, self.count)

    async def run(self, number: int = _WORKERS) -> None:
        """Work until the queues drain."""
        compiling = workers.Workers(self.compiling, self.reconcile, self.count)
        await asyncio.gather(self.workers.run(number), compiling.run(_COMPILING))

    async def drain(self) -> None:
        """Accept no more keys, let active ones finish, end the workers."""
        await asyncio.gather(self.queue.drain(), self.compiling.drain())

    async def reconcile(self, key: Key) -> float | None:
        """One reconcile of one key. Returns after how many seconds to look again, or None.

        Raises:
            AvouchError: it has to be tried again; the status says so already.
        """
        try:
            return await self._reconcile(KINDS[key.kind], key)
        finally:
            self._ended(key)

    async def _reconcile(self, kind: Kind, key: Key) -> float | None:
        obj = self.context.cache.get(key)
        if obj is None:
            await kind.remove(self.context, key, self.gone.get(key))
            self.gone.pop(key, None)
            self.waits.pop(key, None)
            return None
        failed: errors.AvouchError | None = None
        try:
            desired = await self._watched(kind, key, obj)
        except errors.AvouchError as exc:
            desired, failed = desired_of(key.kind, exc).having(**kind.kept(obj, self.context.clock.now())), exc
        await self._say(kind, key, desired)
        await self._tell_of_wait(key)
        if desired.requeue_dependents:
            self.add_many(dependents(self.context, key))
        if failed is not None and not isinstance(failed, errors.Invalid):
            raise failed
        return desired.recheck

    async def _watched(self, kind: Kind, key: Key, obj: Object) -> conditions.Desired:
        """Reconcile; one that takes longer than `SLOW` on an unseen generation says first that it is at it."""
        work = asyncio.ensure_future(kind.reconcile(self.context, key, obj))
        try:
            done, _ = await asyncio.wait({work}, timeout=SLOW)
            seen = (obj.get("status") or {}).get("observedGeneration")
            if not done and seen != obj["metadata"].get("generation"):
                kept = kind.kept(obj, self.context.clock.now())
                await self._say(kind, key, conditions.progressing("reconciling").having(**kept))
            return await work
        finally:
            work.cancel()

    async def _say(self, kind: Kind, key: Key, desired: conditions.Desired) -> None:
        obj = self.context.cache.get(key)
        if obj is None:
            return
        wanted = desired.status(int(obj["metadata"].get("generation") or 0))
        try:
            after = await self.writer.write(kind.resource, obj, wanted, _stamp(self.context.clock.now()))
        except errors.NotFound:
            return  # deleted under us: the watch says so too
        if after is None:
            return
        self.context.cache.put(key, after)
        told = event_of(obj.get("status") or {}, wanted)
        subject = {**obj, "apiVersion": kind.resource.api_version, "kind": kind.resource.kind}
        if told is not None and conditions.holds(after, conditions.RECONCILING):
            self.waits[key] = Wait(self.clock() + PATIENCE, subject, told)
            self.queue_of(key).add_after(key, PATIENCE)
        elif told is not None:
            self.waits.pop(key, None)
            await self.recorder.record(subject, told)
        elif key in self.waits and (now := event_of({}, wanted)) is not None:  # it waits for something else by now
            self.waits[key] = replace(self.waits[key], told=now)
        if key.kind in ("Contract", "Integration", "Policy") and told:  # not for a count, which they do not depend on
            self.add_many(dependents(self.context, key))

    async def _tell_of_wait(self, key: Key) -> None:
        """The Event of an object that has waited for long enough; most wait for what was applied with them."""
        wait = self.waits.get(key)
        if wait is not None and self.clock() >= wait.until:
            del self.waits[key]
            await self.recorder.record(wait.subject, wait.told)


@dataclass(frozen=True, slots=True)
class Wait:
    """An Event that is told if the object still waits then. `until` is on the clock's scale."""

    until: float
    subject: Object
    told: events.Event


def event_of(before: Object, after: Object) -> events.Event | None:
    """The Event of a transition: Ready became another one, or its reason did while it is not True."""
    old, new = conditions.of(before, conditions.READY), conditions.of(after, conditions.READY)
    same = (old.get("status"), old.get("reason")) == (new.get("status"), new.get("reason"))
    if same or new.get("status") == "Unknown":
        return None
    reason = "Ready" if new["status"] == "True" else str(new["reason"])
    return events.Event(reason, str(new["message"]), warning=bool(conditions.of(after, conditions.STALLED)))


def _stamp(now: datetime) -> str:
    return rfc3339.to_seconds(now)
