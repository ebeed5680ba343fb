"""Reports of secret scanners. None publishes a schema: their telling fields are checked."""

from typing import Any

from avouch import errors
from avouch.contract.readers import document, jsons, tools


def gitleaks(content: bytes) -> document.Document:
    """A gitleaks report: a list of leaks with their fingerprints; none is a clean scan."""
    for leak in jsons.elements(content):
        if not isinstance(leak, dict) or not isinstance(leak.get("Fingerprint"), str):
            raise errors.Invalid(
                "not a gitleaks report: a leak without Fingerprint", fix="deliver gitleaks --report-format json"
            )
    return document.understood(tools.one("gitleaks"))


def detect_secrets(content: bytes) -> document.Document:
    """A detect-secrets baseline: version, plugins_used, results by file."""
    found = jsons.mapping(content)
    wanted = {"version": str, "plugins_used": list, "results": dict}
    wrong = [name for name, kind in wanted.items() if not isinstance(found.get(name), kind)]
    if wrong:
        message = f"not a detect-secrets baseline: {', '.join(wrong)} missing"
        raise errors.Invalid(message, fix="deliver the output of detect-secrets scan")
    return document.understood(tools.one("detect-secrets", found["version"]))


def trufflehog(content: bytes) -> document.Document:
    """TruffleHog's findings, one JSON object on each line, or one list; an empty file is a clean scan."""
    stripped = content.strip()
    findings: list[Any]
    if not stripped:
        findings = []
    elif stripped.startswith(b"["):
        findings = jsons.elements(stripped)
    else:
        findings = [jsons.mapping(line) for line in stripped.splitlines() if line.strip()]
    for finding in findings:
        if not jsons.text(finding, "DetectorName"):
            raise errors.Invalid(
                "not a TruffleHog report: a finding without DetectorName", fix="deliver trufflehog --json"
            )
    return document.understood(tools.one("trufflehog"))
