"""Official JSON schemas, compiled once and kept.

Two keywords are left out while loading. `uniqueItems`: real tools repeat components, and comparing each pair of a
long list is how a document takes hours. `format`, except dates: real tools write IRIs that no grammar accepts, and
JSON Schema itself calls formats an annotation. Everything else holds as published. References are answered from the
package, never from the network.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from avouch import errors
from avouch.materials.readers import document as document_
from avouch.materials.readers import schema_errors

if TYPE_CHECKING:  # 14 ms with importlib.resources: a command that adds an SBOM compiles no schema
    from importlib.resources.abc import Traversable

    import jsonschema_rs

_FORMATS = frozenset({"date-time", "date"})
_BACKTRACK = 100_000  # steps of a pattern, so that none runs away
_CYCLONEDX = "http://cyclonedx.org/schema/{}.SNAPSHOT.schema.json"
_CVSS = "https://www.first.org/cvss/cvss-v{}.json"
_SSVC = "https://certcc.github.io/SSVC/data/schema/v1/{}-1-0-1.schema.json"
# What a schema refers to: its identity, and our file.
_REFERENCES = {
    "cyclonedx": {_CYCLONEDX.format(name): name for name in ("spdx", "jsf-0.82", "cryptography-defs")},
    "csaf": {
        **{_CVSS.format(number): f"cvss-{number}" for number in ("2.0", "3.0", "3.1", "4.0")},
        _SSVC.format("Decision_Point"): "ssvc-decision-point",
        _SSVC.format("Decision_Point_Value_Selection"): "ssvc-selection",
    },
}  # fmt: skip
# CSAF 2.1 declares an own dialect: 2020-12 in which formats are checked.
_DIALECTS = {
    "https://docs.oasis-open.org/csaf/csaf/v2.1/schema/meta.json": "https://json-schema.org/draft/2020-12/schema"
}
# A stray bracket in SARIF's schema, which JavaScript takes for itself and stricter engines refuse.
_MENDED = {"^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$": r"^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}\]?$"}


def check(name: str, document: Any) -> None:
    """Check a document against a schema.

    Args:
        name: folder and file below materials/schemas, such as cyclonedx/bom-1.6.
        document: parsed JSON.

    Raises:
        Invalid: the first thing that the schema refuses, with its place.
    """
    if document_.SKIP_SCHEMAS.get():
        return
    try:
        _check(_validator(name), document)
    except (ValueError, OverflowError) as exc:
        raise _strange(exc) from exc


def accepts(name: str, document: Any) -> bool:
    """Whether a schema accepts a document, for readers that can forgive what it refuses; as `check` without a reason.

    Raises:
        Invalid: it cannot be checked.
    """
    try:
        return document_.SKIP_SCHEMAS.get() or _validator(name).is_valid(document)
    except (ValueError, OverflowError) as exc:
        raise _strange(exc) from exc


def _strange(exc: Exception) -> errors.Invalid:
    """Numbers that JSON has and Rust has not."""
    return errors.Invalid(f"the document cannot be checked: {exc}", fix="write plain numbers and strings")


def _check(schema: jsonschema_rs.Validator, document: Any) -> None:
    if schema.is_valid(document):
        return
    import jsonschema_rs

    found = schema_errors.suspect(document, schema.is_valid)
    if found is None:
        raise errors.Invalid(
            "the document does not match its schema, and is too large to locate the error",
            fix="check a smaller part of the document",
        )
    try:
        schema.validate(found.document)
    except jsonschema_rs.ValidationError as exc:
        place = found.place(exc.instance_path) or "the document"
        raise errors.Invalid(f"{place[:120]}: {exc.message}", fix="correct the element that the message names") from exc


@functools.cache
def _validator(name: str) -> jsonschema_rs.Validator:
    import jsonschema_rs

    family, patterns = name.partition("/")[0], jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACK)
    known = [(uri, _load(f"{family}/{file}")) for uri, file in _REFERENCES.get(family, {}).items()]
    registry = jsonschema_rs.Registry(known) if known else None
    return jsonschema_rs.validator_for(
        _load(name), registry=registry, offline=True, validate_formats=True, pattern_options=patterns
    )


def keep_texts() -> None:
    """Read every schema's file now: a process that gives up opening files can still compile them (3 MB)."""
    for family in sorted(each.name for each in _folder().iterdir() if each.is_dir()):
        for file in _folder().joinpath(family).iterdir():
            if file.name.endswith(".json"):
                _text(f"{family}/{file.name.removesuffix('.json')}")


@functools.cache
def _text(name: str) -> str:
    return _folder().joinpath(f"{name}.json").read_text("utf-8")


def _folder() -> Traversable:
    from importlib import resources

    return resources.files("avouch.materials").joinpath("schemas")


def _load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_text(name))
    found["$schema"] = _DIALECTS.get(found.get("$schema", ""), found.get("$schema"))
    return dict(_kept(found))


def _kept(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in schema.items():
        if (key == "uniqueItems" and value is True) or (
            key == "format" and isinstance(value, str) and value not in _FORMATS
        ):
            continue
        yield key, _kept_value(value)


def _kept_value(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(_kept(value))
    if isinstance(value, list):
        return [_kept_value(each) for each in value]
    return _MENDED.get(value, value) if isinstance(value, str) else value
