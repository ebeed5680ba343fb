"""The fields that a contract may have, from its kind, and the unknown fields of a document."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from avouch.api import contract as contract_kind
from avouch.api import meta
from avouch.contract import policies, upstream
from avouch.contract.text import nodes

_LEGACY = ("schemaVersion", "schema_version")
_HEAD = (*upstream.VERSIONS, "kind", "metadata", "spec", "status")
# Kubernetes' ObjectMeta: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
_METADATA = (
    *("name", "generateName", "namespace", "labels", "annotations", "finalizers", "managedFields", "ownerReferences"),
    *("creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "resourceVersion"),
    *("selfLink", "uid"),
)


@dataclass(frozen=True, slots=True)
class Unknown:
    """An unknown field, the most similar known field, and all fields that are known there."""

    path: str
    place: nodes.Place
    nearest: str
    known: tuple[str, ...]


def unknown(document: nodes.Table) -> Iterator[Unknown]:
    """Unknown fields of an object of schema v2, without its status, which the cluster writes."""
    yield from _among(document, _HEAD, "")
    said = document.get("kind")
    model = policies.SPECS.get(str(said.node.value) if said and isinstance(said.node, nodes.Scalar) else "")
    for entry in document.entries:
        if isinstance(entry.node, nodes.Table):
            if entry.key == "metadata":
                yield from _among(entry.node, (*_METADATA, *upstream.FIELDS), "metadata.")
            elif entry.key == "spec":
                yield from _below(entry.node, model or contract_kind.ContractSpec, "spec.")


def unknown_in_body(document: nodes.Table) -> Iterator[Unknown]:
    """Unknown fields of the legacy form."""
    yield from _below(document, contract_kind.ContractSpec, "", _LEGACY)


def snake(name: str) -> str:
    """A name in Chainloop's other spelling: skip_upload for skipUpload."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", name)


def camel(name: str) -> str:
    """A name in Kubernetes' spelling: skipUpload for skip_upload."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _below(node: nodes.Node, model: type[meta.Model], path: str, more: tuple[str, ...] = ()) -> Iterator[Unknown]:
    if isinstance(node, nodes.Sequence):
        for index, item in enumerate(node.items):
            yield from _below(item, model, f"{path.removesuffix('.')}[{index}].")
    if not isinstance(node, nodes.Table):
        return
    models = _fields(model)
    yield from _among(node, (*more, *models), path)
    for entry in node.entries:
        child = models.get(entry.key)
        if child is not None:
            yield from _below(entry.node, child, f"{path}{entry.key}.")


def _fields(model: type[meta.Model]) -> Mapping[str, type[meta.Model] | None]:
    """Names of a model's fields in both spellings, and the model below each, if it has one."""
    found: dict[str, type[meta.Model] | None] = {}
    for name, info in model.model_fields.items():
        child = next(iter(_models(info.annotation)), None)
        for spelling in {info.alias or name, name if not name.endswith("_") else info.alias or name}:
            found[spelling] = child
    return found


def _models(annotation: Any) -> Iterator[type[meta.Model]]:
    if isinstance(annotation, type) and issubclass(annotation, meta.Model):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _among(table: nodes.Table, known: Iterable[str], path: str) -> Iterator[Unknown]:
    names = tuple(sorted(known))
    for entry in table.entries:
        if entry.key not in names:
            nearest = difflib.get_close_matches(entry.key[:64], names, n=1)
            yield Unknown(f"{path}{entry.key[:64]}", entry.place, next(iter(nearest), ""), names)
