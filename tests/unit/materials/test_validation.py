import json
from typing import Any

import pytest

from avouch.materials import validation
from avouch.materials.readers import document, sboms

BOMB = b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><testsuite name="&c;"/>'


def bom(**more: Any) -> bytes:
    base = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
    return json.dumps({**base, **more}).encode()


@pytest.mark.parametrize("version", ["1.4", "1.5", "1.6", "1.7"])
def test_an_sbom_of_each_supported_version_is_read(version):
    assert validation.read("SBOM_CYCLONEDX_JSON", bom(specVersion=version)) == document.Document(parsed=True)


def test_an_sbom_tells_its_main_component_and_tools():
    content = bom(
        metadata={
            "component": {"type": "application", "name": "shop", "version": "2"},
            "tools": {
                "components": [
                    {"type": "application", "name": "syft", "version": "1.0"},
                    {"type": "application", "name": "x"},
                ]
            },
        },
        vulnerabilities=[],
    )
    assert dict(validation.read("SBOM_CYCLONEDX_JSON", content).annotations) == {
        "chainloop.material.sbom.main_component.name": "shop",
        "chainloop.material.sbom.main_component.type": "application",
        "chainloop.material.sbom.main_component.version": "2",
        "chainloop.material.tool.name": "syft",
        "chainloop.material.tool.version": "1.0",
        "chainloop.material.tools": '["syft@1.0","x"]',
        "chainloop.material.sbom.vulnerabilities_report": "true",
    }


def test_legacy_tools_are_read_too():
    content = bom(specVersion="1.4", metadata={"tools": [{"vendor": "v", "name": "trivy", "version": "3"}]})
    assert dict(validation.read("SBOM_CYCLONEDX_JSON", content).annotations)["chainloop.material.tool.name"] == "trivy"


def test_duplicated_components_are_forgiven_as_chainloop_does():
    component = {"type": "library", "name": "a"}
    assert validation.read("SBOM_CYCLONEDX_JSON", bom(components=[component, component])).parsed


def test_null_cwes_are_forgiven_as_chainloop_does():
    assert validation.read("SBOM_CYCLONEDX_JSON", bom(vulnerabilities=[{"id": "CVE-1", "cwes": None}])).parsed


def test_a_large_sbom_is_read_without_comparing_each_pair_of_components():
    components = [{"type": "library", "name": f"n{number}", "version": "1"} for number in range(20_000)]
    assert validation.read("SBOM_CYCLONEDX_JSON", bom(components=components)).parsed  # minutes if pairs were compared


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not json", "not JSON in UTF-8"),
        (b"\xff\xfe", "not JSON in UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[]", "not a JSON object but a list"),
        (b'{"spdxVersion":"SPDX-2.3"}', "bomFormat is not CycloneDX"),
        (bom(specVersion="1.1"), "specVersion '1.1' is not one of"),
        (bom(components=[{"name": "no type"}]), 'components/0: "type" is a required property'),
    ],
    ids=["text", "bytes", "deep", "list", "spdx", "old", "incomplete"],
)
def test_what_is_no_sbom_is_a_flaw_with_a_fix(content, said):
    (flaw,) = validation.read("SBOM_CYCLONEDX_JSON", content).flaws
    assert said in flaw.message
    assert len(flaw.message) <= 300
    assert flaw.fix


@pytest.mark.parametrize(
    "content", [b"<testsuites><testsuite/></testsuites>", b'<?xml version="1.0"?><testsuite tests="1"/>']
)
def test_a_junit_report_is_read(content):
    assert validation.read("JUNIT_XML", content) == document.Document(parsed=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<testsuites/>", "it holds no testsuite"),
        (b"<html/>", "its root is <html>"),
        (b"<html><testsuite/></html>", "its root is <html>"),
        (b"{}", "not XML"),
        (b'<?xml version="1.0" encoding="nope"?><a/>', "not XML"),
        (b"PK\x03\x04", "the archive cannot be read"),
        (b"<testsuite>" * 100_000, "nested too deeply"),
        (BOMB, "never expanded"),
    ],
    ids=["empty", "html", "hidden", "json", "encoding", "zip", "deep", "bomb"],
)
def test_what_is_no_junit_report_is_a_flaw(content, said):
    (flaw,) = validation.read("JUNIT_XML", content).flaws
    assert said in flaw.message
    assert flaw.code in ("DocumentInvalid", "DocumentTooLarge")


def test_an_empty_file_is_a_flaw_unless_emptiness_says_something():
    assert validation.read("ARTIFACT", b"").flaws[0].code == "DocumentEmpty"
    assert validation.read("TRUFFLEHOG_JSON", b"").flaws == ()


def test_too_many_bytes_are_a_flaw_before_any_parser_sees_them():
    (flaw,) = validation.read("JUNIT_XML", BOMB, limit=10).flaws
    assert flaw.code == "DocumentTooLarge"


def test_a_type_without_reader_never_claims_to_be_understood():
    assert validation.read("ARTIFACT", b"anything") == document.Document(parsed=False)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Tool: syft-[not provided]", ("syft", "[not provided]")),
        ("Tool: my-tool-v1.0-2", ("my-tool", "v1.0-2")),
        ("Tool:  my-tool ", ("my-tool", "")),
        ("Tool: -1", ("-1", "")),
        ("Tool: a-[b-2", ("a-[b", "2")),
        ("Tool: a\nb-1", ("", "")),
        ("Tool: " + "a" * 2000, ("", "")),
        ("Tool:", ("", "")),
        ("Organization: Tool: a-1", ("", "")),
    ],
)
def test_the_version_of_a_creator_begins_where_a_number_follows_a_dash(text, found):
    assert sboms.creator(text) == found
