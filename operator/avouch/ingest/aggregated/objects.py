"""A run or revision as a Kubernetes object, as its metadata alone and as a row of a table. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

GROUP, VERSION = "runs.avouch.dev", "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

Document: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table; priority 1 is shown with `-o wide` only."""

    name: str
    description: str
    priority: int = 0
    kind: str = "string"
    format: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of document is written. `body` is all but apiVersion and kind; `cells` go with `columns`."""

    kind: str
    plural: str
    columns: tuple[Column, ...]
    body: Callable[[Document], dict[str, Any]]
    cells: Callable[[Document, datetime], list[Any]]
    short: tuple[str, ...] = ()  # names for people who type

    def resource(self, document: Document) -> dict[str, Any]:
        """The whole object; parts that a list does not carry are left out."""
        return {"apiVersion": API_VERSION, "kind": self.kind, **self.body(document)}

    def partial(self, document: Document) -> dict[str, Any]:
        """Its metadata alone."""
        metadata = self.body(document)["metadata"]
        return {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata}

    def table(
        self, documents: Sequence[Document], listed: Mapping[str, Any], now: datetime, include: str = "Metadata"
    ) -> dict[str, Any]:
        """A `meta.k8s.io/v1` Table. `include` is the query's includeObject: None, Metadata or Object."""
        return {
            "apiVersion": "meta.k8s.io/v1",
            "kind": "Table",
            "metadata": dict(listed),
            "columnDefinitions": [_definition(column) for column in self.columns],
            "rows": [self._row(document, now, include) for document in documents],
        }

    def _row(self, document: Document, now: datetime, include: str) -> dict[str, Any]:
        row: dict[str, Any] = {"cells": self.cells(document, now)}
        if include != "None":
            row["object"] = self.resource(document) if include == "Object" else self.partial(document)
        return row


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.kind,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def without_empty(value: Any) -> Any:
    """What says something: no None, no empty text, no empty list or mapping, at any depth; False and 0 stay."""
    if isinstance(value, Mapping):
        kept = {key: without_empty(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if not _empty(each)}
    if isinstance(value, list | tuple):
        return [each for each in map(without_empty, value) if not _empty(each)]
    return value


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, dict | list) and not value)


def age(passed: timedelta) -> str:
    """As kubectl writes it, in two units at most.

    >>> age(timedelta(seconds=95)), age(timedelta(minutes=12)), age(timedelta(hours=30)), age(timedelta(days=40))
    ('95s', '12m', '30h', '40d')
    """
    seconds = max(0, int(passed.total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 3 * 3600:
        return f"{seconds // 60}m"
    return f"{seconds // 3600}h" if seconds < 2 * 86400 else f"{seconds // 86400}d"
