"""What Pipelines and Tasks declare by name: params, results, workspaces and steps. What they do is not read.

Rules: tektoncd/pipeline pkg/apis/pipeline/v1/{pipeline,task}_types.go; params and workspaces of a Pipeline are handed
on to the tasks that are written inside it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from avouch.tekton import objects

Object: TypeAlias = Mapping[str, Any]
_KEPT = ("name", "namespace", "uid", "resourceVersion", "generation")
_LISTS = ("params", "results", "workspaces", "steps")
_SIZE = "avouch.dev/names"  # no field of Kubernetes
MOST = 2000  # names of one Pipeline or Task: of more (an object may have 40,000) nothing is kept but how many
Names: TypeAlias = frozenset[str]
_NONE: Names = frozenset()


@dataclass(frozen=True, slots=True)
class Declared:
    """The names that one Task, or one task of a Pipeline, declares."""

    params: Names = _NONE
    results: Names = _NONE
    workspaces: Names = _NONE
    steps: Names = _NONE


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A Pipeline's own params, and its tasks, `finally` included; None: what it declares is not in this namespace."""

    params: Names
    tasks: Mapping[str, Declared | None] = field(default_factory=dict)


def slim(obj: Object) -> dict[str, Any]:
    """What stays in memory of a Pipeline or Task: a hundredth of it."""
    spec = objects.mapping(obj, "spec")
    meta = objects.mapping(obj, "metadata")
    kept = {"metadata": {name: meta[name] for name in _KEPT if name in meta}}
    if (names := size(obj)) > MOST:
        return {**kept, "spec": {}, _SIZE: names}
    tasks = {part: [_slim_task(task) for task in objects.mappings(spec, part)] for part in ("tasks", "finally")}
    return {**kept, "spec": {**_slim_spec(spec), **tasks}}


def size(obj: Object) -> int:
    """How many names a Pipeline or Task has, those of its tasks included. One over `MOST` may not be kept whole."""
    spec = objects.mapping(obj, "spec")
    every = [each for part in ("tasks", "finally") for each in objects.mappings(spec, part)]
    return int(obj.get(_SIZE, 0)) or _size(spec) + sum(map(_size_of_task, every))


def _size(value: Object) -> int:
    return sum(len(objects.mappings(value, part)) for part in _LISTS)


def _size_of_task(asked: Object) -> int:
    matrix = objects.mapping(asked, "matrix")
    given = sum(map(_size, (asked, matrix, *objects.mappings(matrix, "include"))))
    return 1 + given + _size(objects.mapping(asked, "taskSpec"))


def _slim_spec(spec: Object) -> dict[str, Any]:
    return {part: _only_names(spec, part) for part in _LISTS if part in spec}


def _slim_task(task: Object) -> dict[str, Any]:
    reference = objects.mapping(task, "taskRef")
    matrix = objects.mapping(task, "matrix")
    included = [{"params": _only_names(each, "params")} for each in objects.mappings(matrix, "include")]
    embedded = {"taskSpec": _slim_spec(objects.mapping(task, "taskSpec"))} if "taskSpec" in task else {}
    return {
        "name": objects.text(task, "name"),
        "taskRef": {key: reference[key] for key in ("name", "kind", "apiVersion", "resolver") if key in reference},
        "params": _only_names(task, "params"),
        "workspaces": _only_names(task, "workspaces"),
        "matrix": {"params": _only_names(matrix, "params"), "include": included},
        **embedded,
    }


def _only_names(value: Object, part: str) -> list[dict[str, str]]:
    return [{"name": objects.text(each, "name")} for each in objects.mappings(value, part)]


def task(obj: Object) -> Declared:
    """What a Task declares."""
    return _declared(objects.mapping(obj, "spec"))


def pipeline(obj: Object, tasks: Callable[[str], Object | None]) -> Pipeline:
    """What a Pipeline declares. `tasks` gives the Tasks of its namespace by name."""
    spec = objects.mapping(obj, "spec")
    own = _declared(spec)
    every = [each for part in ("tasks", "finally") for each in objects.mappings(spec, part)]
    return Pipeline(own.params, {objects.text(each, "name"): _of_pipeline(each, own, tasks) for each in every})


def referred(obj: Object) -> Names:
    """The Tasks of its namespace that a Pipeline runs."""
    return frozenset(references(obj))


def references(obj: Object) -> Sequence[str]:
    """The Tasks of its namespace that a Pipeline runs, each as often as it runs it."""
    every = [each for part in ("tasks", "finally") for each in objects.mappings(obj, "spec", part)]
    return [name for name in map(_local, every) if name]


def _of_pipeline(asked: Object, whole: Declared, tasks: Callable[[str], Object | None]) -> Declared | None:
    params = _names(asked, "params") | _names(objects.mapping(asked, "matrix"), "params")
    for each in objects.mappings(asked, "matrix", "include"):
        params |= _names(each, "params")
    given = Declared(params, workspaces=_names(asked, "workspaces"))
    if "taskSpec" in asked:
        found = _declared(objects.mapping(asked, "taskSpec"))
        return _joined(found, _joined(given, Declared(whole.params, workspaces=whole.workspaces)))
    referred_to = tasks(_local(asked)) if _local(asked) else None
    return None if referred_to is None else _joined(task(referred_to), given)


def _local(asked: Object) -> str:
    """The name of the Task of the same namespace that a pipelineTask refers to; "" for any other kind of reference."""
    reference = objects.mapping(asked, "taskRef")
    plain = reference.get("resolver") is None and (reference.get("kind") or "Task") == "Task"
    return objects.text(reference, "name") if plain else ""


def _declared(spec: Object) -> Declared:
    return Declared(*(_names(spec, part) for part in _LISTS))


def _joined(one: Declared, other: Declared) -> Declared:
    return Declared(*(getattr(one, part) | getattr(other, part) for part in _LISTS))


def _names(value: Object, part: str) -> Names:
    return frozenset(objects.text(each, "name") for each in objects.mappings(value, part)) - {""}
