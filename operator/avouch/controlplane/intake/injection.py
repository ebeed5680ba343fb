"""Whether a pod gets a sidecar, and what the sidecar is told: gather from the cluster and the store, then decide.

The pod's labels are hints and are not read: the TaskRun comes by ownerReference and must have the owner's UID.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from avouch import plan
from avouch.controlplane.intake import authorization, planning, pod_identity
from avouch.controlplane.model import cluster as cluster_model
from avouch.controlplane.model import contracts
from avouch.tekton import decision, injection, labels, limits, objects, pod, termination, workspaces

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Planned:
    """A decision to inject, with what people should be told about it all the same."""

    injection: injection.Injection
    warnings: tuple[str, ...] = ()


Decision = Planned | pod.Refusal


class Runs(planning.Begun, Protocol):
    """Knows runs that were opened, and Workflows whose runs lost results beside a sidecar."""

    async def cut_generations(self, workflow_uids: Sequence[str]) -> Mapping[str, int]:
        """The generation at which that happened last, by the UID of the Workflow."""
        ...


@dataclass(frozen=True, slots=True)
class InjectionPlanner:
    """Plans injections from the cluster's own record. `per_result`: bytes that a result is expected to need."""

    cluster: cluster_model.ClusterReader
    workflows: planning.Workflows
    contracts: planning.Contracts
    runs: Runs
    per_result: int = termination.PER_RESULT

    async def plan_for(self, namespace: str, created: Object) -> Decision:
        """What to do with a pod that is being created.

        Raises:
            Unavailable: the API server or the store could not be asked.
            Invalid: a recorded Workflow or Contract cannot be read.
        """
        shape = pod.read(created)
        if isinstance(shape, pod.Refusal):
            return shape
        taskrun = await self.cluster.taskrun(namespace, shape.owner.name)
        if taskrun is None or labels.uid_of(taskrun) != shape.owner.uid:
            return pod.Refusal(pod.Reason.GONE, f"TaskRun {shape.owner.name} is not the pod's owner, or was deleted")
        account = objects.text(created, "spec", "serviceAccountName") or "default"
        owed = await self._owed(namespace, taskrun, account)
        chosen = decision.decide(owed, quota=await self._quota(namespace, owed))
        if isinstance(chosen, pod.Refusal):
            return chosen
        cramped = decision.cramped(shape, chosen, self.per_result) or await self._cut(shape, chosen)
        if cramped is not None:
            return cramped
        resources = limits.fit(await self.cluster.limit_ranges(namespace), created)
        if isinstance(resources, pod.Refusal):
            return resources
        planned = await self._planned(namespace, shape, taskrun, chosen)
        return replace(planned, injection=replace(planned.injection, resources=resources))

    async def _owed(self, namespace: str, taskrun: Object, account: str) -> Sequence[decision.Owed]:
        pipelinerun = await self._pipelinerun(namespace, taskrun)
        covered = await planning.covered(namespace, taskrun, pipelinerun, self.workflows)
        found = await planning.with_begun(await planning.owed_by(covered, self.contracts), covered, self.runs)
        task = pod_identity.pipeline_task(taskrun, pipelinerun)
        attester = authorization.ServiceAccount(namespace, account)
        allowed = [one for one in found if authorization.may_attest(one.attesters, _place(one.workflow), attester)]
        return [decision.Owed(one.plan, _of_pod(one, task)) for one in allowed]

    async def _pipelinerun(self, namespace: str, taskrun: Object) -> Object | None:
        owner = labels.controller(taskrun, "PipelineRun")
        if owner is None:
            return None
        found = await self.cluster.pipelinerun(namespace, owner.name)
        return found if found is not None and labels.uid_of(found) == owner.uid else None

    async def _quota(self, namespace: str, owed: Sequence[decision.Owed]) -> bool:
        """Whether the namespace has a ResourceQuota; asked only where it can matter."""
        if not any(decision.needs_pod(each.materials) for each in owed):
            return False
        return bool(await self.cluster.resource_quotas(namespace))

    async def _cut(self, shape: pod.Shape, chosen: Sequence[decision.Owed]) -> pod.Refusal | None:
        """Whether a sidecar cost these Workflows results before; asked only where it may do so again."""
        if not decision.takes_room(shape, chosen):
            return None
        cuts = await self.runs.cut_generations([each.whole.workflow_uid for each in chosen])
        return decision.cut_before(chosen, cuts)

    async def _planned(
        self, namespace: str, shape: pod.Shape, taskrun: Object, chosen: Sequence[decision.Owed]
    ) -> Planned:
        asked = workspaces.wanted(material for each in chosen for material in each.materials)
        refused = await self._refused_claims(namespace, shape) if asked.every or asked.named else {}
        picked = workspaces.choose(shape, taskrun, asked, refused)
        plans = tuple(replace(each.whole, materials=each.materials) for each in chosen)
        warnings = tuple(f"workspace {name} is not collected: {why}" for name, why in picked.skipped.items())
        given = injection.Injection(shape, plans, picked.mounts, picked.skipped, published=picked.published)
        return Planned(given, warnings)

    async def _refused_claims(self, namespace: str, shape: pod.Shape) -> dict[str, str]:
        """Why the volume of each claim may not be mounted a second time; "" where it may."""
        mounted = {shape.claims[m.volume] for m in shape.workspaces() if m.volume in shape.claims}
        return {name: workspaces.claim_problem(await self.cluster.volume_claim(namespace, name)) for name in mounted}


def _place(workflow: contracts.WorkflowRecord) -> authorization.Place:
    return authorization.Place(workflow.namespace, workflow.name)


def _of_pod(owed: planning.Owed, task: str) -> tuple[plan.PlannedMaterial, ...]:
    """A run about the TaskRun itself owes all of its materials here; one about a PipelineRun those of this task."""
    return owed.plan.materials if owed.subject.kind == "TaskRun" else owed.plan.of_task(task)
