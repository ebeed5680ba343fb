"""State of a PipelineRun or TaskRun, from its Succeeded condition only.

Sources: tektoncd/pipeline pkg/apis/pipeline/v1/{pipelinerun,taskrun}_types.go. A TaskRun waiting for its next retry is
Unknown (reason ToBeRetried), so retries need no special case here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from avouch import errors, rfc3339
from avouch.tekton import objects

_CANCELED = frozenset(
    {
        "Cancelled",  # PipelineRun, v1
        "CancelledRunningFinally",
        "StoppedRunningFinally",
        "PipelineRunCancelled",  # v1beta1
        "TaskRunCancelled",
    }
)

# Reasons of a TaskRun whose pod Tekton deletes while its containers may still run (failTaskRun in tektoncd/pipeline
# pkg/reconciler/taskrun/taskrun.go).
POD_DELETED = frozenset({"TaskRunTimeout", "TaskRunCancelled", "TaskRunImagePullFailed"})
_WAITS = "PipelineRunPending"


class State(StrEnum):
    """The states of a run."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


@dataclass(frozen=True, slots=True)
class Outcome:
    """State of a run, with Tekton's own reason and message."""

    state: State
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One pod of a TaskRun: the last one is current, earlier ones were retried."""

    pod: str
    outcome: Outcome
    started: str = ""
    finished: str = ""


def of(obj: Mapping[str, Any]) -> Outcome:
    """State of this PipelineRun or TaskRun."""
    return _outcome(objects.mapping(obj, "status"))


def attempts(taskrun: Mapping[str, Any]) -> tuple[Attempt, ...]:
    """Every attempt of a TaskRun, oldest first, the current one last."""
    earlier = objects.mappings(taskrun, "status", "retriesStatus")
    return tuple(_attempt(status) for status in (*earlier, objects.mapping(taskrun, "status")))


def _attempt(status: Mapping[str, Any]) -> Attempt:
    return Attempt(
        pod=objects.text(status, "podName"),
        outcome=_outcome(status),
        started=objects.text(status, "startTime"),
        finished=objects.text(status, "completionTime"),
    )


def _outcome(status: Mapping[str, Any]) -> Outcome:
    condition = next((c for c in objects.mappings(status, "conditions") if c.get("type") == "Succeeded"), {})
    reason = objects.text(condition, "reason")
    return Outcome(_state(objects.text(condition, "status"), reason), reason, objects.text(condition, "message"))


def _state(status: str, reason: str) -> State:
    if status == "True":
        return State.SUCCEEDED
    if status != "False":
        return State.RUNNING
    return State.CANCELED if reason in _CANCELED else State.FAILED


def done(obj: Mapping[str, Any]) -> bool:
    """Whether a PipelineRun or TaskRun is over, whatever came of it."""
    return any(map(says_done, objects.mappings(obj, "status", "conditions")))


def says_done(condition: Mapping[str, Any]) -> bool:
    """Whether a condition says that the PipelineRun or TaskRun is over."""
    return condition.get("type") == "Succeeded" and condition.get("status") in ("True", "False")


def began_at(obj: Mapping[str, Any]) -> str:
    """When a PipelineRun or TaskRun began, RFC 3339; "" where it has not, or cannot be told yet.

    That is its creation, except where it waited: a PipelineRun that is created with `spec.status: PipelineRunPending`
    begins when somebody changes its spec (so its generation is above 1) and Tekton then sets `status.startTime`.
    """
    created = objects.text(obj, "metadata", "creationTimestamp")
    changed = (objects.mapping(obj, "metadata").get("generation") or 1) != 1
    pending = objects.text(obj, "spec", "status") == _WAITS
    if not changed and not pending:
        return created
    return objects.text(obj, "status", "startTime") or (created if done(obj) else "")


def finished_at(obj: Mapping[str, Any], otherwise: datetime) -> datetime:
    """Its own completion time; `otherwise` where it has none that can be read: whoever may write a status may lie."""
    said = objects.text(obj, "status", "completionTime")
    try:
        return rfc3339.read(said, "status.completionTime") if said else otherwise
    except errors.Invalid:
        return otherwise


def children(pipelinerun: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the TaskRuns that the status of a PipelineRun lists."""
    listed = objects.mappings(pipelinerun, "status", "childReferences")
    found = (objects.text(child, "name") for child in listed if child.get("kind") == "TaskRun")
    return tuple(name for name in found if name)
