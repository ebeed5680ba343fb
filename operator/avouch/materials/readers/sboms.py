"""SBOMs: CycloneDX 1.4 to 1.7 and SPDX 2.2, 2.3 and 3.0.1, against the official schemas."""

import re
import string
from collections.abc import Iterator
from typing import Any

from avouch import errors, image_references
from avouch.materials.readers import document, jsons, schemas, tools

_MAIN = f"{document.PREFIX}sbom.main_component."
_VERSIONS = ("1.4", "1.5", "1.6", "1.7")
_CYCLONEDX = "deliver a CycloneDX 1.4 to 1.7 JSON document"
_SPDX = "deliver an SPDX 2.2, 2.3 or 3.0.1 JSON document"
_DOCUMENT = "SPDXRef-DOCUMENT"
_CATEGORIES = {"PACKAGE-MANAGER": "PACKAGE_MANAGER", "PERSISTENT-ID": "OTHER"}
_SPDX_2 = {"SPDX-2.2": "spdx/spdx-2.2", "SPDX-2.3": "spdx/spdx-2.3"}
_IMAGE = re.compile(r"[\w./:@-]+", re.ASCII)  # the characters of references; whether the image exists is not asked
_NULL_CWES = "it breaks CycloneDX: cwes is null, read as none"
_DASHED = "it breaks SPDX 2.2: PACKAGE-MANAGER or PERSISTENT-ID with a dash, as 2.3 writes them"
_TRIVY_DIGEST = "aquasecurity:trivy:RepoDigest"
# In a creator's text the version begins where a number follows a dash ("my-tool-1.0"), or is syft's "[not provided]".
_VERSION = re.compile(r"-(?=v?\d|\[)", re.ASCII)


def cyclonedx(content: bytes) -> document.Document:
    """A CycloneDX SBOM. Repeated components and null for cwes, which real tools write, are accepted as in Chainloop."""
    bom = jsons.mapping(content)
    if bom.get("bomFormat") != "CycloneDX":
        raise errors.Invalid("not a CycloneDX SBOM: bomFormat is not CycloneDX", fix=_CYCLONEDX)
    version = bom.get("specVersion")
    if version not in _VERSIONS:
        message = f"specVersion {document.shown(version)} is not one of {', '.join(_VERSIONS)}"
        raise errors.Invalid(f"not a CycloneDX SBOM: {message}", fix=_CYCLONEDX)
    unlisted = [each for each in jsons.mappings(bom, "vulnerabilities") if each.get("cwes", ()) is None]
    for each in unlisted:
        del each["cwes"]
    _check("CycloneDX", f"cyclonedx/bom-{version}", bom, _CYCLONEDX)
    return document.understood(_cyclonedx_annotations(bom), [_NULL_CWES] if unlisted else [])


def _check(kind: str, schema: str, found: Any, fix: str) -> None:
    try:
        schemas.check(schema, found)
    except errors.Invalid as exc:
        raise errors.Invalid(f"not a valid {kind} SBOM: {exc.args[0]}", fix=fix) from exc


def _cyclonedx_annotations(bom: dict[str, Any]) -> Iterator[tuple[str, object]]:
    component = jsons.at(bom, "metadata", "component") or {}
    container = component.get("type") == "container"
    yield f"{_MAIN}name", repository(component["name"]) if container else component.get("name")
    yield f"{_MAIN}type", component.get("type")
    yield f"{_MAIN}version", component.get("version") or _trivy_digest(component)
    found = jsons.at(bom, "metadata", "tools")
    listed = (
        jsons.mappings(found, "components") if isinstance(found, dict) else jsons.mappings(bom, "metadata", "tools")
    )
    yield from tools.annotations([(jsons.text(tool, "name"), jsons.text(tool, "version")) for tool in listed])
    yield f"{document.PREFIX}sbom.vulnerabilities_report", "true" if "vulnerabilities" in bom else ""


def _trivy_digest(component: dict[str, Any]) -> str:
    for each in jsons.mappings(component, "properties"):
        digest = image_references.split(jsons.text(each, "value")).digest
        if each.get("name") == _TRIVY_DIGEST and digest.startswith("sha256:"):
            return digest
    return ""


def repository(image: str) -> str:
    """The full repository of an image name: with its registry, without tag or digest; any other name as it is.

    >>> repository("nginx:1.25"), repository("ghcr.io/shop/web@sha256:00"), repository("My Appliance Image")
    ('index.docker.io/library/nginx', 'ghcr.io/shop/web', 'My Appliance Image')
    """
    if not _IMAGE.fullmatch(image):
        return image
    return "/".join(image_references.complete(image_references.split(image).name))


