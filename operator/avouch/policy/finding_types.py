"""Structured findings: what each type of Chainloop's (`metadata.finding_type`) must hold, and how much of it is kept.

Fields are read as its JSON mapping of Protocol Buffers reads them: snake_case or camelCase, null for absent, numbers as
texts. A required field is not empty. Fields that the schema does not have are left out.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from avouch import errors, storable
from avouch.api import policy as kind
from avouch.values import dataclass

LONGEST = 4000  # characters of one text
LISTED = 100  # texts of a list
_WHOLE = 2**31  # what a line number is below

Read = Callable[[Any, str], Any]


@dataclass(frozen=True, slots=True)
class Schema:
    """Fields that a finding must have, and those that it may have."""

    required: Mapping[str, Read]
    optional: Mapping[str, Read]


def bounded(text: str, most: int = LONGEST) -> str:
    """A text that can be recorded, of at most so many characters; what is longer says how much was cut.

    >>> bounded("a" * 4003)[3995:]
    'aaaaa... (3 more characters)'
    """
    more = len(text) - most
    return storable.text(text if more <= 0 else f"{text[:most]}... ({more} more characters)")


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise wrong(field, "a text", value)
    return bounded(value)


def _texts(value: Any, field: str) -> list[str]:
    if not isinstance(value, list):
        raise wrong(field, "a list", value)
    return [_text(each, f"{field}[{index}]") for index, each in enumerate(value)][:LISTED]


def _number(value: Any, field: str) -> float:
    try:
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or not math.isfinite(number):
        raise wrong(field, "a number", value)
    return number


def _score(value: Any, field: str) -> float:
    score = _number(value, field)
    if not 0 <= score <= 10:
        raise errors.Invalid(f"is {score:g}, not from 0 to 10", field=field)
    return score


def _line(value: Any, field: str) -> int:
    number = _number(value, field)
    if not number.is_integer() or not -_WHOLE <= number < _WHOLE:
        raise errors.Invalid(f"is {number:g}, not a line number", field=field)
    return int(number)


SCHEMAS: Mapping[str, Schema] = {
    "VULNERABILITY": Schema(
        {"message": _text, "external_id": _text, "package_purl": _text, "severity": _text},
        {
            "cvss_v3_score": _score,
            "cwes": _texts,
            "recommendation": _text,
            "description": _text,
            "fixed_version": _text,
        },
    ),
    "SAST": Schema(
        {"message": _text, "rule_id": _text, "severity": _text, "location": _text},
        {"line_number": _line, "code_snippet": _text, "recommendation": _text},
    ),
    "LICENSE_VIOLATION": Schema(
        {"message": _text, "component_name": _text, "license_id": _text},
        {"package_purl": _text, "license_name": _text, "component_version": _text, "recommendation": _text},
    ),
}


def read(finding_type: str, said: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """What is kept of a finding.

    Args:
        finding_type: of the policy.
        said: the finding.
        place: where it stands in the answer.

    Raises:
        errors.Invalid: it does not match the schema, or there is no such type; `field` says where.
    """
    schema = SCHEMAS.get(finding_type)
    if schema is None:
        fix = f"use one of {', '.join(kind.FINDING_TYPES)}"
        raise errors.Invalid(f"unknown finding type {finding_type[:64]!r}", field="metadata.finding_type", fix=fix)
    found = {}
    for name, one in (*schema.required.items(), *schema.optional.items()):
        value = _said(said, name, place)
        if value is not None:
            found[name] = one(value, f"{place}.{name}")
    for name in schema.required:
        if not found.get(name):
            message = f"is {'empty' if name in found else 'missing'}, and a {finding_type} finding needs it"
            raise errors.Invalid(message, field=f"{place}.{name}", fix=f"add {name} to the finding")
    return found


def wrong(field: str, wanted: str, value: Any) -> errors.Invalid:
    """What is said of a value of another type than the one that is wanted."""
    shown = {bool: "true or false", str: "a text", list: "a list", dict: "an object", type(None): "null"}
    return errors.Invalid(f"is {shown.get(type(value), 'a number')}, not {wanted}", field=field)


def _said(said: Mapping[str, Any], name: str, place: str) -> Any:
    first, *others = name.split("_")
    camel = "".join((first, *(each.capitalize() for each in others)))
    if name != camel and name in said and camel in said:
        raise errors.Invalid(f"is said twice, as {name} and as {camel}", field=f"{place}.{name}", fix="keep one")
    return said.get(name, said.get(camel))
