"""Converts Chainloop's files to Kubernetes objects and back: contracts in both forms, policies and policy groups.

Kubernetes' ObjectMeta is closed: what Chainloop keeps in `metadata` beside name and annotations becomes annotations of
`chainloop.dev/`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from avouch import errors
from avouch.api import contract as contract_kind
from avouch.api import meta
from avouch.contract import legacy, policies, protojson, reading

PREFIX = "chainloop.dev/"
VERSIONS = ("apiVersion", "api_version")
KINDS = (contract_kind.KIND.name, *policies.KINDS)
# Chainloop's own fields of metadata, by each of their spellings.
FIELDS = {
    "description": "description",
    "organization": "organization",
    "finding_type": "finding_type",
    "findingType": "finding_type",
}


def to_object(document: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    """The object for the cluster.

    Args:
        document: a file of Chainloop's, in either form, or an object that is one already.
        name: name of the contract; needed for the legacy form, otherwise the document's own.

    Raises:
        Invalid: neither form, no name, another name, or an annotation that differs from the field.
    """
    if legacy.is_legacy(document):
        return legacy.convert(document, name)
    if document.get("kind") not in KINDS:
        message = f"unsupported kind {str(document.get('kind'))[:64]!r}" if "kind" in document else "is required"
        raise errors.Invalid(message, field="kind", fix=f"write one of {', '.join(KINDS)}, or schemaVersion: v1")
    document = _spelt(document)
    metadata = document.get("metadata")
    adopted = {**document, "metadata": _adopted(metadata, name) if isinstance(metadata, Mapping) else metadata}
    spec = {} if "spec" in document and document["spec"] is None else document.get("spec")
    if isinstance(spec, Mapping):
        normal = protojson.normal if document["kind"] == contract_kind.KIND.name else protojson.normal_policy
        adopted["spec"] = normal(spec)
    if document["kind"] in policies.KINDS and document.get("apiVersion") == policies.LEGACY_API_VERSION:
        adopted["apiVersion"] = policies.KINDS[document["kind"]].api_version
    return {key: value for key, value in adopted.items() if value is not None}


def is_of_others(document: Mapping[str, Any]) -> bool:
    """Whether it is a Kubernetes object of a kind that is neither Chainloop's nor ours."""
    said = (document.get("apiVersion"), document.get("kind"))
    if not all(isinstance(each, str) and each for each in said):
        return False
    return said[1] not in KINDS and not str(said[0]).startswith(f"{meta.GROUP}/")


def _spelt(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """With apiVersion in the spelling of Kubernetes, which Chainloop writes in either."""
    name, other = VERSIONS
    if other not in document:
        return document
    if document.get(name, document[other]) != document[other]:
        raise errors.Invalid(f"{name} and {other} differ", field=other, fix=f"keep {name}")
    said = {name if key == other else key: value for key, value in document.items()}
    return {name: document[other], **said}


def to_file(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The file for Chainloop's own tools: its fields are in metadata, and fields of the cluster are removed."""
    metadata = manifest.get("metadata")
    said = dict(reading.own_annotations(_texts(metadata)))
    fields = {field: said.pop(f"{PREFIX}{field}") for field in FIELDS.values() if f"{PREFIX}{field}" in said}
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return {
        "apiVersion": manifest.get("apiVersion"),
        "kind": manifest.get("kind"),
        "metadata": {"name": name, **fields, **({"annotations": said} if said else {})},
        "spec": manifest.get("spec"),
    }


def _adopted(metadata: Mapping[str, Any], name: str) -> dict[str, Any]:
    own = metadata.get("name")
    if name and own and name != own:
        message = f'--name "{name}" and metadata.name "{own}" differ: pass only one'
        raise errors.Invalid(message, field="metadata.name", fix="remove one of them")
    kept = {key: value for key, value in metadata.items() if key not in FIELDS and value is not None}
    moved = dict(_moved(metadata))
    if moved:
        kept["annotations"] = {**_texts(metadata), **moved}
    return {**kept, **({"name": name} if name else {})}


def _moved(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    annotations = _texts(metadata)
    seen: dict[str, Any] = {}
    for field, word in FIELDS.items():
        key, value = f"{PREFIX}{word}", metadata.get(field)
        if value is None:
            continue
        if seen.setdefault(key, annotations.get(key, value)) != value:
            message = f"{field} and the annotation {key} differ" if key in annotations else f"{field} is set twice"
            raise errors.Invalid(message, field=f"metadata.{field}", fix="keep one of them")
        yield key, value


def _texts(metadata: Any) -> dict[str, Any]:
    found = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}
