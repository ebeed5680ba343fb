"""Which TaskRuns are a PipelineRun's own: those that it lists, held against the Pipeline that it ran.

Whoever may create TaskRuns may name any PipelineRun as owner, and Tekton adopts a TaskRun that carries its labels, so
neither an owner nor a place in the list is enough. A child that counts

1. is listed in `status.childReferences`, under a pipelineTask that `status.pipelineSpec` has (`tasks` or `finally`);
2. carries the label of that pipelineTask;
3. is the only one of it, unless the pipelineTask has a matrix (a retry is the same TaskRun);
4. runs what the pipelineTask says: the same taskRef with the same resolver and params, or the same steps, with the
   same params of its own; a matrix gives further ones. What Tekton substitutes, `$(...)`, may be anything.

Children of other kinds (CustomRun, PipelineRun) hold nothing that is read.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from avouch.tekton import labels, objects

Object = Mapping[str, Any]
_STEP = ("name", "image", "command", "args", "script", "ref")


@dataclass(frozen=True, slots=True)
class Child:
    """A TaskRun that the PipelineRun lists, its pipelineTask, and why it is none of the Pipeline's, or ""."""

    taskrun: Object
    task: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Children:
    """TaskRuns that are listed, names of others with the PipelineRun as owner, and of listed ones that are gone."""

    listed: tuple[Child, ...]
    foreign: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


def of(subject: Object, taskruns: Iterable[Object]) -> Children:
    """The children of a PipelineRun; a TaskRun that stands alone is its own."""
    every = {labels.name_of(taskrun): taskrun for taskrun in taskruns}
    if subject.get("kind") == "TaskRun":
        return Children(tuple(Child(taskrun, labels.pipeline_task(taskrun)) for taskrun in every.values()))
    tasks = {
        objects.text(child, "name"): objects.text(child, "pipelineTaskName")
        for child in objects.mappings(subject, "status", "childReferences")
        if child.get("kind") == "TaskRun"
    }
    asked = pipeline_tasks(subject)
    often = Counter(tasks.values())
    return Children(
        listed=tuple(
            Child(taskrun, tasks[name], _problem(taskrun, tasks[name], asked, often[tasks[name]]))
            for name, taskrun in every.items()
            if name in tasks
        ),
        foreign=tuple(sorted(name for name in every if name not in tasks)),
        absent=tuple(sorted(name for name in tasks if name not in every)),
    )


def pipeline_tasks(pipelinerun: Object) -> Mapping[str, Object]:
    """The tasks of the Pipeline that ran, those of `finally` included, by name."""
    spec = objects.mapping(pipelinerun, "status", "pipelineSpec")
    return {objects.text(task, "name"): task for part in ("tasks", "finally") for task in objects.mappings(spec, part)}


def _problem(taskrun: Object, task: str, asked: Mapping[str, Object], often: int) -> str:
    """Why a listed TaskRun is none of the Pipeline's; "" where it is. The numbers are the module's."""
    if task not in asked:
        return f"the Pipeline has no task {task!r}"  # 1
    if labels.pipeline_task(taskrun) != task:
        return f"it is listed as task {task} and labelled {labels.pipeline_task(taskrun)!r}"  # 2
    if often > 1 and not objects.mapping(asked[task], "matrix"):
        return f"task {task} has {often} TaskRuns and no matrix"  # 3
    spec = objects.mapping(taskrun, "spec")
    if not runs_the_same(asked[task], spec):
        return f"it does not run what the Pipeline says of task {task}"  # 4
    if not _given_the_same(asked[task], spec):
        return f"its params are not those that the Pipeline gives task {task}"  # 4
    return ""


def runs_the_same(asked: Object, spec: Object) -> bool:
    """Whether a TaskRun's spec has the taskRef, or the steps, of a pipelineTask."""
    if reference := objects.mapping(asked, "taskRef"):
        return _same_reference(reference, objects.mapping(spec, "taskRef"))
    theirs = objects.mappings(asked, "taskSpec", "steps")
    ours = objects.mappings(spec, "taskSpec", "steps")
    same = len(theirs) == len(ours) and all(map(_same_step, theirs, ours))
    return bool(theirs) and same and not objects.mapping(spec, "taskRef")


def _given_the_same(asked: Object, spec: Object) -> bool:
    """Whether a TaskRun has the params of a pipelineTask, each once, and no other but those of its matrix."""
    wanted, given = _params(asked), _params(spec)
    matrix = objects.mapping(asked, "matrix")
    varied = set(_params(matrix)) | {name for each in objects.mappings(matrix, "include") for name in _params(each)}
    named = wanted.keys() <= given.keys() <= wanted.keys() | varied
    once = len(objects.mappings(spec, "params")) == len(given)
    return named and once and all(_fits(wanted[name], given[name]) for name in wanted.keys() - varied)


def _same_reference(asked: Object, found: Object) -> bool:
    plain = all(_fits(asked.get(name, ""), found.get(name, "")) for name in ("name", "resolver"))
    kind = (asked.get("kind") or "Task") == (found.get("kind") or "Task")
    wanted, given = _params(asked), _params(found)
    same = wanted.keys() == given.keys() and all(_fits(wanted[name], given[name]) for name in wanted)
    return plain and kind and same


def _same_step(asked: Object, found: Object) -> bool:
    return all(_fits(asked.get(name), found.get(name)) for name in _STEP)


def _params(reference: Object) -> dict[str, Any]:
    return {objects.text(param, "name"): param.get("value") for param in objects.mappings(reference, "params")}


def _fits(asked: object, found: object) -> bool:
    """Whether a value is the one that is asked for; what Tekton substitutes may be anything."""
    if isinstance(asked, str):
        return "$(" in asked or asked == found
    if isinstance(asked, list) and isinstance(found, list):
        return _fit(asked, found)
    if isinstance(asked, Mapping) and isinstance(found, Mapping):
        return asked.keys() == found.keys() and all(_fits(asked[key], found[key]) for key in asked)
    return (asked or None) == (found or None)


def _fit(asked: list[Any], found: list[Any]) -> bool:
    """A substituted array may become any number of elements: what stands before the first and after the last stays."""
    wide = [at for at, each in enumerate(asked) if isinstance(each, str) and "$(" in each and "[*]" in each]
    if not wide:
        return len(asked) == len(found) and all(map(_fits, asked, found))
    before, after = asked[: wide[0]], asked[wide[-1] + 1 :]
    fixed = len(before) + len(after)
    return len(found) >= fixed and _fit(before + after, found[: len(before)] + found[len(found) - len(after) :])
