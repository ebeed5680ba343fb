"""SBOMs and advisories."""

import copy
from typing import Any

from tests.materials.cases import Bad, Good, P, hostile_json, j, tool

WHEN = "2026-01-01T00:00:00Z"


def _cyclonedx(version: str, **more: Any) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "version": 1,
        "metadata": {
            "timestamp": WHEN,
            "tools": {"components": [{"type": "application", "name": "syft", "version": "1.0"}]},
            "component": {"type": "application", "name": "shop", "version": "2"},
        },
        "components": [{"type": "library", "name": "left-pad", "version": "1.3.0", "purl": "pkg:npm/left-pad@1.3.0"}],
        **more,
    }


def _named(name: str, **more: str) -> dict[str, Any]:
    bom = _cyclonedx("1.5")
    bom["metadata"]["component"] |= {"name": name, **more}
    return bom


_BOM_XML = b'<?xml version="1.0"?><bom xmlns="http://cyclonedx.org/schema/bom/1.5" version="1"><components/></bom>'
_SHOP = {f"{P}sbom.main_component.name": "shop", f"{P}sbom.main_component.type": "application"}
_MAIN = {**_SHOP, f"{P}sbom.main_component.version": "2"}
_LEGACY = _cyclonedx("1.4")
_LEGACY["metadata"]["tools"] = [{"vendor": "aqua", "name": "trivy"}, {"name": "x", "version": "2"}]
_IMAGE = _cyclonedx("1.6", vulnerabilities=[{"id": "CVE-1", "cwes": None}])
_IMAGE["metadata"]["component"] = {
    "type": "container",
    "name": "nginx:1.25",
    "properties": [{"name": "aquasecurity:trivy:RepoDigest", "value": "nginx@sha256:" + "ab" * 32}],
}
_GOOD_CDX = j(_cyclonedx("1.5"))
CYCLONEDX = (
    Good("good-1.5.json", _GOOD_CDX, _MAIN | tool("syft", "1.0")),
    Good("good-1.7.json", j(_cyclonedx("1.7")), _MAIN | tool("syft", "1.0")),
    Good(
        "good-1.4-legacy-tools.json",
        j(_LEGACY),
        _MAIN | {f"{P}tool.name": "trivy", f"{P}tools": '["trivy","x@2"]'},
    ),
    Good(
        "good-image.json",
        j(_IMAGE),
        {
            f"{P}sbom.main_component.name": "index.docker.io/library/nginx",
            f"{P}sbom.main_component.type": "container",
            f"{P}sbom.main_component.version": "sha256:" + "ab" * 32,
            f"{P}sbom.vulnerabilities_report": "true",
        }
        | tool("syft", "1.0"),
        noted="cwes is null",
    ),
    Good(
        "good-appliance.json",
        j(_named("My Appliance Image", type="container")),
        _MAIN
        | {f"{P}sbom.main_component.name": "My Appliance Image", f"{P}sbom.main_component.type": "container"}
        | tool("syft", "1.0"),
    ),
    Good(
        "good-line-end.json",
        j(_named("shop\n", version="2\u200b")),
        _MAIN | tool("syft", "1.0"),
        noted="recorded without",
    ),
    Good(
        "good-wide-space.json",
        j(_named("caf\u00e9\u00a0\u30da\u3000shop")),
        _MAIN | {f"{P}sbom.main_component.name": "caf\u00e9\u00a0\u30da\u3000shop"} | tool("syft", "1.0"),
    ),
    Good(
        "good-long-name.json",
        j(_named("x" * 1025)),
        {key: value for key, value in _MAIN.items() if not key.endswith("name")} | tool("syft", "1.0"),
        noted="main_component.name is not recorded: it would have 1025 characters",
    ),
    Good(
        "good-tool-name.json",
        j(_cyclonedx("1.4") | {"metadata": {"tools": [{"name": "a\0b"}]}}),
        tool("ab"),
        noted="tool.name is recorded without",
    ),
    Good(
        "good-no-version.json",
        j({key: value for key, value in _cyclonedx("1.5").items() if key != "version"}),
        _MAIN | tool("syft", "1.0"),
    ),
    Bad("bad-version-0.json", j(_cyclonedx("1.5") | {"version": 0}), "version: 0 is less than the minimum of 1"),
    Bad("bad-cwe.json", j(_cyclonedx("1.6", vulnerabilities=[{"cwes": [None]}])), "vulnerabilities/0/cwes/0: null"),
    Bad("bad-xml.json", _BOM_XML, "it is CycloneDX in XML"),
    Bad("bad-utf16.json", j(_cyclonedx("1.5")).decode().encode("utf-16"), "it is UTF-16"),
    Bad("bad-log.json", b"INFO cataloging\n" + j(_cyclonedx("1.5")), "its first line is no JSON: 'INFO cataloging'"),
    Bad("bad-version.json", j(_cyclonedx("1.1")), "specVersion '1.1' is not one of"),
    Bad("bad-component.json", j(_cyclonedx("1.6", components=[{"name": "x"}])), '"type" is a required property'),
    Bad("bad-date.json", j(_cyclonedx("1.6") | {"metadata": {"timestamp": "yesterday"}}), "metadata/timestamp"),
    Bad("bad-spdx.json", b'{"spdxVersion": "SPDX-2.3"}', "bomFormat is not CycloneDX"),
    *hostile_json(_GOOD_CDX),
)


