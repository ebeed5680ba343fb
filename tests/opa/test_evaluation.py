"""Whole policies in the real engine, on materials that are not JSON and with findings that have fields."""

import base64
import json
from typing import Any

import pytest

from avouch import errors
from avouch.api import policy as kind
from avouch.opa import engine
from avouch.policy import evaluation

pytestmark = pytest.mark.opa

HEAD = "package main\nimport rego.v1\n"
FAILED = (
    HEAD
    + """
violations contains msg if {
    some suite in input.elements
    some test in suite.tests
    test.status in {"failed", "error"}
    msg := sprintf("%s: %s", [test.name, test.error.message])
}
"""
)
COVERED = (
    HEAD
    + """
violations contains msg if {
    some counter in input.counters
    counter.type == "LINE"
    counter.covered * 100 < (counter.covered + counter.missed) * to_number(input.args.percent)
    msg := sprintf("%d lines are not covered", [counter.missed])
}
"""
)
SIGNED = (
    HEAD
    + """
violations contains msg if {
    input.predicate.metadata.project != "shop"
    msg := sprintf("attested for %s", [input.predicate.metadata.project])
}
"""
)
UNDESCRIBED = (
    HEAD
    + """
violations contains msg if {
    some path, item in input.paths
    not item.get.summary
    msg := path
}
"""
)
VULNERABLE = (
    HEAD
    + """
findings contains finding if {
    some one in input.vulnerabilities
    finding := object.union(
        chainloop.vulnerability(one.id, one.id, one.purl, one.severity),
        {"suppress": one.known, "cvss_v3_score": one.score},
    )
}
"""
)
JUNIT = b'<testsuite><testcase name="pays"><failure message="too little"/></testcase><testcase name="a"/></testsuite>'
JACOCO = (
    b'<report><counter type="INSTRUCTION" missed="1" covered="1"/>'
    b'<counter type="LINE" missed="3" covered="7"/></report>'
)
STATEMENT = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "s", "digest": {"sha256": "ab" * 32}}],
    "predicateType": "chainloop.dev/attestation/v0.2",
    "predicate": {"metadata": {"project": "other"}},
}
ENVELOPE = {
    "payloadType": "application/vnd.in-toto+json",
    "payload": base64.b64encode(json.dumps(STATEMENT).encode()).decode(),
    "signatures": [{"sig": "AAAA"}],
}
OPENAPI = (
    b"openapi: 3.0.3\ninfo: {title: a, version: b}\npaths: {/a: {get: {responses: {}}}, /b: {get: {summary: s}}}\n"
)


def policy(script: str, material_type: str, finding_type: str = "") -> kind.Policy:
    annotations = {"chainloop.dev/finding_type": finding_type} if finding_type else {}
    return kind.Policy.model_validate(
        {
            "apiVersion": "chainloop.dev/v1",
            "kind": "Policy",
            "metadata": {"name": "p", "annotations": annotations},
            "spec": {"policies": [{"kind": material_type, "embedded": script}]},
        }
    )


async def evaluated(
    running: engine.Engine, script: str, material_type: str, content: bytes, finding_type: str = "", **given: str
) -> evaluation.Evaluation:
    material = evaluation.Material(material_type, content, {"name": "m"})
    return await evaluation.evaluate(running, policy(script, material_type, finding_type), material, given)


@pytest.mark.parametrize(
    ("script", "material_type", "content", "messages"),
    [
        (FAILED, "JUNIT_XML", JUNIT, ["pays: too little"]),
        (COVERED, "JACOCO_XML", JACOCO, ["3 lines are not covered"]),
        (SIGNED, "ATTESTATION", json.dumps(ENVELOPE).encode(), ["attested for other"]),
        (UNDESCRIBED, "OPENAPI_SPEC", OPENAPI, ["/a"]),
    ],
)
async def test_a_script_asks_for_the_fields_of_a_material_that_is_not_json(
    running: engine.Engine, script: str, material_type: str, content: bytes, messages: list[str]
) -> None:
    found = (await evaluated(running, script, material_type, content, percent="80")).outcome
    assert found is not None
    assert [each.message for each in found.violations] == messages


def report(**more: Any) -> bytes:
    one = {"id": "CVE-2024-1", "purl": "pkg:npm/a@1", "severity": "HIGH", "known": False, "score": 9.8, **more}
    return json.dumps({"vulnerabilities": [one]}).encode()


async def test_findings_of_a_type_keep_their_fields_and_suppressed_ones_do_not_count(running: engine.Engine) -> None:
    counted = (await evaluated(running, VULNERABLE, "GITLAB_SECURITY_REPORT", report(), "VULNERABILITY")).outcome
    assert counted is not None
    assert [each.finding for each in counted.violations] == [
        {
            "message": "CVE-2024-1",
            "external_id": "CVE-2024-1",
            "package_purl": "pkg:npm/a@1",
            "severity": "HIGH",
            "cvss_v3_score": 9.8,
        }
    ]
    known = (
        await evaluated(running, VULNERABLE, "GITLAB_SECURITY_REPORT", report(known=True), "VULNERABILITY")
    ).outcome
    assert known is not None
    assert (len(known.violations), len(known.suppressed)) == (0, 1)


async def test_findings_without_a_type_are_told_with_a_note(running: engine.Engine) -> None:
    found = await evaluated(running, VULNERABLE, "GITLAB_SECURITY_REPORT", report())
    assert "no finding_type" in found.notes[0]


async def test_a_finding_that_does_not_match_its_type_is_an_error_with_the_script_and_the_field(
    running: engine.Engine,
) -> None:
    with pytest.raises(errors.Invalid, match="from 0 to 10") as told:
        await evaluated(running, VULNERABLE, "GITLAB_SECURITY_REPORT", report(score=11), "VULNERABILITY")
    assert told.value.field == "spec.policies[0].embedded.findings[0].cvss_v3_score"