def spdx(content: bytes) -> document.Document:
    """An SPDX SBOM: 2.2 and 2.3 as one object, 3.0.1 as JSON-LD."""
    found = jsons.mapping(content)
    if "spdxVersion" in found:
        schema = _SPDX_2.get(str(found["spdxVersion"]))
        if schema is None:
            message = f"spdxVersion {document.shown(found['spdxVersion'])} is not one of {', '.join(_SPDX_2)}"
            raise errors.Invalid(f"not an SPDX SBOM: {message}", fix=_SPDX)
        dashed = _undashed(found) if schema == _SPDX_2["SPDX-2.2"] else False
        _check("SPDX", schema, found, _SPDX)
        return document.understood(_spdx_annotations(found), [_DASHED] if dashed else [])
    if "@context" in found and "@graph" in found and "spdx.org/rdf/3" in str(found["@context"])[:256]:
        _check("SPDX", "spdx/spdx-3.0.1", found, _SPDX)
        return document.understood(_spdx3_annotations(found))
    raise errors.Invalid("not an SPDX SBOM: neither spdxVersion nor the @context and @graph of SPDX 3", fix=_SPDX)


def _undashed(found: dict[str, Any]) -> bool:
    """Write categories of references as the schema of 2.2 has them; the text of 2.2 and its tools write a dash."""
    changed = False
    for package in jsons.mappings(found, "packages"):
        for each in jsons.mappings(package, "externalRefs"):
            instead = _CATEGORIES.get(jsons.text(each, "referenceCategory"))
            if instead:
                each["referenceCategory"] = instead
                changed = True
    return changed


def _spdx_annotations(found: dict[str, Any]) -> Iterator[tuple[str, object]]:
    packages = {jsons.text(each, "SPDXID"): each for each in jsons.mappings(found, "packages")}
    described = [*_described(found), *(packages if len(packages) == 1 else ())]
    main = next((packages[one] for one in described if one in packages), {})
    kind, name = jsons.text(main, "primaryPackagePurpose").lower(), jsons.text(main, "name")
    yield f"{_MAIN}name", repository(name) if kind == "container" else name
    yield f"{_MAIN}type", kind
    yield f"{_MAIN}version", jsons.text(main, "versionInfo")
    yield from tools.annotations([creator(each) for each in found["creationInfo"]["creators"]])


def _described(found: dict[str, Any]) -> Iterator[str]:
    """What the document describes, in its own order; a document of one package describes that."""
    for each in jsons.mappings(found, "relationships"):
        ends = jsons.text(each, "spdxElementId"), jsons.text(each, "relatedSpdxElement")
        if each.get("relationshipType") == "DESCRIBES" and ends[0] == _DOCUMENT:
            yield ends[1]
        elif each.get("relationshipType") == "DESCRIBED_BY" and ends[1] == _DOCUMENT:
            yield ends[0]
    yield from (each for each in found.get("documentDescribes", ()) if isinstance(each, str))


def creator(text: str) -> tuple[str, str]:
    """Name and version of a tool among SPDX creators; "" for persons and organizations.

    >>> creator("Tool: my-tool-1.0"), creator("Person: Ada")
    (('my-tool', '1.0'), ('', ''))
    """
    kind, _, rest = text.partition(":")
    rest = rest.strip(string.whitespace)
    if kind != "Tool" or "\n" in rest or len(text) > document.LONGEST:  # a longer one could not be recorded
        return "", ""
    for dash in _VERSION.finditer(rest, 1):
        if rest[dash.end()] != "[" or rest.endswith("]"):
            return rest[: dash.start()], rest[dash.end() :]
    return rest, ""


def _spdx3_annotations(found: dict[str, Any]) -> Iterator[tuple[str, object]]:
    elements = {identity: each for each in jsons.mappings(found, "@graph") if (identity := jsons.text(each, "spdxId"))}
    roots = [
        root
        for each in elements.values()
        if each.get("type") in ("software_Sbom", "SpdxDocument")
        for root in each.get("rootElement", ())
    ]
    packages = [each for root in roots if (each := elements.get(str(root))) and each.get("type") == "software_Package"]
    main = packages[0] if packages else {}
    kind, name = jsons.text(main, "software_primaryPurpose"), jsons.text(main, "name")
    yield f"{_MAIN}name", repository(name) if kind == "container" else name
    yield f"{_MAIN}type", kind
    yield f"{_MAIN}version", jsons.text(main, "software_packageVersion")
    made = [jsons.text(each, "name") for each in elements.values() if each.get("type") == "Tool"]
    # Converters make one element for each use of a tool.
    yield from tools.annotations([creator(f"Tool: {each}") for each in dict.fromkeys(made)])
