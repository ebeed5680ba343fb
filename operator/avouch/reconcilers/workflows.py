"""Workflow: its Contract resolved, its record kept, and what its last run came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avouch import errors
from avouch.controlplane import values
from avouch.kube.cache import Key, Object
from avouch.reconcilers import conditions, organizations
from avouch.reconcilers.world import World, spec_of


@dataclass(frozen=True, slots=True)
class Bound:
    """What the contractRef leads to. `problem` says why its namespace is unknown."""

    name: str = ""
    namespace: str = ""
    contract: Object | None = None
    revision: values.ContractRevision | None = None
    problem: str = ""


def decide(workflow: Object, bound: Bound, last: values.Run | None) -> conditions.Desired:
    """What the status should say."""
    fields: dict[str, Any] = {"lastRun": _last_run(last)}
    if bound.revision is not None:
        fields["contract"] = f"{bound.namespace}/{bound.name}"
        fields["contractRevision"] = bound.revision.revision
    return _resolved(workflow, bound).having(*_last_run_passed(last), **fields)


def _resolved(workflow: Object, bound: Bound) -> conditions.Desired:
    if spec_of(workflow).get("suspend") is True:
        return conditions.suspended(workflow.get("status") or {})
    if not bound.name:
        return conditions.stalled(
            conditions.INVALID_CONTRACT_REF, "contractRef is required (fix: set spec.contractRef.name to a Contract)"
        )
    if bound.problem:
        return conditions.waiting(f"{bound.problem}: claim it in an Organization, or use a Contract of this namespace")
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


def _last_run(run: values.Run | None) -> Mapping[str, Any] | None:
    if run is None:
        return None
    said = {"name": run.name, "verdict": str(run.result)}
    ended = {"finishedAt": run.finished_at.strftime("%Y-%m-%dT%H:%M:%SZ")} if run.finished_at else {}
    return {**said, **ended}


def _last_run_passed(run: values.Run | None) -> tuple[conditions.Condition, ...]:
    """A red build must not make the Workflow not ready, or GitOps tools call the application degraded."""
    if run is None:
        return ()
    passed = run.result is values.VerdictResult.PASSED
    message = f"run {run.name}: see kubectl get workflowruns -n {run.namespace} {run.name} -o yaml"
    return (conditions.Condition(conditions.LAST_RUN_PASSED, "True" if passed else "False", str(run.result), message),)


def record_of(workflow: Object, namespace_uid: str, bound: Bound) -> values.WorkflowRecord:
    """The row that matching and planning read; an unresolved contract is an empty one."""
    meta = workflow["metadata"]
    resolved = bound.contract is not None
    return values.WorkflowRecord(
        namespace=meta["namespace"],
        namespace_uid=namespace_uid,
        name=meta["name"],
        uid=meta["uid"],
        generation=int(meta.get("generation") or 0),
        spec=dict(spec_of(workflow)),
        labels=dict(meta.get("labels") or {}),
        contract_namespace=bound.namespace if resolved else "",
        contract_name=bound.name if resolved else "",
    )


async def reconcile(world: World, key: Key, obj: Object) -> conditions.Desired:
    """Resolve the contract, record the Workflow, say what holds."""
    bound = await _bound(world, key, obj)
    record = record_of(obj, world.namespace_uid(key.namespace), bound)
    await world.workflows.upsert(record, epoch=world.epoch())
    return decide(obj, bound, world.last_runs.get((key.namespace, key.name)))


async def remove(world: World, key: Key, old: Object | None) -> None:
    """Forget the Workflow; its runs stay."""
    world.last_runs.pop((key.namespace, key.name), None)
    uid = str(old["metadata"]["uid"]) if old else ""
    if uid:
        await world.workflows.remove(key.namespace, key.name, uid=uid, epoch=world.epoch())


async def _bound(world: World, key: Key, obj: Object) -> Bound:
    reference = spec_of(obj).get("contractRef") or {}
    name = str(reference.get("name") or "")
    if not name:
        return Bound()
    namespace = key.namespace
    if reference.get("scope") == "Organization":
        try:
            namespace = organizations.home_of(world.cache, key.namespace)
        except (errors.NotFound, errors.Conflict) as exc:
            return Bound(name, problem=str(exc))
    contract = world.cache.get(Key("Contract", namespace, name))
    if contract is None:
        return Bound(name, namespace)
    return Bound(name, namespace, contract, await world.contracts.newest(namespace, name))
