"""Which Workflows a TaskRun owes to, and what: the one answer that admission, open-run and the watch all use.

The contract revision is the newest one recorded before the run's subject began (`tekton.outcome.began_at`), so all
three agree without talking to each other. A PipelineRun that waits to begin owes nothing yet, and neither does a
Workflow whose Contract is not resolved.
"""

import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from avouch import errors, plan, rfc3339
from avouch.api import workflow as kind
from avouch.contract import planning
from avouch.controlplane.model import contracts, runs, workflowspecs
from avouch.tekton import labels, matching, objects, outcome

Object = Mapping[str, Any]
_REMEMBERED = 4096  # plans


class Workflows(Protocol):
    """The Workflows of a namespace, filed for matching."""

    async def index(self, namespace: str) -> matching.Index[contracts.WorkflowRecord]:
        """All Workflows of a namespace."""
        ...


class Contracts(Protocol):
    """Revisions of Contracts."""

    async def newest(
        self, namespace: str, name: str, *, before: datetime | None = None
    ) -> contracts.ContractRevision | None:
        """The newest revision, or the newest recorded not after `before` (the first one where none is that old)."""
        ...


@dataclass(frozen=True, slots=True)
class Owed:
    """What one run is about, for which Workflow, who may attest for it, and what it owes."""

    workflow: contracts.WorkflowRecord
    attesters: kind.Attesters | None
    subject: matching.Subject
    plan: plan.Plan
    text: str = ""  # the plan as JSON, where somebody wrote it already

    @property
    def key(self) -> runs.RunKey:
        """Identity of the run."""
        return runs.RunKey(self.workflow.uid, self.subject.uid)

    @property
    def run_id(self) -> uuid.UUID:
        """Id of the run, known before anyone stores it."""
        return self.key.id

    def run(self, now: datetime) -> runs.Run:
        """The run to open, pinned to this plan."""
        subject = (self.subject.kind, self.subject.name)
        return new_run(self.workflow, self.key, subject, (self.plan, self.text or self.plan.to_json()), now)


def new_run(
    workflow: contracts.WorkflowRecord,
    key: runs.RunKey,
    subject: tuple[str, str],
    planned: tuple[plan.Plan, str],
    now: datetime,
) -> runs.Run:
    """A run to open, pinned to its plan and the plan's JSON. `subject` is the kind and name of what it is about."""
    (kind, name), (pinned, text) = subject, planned
    return runs.Run(
        id=key.id,
        name=key.name(workflow.name),
        key=key,
        namespace=workflow.namespace,
        namespace_uid=workflow.namespace_uid,
        workflow=workflow.name,
        subject_kind=kind,
        subject_name=name,
        contract=pinned.contract,
        revision=pinned.revision,
        contract_digest=pinned.contract_digest,
        plan=text,
        created_at=now,
        labels=dict(workflow.labels),
    )


async def owed_by(
    namespace: str,
    taskrun: Object | None,
    pipelinerun: Object | None,
    workflows: Workflows,
    contracts: Contracts,
) -> Sequence[Owed]:
    """Each Workflow of the namespace that covers this TaskRun (or, without one, this PipelineRun), with its plan."""
    matched = (await workflows.index(namespace)).of_taskrun(taskrun or {}, pipelinerun)  # {} is nobody's
    owed = [await _owed(workflow, subject, taskrun, contracts) for workflow, subject in matched]
    return [one for one in owed if one is not None]


async def _owed(
    workflow: contracts.WorkflowRecord, subject: matching.Subject, taskrun: Object | None, contracts: Contracts
) -> Owed | None:
    began = _began(subject.obj, taskrun)
    if not workflow.contract_name or began is None:
        return None
    revision = await contracts.newest(workflow.contract_namespace, workflow.contract_name, before=began)
    if revision is None:
        return None
    planned = _plan(workflow, revision)
    return Owed(workflow, planned.attesters, subject, planned.plan, planned.text)


def _began(obj: Object, taskrun: Object | None) -> datetime | None:
    """When the subject began. One that has a TaskRun did, although Tekton may not have said so yet."""
    if not objects.text(obj, "metadata", "creationTimestamp"):
        raise errors.Invalid(f"{labels.name_of(obj)} has no creationTimestamp", field="metadata.creationTimestamp")
    said = outcome.began_at(obj) or outcome.began_at(taskrun or {})
    return rfc3339.read(said, "the time at which it began") if said else None


@dataclass(frozen=True, slots=True)
class _Planned:
    workflow: contracts.WorkflowRecord
    attesters: kind.Attesters | None
    plan: plan.Plan
    text: str


class _Plans:
    """The plans worked out lately: thousands of runs of one Workflow share one plan, and it never changes."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, str, int], _Planned] = OrderedDict()

    def of(self, workflow: contracts.WorkflowRecord, revision: contracts.ContractRevision) -> _Planned:
        key = (workflow.uid, revision.namespace_uid, str(revision.digest), revision.revision)
        known = self._known.get(key)
        if known is not None and known.workflow == workflow:
            self._known.move_to_end(key)
            return known
        whole = planning.plan_of(workflow, revision)
        listed = workflowspecs.read(workflow.spec, workflow.name).attesters
        made = self._known[key] = _Planned(workflow, listed, whole, whole.to_json())
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return made


_plan = _Plans().of
