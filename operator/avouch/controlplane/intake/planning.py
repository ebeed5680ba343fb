"""Which Workflows a TaskRun owes to, and what: the one answer that admission, open-run and the watch all use.

The contract revision is the newest one recorded before the run's subject began (`tekton.outcome.began_at`), so all
three agree without talking to each other. A PipelineRun that waits to begin owes nothing yet, and neither does a
Workflow whose Contract is not resolved, or that took no runs when the subject was created (`model.opening`).
"""

import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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


class Begun(Protocol):
    """Runs that were opened."""

    async def of_subject(self, subject_uid: str) -> Sequence[runs.Run]:
        """Every run about one PipelineRun or TaskRun."""
        ...


@dataclass(frozen=True, slots=True)
class Owed:
    """What one run is about, for which Workflow, who may attest for it, and what it owes."""

    workflow: contracts.WorkflowRecord
    attesters: kind.Attesters | None
    subject: matching.Subject
    plan: plan.Plan
    text: str = ""  # the plan as JSON, where somebody wrote it already
    labels: tuple[str, ...] = ()  # keys of those that the run takes from its subject

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
        opened = new_run(self.workflow, self.key, subject, (self.plan, self.text or self.plan.to_json()), now)
        carried = labels.of(self.subject.obj)
        own = {key: carried[key] for key in self.labels if key in carried and key not in opened.labels}
        return replace(opened, own_labels=own) if own else opened


@dataclass(frozen=True, slots=True)
class Refused:
    """A Workflow that covers a PipelineRun or TaskRun and takes no run of it, and why."""

    workflow: str
    subject: matching.Subject
    why: str


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


@dataclass(frozen=True, slots=True)
class Covered:
    """A TaskRun, or without one a PipelineRun, and each Workflow that covers it, with the subject of that one's run."""

    taskrun: Object | None
    workflows: Sequence[tuple[contracts.WorkflowRecord, matching.Subject]]


async def covered(namespace: str, taskrun: Object | None, pipelinerun: Object | None, workflows: Workflows) -> Covered:
    """Match the Workflows of the namespace, once for all that is asked about them."""
    known = await workflows.index(namespace)
    return Covered(taskrun, known.of_taskrun(taskrun or {}, pipelinerun))  # {} is nobody's


async def owed_by(found: Covered, contracts: Contracts) -> Sequence[Owed]:
    """What is owed to each of the Workflows that takes a run of it, with its plan."""
    taking = [one for one in found.workflows if not refusal(*one)]
    owed = [await _owed(workflow, subject, found.taskrun, contracts) for workflow, subject in taking]
    return [one for one in owed if one is not None]


async def with_begun(owed: Sequence[Owed], found: Covered, begun: Begun) -> Sequence[Owed]:
    """The same, and runs that were opened: they go on although their Workflow takes no more of them meanwhile.

    Nobody is asked where each Workflow is owed something.
    """
    served = {one.workflow.name for one in owed}
    others = [await _begun(one, subject, begun) for one, subject in found.workflows if one.name not in served]
    return [*owed, *(one for one in others if one is not None)]


def refused_by(found: Covered) -> Sequence[Refused]:
    """Each of the Workflows that takes no run of it."""
    return [Refused(one.name, subject, why) for one, subject in found.workflows if (why := refusal(one, subject))]


def refusal(workflow: contracts.WorkflowRecord, subject: matching.Subject) -> str:
    """Why a Workflow that covers this PipelineRun or TaskRun takes no run of it, or ""."""
    created = _created(subject.obj)
    if workflow.open_until is None and workflowspecs.read(workflow.spec, workflow.name).suspend:
        return f"Workflow {workflow.name} is suspended"  # recorded by an older controller, which writes no times
    return workflow.opening.refuses(workflow.name, created)


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
    return Owed(workflow, planned.attesters, subject, planned.plan, planned.text, planned.labels)


async def _begun(workflow: contracts.WorkflowRecord, subject: matching.Subject, begun: Begun) -> Owed | None:
    """What a run that was opened owes: what it was pinned to."""
    for run in await begun.of_subject(subject.uid):
        if run.workflow == workflow.name and run.finished_at is None:
            listed = workflowspecs.read(workflow.spec, workflow.name).attesters
            return Owed(workflow, listed, subject, run.pinned(), run.plan)
    return None


def _began(obj: Object, taskrun: Object | None) -> datetime | None:
    """When the subject began. One that has a TaskRun did, although Tekton may not have said so yet."""
    said = outcome.began_at(obj) or outcome.began_at(taskrun or {})
    return rfc3339.read(said, "the time at which it began") if said else None


def _created(obj: Object) -> datetime:
    said = objects.text(obj, "metadata", "creationTimestamp")
    if not said:
        raise errors.Invalid(f"{labels.name_of(obj)} has no creationTimestamp", field="metadata.creationTimestamp")
    return rfc3339.read(said, "metadata.creationTimestamp")


@dataclass(frozen=True, slots=True)
class _Planned:
    workflow: contracts.WorkflowRecord
    attesters: kind.Attesters | None
    plan: plan.Plan
    text: str
    labels: tuple[str, ...]


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
        carried = planning.labels_of(workflow)
        made = self._known[key] = _Planned(workflow, listed, whole, whole.to_json(), carried)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return made


_plan = _Plans().of
