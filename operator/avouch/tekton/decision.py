"""Whether to inject: the `auto | always | never` rule, and whether results still have room. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from avouch import plan
from avouch.tekton import pod, termination, workspaces

_ROOM = (
    "write large results to a workspace, let Tekton read them from logs (results-from: sidecar-logs), or set"
    " spec.tekton.inject: always if they are small"
)


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


def takes_room(shape: pod.Shape, owed: Sequence[Owed]) -> bool:
    """Whether a sidecar leaves the results of this pod less room than they had, and nobody wants it all the same."""
    asked = any(each.whole.inject == "always" for each in owed)
    return not asked and bool(shape.results) and termination.taken(shape.containers) > 0


def cramped(shape: pod.Shape, owed: Sequence[Owed], each: int) -> pod.Refusal | None:
    """Why a sidecar could cost this pod its results, if each of them may need so many bytes."""
    if not takes_room(shape, owed) or termination.enough(shape.containers, len(shape.results), each):
        return None
    before, after = termination.share(shape.containers), termination.share(shape.containers + 1)
    text = f"beside a sidecar the {len(shape.results)} results of this task would share {after} bytes, not {before}"
    return pod.Refusal(pod.Reason.RESULTS, f"{text}; {_ROOM}")


def cut_before(owed: Sequence[Owed], cuts: Mapping[str, int]) -> pod.Refusal | None:
    """Why not, where results of one of these Workflows, as it was planned here, were lost beside a sidecar already."""
    cut = [each.whole.workflow for each in owed if cuts.get(each.whole.workflow_uid, -1) >= each.whole.generation]
    if not cut:
        return None
    text = f"beside a sidecar results of Workflow {cut[0]} had too little room and were lost"
    return pod.Refusal(pod.Reason.RESULTS, f"{text}; {_ROOM}")
