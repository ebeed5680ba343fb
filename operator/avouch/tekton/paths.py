"""Paths of files that name params of their task, filled in as Tekton fills in params. Pure.

The values are those of the cluster's own record: the TaskRun's params, else the defaults of its resolved Task. So no
step of that task chooses which file is evidence; one of an earlier task may, where the Pipeline makes its result a
param.
Spelling: `$(params.NAME)`, `$(params['NAME'])`, `$(params["NAME"])`, as in tektoncd/pipeline
pkg/apis/pipeline/v1/param_types.go. Only text can be part of a path.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from avouch import errors, plan, relative_paths
from avouch.tekton import labels, results

MAX = 1024  # characters of a path, as in a Workflow
_REFERENCE = re.compile(r"\$\(([^()$]*)\)")
_PARAM = re.compile(r"params(?:\.([A-Za-z0-9_.-]+)|\[['\"]([^'\"]+)['\"]\])((?:\[[^\]]*\])?)", re.ASCII)
_DECLARE = "write a param of the task, or declare it in the Task with a default"
_VALUE = "give the param a value"
_TEXT = "give the task a param that is text, and write that one"


def of(path: str) -> tuple[str, ...]:
    """The names of the params in a path, as far as they can be read.

    >>> of("$(params.dir)/$(params['file name']).xml")
    ('dir', 'file name')
    """
    found = (_PARAM.fullmatch(said) for said in _REFERENCE.findall(path))
    return tuple(match[1] or match[2] for match in found if match is not None)


def without_params(path: str) -> str:
    """The path without its params: what is left of `$(` is filled in by nobody."""
    return _REFERENCE.sub(lambda match: "" if _PARAM.fullmatch(match[1]) else match[0], path)


def filled(owed: plan.Plan, taskrun: Mapping[str, Any]) -> plan.Plan:
    """The plan for the pod of one TaskRun. Why a path could not be filled in stands in `unresolved`.

    The plan itself where no path names a param.
    """
    if not any("$(" in material.source.path for material in owed.materials):
        return owed
    values = results.param_values(taskrun)
    materials: list[plan.PlannedMaterial] = []
    unresolved: list[tuple[str, str]] = []
    for material in owed.materials:
        try:
            path = _filled(material.source.path, values, labels.name_of(taskrun))
            materials.append(replace(material, source=replace(material.source, path=path)))
        except errors.Invalid as exc:
            materials.append(material)
            unresolved.append((material.name, str(exc)))
    return replace(owed, materials=tuple(materials), unresolved=tuple(unresolved))


def _filled(path: str, values: Mapping[str, object], taskrun: str) -> str:
    """Raises Invalid, which names the param. No value is looked through that no path has room for."""

    def value(match: re.Match[str]) -> str:
        said = _value(match[1], values, taskrun)
        if len(said) > MAX:
            raise _too_long(path)
        return said

    found = _REFERENCE.sub(value, path)
    if found == path:
        return path
    if len(found) > MAX:
        raise _too_long(path)
    try:
        relative_paths.parts(found)
    except errors.Invalid as exc:
        named = ", ".join(of(path))
        text = f"path {path} with the value of param {named}: {relative_paths.MESSAGE}"
        raise errors.Invalid(text, fix=f"{_VALUE} such as reports") from exc
    return found


def _too_long(path: str) -> errors.Invalid:
    return errors.Invalid(f"path {path} is over {MAX} characters with its params", fix=f"{_VALUE} that is shorter")


def _value(reference: str, values: Mapping[str, object], taskrun: str) -> str:
    match = _PARAM.fullmatch(reference)
    if match is None:
        raise errors.Invalid(f"$({reference}) in a path is no param", fix="write $(params.NAME)")
    name = match[1] or match[2]
    if name in values and isinstance(values[name], str) and not match[3]:
        return str(values[name])
    named = name if name in values else name.partition(".")[0]  # a key of an object is written params.NAME.KEY
    found = values.get(named)
    if not isinstance(found, list | dict):
        raise errors.Invalid(f"TaskRun {taskrun} has no param {name}", fix=_DECLARE)
    kind = "an array" if isinstance(found, list) else "an object"
    raise errors.Invalid(f"param {named} is {kind}, which is no part of a path", fix=_TEXT)
