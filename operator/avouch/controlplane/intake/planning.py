"""Which Workflows a TaskRun owes to, and what: the one answer that admission, open-run and the watch all use.

The contract revision is the newest one recorded before the run's subject was created, so all three agree without
talking to each other. A Workflow whose Contract is not resolved yet owes nothing that could be said.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from avouch import errors, plan
from avouch.attestation import rfc3339
from avouch.contract import planning
from avouch.controlplane.model import contracts, runs
from avouch.tekton import labels, matching, objects

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Owed:
    """What one run is about, for which Workflow, and what it owes."""

    workflow: contracts.WorkflowRecord
    subject: matching.Subject
    plan: plan.Plan

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
        return new_run(self.workflow, self.key, (self.subject.kind, self.subject.name), self.plan, now)


def new_run(
    workflow: contracts.WorkflowRecord, key: runs.RunKey, subject: tuple[str, str], planned: plan.Plan, now: datetime
) -> runs.Run:
    """A run to open, pinned to its plan. `subject` is the kind and name of what it is about."""
    kind, name = subject
    return runs.Run(
        id=key.id,
        name=key.name(workflow.name),
        key=key,
        namespace=workflow.namespace,
        namespace_uid=workflow.namespace_uid,
        workflow=workflow.name,
        subject_kind=kind,
        subject_name=name,
        contract=planned.contract,
        revision=planned.revision,
        contract_digest=planned.contract_digest,
        plan=planned.to_json(),
        created_at=now,
        labels=dict(workflow.labels),
    )


async def plans_for(
    namespace: str,
    taskrun: Object | None,
    pipelinerun: Object | None,
    workflows: contracts.Workflows,
    contracts: contracts.Contracts,
) -> Sequence[tuple[contracts.WorkflowRecord, plan.Plan]]:
    """Each Workflow of the namespace that covers this TaskRun (or, without one, this PipelineRun), with its plan."""
    owed = await owed_by(namespace, taskrun, pipelinerun, workflows, contracts)
    return [(one.workflow, one.plan) for one in owed]


async def owed_by(
    namespace: str,
    taskrun: Object | None,
    pipelinerun: Object | None,
    workflows: contracts.Workflows,
    contracts: contracts.Contracts,
) -> Sequence[Owed]:
    """As `plans_for`, with what each run is about."""
    known = await workflows.in_namespace(namespace)
    owed = [await _owed(workflow, subject, contracts) for workflow, subject in _matched(known, taskrun, pipelinerun)]
    return [one for one in owed if one is not None]


def _matched(
    known: Sequence[contracts.WorkflowRecord], taskrun: Object | None, pipelinerun: Object | None
) -> Sequence[tuple[contracts.WorkflowRecord, matching.Subject]]:
    if taskrun is not None:
        return matching.of_taskrun(known, taskrun, pipelinerun)
    if pipelinerun is None:
        return ()
    about = matching.subject("PipelineRun", pipelinerun)
    return [(workflow, about) for workflow in matching.of_pipelinerun(known, pipelinerun)]


async def _owed(
    workflow: contracts.WorkflowRecord, subject: matching.Subject, contracts: contracts.Contracts
) -> Owed | None:
    if not workflow.contract_name:
        return None
    revision = await contracts.newest(
        workflow.contract_namespace, workflow.contract_name, before=_created(subject.obj, labels.name_of(subject.obj))
    )
    if revision is None:
        return None
    return Owed(workflow, subject, _plan(workflow, revision))


def _created(obj: Object, name: str) -> datetime:
    said = objects.text(obj, "metadata", "creationTimestamp")
    if not said:
        raise errors.Invalid(f"{name} has no creationTimestamp", field="metadata.creationTimestamp")
    return rfc3339.read(said, "metadata.creationTimestamp")


def _plan(workflow: contracts.WorkflowRecord, revision: contracts.ContractRevision) -> plan.Plan:
    return planning.plan_of(workflow, revision)
