"""Scalars of a contract in YAML as Chainloop's decoder takes them: what fills a text is the text that was written.

`strict: true` of a policy's input is "true", `value: 1.20` is "1.20", `version:` is "". Kubernetes' reader takes the
same words for a boolean, a number and null, and refuses the file; so `lint` names each, and `apply` and `convert` write
them in quotes. A flag is `true` or `false`: Chainloop refuses the other words of YAML 1.1. JSON has no such choice, and
policies go through Kubernetes' own reader in Chainloop, too.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from avouch.api import contract as contract_kind
from avouch.api import meta
from avouch.contract import fields, legacy, upstream
from avouch.contract.text import nodes

_FLAGS = ("true", "false")
_HEAD: Mapping[str, Any] = {name: str for name in (*upstream.VERSIONS, "kind", *legacy.VERSIONS)}
_METADATA: Mapping[str, Any] = {"name": str, "annotations": dict[str, str], **dict.fromkeys(upstream.FIELDS, str)}


class Reading(NamedTuple):
    """A scalar that Chainloop takes for a text, and Kubernetes for something else."""

    path: str
    place: nodes.Place
    source: str
    kind: str  # bool, int, float or null


class Read(NamedTuple):
    """A document as Chainloop's decoder takes it, and where Kubernetes' reader differs."""

    document: nodes.Node
    readings: tuple[Reading, ...] = ()


def read(document: nodes.Node) -> Read:
    """A contract in either form; any other document is unchanged."""
    if not isinstance(document, nodes.Table):
        return Read(document)
    said = document.get("kind")
    old = legacy.is_legacy({entry.key: None for entry in document.entries})
    if not old and not (said and isinstance(said.node, nodes.Scalar) and said.node.value == contract_kind.KIND.name):
        return Read(document)
    reader = _Reader()
    shapes = {**_HEAD, **_shapes(contract_kind.ContractSpec)} if old else {**_HEAD, **_WHOLE}
    made = reader.table(document, shapes, "")
    return Read(made, tuple(reader.readings))


def odd_keys(node: nodes.Node, path: str = "") -> Iterator[Reading]:
    """Keys that are no strings in YAML, as Kubernetes' reader takes them."""
    if isinstance(node, nodes.Sequence):
        for index, item in enumerate(node.items):
            yield from odd_keys(item, f"{path}[{index}]")
    elif isinstance(node, nodes.Table):
        for entry in node.entries:
            where = f"{path}.{entry.key}".removeprefix(".")
            if entry.kind:
                yield Reading(where, entry.place, entry.key, entry.kind)
            yield from odd_keys(entry.node, where)


class _Metadata(NamedTuple):
    """Stands for a table of these fields, which no model has."""

    shapes: Mapping[str, Any]


_WHOLE: Mapping[str, Any] = {"metadata": _Metadata(_METADATA), "spec": contract_kind.ContractSpec}


def _shapes(model: type[meta.Model]) -> Mapping[str, Any]:
    """The type of each field, by each of its spellings."""
    return {
        spelling: info.annotation
        for name, info in model.model_fields.items()
        for spelling in (info.alias or name, fields.snake(info.alias or name))
    }


class _Reader:
    """Goes through a contract beside the types of its fields."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []

    def table(self, table: nodes.Table, shapes: Mapping[str, Any], path: str) -> nodes.Table:
        made = []
        for entry in table.entries:
            where = f"{path}.{entry.key}".removeprefix(".")
            node = self._node(entry.node, shapes[entry.key], where) if entry.key in shapes else entry.node
            made.append(dataclasses.replace(entry, node=node))
        return dataclasses.replace(table, entries=tuple(made))

    def _node(self, node: nodes.Node, shape: Any, path: str) -> nodes.Node:
        kind, inner = _unwrapped(shape)
        if isinstance(node, nodes.Scalar):
            return self._scalar(node, kind, path) if node.source else node
        if isinstance(node, nodes.Sequence) and get_origin(kind) is list:
            items = (self._item(item, inner[0], f"{path}[{index}]") for index, item in enumerate(node.items))
            return dataclasses.replace(node, items=tuple(items))
        if isinstance(node, nodes.Table) and get_origin(kind) is dict and _unwrapped(inner[1])[0] is str:
            return dataclasses.replace(node, entries=tuple(self._pair(entry, path) for entry in node.entries))
        if isinstance(node, nodes.Table) and isinstance(kind, _Metadata):
            return self.table(node, kind.shapes, path)
        if isinstance(node, nodes.Table) and isinstance(kind, type) and issubclass(kind, meta.Model):
            return self.table(node, _shapes(kind), path)
        return node

    def _item(self, node: nodes.Node, shape: Any, path: str) -> nodes.Node:
        """An element of a list or a map: an empty text is one, where an empty field is none."""
        if isinstance(node, nodes.Scalar) and node.source is not None and _unwrapped(shape)[0] is str:
            return self._text(node, path)
        return self._node(node, shape, path)

    def _pair(self, entry: nodes.Entry, path: str) -> nodes.Entry:
        where = f"{path}.{entry.key}"
        if entry.kind:
            self.readings.append(Reading(where, entry.place, entry.key, entry.kind))
        return dataclasses.replace(entry, node=self._item(entry.node, str, where), kind="")

    def _scalar(self, node: nodes.Scalar, kind: Any, path: str) -> nodes.Scalar:
        if kind is str:
            return self._text(node, path)
        if kind is bool and node.value is not None and node.source not in _FLAGS:
            return dataclasses.replace(node, value=node.source)  # the rules refuse it
        return node

    def _text(self, node: nodes.Scalar, path: str) -> nodes.Scalar:
        kinds: Mapping[type, str] = {bool: "bool", int: "int", float: "float", type(None): "null"}
        self.readings.append(Reading(path, node.place, node.source or "", kinds[type(node.value)]))
        return dataclasses.replace(node, value=node.source)


def _unwrapped(shape: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type without its constraints and without None, and its arguments."""
    while get_origin(shape) is Annotated:
        shape = get_args(shape)[0]
    if get_origin(shape) in (UnionType, Union):
        (shape,) = (each for each in get_args(shape) if each is not type(None))
        return _unwrapped(shape)
    return shape, get_args(shape)
