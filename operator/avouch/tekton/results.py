"""Reads planned values from the cluster's objects: results of Tasks and steps, params, environment, annotations.

The API is the authority for these; a claim's copy is only compared. A value that cannot be read is named, so that a
verdict can tell the author what to change.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from avouch import image_references, plan
from avouch.materials import types as material_types
from avouch.tekton import hints, labels, objects, paramvalues

_REFERENCE = re.compile(r"\$\(([^()$]+)\)")
_PARAM = re.compile(r"params(?:\.([A-Za-z0-9_.-]+)|\[['\"]([^'\"]+)['\"]\])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Found:
    """A value, and where it was read."""

    value: str
    task: str = ""
    taskrun: str = ""
    image: image_references.Reading | None = None  # how the value of an image is read
    guessed: bool = False  # an image taken only because there is no other


@dataclass(frozen=True, slots=True)
class Refused:
    """A value that exists but must not be used, e.g. environment from a Secret."""

    why: str
    task: str = ""
    taskrun: str = ""


Lookup = Found | Refused


def of_material(
    material: plan.PlannedMaterial,
    taskruns: Iterable[Mapping[str, Any]],
    pipelinerun: Mapping[str, Any] | None = None,
) -> tuple[Lookup, ...]:
    """Values of one material in these TaskRuns: none, one, or one for each TaskRun of a matrix.

    A param without a task is the PipelineRun's, if it has it. Workspace files and Tekton artifacts are not here: only
    the pod has them.
    """
    value = _own_param(material.source, pipelinerun)
    if value:
        return (_read(Found(value), material),)
    found = (_in_taskrun(material.source, taskrun, material) for taskrun in _of_task(taskruns, material.source.task))
    return tuple(_read(lookup, material) for lookup in found if lookup is not None)


def _read(lookup: Lookup, material: plan.PlannedMaterial) -> Lookup:
    """An image by param or environment is one text; by results it was read from all of them together."""
    if material.type != material_types.IMAGE or isinstance(lookup, Refused) or lookup.image is not None:
        return lookup
    return replace(lookup, image=image_references.pinned(lookup.value))


def of_annotation(
    source: plan.Source, taskruns: Iterable[Mapping[str, Any]], pipelinerun: Mapping[str, Any] | None
) -> tuple[Lookup, ...]:
    """Values of one annotation. Annotations, and params without a task, are read from the subject."""
    every = tuple(taskruns)
    subject = pipelinerun if pipelinerun is not None else next(iter(every), {})
    if source.kind is plan.From.ANNOTATION:
        value = objects.text(subject, "metadata", "annotations", source.name)
        return (Found(value),) if value else ()
    if source.kind is plan.From.PARAM and not source.task and pipelinerun is not None:
        value = _own_param(source, pipelinerun)
        return (Found(value),) if value else ()
    found = (_in_taskrun(source, taskrun, None) for taskrun in _of_task(every, source.task))
    return tuple(lookup for lookup in found if lookup is not None)


def _own_param(source: plan.Source, pipelinerun: Mapping[str, Any] | None) -> str:
    if source.kind is not plan.From.PARAM or source.task:
        return ""
    return params(pipelinerun or {}).get(source.name, "")


def environment(name: str, taskruns: Iterable[Mapping[str, Any]]) -> tuple[Lookup, ...]:
    """What `envAllowList` means in Tekton: a param of this name, else the literal environment of any step."""
    found = []
    for taskrun in taskruns:
        value = params(taskrun).get(name, "")
        found.append(_found(value, taskrun) if value else _env(plan.Source(plan.From.ENV, name=name), taskrun))
    return tuple(lookup for lookup in found if lookup is not None)


def task_results(taskrun: Mapping[str, Any]) -> dict[str, str]:
    """Results by name, in order; arrays and objects as JSON. The last of duplicate names wins, as in Tekton."""
    return {name: paramvalues.text(value) for name, value in result_values(taskrun).items()}


def result_values(obj: Mapping[str, Any]) -> dict[str, object]:
    """Results of a TaskRun or PipelineRun as the API holds them, as `param_values`."""
    return {objects.text(result, "name"): result.get("value") for result in objects.mappings(obj, "status", "results")}


def step_results(taskrun: Mapping[str, Any], step: str) -> dict[str, str]:
    """Results of one step by name, as `task_results`."""
    return {
        objects.text(result, "name"): paramvalues.text(result.get("value"))
        for found in objects.mappings(taskrun, "status", "steps")
        if found.get("name") == step
        for result in objects.mappings(found, "results")
    }


def _results(source: plan.Source, taskrun: Mapping[str, Any]) -> dict[str, str]:
    return step_results(taskrun, source.step) if source.step else task_results(taskrun)


def params(obj: Mapping[str, Any]) -> dict[str, str]:
    """Params of a TaskRun or PipelineRun by name: the given value, else the default of its resolved spec."""
    return {name: paramvalues.text(value) for name, value in param_values(obj).items()}


def param_values(obj: Mapping[str, Any]) -> dict[str, object]:
    """`params` as the API holds them: texts, lists of texts, objects of texts."""
    declared = objects.mappings(obj, "status", "taskSpec", "params")
    declared += objects.mappings(obj, "status", "pipelineSpec", "params")
    known = [(objects.text(p, "name"), p["default"]) for p in declared if p.get("default") is not None]
    known += [(objects.text(p, "name"), p.get("value")) for p in objects.mappings(obj, "spec", "params")]
    return dict(known)


def _of_task(taskruns: Iterable[Mapping[str, Any]], task: str) -> Iterable[Mapping[str, Any]]:
    """TaskRuns of a pipelineTask; a TaskRun that stands alone matches any task name."""
    return (t for t in taskruns if not task or labels.pipeline_task(t) in ("", task))


def _in_taskrun(
    source: plan.Source, taskrun: Mapping[str, Any], material: plan.PlannedMaterial | None
) -> Lookup | None:
    match source.kind:
        case plan.From.RESULT | plan.From.CONVENTION if material is not None and material.type == material_types.IMAGE:
            return _image(material, taskrun)
        case plan.From.RESULT:
            return _found(_results(source, taskrun).get(source.name, "").strip(), taskrun)
        case plan.From.PARAM:
            return _found(params(taskrun).get(source.name, ""), taskrun)
        case plan.From.ENV:
            return _env(source, taskrun)
        case plan.From.CONVENTION if material is not None and material.type == material_types.STRING:
            return _found(task_results(taskrun).get(material.name, "").strip(), taskrun)
        case _:
            return None


def _image(material: plan.PlannedMaterial, taskrun: Mapping[str, Any]) -> Found | None:
    shown = hints.of_material(material, _results(material.source, taskrun))
    if shown is None:
        return None
    task, name = labels.pipeline_task(taskrun), labels.name_of(taskrun)
    return Found(str(shown.image), task, name, shown.image, shown.guessed)


def _env(source: plan.Source, taskrun: Mapping[str, Any]) -> Lookup | None:
    spec = objects.mapping(taskrun, "status", "taskSpec") or objects.mapping(taskrun, "spec", "taskSpec")
    steps = [s for s in objects.mappings(spec, "steps") if not source.step or s.get("name") == source.step]
    declared = [e for s in steps for e in objects.mappings(s, "env")]
    declared += objects.mappings(spec, "stepTemplate", "env") if steps else ()
    entry = next((e for e in declared if e.get("name") == source.name), None)
    if entry is None:
        return None
    if entry.get("valueFrom") is not None:
        return _refused(
            f"environment variable {source.name} comes from valueFrom: only literal values are recorded", taskrun
        )
    return _literal(objects.text(entry, "value"), source.name, taskrun)


def _literal(value: str, name: str, taskrun: Mapping[str, Any]) -> Lookup | None:
    """A literal with params filled in; with any other $(reference) the value is unknown."""
    known = params(taskrun)
    unknown = [ref for ref in _REFERENCE.findall(value) if _param_name(ref) not in known]
    if unknown:
        return _refused(f"environment variable {name} refers to $({unknown[0]}), which is not a param", taskrun)
    return _found(_REFERENCE.sub(lambda match: known[_param_name(match[1])], value), taskrun)


def _param_name(reference: str) -> str:
    match = _PARAM.fullmatch(reference)
    return (match[1] or match[2]) if match else ""


def _found(value: str, taskrun: Mapping[str, Any]) -> Found | None:
    return Found(value, labels.pipeline_task(taskrun), labels.name_of(taskrun)) if value else None


def _refused(why: str, taskrun: Mapping[str, Any]) -> Refused:
    return Refused(why, labels.pipeline_task(taskrun), labels.name_of(taskrun))
