"""Which Workflows a PipelineRun or TaskRun belongs to.

By name or label this is organization, not security: whoever may create runs chooses what they run. An entry with a
resolver is strict: exactly that reference, and nothing belongs to its Workflow by the label alone.

`Index` files the Workflows of a namespace by what they ask for: a run is compared with those few that can match.

A run belongs to every Workflow that its `avouch.dev/workflow` label names, or that lists its Pipeline (or Task) by name
or by the run's labels. A Workflow covers the PipelineRun if that matches, else the TaskRun; Tekton copies a
PipelineRun's labels to its TaskRuns, so asking the TaskRun first would open a run for each task.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

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
_SECTIONS = {"pipelines": "pipelineRef", "tasks": "taskRef"}  # of spec.tekton, and what a run refers with
_IndexKey: TypeAlias = tuple[str, str, str]  # section, label ("" = the name of the Pipeline or Task), value


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
    """Whether this Workflow is about this PipelineRun."""
    return _matches(workflow, pipelinerun, "pipelines")


def matches_taskrun(workflow: WorkflowLike, taskrun: Mapping[str, Any]) -> bool:
    """Whether this Workflow is about this TaskRun itself, whatever PipelineRun it may belong to."""
    return _matches(workflow, taskrun, "tasks")


def of_pipelinerun(workflows: Iterable[W], pipelinerun: Mapping[str, Any]) -> tuple[W, ...]:
    """The Workflows that cover this PipelineRun."""
    return tuple(w for w in workflows if matches_pipelinerun(w, pipelinerun))


def of_taskrun(
    workflows: Iterable[W], taskrun: Mapping[str, Any], pipelinerun: Mapping[str, Any] | None
) -> tuple[tuple[W, Subject], ...]:
    """Each Workflow that covers a pod of this TaskRun, with the subject of its run."""
    found = ((workflow, _subject(workflow, taskrun, pipelinerun)) for workflow in workflows)
    return tuple((workflow, about) for workflow, about in found if about is not None)


class Index(Generic[W]):
    """The Workflows of one namespace. A lookup costs what the matching ones cost, however many there are."""

    def __init__(self, workflows: Iterable[W] = ()) -> None:
        self._workflows: dict[str, W] = {}
        self._filed: dict[_IndexKey, set[str]] = {}
        self._places: dict[str, frozenset[_IndexKey]] = {}
        for workflow in workflows:
            self.put(workflow)

    def __len__(self) -> int:
        return len(self._workflows)

    def __iter__(self) -> Iterator[W]:
        return iter(self._workflows.values())

    def get(self, name: str) -> W | None:
        """The Workflow of this name."""
        return self._workflows.get(name)

    def put(self, workflow: W) -> None:
        """Add a Workflow, or replace the one of its name."""
        self.drop(workflow.name)
        self._workflows[workflow.name] = workflow
        self._places[workflow.name] = frozenset(self._index_keys(workflow))
        for key in self._places[workflow.name]:
            self._filed.setdefault(key, set()).add(workflow.name)

    def drop(self, name: str) -> None:
        """Remove a Workflow; nothing happens where there is none of this name."""
        self._workflows.pop(name, None)
        for key in self._places.pop(name, ()):
            names = self._filed[key]
            names.discard(name)
            if not names:
                del self._filed[key]

    def of_pipelinerun(self, pipelinerun: Mapping[str, Any]) -> tuple[W, ...]:
        """As the function of this name, over all Workflows of the index, by name."""
        return of_pipelinerun(self._named(self._candidates("pipelines", pipelinerun)), pipelinerun)

    def of_taskrun(
        self, taskrun: Mapping[str, Any], pipelinerun: Mapping[str, Any] | None
    ) -> tuple[tuple[W, Subject], ...]:
        """As the function of this name, over all Workflows of the index, by name."""
        about = self._candidates("pipelines", pipelinerun or {})
        return of_taskrun(self._named(about | self._candidates("tasks", taskrun)), taskrun, pipelinerun)

    def _named(self, names: Iterable[str]) -> list[W]:
        return [self._workflows[name] for name in sorted(names)]

    def _candidates(self, section: str, obj: Mapping[str, Any]) -> set[str]:
        found = labels.of(obj)
        asked = [(section, "", name) for name in _names(objects.mapping(obj, "spec", _SECTIONS[section]))]
        asked += [(section, key, value) for key, value in found.items()]
        asked += _resolved(section, objects.mapping(obj, "spec", _SECTIONS[section]))
        named = {name for key in asked for name in self._filed.get(key, ())}
        explicit = found.get(labels.WORKFLOW, "")
        return named | {explicit} if explicit in self._workflows else named

    def _index_keys(self, workflow: W) -> Iterator[_IndexKey]:
        """Where each entry is filed: under the condition that the fewest others are filed under.

        A Pipeline that a thousand Workflows share with a label of their own each would otherwise be one crowded key.
        """
        for section in _SECTIONS:
            for entry in objects.mappings(workflow.spec, "tekton", section):
                wanted = [(section, key, value) for key, value in objects.mapping(entry, "matchLabels").items()]
                name, strict = objects.text(entry, "name"), objects.mapping(entry, "resolver")
                if name:
                    wanted.append((section, "", name))
                params = [{"name": key, "value": value} for key, value in objects.mapping(strict, "params").items()]
                wanted += _resolved(section, {"resolver": strict.get("name"), "params": params})
                if wanted and all(isinstance(value, str) for _, _, value in wanted):
                    yield min(wanted, key=lambda key: len(self._filed.get(key, ())))


def _subject(
    workflow: WorkflowLike, taskrun: Mapping[str, Any], pipelinerun: Mapping[str, Any] | None
) -> Subject | None:
    whole = pipelinerun or {}  # which is nobody's
    if matches_pipelinerun(workflow, whole):
        return subject("PipelineRun", whole)
    return subject("TaskRun", taskrun) if matches_taskrun(workflow, taskrun) else None


def _matches(workflow: WorkflowLike, obj: Mapping[str, Any], section: str) -> bool:
    found = labels.of(obj)
    if found.get(labels.WORKFLOW) == workflow.name and not _strict(workflow):
        return True
    reference = objects.mapping(obj, "spec", _SECTIONS[section])
    return any(_entry(entry, reference, found) for entry in objects.mappings(workflow.spec, "tekton", section))


def _strict(workflow: WorkflowLike) -> bool:
    """Whether any entry, of either section, names a resolver: Tekton copies a PipelineRun's labels to its TaskRuns."""
    entries = (entry for section in _SECTIONS for entry in objects.mappings(workflow.spec, "tekton", section))
    return any("resolver" in entry for entry in entries)


