"""What the Done snapshot itself shows: outcome, executions that count, and values that need no claim.

Pure readings of Kubernetes JSON. What a TaskRun's status holds is taken from here; claims are only compared with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from avouch import image_references, plan
from avouch.controlplane.model import runs
from avouch.materials import types as material_types
from avouch.tekton import children, labels, objects, results

STRING = material_types.STRING
TASKRUN = "taskrun"
SIDECAR = "sidecar"


class Standing(Enum):
    """What a pod is to a TaskRun, by the TaskRun's own status."""

    OWN = auto()  # of the try that counts
    SUPERSEDED = auto()  # of an earlier try
    FOREIGN = auto()  # the TaskRun does not name it, whatever owner the pod names


@dataclass(frozen=True, slots=True)
class Execution:
    """One TaskRun of the run, with the pod that counts and those that a retry superseded."""

    uid: str
    name: str
    task: str  # pipelineTask; "" where the TaskRun stands alone
    taskrun: Mapping[str, Any]
    pod: str  # name of the pod of the try that counts
    pod_uid: str  # "" where that pod was gone before its UID was seen
    superseded: frozenset[str]  # names of the pods of earlier tries, and their UIDs

    def standing(self, pod: str, pod_uid: str) -> Standing:
        """Where the record places a pod that said something.

        A UID that the record knows decides. Where it knows none, the name does: intake compared name and UID with the
        TaskRun's own status when the claim arrived, or could not yet, and then the name is compared here.
        """
        if pod_uid in self.superseded or (pod in self.superseded and pod != self.pod):
            return Standing.SUPERSEDED
        own = pod_uid == self.pod_uid if self.pod_uid else bool(pod) and pod == self.pod
        return Standing.OWN if own else Standing.FOREIGN


@dataclass(frozen=True, slots=True)
class Seen:
    """One value of one material or annotation, and who showed it."""

    task: str
    taskrun_uid: str
    who: str  # for people: TaskRun build-1
    value: str = ""
    digest: str = ""
    origin: str = TASKRUN
    type: str = STRING
    guessed: bool = False  # nobody said that this image is meant
    unusable: image_references.Unusable | None = None  # what was said names no image

    def __str__(self) -> str:
        """The value for people: a text as it is, an image as it is pulled."""
        if self.type == STRING:
            return self.value[:300]
        return f"{self.value[:300]}{'@' if self.digest else ''}{self.digest[:80]}"


def executions(snapshot: runs.Snapshot) -> tuple[Execution, ...]:
    """Every TaskRun of the run: ordinary, finally and each combination of a matrix. Others are none of it."""
    listed = children.of(snapshot.subject, snapshot.taskruns).listed
    return tuple(_execution(child, snapshot.pods) for child in listed)


def _execution(child: children.Child, pods: Mapping[str, str]) -> Execution:
    taskrun = child.taskrun
    pod = objects.text(taskrun, "status", "podName")
    earlier = {objects.text(retry, "podName") for retry in objects.mappings(taskrun, "status", "retriesStatus")}
    superseded = {*earlier, *(pods.get(name, "") for name in earlier)} - {""}
    return Execution(
        uid=labels.uid_of(taskrun),
        name=labels.name_of(taskrun),
        task=child.task,
        taskrun=taskrun,
        pod=pod,
        pod_uid=pods.get(pod, ""),
        superseded=frozenset(superseded),
    )


def of_material(
    material: plan.PlannedMaterial, subject: Mapping[str, Any], runs: tuple[Execution, ...]
) -> tuple[Seen, ...]:
    """What the statuses show of one material; files are never there."""
    if material.type not in material_types.VALUE_TYPES:
        return ()
    found = results.of_material(material, [run.taskrun for run in runs], _pipelinerun(subject))
    return tuple(_seen(one, runs, material.type) for one in found if isinstance(one, results.Found))


def of_value(source: plan.Source, subject: Mapping[str, Any], runs: tuple[Execution, ...]) -> tuple[Seen, ...]:
    """What the statuses show of one annotation's source."""
    found = results.of_annotation(source, [run.taskrun for run in runs], _pipelinerun(subject))
    return tuple(_seen(one, runs, STRING) for one in found if isinstance(one, results.Found))


def _pipelinerun(subject: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return subject if subject.get("kind") != "TaskRun" else None


def refused(source: plan.Source, name: str, type_: str, runs: tuple[Execution, ...]) -> str:
    """Why a value that is there may not be used, or ""."""
    asked = plan.PlannedMaterial(name, type_, source)
    found = results.of_material(asked, [run.taskrun for run in runs])
    return next((one.why for one in found if isinstance(one, results.Refused)), "")


def variables(names: tuple[str, ...], subject: Mapping[str, Any], runs: tuple[Execution, ...]) -> dict[str, str]:
    """Values of envAllowList: params of the run first, then what its TaskRuns hold. Absent ones are left out."""
    params, found = results.params(subject), {}
    for name in names:
        read = results.environment(name, [run.taskrun for run in runs])
        there = (one.value for one in read if isinstance(one, results.Found))
        if text := params.get(name, "") or next(there, ""):
            found[name] = text
    return found


def _seen(one: results.Found, runs: tuple[Execution, ...], type_: str) -> Seen:
    run = next((run for run in runs if run.name == one.taskrun), None)
    who = f"TaskRun {one.taskrun}" if one.taskrun else "the run itself"
    image = one.image if isinstance(one.image, image_references.ImageReference) else None
    value, digest = (image.tagged, image.digest) if image else (one.value, "")
    return Seen(
        run.task if run else one.task,
        run.uid if run else "",
        who,
        value,
        digest,
        type=type_,
        guessed=one.guessed,
        unusable=one.image if isinstance(one.image, image_references.Unusable) else None,
    )
