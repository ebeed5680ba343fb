"""The legacy form of a contract, `schemaVersion: v1`: the body at the top level, name and description elsewhere."""

from collections.abc import Mapping
from typing import Any

from avouch import errors
from avouch.api import contract as contract_kind
from avouch.contract import protojson

VERSIONS = ("schemaVersion", "schema_version")
_HEAD = ("kind", "apiVersion", "api_version")
_NO_NAME = "name is required: either provide explicit name or include metadata.name in the schema"
DESCRIPTION = "chainloop.dev/description"


def is_legacy(document: Mapping[str, Any]) -> bool:
    """True where a document is of this form; schema v2 has a kind, and takes precedence if both are present."""
    return any(field in document for field in VERSIONS) and not any(field in document for field in _HEAD)


def convert(document: Mapping[str, Any], name: str = "", description: str = "") -> dict[str, Any]:
    """The same contract as an object of schema v2; unknown fields are kept, so that later checks can refuse them.

    Args:
        document: a contract of the legacy form.
        name: name of the contract, which this form does not contain.
        description: description of the contract, likewise.

    Raises:
        Invalid: another version, or no name.
    """
    said = {str(document[field]) for field in VERSIONS if field in document}
    if said != {"v1"}:
        found = ", ".join(sorted(said))[:64] or "nothing"
        fix = "write schemaVersion: v1, or schema v2"
        raise errors.Invalid(f"must be v1, is {found}", field=VERSIONS[0], fix=fix)
    if not name:
        raise errors.Invalid(_NO_NAME, field="metadata.name", fix="give the contract a name")
    body = {key: value for key, value in document.items() if key not in VERSIONS}
    metadata: dict[str, Any] = {"name": name}
    if description:
        metadata["annotations"] = {DESCRIPTION: description}
    return {
        "apiVersion": contract_kind.KIND.api_version,
        "kind": contract_kind.KIND.name,
        "metadata": metadata,
        "spec": protojson.normal(body),
    }