def _names(reference: Mapping[str, Any]) -> frozenset[str]:
    """The name of a local reference, or the resolver's `name` parameter (cluster, bundles and hub resolvers)."""
    from_resolver = (p.get("value") for p in objects.mappings(reference, "params") if p.get("name") == "name")
    return frozenset(name for name in (reference.get("name"), *from_resolver) if isinstance(name, str))


def _resolved(section: str, reference: Mapping[str, Any]) -> list[_IndexKey]:
    """Where strict entries are filed. No label has a space."""
    resolver, params = reference.get("resolver"), objects.mappings(reference, "params")
    pairs = [(param.get("name"), param.get("value")) for param in params]
    return [(section, f" {resolver} {name}", value) for name, value in pairs if isinstance(value, str)]


def _entry(entry: Mapping[str, Any], reference: Mapping[str, Any], found: Mapping[str, str]) -> bool:
    """An entry has a name, labels or a resolver; all that it has must match, and an empty entry matches nothing."""
    name, wanted = objects.text(entry, "name"), objects.mapping(entry, "matchLabels")
    if not name and not wanted and "resolver" not in entry:
        return False
    if "resolver" in entry and not _refers_to(objects.mapping(entry, "resolver"), reference):
        return False
    return (not name or name in _names(reference)) and all(found.get(key) == value for key, value in wanted.items())


def _refers_to(strict: Mapping[str, Any], reference: Mapping[str, Any]) -> bool:
    """Whether a reference is this resolver with exactly these params."""
    given = [(objects.text(param, "name"), param.get("value")) for param in objects.mappings(reference, "params")]
    wanted = objects.mapping(strict, "params")
    same = len(given) == len(wanted) and all(name in wanted and wanted[name] == value for name, value in given)
    unique = len({name for name, _ in given}) == len(given)
    return bool(wanted) and same and unique and strict.get("name") == reference.get("resolver")
