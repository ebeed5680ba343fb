"""The wrong form of a right thing: what a refused file is, and how to write it rightly, for every reader in one place.

People deliver bom.xml for bom.json, a page of a login for a report, UTF-16 of PowerShell. What a parser says of these
("Expecting value: line 1 column 1") helps nobody. Asked only about content that its reader refused.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from avouch.materials import types as material_types

_BEGINNING = 4096  # bytes that the forms of the table are recognised by
_WRAPPED = 16 * material_types.MIB  # larger documents are not parsed once more
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Form(NamedTuple):
    """What content is, and how to write it rightly."""

    what: str
    fix: str


class _Row(NamedTuple):
    """A form by its beginning. `wanted`: the syntax (json, xml), or the type, that it is delivered for."""

    wanted: str
    begins: re.Pattern[bytes]
    form: Form


def _row(wanted: str, begins: bytes, what: str, fix: str) -> _Row:
    return _Row(wanted, re.compile(begins, re.MULTILINE), Form(what, fix))


_PAGE = "the address answered with a page, such as a login: check how the report was downloaded"
_BOM = "deliver the JSON of the same tool, or convert it: cyclonedx convert --output-format json"
_SPDX = "deliver the JSON of the same tool, or convert it: pyspdxtools -i FILE -o sbom.spdx.json"
_FORMS = (  # the first row that fits counts
    _row("json", rb"\A<(?:!doctype html|!DOCTYPE html|html)\b", "it is an HTML page", _PAGE),
    _row("xml", rb"\A<(?:!doctype html|!DOCTYPE html|html)\b", "it is an HTML page", _PAGE),
    _row("SBOM_CYCLONEDX_JSON", rb"<(?:\w+:)?bom[\s>]", "it is CycloneDX in XML", _BOM),
    _row("json", rb"\A<", "it is XML", "let the tool write JSON"),
    _row("xml", rb"\A[{\[]", "it is JSON", "let the tool write XML"),
    _row("SBOM_SPDX_JSON", rb"^SPDXVersion:\s", "it is SPDX in tag-value", _SPDX),
    _row("SBOM_SPDX_JSON", rb"^[\"']?spdxVersion[\"']?:\s", "it is SPDX in YAML", _SPDX),
    _row("json", rb"\A\x1f\x8b", "it is compressed with gzip", "deliver it unpacked: gunzip FILE"),
    _row("json", rb"\APK\x03\x04", "it is a zip", "deliver the report that is in it"),
    _row("json", rb"\A%PDF", "it is a PDF", "let the tool write JSON"),
    _row("COBERTURA_XML", rb"\Amode: (?:set|count|atomic)$", "it is a coverage profile of Go",
         "convert it: gocover-cobertura < FILE > coverage.xml"),
    _row("COBERTURA_XML", rb"\A(?:TN|SF):", "it is LCOV", "convert it: lcov_cobertura FILE"),
    _row("JACOCO_XML", rb"\A\x01\xc0\xc0", "it is JaCoCo's recording", "let jacoco:report write the XML"),
    _row("JUNIT_XML", rb"\A(?:TAP version \d+|1\.\.\d+|(?:not )?ok 1\b.*)$", "it is TAP",
         "let the tool write JUnit XML"),
)  # fmt: skip


def form(kind: material_types.MaterialType, content: bytes, refused: str) -> Form | None:
    """What content is that its reader refused; None if it is none of the known wrong forms.

    Args:
        kind: what it should have been.
        content: its bytes.
        refused: the reader's words.
    """
    if content.startswith(_UTF16_MARKS) and "UTF-8" in refused:
        return Form("it is UTF-16", "write it as UTF-8, in PowerShell: Out-File -Encoding utf8")
    begun = content[:_BEGINNING].removeprefix(_UTF8_MARK).lstrip()
    if not begun and "is empty" not in refused:
        return Form("it holds only spaces", "check that the tool wrote its report")
    wanted = {kind.name, "xml" if kind.media_type.endswith("xml") else "json" if _is_json(kind) else ""}
    for row in _FORMS:
        if row.wanted in wanted and row.begins.search(begun):
            return row.form
    return next(_of_json(content, begun, refused), None) if _is_json(kind) else None


def _is_json(kind: material_types.MaterialType) -> bool:
    return kind.media_type.endswith("json")


def _of_json(content: bytes, begun: bytes, refused: str) -> Iterator[Form]:
    if "Extra data" in refused:
        fix = "join them: gh api --paginate --slurp, or jq -s add"
        yield Form("it holds several JSON documents", fix)
    if not begun.startswith((b"{", b"[")) and "Expecting value: line 1" in refused:
        line = begun.splitlines()[0][:64].decode("utf-8", "replace")
        yield Form(
            f"its first line is no JSON: {line!r}", "write the report alone into the file, its log elsewhere: 2>log"
        )
    if begun.startswith(b"{") and len(content) <= _WRAPPED and content.rstrip().endswith(b"}"):
        yield from _of_object(content)


def _of_object(content: bytes) -> Iterator[Form]:
    try:
        found: Any = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):  # the reader has said why
        return
    if isinstance(found.get("message"), str) and found.keys() <= {"message", "documentation_url", "status", "errors"}:
        yield Form(
            f"it is an answer of an API that failed: {found['message'][:128]!r}", "check the request for the report"
        )
    (name, inner), *others = found.items() if found else [("", None)]
    if isinstance(inner, dict | list) and inner and not others:
        yield Form(
            f"it is wrapped in an object with the one field {name[:64]!r}", f"deliver what is in it: jq .{name[:64]}"
        )
