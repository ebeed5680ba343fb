"""Readers that check that bytes are what their type says. Hostile content is a flaw to report, never a crash.

Parsed today: SBOM_CYCLONEDX_JSON and JUNIT_XML. Of every other type only emptiness and size are checked, and the answer
says so (`parsed` is False): nobody may take it for more.
"""

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import ParseError  # the error only: defusedxml parses

import defusedxml
import defusedxml.ElementTree
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonValidator
from jsonschema import Draft7Validator, validators

from avouch.contract import materials

_SPEC_VERSIONS = {
    "1.4": SchemaVersion.V1_4,
    "1.5": SchemaVersion.V1_5,
    "1.6": SchemaVersion.V1_6,
    "1.7": SchemaVersion.V1_7,
}
_SHOWN = 300  # characters of a parser's words that go into a message


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why the bytes are not what their type says."""

    code: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Document:
    """What a reader found. `annotations` are Chainloop's own keys; `parsed`: the content was understood."""

    flaws: tuple[Flaw, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    parsed: bool = False


def read(type_name: str, content: bytes, limit: int | None = None) -> Document:
    """Check content against its type.

    Args:
        type_name: material type, such as JUNIT_XML.
        content: all of its bytes.
        limit: most bytes to accept, where it is not the type's own.

    Raises:
        Invalid: no such type.
    """
    kind = materials.of(type_name)
    if not content and not kind.empty:
        return _wrong("DocumentEmpty", f"the {type_name} is empty", "write the report before the step ends")
    if len(content) > (limit or kind.limit):
        message = f"the {type_name} has {len(content)} bytes, more than {limit or kind.limit}"
        return _wrong("DocumentTooLarge", message, "deliver a smaller report, or an ARTIFACT with skipUpload")
    reader = _READERS.get(type_name)
    return reader(content) if reader else Document()


def _wrong(code: str, message: str, fix: str) -> Document:
    return Document((Flaw(code, message[:_SHOWN], fix),))


def _cyclonedx(content: bytes) -> Document:
    fix = "deliver a CycloneDX 1.4 to 1.7 JSON document"
    try:
        bom = json.loads(content.decode("utf-8"))
        text = _cyclonedx_problem(bom)
    except RecursionError:
        text = "nested too deeply"
    except ValueError as exc:
        text = f"not JSON in UTF-8: {exc}"
    if text:
        return _wrong("DocumentInvalid", f"not a CycloneDX SBOM: {text}", fix)
    return Document((), tuple(_cyclonedx_annotations(bom)), parsed=True)


def _cyclonedx_problem(bom: Any) -> str:
    if not isinstance(bom, dict) or bom.get("bomFormat") != "CycloneDX":
        return "bomFormat is not CycloneDX"
    version = _SPEC_VERSIONS.get(str(bom.get("specVersion")))
    if version is None:
        return f"specVersion {str(bom.get('specVersion'))[:16]} is not one of {', '.join(_SPEC_VERSIONS)}"
    error = next(_schema_errors(version, bom), None)
    if error is None:
        return ""
    place = "/".join(map(str, error.absolute_path)) or "the document"
    return f"{place}: {error.message}"


# jsonschema compares each pair of a list for uniqueItems: 15 s for 5,000 components. Chainloop forgives duplicates.
_Draft7 = validators.extend(Draft7Validator, {"uniqueItems": None})  # type: ignore[no-untyped-call]  # the stubs lack it


@functools.cache
def _validator(version: SchemaVersion) -> Any:
    """The library's own validator without uniqueItems; kept, because loading the schemas is slow."""
    official: Any = JsonValidator(version)._validator  # its registry of schemas is not public
    return _Draft7(official.schema, registry=official._registry, format_checker=official.format_checker)


def _schema_errors(version: SchemaVersion, bom: Any) -> Iterator[Any]:
    """Errors of the official schema, without null cwes, which real tools write and Chainloop forgives."""
    for error in _validator(version).iter_errors(bom):
        if not (error.instance is None and "cwes" in error.absolute_path):
            yield error


def _cyclonedx_annotations(bom: dict[str, Any]) -> Iterator[tuple[str, str]]:
    metadata = _mapping(bom.get("metadata"))
    component = _mapping(metadata.get("component"))
    for field in ("name", "type", "version"):
        if component.get(field):
            yield f"chainloop.material.sbom.main_component.{field}", str(component[field])
    tools = [(str(tool.get("name")), str(tool.get("version") or "")) for tool in _tools(metadata) if tool.get("name")]
    if tools:
        yield "chainloop.material.tool.name", tools[0][0]
        if tools[0][1]:
            yield "chainloop.material.tool.version", tools[0][1]
        yield "chainloop.material.tools", json.dumps([f"{n}@{v}" if v else n for n, v in tools], separators=(",", ":"))
    if "vulnerabilities" in bom:
        yield "chainloop.material.sbom.vulnerabilities_report", "true"


def _tools(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """metadata.tools is a list until 1.4 and, from 1.5, may be an object with components."""
    tools = metadata.get("tools")
    found = tools.get("components") if isinstance(tools, dict) else tools
    return [tool for tool in found if isinstance(tool, dict)] if isinstance(found, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _junit(content: bytes) -> Document:
    try:
        root = defusedxml.ElementTree.fromstring(content, forbid_dtd=True)
        text = "" if root.tag == "testsuite" or root.find("testsuite") is not None else "it holds no testsuite"
        text = text if root.tag in ("testsuite", "testsuites") else f"its root is <{str(root.tag)[:64]}>"
    except defusedxml.DefusedXmlException as exc:
        text = f"it declares a document type or entities ({type(exc).__name__}), which are never expanded"
    except (ParseError, ValueError, LookupError, RecursionError) as exc:
        text = f"not XML: {exc}"
    if text:
        fix = "deliver one XML file whose root is testsuites or testsuite; archives are not read yet"
        return _wrong("DocumentInvalid", f"invalid JUnit XML file: {text}", fix)
    return Document(parsed=True)


_READERS: dict[str, Callable[[bytes], Document]] = {
    "SBOM_CYCLONEDX_JSON": _cyclonedx,
    "JUNIT_XML": _junit,
}
