"""Workflow: its Contract resolved, its record kept, and what its last run came to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from avouch import errors, rfc3339
from avouch.api import workflow as kind
from avouch.contract import mapping
from avouch.controlplane.model import contracts, runs, verdicts
from avouch.controlplane.model.opening import Opening
from avouch.findings import several
from avouch.kube import resources
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.reconcilers import conditions, organizations
from avouch.reconcilers.context import Context
from avouch.reconcilers.specs import contract_of, declared, spec_of, suspended


@dataclass(frozen=True, slots=True)
class Bound:
    """What the contractRef leads to. `problem` says why it leads nowhere, and what to do."""

    name: str
    namespace: str = ""
    contract: Object | None = None
    revision: contracts.ContractRevision | None = None
    problem: str = ""
    unknown: Sequence[mapping.Problem] = ()  # what the Workflow maps and the contract does not have
    looked: mapping.Looked | None = None  # what it names of Pipelines and Tasks; None: these have not been read yet


@dataclass(frozen=True, slots=True, eq=False)
class Named(Mapping[str, Object]):
    """The objects of one kind in one namespace, by name, as the cache holds them now."""

    cache: ObjectCache
    kind: str
    namespace: str

    def __getitem__(self, name: str) -> Object:
        found = self.cache.get(Key(self.kind, self.namespace, name))
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (key.name for key in self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    def _keys(self) -> Sequence[Key]:
        return self.cache.found(self.kind, f"namespace/{self.namespace}")


def decide(workflow: Object, bound: Bound, last: runs.Run | None, opening: Opening) -> conditions.Desired:
    """The status, from what was gathered."""
    fields: dict[str, Any] = {"lastRun": _last_run(last), **_said(opening)}
    if bound.revision is not None:
        fields["contract"] = f"{bound.namespace}/{bound.name}"
        fields["contractRevision"] = bound.revision.revision
    told = (*_last_run_passed(last), *_materials_known(bound), *_references_found(workflow, bound.looked))
    return _resolved(workflow, bound).having(*told, **fields)


def opening_of(workflow: Object, bound: Bound, now: datetime) -> Opening:
    """When the Workflow takes runs, by what its status says and what holds now.

    A Contract that is there and not recorded yet neither opens nor closes: the database may have been made anew.
    """
    said = told(workflow, now)
    if suspended(workflow) or bound.problem or bound.contract is None:
        return said.turned(False, now)
    return said.turned(None if bound.revision is None else True, max(now, _created(workflow)))


def kept(workflow: Object, now: datetime) -> Mapping[str, Any]:
    """What its status goes on to say while nothing new is known: a database that is away closes no Workflow."""
    return _said(told(workflow, now))


def _said(opening: Opening) -> Mapping[str, str | None]:
    times = {"openSince": opening.since, "openUntil": opening.until}
    return {name: None if at is None else rfc3339.to_seconds(at) for name, at in times.items()}


def told(workflow: Object, now: datetime) -> Opening:
    """What the status says of it. One of before it said so is open since it is Ready.

    Nothing, where it speaks of a time before the Workflow: somebody restored the status of a predecessor. What lies
    ahead was written by a clock that went wrong: it is open since now.
    """
    status = workflow.get("status") or {}
    ready = conditions.of(status, conditions.READY)
    was = ready.get("lastTransitionTime") if ready.get("status") == "True" and not _suspended(ready) else None
    since, until = _read(status.get("openSince") or was), _read(status.get("openUntil"))
    if since is None or since < _created(workflow):
        return Opening()
    return Opening(min(since, now.replace(microsecond=0)), until)


def _suspended(ready: Mapping[str, Any]) -> bool:
    return ready.get("reason") == conditions.SUSPENDED


def _created(workflow: Object) -> datetime:
    return rfc3339.read(workflow["metadata"]["creationTimestamp"], "metadata.creationTimestamp")


def _read(said: str | None) -> datetime | None:
    """A time of the status; what is none counts as unsaid: whoever may write a status may write anything."""
    try:
        return rfc3339.read(said, "status") if said else None
    except errors.Invalid:
        return None


def _resolved(workflow: Object, bound: Bound) -> conditions.Desired:
    if suspended(workflow):
        return conditions.suspended(workflow.get("status") or {})
    if bound.problem:
        return conditions.waiting(bound.problem)
    if bound.contract is None:
        return conditions.waiting(
            f"Contract {bound.name} does not exist in namespace {bound.namespace}: "
            "apply it, or correct spec.contractRef"
        )
    if bound.revision is None:
        return conditions.waiting(
            f"Contract {bound.name} has no recorded revision: see kubectl describe contract {bound.name}"
        )
    return conditions.succeeded(f"bound to Contract {bound.namespace}/{bound.name}")


def _materials_known(bound: Bound) -> tuple[conditions.Condition, ...]:
    """Written only where it is False: a name that the contract does not know is most likely misspelt.

    The Workflow stays Ready, for it may be ahead of its contract; its runs lack what the contract asks for meanwhile.
    """
    if not bound.unknown:
        return ()
    found = bound.unknown
    return (conditions.Condition(conditions.MATERIALS_KNOWN, "False", found[0].reason, mapping.told(found)),)


def _references_found(workflow: Object, looked: mapping.Looked | None) -> tuple[conditions.Condition, ...]:
    """Written only where it is not True. Ready does not depend on it: a run may come from elsewhere, by its label."""
    if looked is None:
        known = conditions.of(workflow.get("status") or {}, conditions.REFERENCES_FOUND)
        kept = (str(known.get(part) or "") for part in ("type", "status", "reason", "message"))
        return (conditions.Condition(*kept),) if known else ()
    if looked.problems:
        reason, message = looked.problems[0].reason, mapping.told(looked.problems)
        return (conditions.Condition(conditions.REFERENCES_FOUND, "False", reason, message),)
    if looked.unchecked:
        message = f"not everything that spec.tekton names could be looked up: {several(looked.unchecked)}"
        return (conditions.Condition(conditions.REFERENCES_FOUND, "Unknown", conditions.NOT_CHECKED, message),)
    return ()


def _last_run(run: runs.Run | None) -> Mapping[str, Any] | None:
    if run is None:
        return None
    said = {"name": run.name, "verdict": str(run.result)}
    ended = {"finishedAt": rfc3339.to_seconds(run.finished_at)} if run.finished_at else {}
    return {**said, **ended}


def _last_run_passed(run: runs.Run | None) -> tuple[conditions.Condition, ...]:
    """A red build must not make the Workflow not ready, or GitOps tools call the application degraded."""
    if run is None:
        return ()
    passed = run.result is verdicts.VerdictResult.PASSED
    message = f"run {run.name}: see kubectl describe workflowrun -n {run.namespace} {run.name}"
    return (conditions.Condition(conditions.LAST_RUN_PASSED, "True" if passed else "False", str(run.result), message),)


def record_of(workflow: Object, namespace_uid: str, bound: Bound, opening: Opening) -> contracts.WorkflowRecord:
    """The row that matching and planning read; an unresolved contract is an empty one."""
    meta = workflow["metadata"]
    resolved = bound.contract is not None
    return contracts.WorkflowRecord(
        namespace=meta["namespace"],
        namespace_uid=namespace_uid,
        name=meta["name"],
        uid=meta["uid"],
        generation=int(meta.get("generation") or 0),
        spec=dict(declared(workflow)),
        labels=dict(meta.get("labels") or {}),
        contract_namespace=bound.namespace if resolved else "",
        contract_name=bound.name if resolved else "",
        open_since=opening.since,
        open_until=opening.until,
    )


async def reconcile(context: Context, key: Key, obj: Object) -> conditions.Desired:
    """Resolve the contract, record the Workflow, say what holds. One that cannot be read keeps the row it had."""
    spec = spec_of(obj, kind.WorkflowSpec)
    bound = await _bound(context, key, obj, spec)
    opening = opening_of(obj, bound, context.clock.now())
    record = record_of(obj, context.namespace_uid(key.namespace), bound, opening)
    await context.workflows.upsert(record, epoch=context.epoch())
    if bound.revision is not None and spec.tekton is not None:
        asked = mapping.asked_in(bound.revision.canonical, bound.revision.resolved)
        bound = replace(bound, unknown=mapping.against_contract(spec, asked))
    if context.definitions_listed():
        known = mapping.Definitions(*(Named(context.cache, each, key.namespace) for each in ("Pipeline", "Task")))
        bound = replace(bound, looked=mapping.against_definitions(spec, key.namespace, known))
    return decide(obj, bound, context.last_runs.get((key.namespace, key.name)), opening)


async def remove(context: Context, key: Key, old: Object | None) -> None:
    """Delete the record of the Workflow; its runs stay."""
    context.last_runs.pop((key.namespace, key.name), None)
    uid = str(old["metadata"]["uid"]) if old else ""
    if uid:
        await context.workflows.remove(key.namespace, key.name, uid=uid, epoch=context.epoch())


async def _bound(context: Context, key: Key, obj: Object, spec: kind.WorkflowSpec) -> Bound:
    name, of_organization = contract_of(obj)
    namespace = key.namespace
    if of_organization:
        try:
            namespace = organizations.home_of(context.cache, key.namespace)
        except (errors.NotFound, errors.Conflict) as exc:
            fix = "add it to an Organization's spec.projects, or use a Contract of this namespace"
            return Bound(name, problem=f"{exc}: {fix}")
    contract = context.cache.get(Key("Contract", namespace, name))
    revision = await _newest(context, namespace, name)
    if contract is None and spec.contract_ref is None and not spec.suspend:
        return Bound(name, namespace, problem=await _default(context, key, revision))
    return Bound(name, namespace, contract, revision if contract is not None else None)


async def _newest(context: Context, namespace: str, name: str) -> contracts.ContractRevision | None:
    """The newest revision in this very namespace: the database hears of one that was made anew only when we write."""
    found = await context.contracts.newest(namespace, name)
    return found if found is None or found.namespace_uid == context.namespace_uid(namespace) else None


async def _default(context: Context, key: Key, known: contracts.ContractRevision | None) -> str:
    """Make the default Contract of a Workflow that names none. Returns what is in the way, or that it is on its way.

    It is made once: one that was there and was deleted may have asked for something, and an empty one in its place
    would let everything pass. It has no owner: the contract stays when the Workflow goes, as Chainloop's does.
    """
    missing = f"the Workflow's default Contract {key.name} does not exist in namespace {key.namespace}"
    if known is not None:
        was = f"was deleted at revision {known.revision}"
        return f"the Workflow's default Contract {key.name} {was}: apply it again, or set spec.contractRef"
    if organizations.restricts_contracts(context.cache, key.namespace):
        who = "its Organization restricts who creates Contracts"
        fix = "ask someone who may create Contracts in the home namespace to apply it, or set spec.contractRef"
        return f"{missing}, and {who}: {fix}"
    try:
        await context.creator.create(resources.CONTRACTS, default_contract(key))
    except errors.Conflict:
        return f"{missing}: it is being created"
    except (errors.Denied, errors.Invalid) as exc:
        return f"{missing}, and it cannot be created ({exc}): apply it, or set spec.contractRef"
    return f"{missing}: it is being created"


def default_contract(key: Key) -> Object:
    """The empty Contract of a Workflow that names none."""
    made = {"avouch.dev/default-for": f"Workflow/{key.name}"}
    metadata = {"name": key.name, "namespace": key.namespace, "annotations": made}
    return {"apiVersion": resources.CONTRACTS.api_version, "kind": "Contract", "metadata": metadata, "spec": {}}