def _spdx(version: str, **more: Any) -> dict[str, Any]:
    return {
        "SPDXID": "SPDXRef-DOCUMENT",
        "spdxVersion": version,
        "name": "shop",
        "dataLicense": "CC0-1.0",
        "documentNamespace": "https://example.com/shop",
        "creationInfo": {"created": WHEN, "creators": ["Organization: Shop", "Tool: my-tool-1.0", "Tool: syft"]},
        "packages": [
            {
                "SPDXID": "SPDXRef-shop",
                "name": "shop",
                "versionInfo": "2",
                "downloadLocation": "NOASSERTION",
                "licenseConcluded": "NOASSERTION",
                "licenseDeclared": "NOASSERTION",
                "copyrightText": "NOASSERTION",
            }
        ],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": "SPDXRef-shop",
            }
        ],
        **more,
    }


_SPDX_23 = _spdx("SPDX-2.3")
_SPDX_23["packages"][0]["primaryPackagePurpose"] = "APPLICATION"
_SPDX_NOTES = {f"{P}tool.name": "my-tool", f"{P}tool.version": "1.0", f"{P}tools": '["my-tool@1.0","syft"]'}
_PLAIN = {f"{P}sbom.main_component.name": "shop", f"{P}sbom.main_component.version": "2"}
_ID = "https://example.com/shop#"
_SPDX_3 = {
    "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
    "@graph": [
        {
            "type": "CreationInfo",
            "@id": "_:created",
            "specVersion": "3.0.1",
            "created": WHEN,
            "createdBy": [f"{_ID}ada"],
            "createdUsing": [f"{_ID}tool"],
        },
        {"type": "Person", "spdxId": f"{_ID}ada", "name": "Ada", "creationInfo": "_:created"},
        {"type": "Tool", "spdxId": f"{_ID}tool", "name": "maker-3.1", "creationInfo": "_:created"},
        {
            "type": "SpdxDocument",
            "spdxId": f"{_ID}document",
            "creationInfo": "_:created",
            "rootElement": [f"{_ID}sbom"],
        },
        {
            "type": "software_Sbom",
            "spdxId": f"{_ID}sbom",
            "creationInfo": "_:created",
            "rootElement": [f"{_ID}package"],
        },
        {
            "type": "software_Package",
            "spdxId": f"{_ID}package",
            "name": "shop",
            "software_packageVersion": "2",
            "software_primaryPurpose": "application",
            "creationInfo": "_:created",
        },
    ],
}
_BROKEN_3 = copy.deepcopy(_SPDX_3)
del _BROKEN_3["@graph"][1]["creationInfo"]  # type: ignore[attr-defined]


def _spdx_of(purpose: str = "", name: str = "shop", **more: Any) -> dict[str, Any]:
    found = _spdx("SPDX-2.3", **more)
    found["packages"][0] |= {"name": name} | ({"primaryPackagePurpose": purpose} if purpose else {})
    return found


_OTHER = {"SPDXID": "SPDXRef-dep", "name": "dep", "versionInfo": "9", "downloadLocation": "NOASSERTION"}
_BY_OTHER_END = _spdx("SPDX-2.3")
_BY_OTHER_END["packages"].insert(0, _OTHER)
_BY_OTHER_END["relationships"] = [
    {
        "spdxElementId": "SPDXRef-shop",
        "relationshipType": "DESCRIBED_BY",
        "relatedSpdxElement": "SPDXRef-DOCUMENT",
    }
]
_TWO = _spdx("SPDX-2.3")  # the first that is described counts, not the first by name
_TWO["packages"].insert(0, _OTHER)
_TWO["relationships"].append(_TWO["relationships"][0] | {"relatedSpdxElement": "SPDXRef-dep"})
_NAMELESS = {"created": WHEN, "creators": ["Tool: ", "Tool: syft"]}
_DASHED = _spdx("SPDX-2.2")
_DASHED["packages"][0]["externalRefs"] = [
    {"referenceCategory": category, "referenceType": "purl", "referenceLocator": "pkg:npm/shop@2"}
    for category in ("PACKAGE-MANAGER", "PERSISTENT-ID", "PACKAGE_MANAGER")
]
_SHOP_IMAGE = {f"{P}sbom.main_component.name": "registry.example.com/shop/web"}
SPDX = (
    Good(
        "good-container.json",
        j(_spdx_of("CONTAINER", "registry.example.com/shop/web:v2")),
        _MAIN | _SHOP_IMAGE | {f"{P}sbom.main_component.type": "container"} | _SPDX_NOTES,
    ),
    Good("good-only-package.json", j(_spdx_of(relationships=[])), _PLAIN | _SPDX_NOTES),
    Good("good-described-by.json", j(_BY_OTHER_END), _PLAIN | _SPDX_NOTES),
    Good("good-nameless-tool.json", j(_spdx_of(creationInfo=_NAMELESS)), _PLAIN | tool("syft")),
    Good("good-2.2-dashed.json", j(_DASHED), _PLAIN | _SPDX_NOTES, noted="PACKAGE-MANAGER"),
    Good("good-two-described.json", j(_TWO), _PLAIN | _SPDX_NOTES),
    Bad("bad-wrapped.json", j({"sbom": _SPDX_23}), "it is wrapped in an object with the one field 'sbom'"),
    Bad("bad-tag-value.spdx", b"SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n", "it is SPDX in tag-value"),
    Bad("bad-yaml.yaml", b"SPDXID: SPDXRef-DOCUMENT\nspdxVersion: SPDX-2.3\n", "it is SPDX in YAML"),
    Good("good-2.3.json", j(_SPDX_23), _MAIN | _SPDX_NOTES),
    Good("good-2.2.json", j(_spdx("SPDX-2.2")), _PLAIN | _SPDX_NOTES),
    Good("good-3.0.1.json", j(_SPDX_3), _MAIN | tool("maker", "3.1")),
    Bad("bad-version.json", j(_spdx("SPDX-1.0")), "spdxVersion 'SPDX-1.0' is not one of"),
    Bad("bad-no-creators.json", j(_spdx("SPDX-2.3", creationInfo={"created": WHEN})), '"creators" is a required'),
    Bad("bad-3.json", j(_BROKEN_3), "not a valid SPDX SBOM"),
    Bad("bad-cyclonedx.json", _GOOD_CDX, "neither spdxVersion nor"),
    *hostile_json(j(_SPDX_23)),
)

