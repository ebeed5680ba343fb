"""Names Tekton writes on its objects, and the one link between them that can be trusted.

Users who may create TaskRuns can set all labels but two; users who may create pods can set all. So labels only select
and hint; identity is the controller ownerReference, followed by UID (tektoncd/pipeline pkg/pod/pod.go, makeLabels).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avouch.tekton import objects

GROUP = "tekton.dev"
TASK = "tekton.dev/task"
TASKRUN = "tekton.dev/taskRun"
TASKRUN_UID = "tekton.dev/taskRunUID"
PIPELINERUN_UID = "tekton.dev/pipelineRunUID"
PIPELINE = "tekton.dev/pipeline"
PIPELINERUN = "tekton.dev/pipelineRun"
PIPELINE_TASK = "tekton.dev/pipelineTask"

WORKFLOW = "avouch.dev/workflow"  # explicit match, on a PipelineRun or TaskRun
INJECT = "avouch.dev/inject"  # opt-in of a namespace: `enabled`


@dataclass(frozen=True, slots=True)
class Owner:
    """The object that controls another one."""

    kind: str
    name: str
    uid: str


def name_of(obj: Mapping[str, Any]) -> str:
    """The object's name."""
    return objects.text(obj, "metadata", "name")


def uid_of(obj: Mapping[str, Any]) -> str:
    """The object's UID."""
    return objects.text(obj, "metadata", "uid")


def of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """The object's labels; what is no text is none."""
    found = objects.mapping(obj, "metadata", "labels")
    return {key: value for key, value in found.items() if isinstance(value, str)}


def controller(obj: Mapping[str, Any], kind: str) -> Owner | None:
    """The controlling owner, if it is a Tekton object of this kind."""
    found = [ref for ref in objects.mappings(obj, "metadata", "ownerReferences") if ref.get("controller") is True]
    if len(found) != 1:
        return None
    ref = found[0]
    if objects.text(ref, "apiVersion").partition("/")[0] != GROUP or ref.get("kind") != kind:
        return None
    owner = Owner(kind, objects.text(ref, "name"), objects.text(ref, "uid"))
    return owner if owner.name and owner.uid else None


def claimed_taskrun(pod: Mapping[str, Any]) -> str:
    """Name of the TaskRun that a pod says it works for, by any owner or by its label; "" for none.

    For refusals only: whoever may create pods may say so of any of them.

    >>> claimed_taskrun({"metadata": {"labels": {"tekton.dev/taskRun": "build"}}})
    'build'
    """
    owners = (
        objects.text(ref, "name")
        for ref in objects.mappings(pod, "metadata", "ownerReferences")
        if objects.text(ref, "apiVersion").partition("/")[0] == GROUP and ref.get("kind") == "TaskRun"
    )
    return next((name for name in owners if name), objects.text(of(pod), TASKRUN))


def pipeline_task(taskrun: Mapping[str, Any]) -> str:
    """The task of the Pipeline that this TaskRun runs; empty if the TaskRun stands alone."""
    return objects.text(of(taskrun), PIPELINE_TASK)
