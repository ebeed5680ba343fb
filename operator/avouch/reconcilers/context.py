"""What a reconcile may touch: the cache of declarations, the database through ports, the clock and the epoch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from avouch import errors
from avouch.api import meta
from avouch.controlplane.intake import planning
from avouch.controlplane.model import artifacts, cluster, identities, runs
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import deliveries as delivery_model
from avouch.kube import resources
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.kube.client import Json
from avouch.reconcilers import token_secrets


class Creator(Protocol):
    """The verb that making a default Contract needs."""

    async def create(self, resource: resources.Resource, body: Json) -> Json:
        """Create an object. Raises errors.Conflict where it exists."""
        ...


class IntegrationTypes(Protocol):
    """The table of integrations, as far as reconciles ask it."""

    def config(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """What an Integration configures its type with. Raises errors.Invalid where that is not enough to deliver."""
        ...


class Recorded(contract_model.Workflows, planning.Workflows, Protocol):
    """Workflows as recorded, and filed for matching."""


@dataclass(frozen=True, slots=True)
class Context:
    """Handed to every reconcile. `last_runs` is the newest judged run by (namespace, Workflow)."""

    cache: ObjectCache
    contracts: contract_model.Contracts
    workflows: Recorded
    organizations: identities.Organizations
    issuing: token_secrets.Issuing
    deliveries: delivery_model.Deliveries
    backends: artifacts.BackendRecords
    canonical: Callable[[Object], bytes]  # a Contract's canonical form; raises errors.Invalid with the line
    clock: cluster.Clock
    epoch: Callable[[], int]
    creator: Creator
    integrations: IntegrationTypes
    last_runs: dict[tuple[str, str], runs.Run] = field(default_factory=dict)

    def namespace_uid(self, name: str) -> str:
        """The UID of a namespace: it tells one from a predecessor of the same name.

        Raises:
            Unavailable: the namespace has not been seen yet; a moment later it has.
        """
        found = self.cache.get(Key("Namespace", "", name))
        if found is None:
            raise errors.Unavailable(f"namespace {name} has not been seen yet")
        return str(found["metadata"]["uid"])


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


def suspended(obj: Object) -> bool:
    """Whether the object says that it is to have no effect. Raises errors.Invalid."""
    return spec_of(obj, Suspendable).suspend


class Workflow(meta.Model):
    """What of a Workflow's spec binds it: read of thousands for one Contract."""

    contract_ref: meta.ScopedRef | None = None


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


def file_by_ends(attachment: Object) -> tuple[str, ...]:
    """Index of IntegrationAttachments: by the name of their Integration, and by their namespace."""
    named = _filed(lambda: f"integration/{spec_of(attachment, IntegrationAttachment).integration_ref.name}")
    return (*named, _by_namespace(attachment))


def _filed(name: Callable[[], str]) -> tuple[str, ...]:
    """What cannot be read is bound to nothing: its own reconcile says what is wrong with it."""
    try:
        return (name(),)
    except errors.Invalid:
        return ()


def file_by_pipelinerun(taskrun: Object) -> tuple[str, ...]:
    """Index of TaskRuns: by the UIDs of their owners."""
    return tuple(str(owner.get("uid")) for owner in taskrun["metadata"].get("ownerReferences") or ())


def _by_namespace(obj: Object) -> str:
    return f"namespace/{obj['metadata'].get('namespace', '')}"


def file_by_namespace(obj: Object) -> tuple[str, ...]:
    """Index of CASBackends: by their namespace."""
    return (_by_namespace(obj),)


INDEXERS = {
    "CASBackend": file_by_namespace,
    "Workflow": file_by_contract,
    "IntegrationAttachment": file_by_ends,
    "TaskRun": file_by_pipelinerun,
}