_VEX: dict[str, Any] = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://example.com/vex/1",
    "author": "Ada",
    "timestamp": WHEN,
    "version": 1,
    "statements": [
        {
            "vulnerability": {"name": "CVE-2026-1"},
            "products": [{"@id": "pkg:oci/shop"}],
            "status": "not_affected",
            "justification": "component_not_present",
        }
    ],
}
_DRAFT = {
    "@context": "https://openvex.dev/ns",
    "@id": "https://example.com/vex/0",
    "author": "Ada",
    "timestamp": WHEN,
    "version": "1",
    "statements": [{"vulnerability": "CVE-2026-1", "status": "fixed"}],
}
_UNEXPLAINED = copy.deepcopy(_VEX)
del _UNEXPLAINED["statements"][0]["justification"]
OPENVEX = (
    Good("good-0.2.0.json", j(_VEX)),
    Good("good-draft.json", j(_DRAFT)),
    Bad("bad-no-id.json", j({k: v for k, v in _VEX.items() if k != "@id"}), "@id is missing"),
    Bad("bad-context.json", j(_VEX | {"@context": "https://example.com"}), "the @context is not"),
    Bad("bad-unexplained.json", j(_UNEXPLAINED), "not valid OpenVEX: statements/0"),
    Bad("bad-no-statements.json", j(_DRAFT | {"statements": []}), "an author and statements"),
    *hostile_json(j(_VEX)),
)


def _csaf(category: str, version: str = "2.0") -> dict[str, Any]:
    document: dict[str, Any] = {
        "category": category,
        "csaf_version": version,
        "publisher": {"category": "vendor", "name": "Shop", "namespace": "https://example.com"},
        "title": "A flaw in shop",
        "tracking": {
            "current_release_date": WHEN,
            "generator": {"engine": {"name": "Secvisogram", "version": "1.11.0"}},
            "id": "SHOP-1",
            "initial_release_date": WHEN,
            "revision_history": [{"date": WHEN, "number": "1", "summary": "First"}],
            "status": "final",
            "version": "1",
        },
    }
    if version == "2.0":
        return {"document": document}
    document["distribution"] = {"tlp": {"label": "CLEAR"}}
    return {"$schema": "https://docs.oasis-open.org/csaf/csaf/v2.1/schema/csaf.json", "document": document}


def csaf(category: str) -> tuple[Good | Bad, ...]:
    """The cases of one profile."""
    good = _csaf(category)
    other = "csaf_vex" if category != "csaf_vex" else "csaf_security_advisory"
    no_title = copy.deepcopy(good)
    del no_title["document"]["title"]
    score = copy.deepcopy(good)
    score["vulnerabilities"] = [{"scores": [{"products": ["P"], "cvss_v3": {"version": "3.1", "baseScore": 11}}]}]
    return (
        Good("good-2.0.json", j(good), tool("Secvisogram", "1.11.0")),
        Good("good-2.1.json", j(_csaf(category, "2.1")), tool("Secvisogram", "1.11.0")),
        Bad("bad-category.json", j(_csaf(other)), f"invalid CSAF category field in file, expected: {category}"),
        Bad("bad-version.json", j(_csaf(category, "1.2")), "csaf_version '1.2' is not one of"),
        Bad("bad-no-title.json", j(no_title), '"title" is a required property'),
        Bad("bad-score.json", j(score), "not valid CSAF: vulnerabilities/0/scores/0"),
        Bad("bad-no-document.json", b"{}\n", "document is missing"),
        *hostile_json(j(good)),
    )
