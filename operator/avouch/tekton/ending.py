"""How a run ended, told for people: which TaskRuns failed it, and why a task of it left nothing.

Skipped tasks: `status.skippedTasks` of the PipelineRun, with Tekton's own reason (tektoncd/pipeline
pkg/apis/pipeline/v1/pipelinerun_types.go, `SkippingReason`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from avouch import errors, spelling
from avouch.tekton import children, labels, objects, outcome

Object: TypeAlias = Mapping[str, Any]
_TIMEOUTS = frozenset({"PipelineRunTimeout", "TaskRunTimeout"})
_NOT_REACHED = "PipelineRun "  # how reasons begin where the run ended before the task's turn
_TEXT = 300  # characters of one message of Tekton's
_FIRST = "fix the build first"


def timed_out(subject: Object) -> bool:
    """Whether the whole run failed because its time was over."""
    ended = outcome.of(subject)
    return ended.state is outcome.State.FAILED and ended.reason in _TIMEOUTS


def skipped(pipelinerun: Object) -> Mapping[str, str]:
    """Tekton's reason by the name of each task that was skipped."""
    found = objects.mappings(pipelinerun, "status", "skippedTasks")
    return {objects.text(each, "name"): objects.text(each, "reason") for each in found}


def failures(subject: Object, taskruns: Iterable[tuple[str, Object]]) -> Sequence[tuple[str, Object]]:
    """The TaskRuns, each with its task, that failed this PipelineRun; where none did, those that were cancelled."""
    forgiven = {name for name, task in children.pipeline_tasks(subject).items() if task.get("onError") == "continue"}
    ended = [(task, taskrun, outcome.of(taskrun).state) for task, taskrun in taskruns if task not in forgiven]
    failed = [(task, taskrun) for task, taskrun, state in ended if state is outcome.State.FAILED]
    return failed or [(task, taskrun) for task, taskrun, state in ended if state is outcome.State.CANCELED]


def said(obj: Object) -> str:
    """Reason and message of a run, cut to what a finding takes.

    >>> condition = {"type": "Succeeded", "status": "False", "reason": "Failed", "message": "step s exited"}
    >>> said({"status": {"conditions": [condition]}})
    'Failed: step s exited'
    """
    ended = outcome.of(obj)
    return f"{ended.reason}: {ended.message}"[:_TEXT]


def idle(task: str, subject: Object, taskruns: Iterable[tuple[str, Object]]) -> str:
    """Why a task left nothing, with what helps, as `errors.parted` takes it apart; "" where nothing tells.

    Args:
        task: the pipelineTask; "" for any of the run, of which only a fix can be told.
        subject: the PipelineRun or TaskRun.
        taskruns: the TaskRuns of the PipelineRun, each with its task.
    """
    failed = outcome.of(subject).state is outcome.State.FAILED
    if subject.get("kind") == "TaskRun":
        return errors.with_fix("the TaskRun failed", _FIRST) if failed else ""
    if not task:
        return errors.with_fix("", f"{_FIRST}: a task that failed or did not run may be the one") if failed else ""
    mine = [taskrun for name, taskrun in taskruns if name == task]
    return _of_taskruns(task, mine) if mine else _without_taskrun(task, subject)


def _of_taskruns(task: str, taskruns: Sequence[Object]) -> str:
    """Of a task with TaskRuns: one of a matrix that succeeded might have left it."""
    ended = [outcome.of(taskrun) for taskrun in taskruns]
    if not all(each.state in (outcome.State.FAILED, outcome.State.CANCELED) for each in ended):
        return ""
    word = "failed" if ended[-1].state is outcome.State.FAILED else "was cancelled"
    why = f"TaskRun {labels.name_of(taskruns[-1])} of task {task} {word}: {ended[-1].reason}"
    return errors.with_fix(why, f"fix task {task} first")


def _without_taskrun(task: str, subject: Object) -> str:
    reason = skipped(subject).get(task)
    if reason is not None:
        may = f"make it optional in the contract if task {task} may be skipped, or let the task run"
        return errors.with_fix(f"task {task} was skipped: {reason}", _FIRST if reason.startswith(_NOT_REACHED) else may)
    known = children.pipeline_tasks(subject)
    if known and task not in known:
        nearest = spelling.nearest(task, known)
        fix = f"write {nearest} in the Workflow's spec.tekton" if nearest else "correct the Workflow's spec.tekton"
        return errors.with_fix(f"the Pipeline has no task {task}", fix)
    kinds = {
        objects.text(child, "kind")
        for child in objects.mappings(subject, "status", "childReferences")
        if child.get("pipelineTaskName") == task
    } - {"TaskRun", ""}
    if kinds:
        return errors.with_fix(
            f"task {task} is a {min(kinds)}, of which nothing is read", "let an ordinary task hand it on"
        )
    if known and outcome.of(subject).state in (outcome.State.FAILED, outcome.State.CANCELED):
        return errors.with_fix(f"task {task} did not run", _FIRST)
    return ""
