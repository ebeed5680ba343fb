"""Which Workflows a PipelineRun or TaskRun belongs to. Inside a namespace this is organisation, not security.

A run belongs to every Workflow that its `avouch.dev/workflow` label names, or that lists its Pipeline (or Task) by name
or by the run's labels. A Workflow covers the PipelineRun if that matches, else the TaskRun; Tekton copies a
PipelineRun's labels to its TaskRuns, so asking the TaskRun first would open a run for each task.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from avouch.tekton import labels, objects


class WorkflowLike(Protocol):
    """What matching reads of a Workflow: its name, and its spec in camelCase."""

    @property
    def name(self) -> str:
        """The Workflow's name."""
        ...

    @property
    def spec(self) -> dict[str, Any]:
        """The Workflow's spec."""
        ...


W = TypeVar("W", bound=WorkflowLike)


@dataclass(frozen=True, slots=True)
class Subject:
    """The PipelineRun or TaskRun of a run."""

    kind: str  # PipelineRun | TaskRun
    name: str
    uid: str
    obj: Mapping[str, Any]


def subject(kind: str, obj: Mapping[str, Any]) -> Subject:
    """The PipelineRun or TaskRun as a subject."""
    return Subject(kind, labels.name_of(obj), labels.uid_of(obj), obj)


def matches_pipelinerun(workflow: WorkflowLike, pipelinerun: Mapping[str, Any]) -> bool:
    """Whether this Workflow covers this PipelineRun."""
    return _matches(workflow, pipelinerun, "pipelines", "pipelineRef")


def matches_taskrun(workflow: WorkflowLike, taskrun: Mapping[str, Any]) -> bool:
    """Whether this Workflow covers this TaskRun itself, regardless of its PipelineRun."""
    return _matches(workflow, taskrun, "tasks", "taskRef")


def of_pipelinerun(workflows: Iterable[W], pipelinerun: Mapping[str, Any]) -> tuple[W, ...]:
    """The Workflows that cover this PipelineRun."""
    return tuple(w for w in workflows if matches_pipelinerun(w, pipelinerun))


def of_taskrun(
    workflows: Iterable[W], taskrun: Mapping[str, Any], pipelinerun: Mapping[str, Any] | None
) -> tuple[tuple[W, Subject], ...]:
    """Each Workflow that covers a pod of this TaskRun, with the subject of its run."""
    found = ((workflow, _subject(workflow, taskrun, pipelinerun)) for workflow in workflows)
    return tuple((workflow, about) for workflow, about in found if about is not None)


def _subject(
    workflow: WorkflowLike, taskrun: Mapping[str, Any], pipelinerun: Mapping[str, Any] | None
) -> Subject | None:
    if pipelinerun is not None and matches_pipelinerun(workflow, pipelinerun):
        return subject("PipelineRun", pipelinerun)
    return subject("TaskRun", taskrun) if matches_taskrun(workflow, taskrun) else None


def _matches(workflow: WorkflowLike, obj: Mapping[str, Any], section: str, reference: str) -> bool:
    if workflow.spec.get("suspend") is True:
        return False
    found = labels.of(obj)
    if found.get(labels.WORKFLOW) == workflow.name:
        return True
    names = _names(objects.mapping(obj, "spec", reference))
    return any(_entry(entry, names, found) for entry in objects.mappings(workflow.spec, "tekton", section))


def _names(reference: Mapping[str, Any]) -> frozenset[str]:
    """The name of a local reference, or the resolver's `name` parameter (cluster, bundles and hub resolvers)."""
    from_resolver = (p.get("value") for p in objects.mappings(reference, "params") if p.get("name") == "name")
    return frozenset(name for name in (reference.get("name"), *from_resolver) if isinstance(name, str) and name)


def _entry(entry: Mapping[str, Any], names: frozenset[str], found: Mapping[str, str]) -> bool:
    """An entry has a name, labels or both; all must match, and an empty entry matches nothing."""
    name, wanted = objects.text(entry, "name"), objects.mapping(entry, "matchLabels")
    if not name and not wanted:
        return False
    return (not name or name in names) and all(found.get(key) == value for key, value in wanted.items())
