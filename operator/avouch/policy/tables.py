"""Tests of a policy as a table in YAML: a material in each row, and what the policy must say of it. Pure.

Read strictly: a row that is misread is a test that tests nothing.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any

from avouch import errors, rfc3339, spelling
from avouch.contract.text import files, nodes
from avouch.materials import types as material_types
from avouch.policy import expectations
from avouch.values import dataclass

_TABLE = ("policy", "at", "cases")
_CASE = ("name", "at", "material", "with", "run", "expect")
_MATERIAL = ("type", "file", "content", "document", "metadata")
_SOURCES = ("file", "content", "document")
_EXPECT = ("violations", "contains", "skipped", "error")
_WORDS = {
    "passed": expectations.Expected(expectations.Says.PASSED),
    "skipped": expectations.Expected(expectations.Says.SKIPPED),
    "ignored": expectations.Expected(expectations.Says.IGNORED),
}
_TYPES = frozenset(one.name for one in material_types.MATERIALS)


@dataclass(frozen=True, slots=True)
class Material:
    """The material of a case: a file, its bytes, or what scripts see of it; none of them: only what is known of it.

    Attributes:
        type: its type; "" for the only one that the policy judges.
        file: its path, from the folder of the table.
        content: its bytes.
        document: what scripts see of it, as JSON.
        metadata: of chainloop_metadata, before what is known of each material.
    """

    type: str
    file: str
    content: bytes | None
    document: bytes | None
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One row.

    Attributes:
        name: a sentence.
        line: of the table, from 1.
        material: what is judged.
        given: inputs of the policy.
        at: the time that the policy takes for now; None: now.
        run: the record of the run, which scripts see as input.avouch.run; None: there is none.
        expected: what the policy must say.
    """

    name: str
    line: int
    material: Material
    given: Mapping[str, str]
    at: datetime | None
    run: Mapping[str, Any] | None
    expected: expectations.Expected


@dataclass(frozen=True, slots=True)
class Table:
    """The tests of one policy; `policy` is the path of its file, from the folder of the table."""

    policy: str
    cases: Sequence[Case]


def read(content: bytes, name: str) -> Table:
    """The table in a file.

    Raises:
        errors.Invalid: it is none; the message begins with file, line and column, `field` is the path in it.
    """
    found = files.read(content, name)
    for flaw in found.flaws:
        raise errors.Invalid(f"{_at(name, flaw.place)}: {flaw.message}", fix=flaw.fix)
    if len(found.documents) != 1:
        fix = "write one document, with policy and cases"
        raise errors.Invalid(f"{name}: has {len(found.documents)} documents, not one", fix=fix)
    return _Reader(name).table(found.documents[0])


