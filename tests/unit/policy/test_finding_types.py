"""Structured findings: required fields, types, bounds, and what is kept of them."""

from typing import Any

import pytest

from avouch import errors
from avouch.api import policy as kind
from avouch.policy import finding_types

GOOD: dict[str, dict[str, Any]] = {
    "VULNERABILITY": {
        "message": "CVE-2024-1 in lib",
        "external_id": "CVE-2024-1",
        "package_purl": "pkg:golang/example.com/lib@v1.0.0",
        "severity": "HIGH",
    },
    "SAST": {"message": "injection", "rule_id": "java:S1234", "severity": "HIGH", "location": "src/A.java"},
    "LICENSE_VIOLATION": {"message": "banned", "component_name": "lodash", "license_id": "GPL-3.0"},
}


def read(finding_type: str, **more: Any) -> Any:
    return finding_types.read(finding_type, {**GOOD[finding_type], **more}, "findings[0]")


def test_there_is_a_schema_for_each_type_of_the_kind() -> None:
    assert tuple(finding_types.SCHEMAS) == kind.FINDING_TYPES == tuple(GOOD)


@pytest.mark.parametrize("finding_type", GOOD)
def test_a_finding_keeps_the_fields_of_its_schema(finding_type: str) -> None:
    assert read(finding_type, chainloop_finding_id="x", suppress=True) == GOOD[finding_type]


@pytest.mark.parametrize(
    ("finding_type", "name"),
    [(each, name) for each, schema in finding_types.SCHEMAS.items() for name in schema.required],
)
@pytest.mark.parametrize("value", ["", None])
def test_a_required_field_has_a_value(finding_type: str, name: str, value: Any) -> None:
    with pytest.raises(errors.Invalid, match="finding needs it") as told:
        read(finding_type, **{name: value})
    assert told.value.field == f"findings[0].{name}"


@pytest.mark.parametrize(
    ("finding_type", "said", "kept"),
    [
        ("VULNERABILITY", {"cvss_v3_score": 9.8}, {"cvss_v3_score": 9.8}),
        ("VULNERABILITY", {"cvss_v3_score": "9.8"}, {"cvss_v3_score": 9.8}),
        ("VULNERABILITY", {"cvssV3Score": 10}, {"cvss_v3_score": 10.0}),
        ("VULNERABILITY", {"cvss_v3_score": 0}, {"cvss_v3_score": 0.0}),
        ("VULNERABILITY", {"cwes": ["CWE-79"], "fixedVersion": "2"}, {"cwes": ["CWE-79"], "fixed_version": "2"}),
        ("VULNERABILITY", {"cwes": None}, {}),
        ("SAST", {"line_number": 12.0}, {"line_number": 12}),
        ("SAST", {"lineNumber": "12"}, {"line_number": 12}),
        ("SAST", {"code_snippet": "a\0b"}, {"code_snippet": "a\ufffdb"}),
        ("LICENSE_VIOLATION", {"package_purl": "pkg:npm/lodash@4"}, {"package_purl": "pkg:npm/lodash@4"}),
    ],
)
def test_fields_are_read_as_protocol_buffers_read_json(
    finding_type: str, said: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert read(finding_type, **said) == {**GOOD[finding_type], **kept}


@pytest.mark.parametrize(
    ("finding_type", "said", "field", "words"),
    [
        ("VULNERABILITY", {"message": 123}, "message", "is a number, not a text"),
        ("VULNERABILITY", {"severity": ["HIGH"]}, "severity", "is a list, not a text"),
        ("VULNERABILITY", {"cvss_v3_score": 15}, "cvss_v3_score", "is 15, not from 0 to 10"),
        ("VULNERABILITY", {"cvss_v3_score": -0.1}, "cvss_v3_score", "not from 0 to 10"),
        ("VULNERABILITY", {"cvss_v3_score": "NaN"}, "cvss_v3_score", "not a number"),
        ("VULNERABILITY", {"cvss_v3_score": True}, "cvss_v3_score", "is true or false, not a number"),
        ("VULNERABILITY", {"cvss_v3_score": 10**400}, "cvss_v3_score", "not a number"),
        ("VULNERABILITY", {"cwes": "CWE-79"}, "cwes", "is a text, not a list"),
        ("VULNERABILITY", {"cwes": ["a", 1]}, "cwes[1]", "is a number, not a text"),
        ("VULNERABILITY", {"externalId": "CVE-2"}, "external_id", "is said twice"),
        ("SAST", {"line_number": 1.5}, "line_number", "not a line number"),
        ("SAST", {"line_number": 2**31}, "line_number", "not a line number"),
    ],
)
def test_what_does_not_match_is_an_error_that_names_the_field(
    finding_type: str, said: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(errors.Invalid, match=words) as told:
        read(finding_type, **said)
    assert told.value.field == f"findings[0].{field}"


def test_a_type_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(errors.Invalid, match="unknown finding type 'SECRET'") as told:
        finding_types.read("SECRET", {}, "findings[0]")
    assert told.value.field == "metadata.finding_type"


def test_texts_and_lists_are_bounded() -> None:
    found = read("VULNERABILITY", description="d" * 9000, cwes=["c"] * 500)
    assert found["description"].endswith("d... (5000 more characters)")
    assert len(found["cwes"]) == finding_types.LISTED
