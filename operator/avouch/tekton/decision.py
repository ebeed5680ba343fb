"""Whether to inject: the `auto | always | never` rule, as one pure function."""

from collections.abc import Iterable
from dataclasses import dataclass

from avouch import plan
from avouch.tekton import pod, workspaces


@dataclass(frozen=True, slots=True)
class Owed:
    """One plan, and the materials of it that this pod may hold."""

    whole: plan.Plan
    materials: tuple[plan.PlannedMaterial, ...]


def needs_pod(materials: Iterable[plan.PlannedMaterial]) -> bool:
    """Whether a material has bytes that only the pod can read. All else is read from the TaskRun, which costs 0 s."""
    return any(material.source.needs_pod or workspaces.by_convention(material) for material in materials)


def decide(owed: Iterable[Owed], *, quota: bool) -> tuple[Owed, ...] | pod.Refusal:
    """The plans to give a sidecar, or the reason not to inject one.

    A Workflow with `never` is never served. If one Workflow needs the sidecar, it serves all others too: a verdict
    reports missing evidence whenever an injected sidecar sent no claim.

    Args:
        owed: what the pod must deliver, per Workflow.
        quota: the namespace has a ResourceQuota. An added container could push the pod over it and hold back the build,
            so only `always` injects there.
    """
    every = tuple(owed)
    if not every:
        return pod.Refusal(pod.Reason.NO_WORKFLOW, "no Workflow covers this run")
    open_to = tuple(each for each in every if each.whole.inject != "never")
    if not open_to:
        return pod.Refusal(pod.Reason.NEVER, "spec.tekton.inject is never")
    if any(each.whole.inject == "always" for each in open_to):
        return open_to
    if not any(needs_pod(each.materials) for each in open_to):
        return pod.Refusal(pod.Reason.NOT_NEEDED, "all materials of this task can be read from its TaskRun")
    if quota:
        return pod.Refusal(
            pod.Reason.QUOTA, "the namespace has a ResourceQuota; set spec.tekton.inject: always to inject anyway"
        )
    return open_to
