"""Reports of scanners without a published schema that they follow: only their main fields are checked."""

from collections.abc import Iterator
from typing import Any

from avouch import errors
from avouch.materials.readers import document, jsons, scantypes, tools

_GITLAB_TYPES = frozenset({
    "sast", "dast", "api_fuzzing", "coverage_fuzzing", "secret_detection", "dependency_scanning", "container_scanning",
    "container_scanning_for_registry", "cluster_image_scanning",
})  # fmt: skip
_BLACKDUCK = ("detailedVulnerabilities", "detailedProjectVersionCustomFields", "detailedCodeLocations")


def gitlab(content: bytes) -> document.Document:
    """A GitLab security report: a version, a scan of a known type, and a list of vulnerabilities."""
    fix = "deliver the gl-*-report.json of a GitLab analyzer"
    found = jsons.mapping(content)
    scan = jsons.at(found, "scan")
    if jsons.text(scan, "type") not in _GITLAB_TYPES:
        message = f"error loading Gitlab report. Missing scan type: {document.shown(jsons.at(scan, 'type'))}"
        raise errors.Invalid(message, fix=fix)
    if not isinstance(found.get("version"), str) or not isinstance(found.get("vulnerabilities", []), list):
        raise errors.Invalid("not a GitLab report: it needs a version and a list of vulnerabilities", fix=fix)
    made = jsons.at(scan, "scanner") or jsons.at(scan, "analyzer")
    return document.understood(tools.annotations([(jsons.text(made, "name"), jsons.text(made, "version"))]))


def blackduck(content: bytes) -> document.Document:
    """A Black Duck SCA report: its three detailed parts."""
    found = jsons.mapping(content)
    missing = [name for name in _BLACKDUCK if found.get(name) is None]
    if missing:
        message = f"not a Black Duck report: {', '.join(missing)} missing"
        raise errors.Invalid(message, fix="deliver the version report of Black Duck as JSON")
    return document.understood()


def twistcli(content: bytes) -> document.Document:
    """A twistcli scan: results and the console's URL."""
    found = jsons.mapping(content)
    if not isinstance(found.get("results"), list) or not jsons.text(found, "consoleURL"):
        message = "not a twistcli scan: it needs a list of results and consoleURL"
        raise errors.Invalid(message, fix="deliver the file of twistcli --output-file")
    return document.understood()


def ghas_code(content: bytes) -> document.Document:
    """GitHub's code scanning alerts; none is a clean scan."""
    return _ghas(content, "tool", "code")


def ghas_secret(content: bytes) -> document.Document:
    """GitHub's secret scanning alerts; none is a clean scan."""
    return _ghas(content, "secret_type", "secret")


def ghas_dependency(content: bytes) -> document.Document:
    """GitHub's Dependabot alerts; none is a clean scan."""
    return _ghas(content, "dependency", "dependency")


def _ghas(content: bytes, field: str, kind: str) -> document.Document:
    for alert in jsons.elements(content):
        if not isinstance(alert, dict) or alert.get(field) is None:
            message = f"{field} field not found in GHAS {kind} scan"
            raise errors.Invalid(message, fix=f"deliver GitHub's list of {kind} scanning alerts as its API returns it")
    return document.understood()


def checkmarx(content: bytes) -> document.Document:
    """A Checkmarx One report: a scanID, and results with type and data; null is a clean scan."""
    fix = "deliver the JSON report of Checkmarx One"
    found = jsons.mapping(content)
    if not jsons.text(found, "scanID") or "results" not in found:
        raise errors.Invalid("not a Checkmarx report: it needs scanID and results", fix=fix)
    results = found["results"] if found["results"] is not None else []
    if not isinstance(results, list) or any(
        not jsons.text(each, "type") or jsons.at(each, "data") is None for each in results
    ):
        raise errors.Invalid("not a Checkmarx report: each result needs type and data", fix=fix)
    return document.understood(_checkmarx_annotations(results))


def _checkmarx_annotations(results: list[dict[str, Any]]) -> Iterator[tuple[str, object]]:
    yield from tools.one("checkmarx")
    yield scantypes.KEY, scantypes.of(each["type"] for each in results)
