"""Why a run failed, and why a task of it left nothing, in the words of Tekton's own objects."""

from typing import Any

import pytest

from avouch import errors
from avouch.tekton import ending

Json = dict[str, Any]


def ended(status: str, reason: str = "r", message: str = "m") -> list[Json]:
    return [{"type": "Succeeded", "status": status, "reason": reason, "message": message}]


def taskrun(name: str, status: str, reason: str = "r") -> Json:
    return {"kind": "TaskRun", "metadata": {"name": name}, "status": {"conditions": ended(status, reason)}}


def pipelinerun(status: str = "False", reason: str = "Failed", **more: Any) -> Json:
    tasks = [{"name": name} for name in ("build", "test", "scan")]
    spec = {"tasks": tasks, "finally": [{"name": "last"}]}
    return {"kind": "PipelineRun", "status": {"conditions": ended(status, reason), "pipelineSpec": spec, **more}}


def skipped(reason: str) -> Json:
    return {"skippedTasks": [{"name": "scan", "reason": reason}]}


@pytest.mark.parametrize(
    ("task", "subject", "taskruns", "why", "fix"),
    [
        ("build", pipelinerun(), [("build", taskrun("b-1", "False", "TaskRunTimeout"))],
         "TaskRun b-1 of task build failed: TaskRunTimeout", "fix task build first"),
        ("build", pipelinerun(), [("build", taskrun("b-1", "False", "TaskRunCancelled"))],
         "TaskRun b-1 of task build was cancelled: TaskRunCancelled", "fix task build first"),
        ("build", pipelinerun("True"), [("build", taskrun("b-1", "False"))],
         "TaskRun b-1 of task build failed: r", "fix task build first"),
        ("build", pipelinerun(),
         [("build", taskrun("b-1", "False", "first")), ("build", taskrun("b-2", "False", "last"))],
         "TaskRun b-2 of task build failed: last", "fix task build first"),
        ("build", pipelinerun(), [("build", taskrun("b-1", "False")), ("build", taskrun("b-2", "True"))], "", ""),
        ("build", pipelinerun(), [("test", taskrun("t-1", "False"))], "task build did not run", "fix the build first"),
        ("scan", pipelinerun("True", **skipped("When Expressions evaluated to false")), [],
         "task scan was skipped: When Expressions evaluated to false",
         "make it optional in the contract if task scan may be skipped, or let the task run"),
        ("scan", pipelinerun("True", **skipped("Parent Tasks were skipped")), [],
         "task scan was skipped: Parent Tasks were skipped",
         "make it optional in the contract if task scan may be skipped, or let the task run"),
        ("scan", pipelinerun(**skipped("PipelineRun was stopping")), [],
         "task scan was skipped: PipelineRun was stopping", "fix the build first"),
        ("biuld", pipelinerun("True"), [],
         "the Pipeline has no task biuld", "write build in the Workflow's spec.tekton"),
        ("nothing", pipelinerun("True"), [], "the Pipeline has no task nothing", "correct the Workflow's spec.tekton"),
        ("last", pipelinerun("True"), [], "", ""),
        ("test", pipelinerun("True", childReferences=[{"kind": "CustomRun", "pipelineTaskName": "test"}]), [],
         "task test is a CustomRun, of which nothing is read", "let an ordinary task hand it on"),
        ("test", pipelinerun("True", childReferences=[{"kind": "TaskRun", "pipelineTaskName": "test"}]), [], "", ""),
        ("", pipelinerun(), [], "", "fix the build first: a task that failed or did not run may be the one"),
        ("", pipelinerun("True"), [], "", ""),
        ("any", taskrun("alone", "False"), [], "the TaskRun failed", "fix the build first"),
        ("any", taskrun("alone", "True"), [], "", ""),
        ("build", {"kind": "PipelineRun", "status": {"conditions": ended("False")}}, [], "", ""),
    ],
)  # fmt: skip
def test_why_a_task_left_nothing_and_what_helps(
    task: str, subject: Json, taskruns: list[tuple[str, Json]], why: str, fix: str
) -> None:
    assert errors.parted(ending.idle(task, subject, taskruns)) == (why, fix)


def test_no_message_of_tekton_is_longer_than_a_finding_takes() -> None:
    long = {"status": {"conditions": ended("False", "Failed", "x" * 5000)}}
    assert ending.said(long) == "Failed: " + "x" * 292


def test_who_failed_a_run_is_told_without_those_that_the_pipeline_forgives() -> None:
    failed, cancelled = taskrun("b-1", "False"), taskrun("t-1", "False", "TaskRunCancelled")
    every = [("build", failed), ("test", cancelled), ("scan", taskrun("s-1", "True"))]
    subject = pipelinerun()
    assert ending.failures(subject, every) == [("build", failed)]
    subject["status"]["pipelineSpec"]["tasks"][0]["onError"] = "continue"
    assert ending.failures(subject, every) == [("test", cancelled)]
    assert ending.failures(subject, every[2:]) == []


@pytest.mark.parametrize(
    ("status", "reason", "over"),
    [("False", "PipelineRunTimeout", True), ("False", "TaskRunTimeout", True), ("False", "Failed", False),
     ("True", "PipelineRunTimeout", False)],
)  # fmt: skip
def test_a_run_timed_out_where_it_failed_for_that_reason(status: str, reason: str, over: bool) -> None:
    assert ending.timed_out(pipelinerun(status, reason)) is over