class _Reader:
    """Takes a table apart, and knows where it is."""

    def __init__(self, name: str) -> None:
        self._name = name

    def table(self, node: nodes.Node) -> Table:
        if isinstance(node, nodes.Table) and node.get("apiVersion") is not None:
            fix = "name its NAME.test.yaml; avouch policy init NAME --test prints one"
            raise self._wrong(node, "kind", "is an object, not a table of tests", fix)
        fields = self._fields(node, "", _TABLE, ("policy", "cases"))
        listed = fields["cases"]
        if not isinstance(listed, nodes.Sequence) or not listed.items:
            raise self._wrong(listed, "cases", "must be a list of cases", "add one with name, material and expect")
        policy, at = self._text(fields["policy"], "policy"), self._time(fields.get("at"), "at")
        cases = [self._case(each, f"cases[{index}]", at) for index, each in enumerate(listed.items)]
        seen: dict[str, Case] = {}
        for item, case in zip(listed.items, cases, strict=True):
            if seen.setdefault(case.name, case) is not case:
                said = f"is the name of the case in line {seen[case.name].line}, too"
                raise self._wrong(item, "name", said, "say in one sentence what is special about this case")
        return Table(policy, cases)

    def _case(self, node: nodes.Node, path: str, at: datetime | None) -> Case:
        fields = self._fields(node, path, _CASE, ("name", "expect"))
        given = fields.get("with")
        run = fields.get("run")
        return Case(
            self._text(fields["name"], f"{path}.name"),
            node.place.line,
            self._material(fields.get("material"), f"{path}.material"),
            {} if given is None else self._inputs(given, f"{path}.with"),
            self._time(fields.get("at"), f"{path}.at") or at,
            None if run is None else self._mapping(run, f"{path}.run"),
            self._expected(fields["expect"], f"{path}.expect"),
        )

    def _material(self, node: nodes.Node | None, path: str) -> Material:
        fields = {} if node is None else self._fields(node, path, _MATERIAL)
        named = [each for each in _SOURCES if each in fields]
        if node is not None and len(named) > 1:
            raise self._wrong(node, path, f"has {' and '.join(named)}, which exclude each other", "keep one of them")
        said = self._text(fields["type"], f"{path}.type") if "type" in fields else ""
        if said and said not in _TYPES:
            near = spelling.nearest(said, _TYPES)
            fix = f"did you mean {near}?" if near else "avouch material types lists them"
            raise self._wrong(fields["type"], f"{path}.type", f"unknown type {said[:64]!r}", fix)
        metadata = fields.get("metadata")
        return Material(
            said,
            self._path(fields["file"], f"{path}.file") if "file" in fields else "",
            _bytes(fields["content"]) if "content" in fields else None,
            self._document(fields["document"], f"{path}.document") if "document" in fields else None,
            {} if metadata is None else self._mapping(metadata, f"{path}.metadata"),
        )

    def _document(self, node: nodes.Node, path: str) -> bytes:
        return json.dumps(self._mapping(node, path)).encode()

    def _inputs(self, node: nodes.Node, path: str) -> Mapping[str, str]:
        """Values as people write them: 30 is the text that an attachment has."""
        if not isinstance(node, nodes.Table):
            raise self._wrong(node, path, "must be a mapping of inputs", "write it like {max_days: 30}")
        given = {}
        for entry in node.entries:
            said = entry.node
            if not isinstance(said, nodes.Scalar) or said.value is None:
                raise self._wrong(said, f"{path}.{entry.key}", "must be a text", "write a list as one text: a,b")
            given[entry.key] = str(said.value) if said.source is None else said.source
        return given

    def _expected(self, node: nodes.Node, path: str) -> expectations.Expected:
        if isinstance(node, nodes.Scalar):
            word = str(node.value)
            if word in _WORDS:
                return _WORDS[word]
            fix = f"write one of {', '.join(_WORDS)}, or a mapping of {', '.join(_EXPECT)}"
            raise self._wrong(node, path, f"unknown expectation {word[:64]!r}", fix)
        fields = self._fields(node, path, _EXPECT)
        ways = [each for each in ("skipped", "error") if each in fields]
        if not fields or (ways and len(fields) > 1):
            raise self._wrong(node, path, "must say one thing", "keep violations and contains, or skipped, or error")
        if ways:
            says = expectations.Says.SKIPPED if ways == ["skipped"] else expectations.Says.ERROR
            return expectations.Expected(says, reason=self._text(fields[ways[0]], f"{path}.{ways[0]}"))
        contains = fields.get("contains")
        parts = () if contains is None else self._texts(contains, f"{path}.contains")
        return self._violations(fields.get("violations"), f"{path}.violations", parts)

    def _violations(self, node: nodes.Node | None, path: str, parts: Sequence[str]) -> expectations.Expected:
        says = expectations.Says.VIOLATIONS
        if node is None:
            return expectations.Expected(says, contains=parts)
        if isinstance(node, nodes.Sequence):
            return expectations.Expected(says, messages=self._texts(node, path), contains=parts)
        number = node.value if isinstance(node, nodes.Scalar) else None
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise self._wrong(node, path, "must be a list of messages, or how many", "for none, write expect: passed")
        return expectations.Expected(says, number=number, contains=parts)

    def _texts(self, node: nodes.Node, path: str) -> Sequence[str]:
        if not isinstance(node, nodes.Sequence) or not node.items:
            raise self._wrong(node, path, "must be a list of texts", "for no violations, write expect: passed")
        return [self._text(each, f"{path}[{index}]") for index, each in enumerate(node.items)]

    def _fields(
        self, node: nodes.Node, path: str, known: Sequence[str], required: Sequence[str] = ()
    ) -> dict[str, nodes.Node]:
        if not isinstance(node, nodes.Table):
            raise self._wrong(node, path, "must be a mapping", f"write some of {', '.join(known)}")
        for entry in node.entries:
            if entry.key not in known:
                near = spelling.nearest(entry.key, known)
                fix = f"did you mean {near}?" if near else f"use {', '.join(known)}"
                said = nodes.Scalar(entry.place, entry.key)
                raise self._wrong(said, ".".join(filter(None, (path, entry.key[:64]))), "unknown field", fix)
        fields = {entry.key: entry.node for entry in node.entries}
        for each in required:
            if each not in fields:
                raise self._wrong(node, ".".join(filter(None, (path, each))), "is required", "add it")
        return fields

    def _mapping(self, node: nodes.Node, path: str) -> Mapping[str, Any]:
        if not isinstance(node, nodes.Table):
            raise self._wrong(node, path, "must be a mapping", "write its fields below it")
        return dict(nodes.plain(node))

    def _text(self, node: nodes.Node, path: str) -> str:
        if not isinstance(node, nodes.Scalar) or not isinstance(node.value, str) or not node.value.strip():
            raise self._wrong(node, path, "must be a text", "write one, in quotes where it looks like a number")
        return node.value

    def _path(self, node: nodes.Node, path: str) -> str:
        said = self._text(node, path)
        if PurePath(said).is_absolute():
            raise self._wrong(node, path, "is an absolute path", "write it from the folder of this file")
        return said

    def _time(self, node: nodes.Node | None, path: str) -> datetime | None:
        if node is None:
            return None
        text = self._text(node, path)
        try:
            return rfc3339.read(text, path)
        except errors.Invalid as exc:
            raise self._wrong(node, path, exc.args[0], "write it like 2026-11-30T12:00:00Z") from exc

    def _wrong(self, node: nodes.Node, path: str, message: str, fix: str) -> errors.Invalid:
        return errors.Invalid(f"{_at(self._name, node.place)}: {message}", field=path, fix=fix)


def _bytes(node: nodes.Node) -> bytes:
    """A text as it is; anything else as JSON."""
    if isinstance(node, nodes.Scalar) and isinstance(node.value, str):
        return node.value.encode()
    return json.dumps(nodes.plain(node)).encode()


def _at(name: str, place: nodes.Place) -> str:
    return f"{name}:{place.line}:{place.column}"
