import json
from typing import Any

import pytest

from avouch import errors
from avouch.materials import types as material_types
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
    (flaw,) = validation.read("JUNIT_XML", BOMB.ljust(material_types.of("JUNIT_XML").limit + 1)).flaws
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


@pytest.mark.parametrize(
    ("name", "size", "most"),
    [("STRING", 65536, 0), ("STRING", 65537, 65536)],
)
def test_content_may_be_as_large_as_the_limit_of_the_type(name, size, most):
    flaws = validation.read(name, b"x" * size).flaws
    said = f"larger than {most} bytes, the limit of {name}"
    assert [(each.code, each.message) for each in flaws] == ([("DocumentTooLarge", said)] if most else [])


def test_content_beyond_what_a_reader_is_shown_is_taken_unread(monkeypatch):
    shown = []
    monkeypatch.setattr(
        validation, "reader", lambda _: lambda content: shown.append(len(content)) or document.Document()
    )
    window = material_types.of("EVIDENCE").readable
    for size in (window, window + 1):
        assert validation.read("EVIDENCE", b"x" * size).flaws == ()
    assert shown == [window]


def test_sniffing_leaves_the_schema_out_once_and_reading_does_not():
    content = bom(components=[{"name": "no type"}])
    assert validation.sniff("SBOM_CYCLONEDX_JSON", content).parsed
    (flaw,) = validation.read("SBOM_CYCLONEDX_JSON", content).flaws
    assert '"type" is a required property' in flaw.message


@pytest.mark.parametrize("exc", [KeyError("a"), IndexError(), TypeError(), ValueError(), AttributeError()])
def test_sniffing_says_of_what_a_reader_stumbles_over_what_the_schema_says(monkeypatch, exc):
    def read(_: bytes) -> document.Document:
        if document.SKIP_SCHEMAS.get():
            raise exc
        raise errors.Invalid("components is no list", fix="do")

    monkeypatch.setattr(validation, "reader", lambda _: read)
    (flaw,) = validation.sniff("SBOM_CYCLONEDX_JSON", b"content").flaws
    assert flaw.message == "components is no list"


def broken(exc: Exception) -> Any:
    def read(_: bytes) -> document.Document:
        raise exc

    return lambda _: read


@pytest.mark.parametrize(
    ("exc", "code", "said", "fix"),
    [
        (errors.Invalid("a\x07b\u202e", fix="do"), "DocumentInvalid", "a\ufffdb\ufffd", "do"),
        (errors.TooLarge("deep", fix="do"), "DocumentTooLarge", "deep", "do"),
        (
            MemoryError(),
            "DocumentTooLarge",
            "reading the JUNIT_XML needs more memory than is available",
            "deliver a smaller report",
        ),
        (errors.Invalid("x" * 1000, fix="do"), "DocumentInvalid", "x" * document.SHOWN, "do"),
    ],
)
def test_what_a_reader_says_is_a_flaw_in_printable_text(monkeypatch, exc, code, said, fix):
    monkeypatch.setattr(validation, "reader", broken(exc))
    assert validation.read("JUNIT_XML", b"content") == document.Document((document.Flaw(code, said, fix),))


def test_a_wrong_form_of_a_right_thing_is_named_with_what_its_reader_said(monkeypatch):
    monkeypatch.setattr(validation, "reader", broken(errors.Invalid("not XML", fix="do")))
    (flaw,) = validation.read("JUNIT_XML", b'{"a": 1}').flaws
    assert (flaw.code, flaw.message, flaw.fix) == ("DocumentInvalid", "it is JSON (not XML)", "let the tool write XML")
