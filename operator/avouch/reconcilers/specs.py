"""Specs of declared objects, read by the models of their kinds, and the indexes by which the cache files them."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import Field

from avouch import errors
from avouch.api import expiry, meta, policyexception, vocabulary
from avouch.api import workflow as workflow_kind
from avouch.contract import references
from avouch.kube.cache import Object
from avouch.tekton import definitions


def declared(obj: Object) -> Mapping[str, Any]:
    """The spec as JSON holds it; empty where there is none."""
    return obj.get("spec") or {}


Spec = TypeVar("Spec", bound=meta.Model)


def spec_of(obj: Object, model: type[Spec]) -> Spec:
    """The spec, or the part of it that the model names.

    Raises:
        Invalid: it is not of that shape, with the field.
    """
    kind = model.__name__.removesuffix("Spec")
    return model.read(declared(obj), f"{kind} {obj['metadata']['name']}")


class Suspendable(meta.Model):
    """What every kind of ours says, whatever else it does."""

    suspend: bool = False


class Enforced(meta.Model):
    """What of a Workflow's spec says what a verdict that is not Passed does."""

    enforcement: workflow_kind.Enforcement | None = None
    gate: bool = False

    @property
    def warns(self) -> bool:
        """Whether it is told loudly."""
        return self.gate or self.enforcement is not vocabulary.Enforcement.OBSERVE


class Retained(meta.Model):
    """What of a Workflow's spec says how long its runs are kept."""

    retention: expiry.Retention | None = None


def suspended(obj: Object) -> bool:
    """Whether the object says that it is to have no effect. Raises errors.Invalid."""
    return spec_of(obj, Suspendable).suspend


class Workflow(meta.Model):
    """What of a Workflow's spec binds it: read of thousands for one Contract."""

    contract_ref: meta.ScopedRef | None = None


class Target(meta.Model):
    """What of an entry of spec.tekton.pipelines or tasks names it."""

    name: str | None = None


class Targets(meta.Model):
    """What of a Workflow's spec.tekton files it."""

    pipelines: list[Target] = Field(default_factory=list)
    tasks: list[Target] = Field(default_factory=list)


class Covering(meta.Model):
    """What of a Workflow's spec says which Pipelines and Tasks it covers."""

    tekton: Targets | None = None


class IntegrationAttachment(meta.Model):
    """What of an IntegrationAttachment's spec files it."""

    integration_ref: meta.ScopedRef


def contract_of(workflow: Object) -> tuple[str, bool]:
    """The Contract that a Workflow is bound to, and whether that is its Organization's: its own name by default.

    Raises:
        Invalid: its spec.contractRef is no reference.
    """
    reference = spec_of(workflow, Workflow).contract_ref
    if reference is None:
        return str(workflow["metadata"]["name"]), False
    return reference.name, reference.scope == "Organization"


def file_by_contract(workflow: Object) -> tuple[str, ...]:
    """Index of Workflows: by the name of their Contract, and by their namespace."""
    return (*_filed(lambda: f"contract/{contract_of(workflow)[0]}"), _by_namespace(workflow))


def file_by_all_that_it_names(workflow: Object) -> tuple[str, ...]:
    """Index of Workflows: as `file_by_contract`, and by the Pipelines and Tasks of its namespace that it names."""
    try:
        covered = spec_of(workflow, Covering).tekton or Targets()
    except errors.Invalid:  # as `_filed`
        covered = Targets()
    every = (("Pipeline", covered.pipelines), ("Task", covered.tasks))
    namespace = workflow["metadata"].get("namespace", "")
    said = (named(kind, namespace, each.name) for kind, targets in every for each in targets if each.name)
    return (*file_by_contract(workflow), *said)


def file_by_tasks(pipeline: Object) -> tuple[str, ...]:
    """Index of Pipelines: by the Tasks of their namespace that they run, and by their namespace."""
    namespace = pipeline["metadata"].get("namespace", "")
    return (*(named("Task", namespace, task) for task in definitions.referred(pipeline)), _by_namespace(pipeline))


def named(kind: str, namespace: str, name: str) -> str:
    """Where is filed what names this Pipeline or Task."""
    return f"{kind}/{namespace}/{name}"


def file_by_ends(attachment: Object) -> tuple[str, ...]:
    """Index of IntegrationAttachments: by the name of their Integration, and by their namespace."""
    named = _filed(lambda: f"integration/{spec_of(attachment, IntegrationAttachment).integration_ref.name}")
    return (*named, _by_namespace(attachment))


