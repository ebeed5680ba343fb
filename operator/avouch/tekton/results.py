"""Reads planned values from the cluster's objects: Task results, params, literal environment, annotations.

The API is the authority for these; a claim's copy is only compared. A value that cannot be read is named, so that a
verdict can tell the author what to change.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from avouch import plan
from avouch.materials import types as material_types
from avouch.tekton import hints, labels, objects

_REFERENCE = re.compile(r"\$\(([^()$]+)\)")
_PARAM = re.compile(r"params(?:\.([A-Za-z0-9_.-]+)|\[['\"]([^'\"]+)['\"]\])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Found:
    """A value, and where it was read."""

    value: str
    task: str = ""
    taskrun: str = ""
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
        return (Found(value),)
    found = (_in_taskrun(material.source, taskrun, material) for taskrun in _of_task(taskruns, material.source.task))
    return tuple(lookup for lookup in found if lookup is not None)


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
    if pipelinerun is None or source.kind is not plan.From.PARAM or source.task:
        return ""
    return params(pipelinerun).get(source.name, "")


def environment(name: str, taskruns: Iterable[Mapping[str, Any]]) -> tuple[Lookup, ...]:
    """What `envAllowList` means in Tekton: a param of this name, else the literal environment of any step."""
    found = []
    for taskrun in taskruns:
        value = params(taskrun).get(name, "")
        found.append(_found(value, taskrun) if value else _env(plan.Source(plan.From.ENV, name=name), taskrun))
    return tuple(lookup for lookup in found if lookup is not None)


def task_results(taskrun: Mapping[str, Any]) -> dict[str, str]:
    """Results by name, in order; arrays and objects as JSON. The last of duplicate names wins, as in Tekton."""
    return {
        objects.text(result, "name"): text(result.get("value"))
        for result in objects.mappings(taskrun, "status", "results")
    }


def text(value: object) -> str:
    """A result or param of any type: a string as it is, an array or object as JSON in one spelling."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def normalized(written: str) -> str:
    """The content of a result file, spelled as `text` spells the value that Tekton reads from it.

    Tekton's arrays hold strings, its objects map keys to strings; anything else is unchanged.

    >>> normalized('["a", "b"]'), normalized('{"b": "2", "a": "1"}'), normalized('[1, 2]')
    ('["a","b"]', '{"a":"1","b":"2"}', '[1, 2]')
    """
    if not written.strip().startswith(("[", "{")):
        return written
    try:
        value = json.loads(written, object_pairs_hook=_no_key_twice)
    except (ValueError, RecursionError):
        return written
    inner = value.values() if isinstance(value, dict) else value
    return text(value) if all(isinstance(each, str) for each in inner) else written


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a duplicate key")
    return found


def params(obj: Mapping[str, Any]) -> dict[str, str]:
    """Params of a TaskRun or PipelineRun by name: the given value, else the default of its resolved spec."""
    declared = objects.mappings(obj, "status", "taskSpec", "params")
    declared += objects.mappings(obj, "status", "pipelineSpec", "params")
    defaults = {objects.text(p, "name"): text(p["default"]) for p in declared if p.get("default") is not None}
    return {
        **defaults,
        **{objects.text(p, "name"): text(p.get("value")) for p in objects.mappings(obj, "spec", "params")},
    }


def _of_task(taskruns: Iterable[Mapping[str, Any]], task: str) -> Iterable[Mapping[str, Any]]:
    """TaskRuns of a pipelineTask; a TaskRun that stands alone matches any task name."""
    return (t for t in taskruns if not task or labels.pipeline_task(t) in ("", task))


def _in_taskrun(
    source: plan.Source, taskrun: Mapping[str, Any], material: plan.PlannedMaterial | None
) -> Lookup | None:
    match source.kind:
        case plan.From.RESULT:
            return _result(source, taskrun, is_image=material is not None and material.type == material_types.IMAGE)
        case plan.From.PARAM:
            return _found(params(taskrun).get(source.name, ""), taskrun)
        case plan.From.ENV:
            return _env(source, taskrun)
        case plan.From.CONVENTION if material is not None:
            return _convention(material, taskrun)
        case _:
            return None


def _result(source: plan.Source, taskrun: Mapping[str, Any], *, is_image: bool) -> Lookup | None:
    found = task_results(taskrun)
    value = found.get(source.name, "").strip()
    if not value:
        return None
    digest = found.get(_digest_name(source), "").strip() if is_image or source.digest else ""
    return _found(hints.reference(value, digest) if digest else value, taskrun)


def _digest_name(source: plan.Source) -> str:
    """The result that holds the digest: the one named, else the type hint's other half."""
    if source.digest:
        return source.digest
    return source.name.removesuffix(hints.URL) + hints.DIGEST if source.name.endswith(hints.URL) else ""


def _convention(material: plan.PlannedMaterial, taskrun: Mapping[str, Any]) -> Lookup | None:
    """No source is set: an image by type hints, then a result of the material's name. Files are only in the pod."""
    found = task_results(taskrun)
    if material.type == material_types.IMAGE:
        image = hints.for_material(found, material.name)
        lookup = _found(image or found.get(material.name, "").strip(), taskrun)
        return replace(lookup, guessed=bool(image) and not hints.marked(found, material.name)) if lookup else None
    return _found(found.get(material.name, "").strip(), taskrun) if material.type == material_types.STRING else None


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
