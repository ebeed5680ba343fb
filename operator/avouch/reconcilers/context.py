"""What a reconcile may touch: the cache of declarations, the database through ports, the clock and the epoch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from avouch import errors
from avouch.controlplane.intake import planning
from avouch.controlplane.model import artifacts, cluster, identities, policyexceptions, replays, runs
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import deliveries as delivery_model
from avouch.controlplane.model import fetches as fetch_model
from avouch.kube import resources
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.kube.client import Json
from avouch.policy import evaluation
from avouch.reconcilers import token_secrets, turns

COMPILING = 4  # Contracts whose policies are compiled at once, of all that are reconciled


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
    """Handed to every reconcile.

    `last_runs` is the newest judged run by (namespace, Workflow), `replayed` what a revision would have done to past
    runs, by (namespace, Contract).
    """

    cache: ObjectCache
    contracts: contract_model.Contracts
    workflows: Recorded
    organizations: identities.Organizations
    issuing: token_secrets.Issuing
    deliveries: delivery_model.Deliveries
    backends: artifacts.BackendRecords
    exceptions: policyexceptions.Recording
    canonical: Callable[[Object], bytes]  # a Contract's canonical form; raises errors.Invalid with the line
    clock: cluster.Clock
    epoch: Callable[[], int]
    creator: Creator
    integrations: IntegrationTypes
    compiler: evaluation.Compiler
    fetches: fetch_model.Fetches
    last_runs: dict[tuple[str, str], runs.Run] = field(default_factory=dict)
    replayed: dict[tuple[str, str], replays.Replay] = field(default_factory=dict)
    compiling: turns.Turns = field(default_factory=lambda: turns.Turns(COMPILING))
    definitions_listed: Callable[[], bool] = lambda: False  # whether the cache holds Tekton's Pipelines and Tasks

    def namespace_uid(self, name: str) -> str:
        """The UID of a namespace: it tells one from a predecessor of the same name.

        Raises:
            Unavailable: the namespace has not been seen yet; a moment later it has.
        """
        found = self.cache.get(Key("Namespace", "", name))
        if found is None:
            raise errors.Unavailable(f"namespace {name} has not been seen yet")
        return str(found["metadata"]["uid"])
