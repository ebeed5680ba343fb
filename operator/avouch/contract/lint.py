"""Every problem of a file of contracts, with its line, before anything goes to the cluster.

The rules are those of `reading`, which the reconciler applies too; this adds lines and columns, unknown fields
and warnings. Policies and policy groups are checked against their schemas; their scripts are not read.
"""

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from avouch import errors
from avouch.api import contract as contract_kind
from avouch.api import meta
from avouch.contract import fields, legacy, policies, protojson, reading, scalars, upstream, warnings
from avouch.contract.text import files, nodes

_TOKEN = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_NO_TEXT = "Input should be a valid string"  # pydantic's words
_KINDS = {"bool": "a boolean", "int": "a number", "float": "a number", "null": "null"}
_WRITE = "write a Contract, a Policy or a PolicyGroup"
_STAND_IN = "unnamed"  # for a legacy contract, whose name comes from elsewhere


class Severity(StrEnum):
    """Whether the problem prevents use of the contract."""

    ERROR = "error"
    WARNING = "warning"


_WARN = Severity.WARNING


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One problem. `field` is its path as the file writes it, empty where the text itself is wrong.

    `mended`: kubectl refuses it, while `avouch apply` and `convert` fix it.
    """

    line: int
    column: int
    field: str
    message: str
    fix: str
    severity: Severity = Severity.ERROR
    mended: bool = False

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return errors.with_fix(f"{self.line}:{self.column}: {self.severity}: {where}{self.message}", self.fix)


def lint(content: bytes, name: str = "", *, among_others: bool = False) -> tuple[Problem, ...]:
    """All problems of a file, in the order of its lines; empty if there are none.

    Args:
        content: bytes of a YAML or JSON file, with any number of documents.
        name: name of the file, if it has one.
        among_others: nothing is said of objects of other kinds, such as Pipelines.
    """
    read = files.read(content, name)
    found = [Problem(flaw.place.line, flaw.place.column, "", flaw.message, flaw.fix) for flaw in read.flaws]
    for document in read.documents:
        found += _document(document, among_others)
    if not (found or read.documents):
        found.append(Problem(1, 1, "", "contains no document", _WRITE))
    return tuple(sorted(set(found)))


def _document(document: nodes.Node, among_others: bool) -> Iterator[Problem]:
    document, readings = scalars.read(document)
    if not isinstance(document, nodes.Table):
        yield _at(document, "", "is not a mapping", _WRITE)
        return
    for odd in scalars.odd_keys(document):
        message = f"the key {odd.source[:64]!r} is not a string but {odd.kind}"
        yield Problem(odd.place.line, odd.place.column, odd.path, message, "put it in quotes")
    said = nodes.plain(document)
    if str(said.get("apiVersion")).startswith(f"{meta.GROUP}/"):
        return  # our other kinds: the API server checks them whole, and no file of Chainloop's has them
    if among_others and upstream.is_of_others(said):
        return
    old = legacy.is_legacy(said)
    try:
        manifest = upstream.to_object(said, _STAND_IN if old else "")
    except errors.Invalid as exc:
        yield _at(document, exc.field, exc.args[0], exc.fix)
        return
    yield from _unknown(document, old)
    if not old:
        yield from _fit_for_kubectl(document, said)
        yield from _read_otherwise(document, readings)
    yield from _rules(document, manifest, old)


def _rules(document: nodes.Table, manifest: Mapping[str, Any], old: bool) -> Iterator[Problem]:
    contract = reading.parsed(manifest) if manifest["kind"] == contract_kind.KIND.name else None
    broken = policies.problems if manifest["kind"] in policies.KINDS else reading.problems
    found = warnings.advise(contract.spec) if contract else broken(manifest)
    severity = Severity.WARNING if contract else Severity.ERROR
    for problem in found:
        path = problem.line.removeprefix("spec.") if old else _as_written(document, problem.line)
        yield _at(document, path, problem.message, problem.fix, severity)


def _as_written(document: nodes.Table, line: str) -> str:
    """The path in the file of a field that Chainloop has in metadata and Kubernetes in an annotation."""
    for field, word in upstream.FIELDS.items():
        written = line == f"metadata.annotations.{upstream.PREFIX}{word}" and _find(document, ["metadata", field])[2]
        if written:
            return f"metadata.{field}"
    return line


def _unknown(document: nodes.Table, old: bool) -> Iterator[Problem]:
    found = fields.unknown_in_body(document) if old else fields.unknown(document)
    for field in found:
        nearest = f"did you mean {field.nearest}?" if field.nearest else f"use one of {', '.join(field.known)}"
        message = "is an unknown field: Chainloop ignores it, kubectl refuses it"
        yield Problem(field.place.line, field.place.column, field.path, message, nearest, _WARN)


def _read_otherwise(document: nodes.Table, readings: Iterable[scalars.Reading]) -> Iterator[Problem]:
    """Texts that kubectl takes for something else, and nulls, which its server-side apply refuses."""
    for each in readings:
        message = f"kubectl reads {each.source or 'nothing'} as {_KINDS[each.kind]}, not as a text"
        fix = f"use avouch apply, or write {json.dumps(each.source, ensure_ascii=False)}"
        yield _mended(Problem(each.place.line, each.place.column, each.path, message, fix, _WARN))
    body = document.get("spec")
    if body is not None and isinstance(body.node, nodes.Scalar) and body.node.value is None:
        yield _mended(_at(document, "spec", "kubectl refuses null", "use avouch apply, or write spec: {}", _WARN))
    for path, place in _nulls(body.node, "spec") if body is not None else ():
        message = "kubectl apply --server-side refuses null"
        yield _mended(Problem(place.line, place.column, path, message, "leave the field out", _WARN))


def _nulls(node: nodes.Node, path: str) -> Iterator[tuple[str, nodes.Place]]:
    """Fields without a value, except in embedded policies, which are kept as they are."""
    if isinstance(node, nodes.Sequence):
        for index, item in enumerate(node.items):
            yield from _nulls(item, f"{path}[{index}]")
    elif isinstance(node, nodes.Table):
        for entry in node.entries:
            if isinstance(entry.node, nodes.Scalar) and entry.node.value is None:
                yield f"{path}.{entry.key}", entry.place
            elif entry.key != "embedded":
                yield from _nulls(entry.node, f"{path}.{entry.key}")


def _fit_for_kubectl(document: nodes.Table, said: Mapping[str, Any]) -> Iterator[Problem]:
    """What kubectl refuses and `avouch apply` fixes."""
    metadata = said["metadata"] if isinstance(said.get("metadata"), Mapping) else {}
    for field, word in upstream.FIELDS.items():
        if metadata.get(field) is not None:
            message = "kubectl refuses it: metadata of Kubernetes has no such field"
            fix = f"use avouch apply, or write it as annotation {upstream.PREFIX}{word}"
            yield _mended(_at(document, f"metadata.{field}", message, fix, _WARN))
    spelling = upstream.VERSIONS[1]
    if spelling in said:
        yield _mended(_at(document, spelling, "kubectl does not know this spelling", "write apiVersion", _WARN))
    if said.get("apiVersion") == policies.LEGACY_API_VERSION:
        fix = "use avouch apply, or write chainloop.dev/v1"
        yield _mended(_at(document, "apiVersion", "kubectl does not know this version", fix, _WARN))
    body = said.get("spec")
    for path, number, named in _numbers(body) if isinstance(body, Mapping) else ():
        name = named(number)
        if name:
            found = _at(document, path, f"kubectl accepts names only, not {number}", f"write {name}", _WARN)
            yield _mended(found)


def _mended(problem: Problem) -> Problem:
    return dataclasses.replace(problem, mended=True)


def _numbers(body: Mapping[str, Any]) -> Iterator[tuple[str, Any, Callable[[Any], str | None]]]:
    """Paths of enums in contracts, policies and policy groups, and what names their numbers."""
    yield "spec.type", body.get("type"), protojson.name_of
    if isinstance(body.get("runner"), Mapping):
        yield "spec.runner.type", body["runner"].get("type"), functools.partial(protojson.name_of, runner=True)
    asked = body.get("policies")
    grouped = asked.get("materials") if isinstance(asked, Mapping) else None
    lists = (("materials", "type", body.get("materials")), ("policies", "kind", asked))
    for line, field, listed in (*lists, ("policies.materials", "type", grouped)):
        for index, item in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(item, Mapping):
                yield f"spec.{line}[{index}].{field}", item.get(field), protojson.name_of
    for where, attachment in reading.attached(body):
        selector = attachment.get("selector")
        said = selector if isinstance(selector, Mapping) else {}
        for mode in protojson.MATCH_MODE:
            yield f"{where}.selector.{mode}", said.get(mode), protojson.match_mode_of


def _at(document: nodes.Node, path: str, message: str, fix: str, severity: Severity = Severity.ERROR) -> Problem:
    place, node, _ = _find(document, [found[1] or found[2] for found in _TOKEN.finditer(path)])
    if message == _NO_TEXT and isinstance(node, nodes.Scalar):
        message, fix = f"{json.dumps(node.value)} is not a string", "put it in quotes"
    return Problem(place.line, place.column, path, message, fix, severity)


def _find(node: nodes.Node, path: list[str]) -> tuple[nodes.Place, nodes.Node, bool]:
    """The place of a path or of its longest existing part, and whether the whole path exists."""
    while path:
        if isinstance(node, nodes.Sequence) and path[0].isdigit() and int(path[0]) < len(node.items):
            node, path = node.items[int(path[0])], path[1:]
            continue
        entry, taken = _entry(node, path) if isinstance(node, nodes.Table) else (None, 0)
        if entry is None:
            break
        node, path = entry.node, path[taken:]
        if not path and not isinstance(node, nodes.Scalar):
            return entry.place, node, True
    return node.place, node, not path


def _entry(table: nodes.Table, path: list[str]) -> tuple[nodes.Entry | None, int]:
    """The entry that a path begins with, in either spelling; a key may hold dots."""
    for taken in range(1, len(path) + 1):
        key = ".".join(path[:taken])
        for spelling in (key, fields.snake(key), fields.camel(key)):
            entry = table.get(spelling)
            if entry is not None:
                return entry, taken
    return None, 0
