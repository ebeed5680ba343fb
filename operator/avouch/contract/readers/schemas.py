"""Official JSON schemas, compiled once and kept.

Two keywords are left out while loading. `uniqueItems`: real tools repeat components, and comparing each pair of a
long list is how a document takes hours. `format`, except dates: real tools write IRIs that no grammar accepts, and
JSON Schema itself calls formats an annotation. Everything else holds as published. References are answered from the
package, never from the network.
"""

import functools
import json
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import jsonschema_rs

from avouch import errors

_FORMATS = frozenset({"date-time", "date"})
_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000)  # so that no pattern runs away
_ERRORS = 200  # errors looked at before a document is refused whatever they are
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

Forgiven = Callable[[list[str | int], Any], bool]


def check(name: str, document: Any, forgiven: Forgiven = lambda *_: False) -> None:
    """Hold a document against a schema.

    Args:
        name: folder and file below contract/schemas, such as cyclonedx/bom-1.6.
        document: parsed JSON.
        forgiven: says of a place and its value whether an error there is passed over.

    Raises:
        Invalid: the first thing that the schema refuses, with its place.
    """
    schema = _validator(name)
    try:
        if schema.is_valid(document):
            return
        for number, error in enumerate(schema.iter_errors(document)):
            if number >= _ERRORS or not forgiven(error.instance_path, error.instance):
                place = "/".join(map(str, error.instance_path)) or "the document"
                raise errors.Invalid(f"{place[:120]}: {error.message}", fix="correct what is named")
    except (ValueError, OverflowError) as exc:  # numbers and texts that JSON has and Rust has not
        if isinstance(exc, jsonschema_rs.ValidationError):
            raise errors.Invalid(f"the document: {exc.message}") from exc
        raise errors.Invalid(f"the document cannot be checked: {exc}") from exc


@functools.cache
def _validator(name: str) -> jsonschema_rs.Validator:
    family = name.partition("/")[0]
    known = [(uri, _load(f"{family}/{file}")) for uri, file in _REFERENCES.get(family, {}).items()]
    registry = jsonschema_rs.Registry(known) if known else None
    return jsonschema_rs.validator_for(
        _load(name), registry=registry, offline=True, validate_formats=True, pattern_options=_PATTERNS
    )


def _load(name: str) -> dict[str, Any]:
    file = resources.files("avouch.contract").joinpath("schemas", f"{name}.json")
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
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