def file_by_excepted(exception: Object) -> tuple[str, ...]:
    """Index of PolicyExceptions: by the policy and the Workflows that they name."""
    try:
        spec = spec_of(exception, policyexception.PolicyExceptionSpec)
    except errors.Invalid:  # as `_filed`
        return ()
    namespace = exception["metadata"].get("namespace", "")
    return (
        referring_to("Policy", spec.policy.name),
        *(named("Workflow", namespace, each) for each in spec.workflows),
    )


def _filed(name: Callable[[], str]) -> tuple[str, ...]:
    """What cannot be read is bound to nothing: its own reconcile says what is wrong with it."""
    try:
        return (name(),)
    except errors.Invalid:
        return ()


def file_by_pipelinerun(taskrun: Object) -> tuple[str, ...]:
    """Index of TaskRuns: by the UIDs of their owners. An owner is of the same namespace, whatever UID is named."""
    meta = taskrun["metadata"]
    return tuple(owned_in(meta.get("namespace", ""), str(o.get("uid"))) for o in meta.get("ownerReferences") or ())


def owned_in(namespace: str, owner_uid: str) -> str:
    """Where TaskRuns of this namespace with this owner are filed."""
    return f"{namespace}/{owner_uid}"


def _by_namespace(obj: Object) -> str:
    return f"namespace/{obj['metadata'].get('namespace', '')}"


def file_by_namespace(obj: Object) -> tuple[str, ...]:
    """Index of CASBackends and Tasks: by their namespace."""
    return (_by_namespace(obj),)


WITH_POLICIES = "policies"  # where Contracts are filed that refer to any
ELSEWHERE = "elsewhere"  # where Contracts, PolicyGroups and Policies are filed that name what is no object of ours


def referring_to(kind: str, name: str) -> str:
    """Where Contracts and PolicyGroups are filed that refer to a Policy or PolicyGroup of this name, wherever it is."""
    return f"{kind}/{name}"


def file_by_policies(obj: Object) -> tuple[str, ...]:
    """Index of Contracts and PolicyGroups: by the names of what they refer to, and whether they refer to anything.

    Read as it stands, not by a model: one that breaks rules is filed as far as it can be read.
    """
    said = obj.get("spec") or {}
    attached = [*_mappings(said.get("policies"), "attestation"), *_mappings(said.get("policies"), "materials")]
    attached += [each for one in attached for each in _mappings(one, "policies")]  # of a group's materials
    groups = [*_mappings(said, "policyGroups"), *_mappings(said, "policy_groups")]
    named = [("Policy", each) for each in attached] + [("PolicyGroup", each) for each in groups]
    filed = {referring_to(kind, _last_name(str(each["ref"]))) for kind, each in named if each.get("ref")}
    filed |= {embedding(name) for each in attached if (name := _embedded(each))}
    outside = any(_leads_elsewhere(each) for _, each in named)
    return (*sorted(filed), *([WITH_POLICIES] if named else ()), *([ELSEWHERE] if outside else ()))


def file_by_scripts(policy: Object) -> tuple[str, ...]:
    """Index of Policies: whether they name a script that is not in them."""
    return (ELSEWHERE,) if _names_scripts(policy) else ()


def _leads_elsewhere(attachment: Mapping[str, Any]) -> bool:
    reference, embedded = str(attachment.get("ref") or ""), attachment.get("embedded")
    return references.elsewhere(reference) or (isinstance(embedded, Mapping) and _names_scripts(embedded))


def _names_scripts(policy: Mapping[str, Any]) -> bool:
    spec = policy.get("spec")
    said = [spec, *_mappings(spec, "policies")] if isinstance(spec, Mapping) else []
    return any(one.get("path") or one.get("ref") for one in said)


def embedding(name: str) -> str:
    """Where Contracts and PolicyGroups are filed in which a policy of this name is embedded."""
    return f"embedded/{name}"


def _embedded(attachment: Mapping[str, Any]) -> str:
    found = attachment.get("embedded")
    metadata = found.get("metadata") if isinstance(found, Mapping) else None
    return str(metadata.get("name") or "") if isinstance(metadata, Mapping) else ""


def _mappings(where: Any, field: str) -> list[Mapping[str, Any]]:
    found = where.get(field) if isinstance(where, Mapping) else None
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _last_name(reference: str) -> str:
    return reference.partition("@")[0].rpartition("/")[2].rpartition(":")[2]


INDEXERS = {
    "Contract": file_by_policies,
    "CASBackend": file_by_namespace,
    "Workflow": file_by_all_that_it_names,
    "Pipeline": file_by_tasks,
    "Task": file_by_namespace,
    "IntegrationAttachment": file_by_ends,
    "Policy": file_by_scripts,
    "PolicyException": file_by_excepted,
    "PolicyGroup": file_by_policies,
    "TaskRun": file_by_pipelinerun,
}
