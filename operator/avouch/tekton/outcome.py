"""How a PipelineRun or TaskRun stands, from its Succeeded condition and nothing else.

Sources: tektoncd/pipeline pkg/apis/pipeline/v1/{pipelinerun,taskrun}_types.go. A TaskRun waiting for its next retry is
Unknown (reason ToBeRetried), so no case here needs to know about retries to tell what is done.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from avouch.reconcilers import tektonruns
from avouch.tekton import labels, objects

_CANCELED = frozenset(
    {
        "Cancelled",  # PipelineRun, v1
        "CancelledRunningFinally",
        "StoppedRunningFinally",
        "PipelineRunCancelled",  # v1beta1
        "TaskRunCancelled",
    }
)


class State(StrEnum):
    """The closed list of how a run stands."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run stands, with Tekton's own reason and message."""

    state: State
    reason: str = ""
    message: str = ""

    @property
    def done(self) -> bool:
        """Whether nothing will change any more."""
        return self.state is not State.RUNNING


@dataclass(frozen=True, slots=True)
class Attempt:
    """One pod of a TaskRun: the last one is current, earlier ones were retried."""

    pod: str
    outcome: Outcome
    started: str = ""
    finished: str = ""


def of(obj: Mapping[str, Any]) -> Outcome:
    """How this PipelineRun or TaskRun stands."""
    return _outcome(objects.mapping(obj, "status"))


def attempts(taskrun: Mapping[str, Any]) -> tuple[Attempt, ...]:
    """Every try of a TaskRun, oldest first, the current one last."""
    earlier = objects.mappings(taskrun, "status", "retriesStatus")
    return tuple(_attempt(status) for status in (*earlier, objects.mapping(taskrun, "status")))


def by_task(taskruns: Iterable[Mapping[str, Any]]) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """TaskRuns by pipelineTask, ordered by name; a matrix has several under one."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for taskrun in sorted(taskruns, key=labels.name_of):
        found.setdefault(labels.pipeline_task(taskrun), []).append(taskrun)
    return {task: tuple(runs) for task, runs in found.items()}


def skipped(pipelinerun: Mapping[str, Any]) -> dict[str, str]:
    """Tasks of the Pipeline that never ran, with Tekton's reason."""
    found = objects.mappings(pipelinerun, "status", "skippedTasks")
    return {objects.text(task, "name"): objects.text(task, "reason") for task in found}


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
    listed = (obj.get("status") or {}).get("conditions") or ()
    return any(map(tektonruns._says_done, listed))


def finished_at(obj: Mapping[str, Any], otherwise: datetime) -> datetime:
    """When it was over by its own word."""
    said = (obj.get("status") or {}).get("completionTime")
    return datetime.fromisoformat(said).astimezone(UTC) if said else otherwise


def children(pipelinerun: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the TaskRuns that a PipelineRun itself says are its own."""
    references = (pipelinerun.get("status") or {}).get("childReferences") or ()
    return tuple(str(r["name"]) for r in references if r.get("kind") == "TaskRun" and r.get("name"))
