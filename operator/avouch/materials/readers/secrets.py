"""Reports of secret scanners. None has a published schema: typical fields are checked."""

import codecs
from collections.abc import Iterator
from typing import Any

from avouch import errors
from avouch.materials.readers import document, jsons, tools

_FINDINGS = 500_000  # each is parsed by itself, and has several hundred bytes


def gitleaks(content: bytes) -> document.Document:
    """A gitleaks report: a list of leaks with their fingerprints; none is a clean scan."""
    for leak in jsons.elements(content):
        if not isinstance(leak, dict) or not jsons.text(leak, "Fingerprint"):
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
    """TruffleHog's findings: JSON objects one after the other, or one list; an empty file is a clean scan."""
    for line, finding in _findings(content.removeprefix(codecs.BOM_UTF8)):
        if not jsons.text(finding, "DetectorName"):
            log = jsons.text(finding, "level") and jsons.text(finding, "msg")
            said = "a line of its log" if log else "without DetectorName"
            fix = "deliver trufflehog --json without its log: 2>/dev/null" if log else "deliver trufflehog --json"
            raise errors.Invalid(f"not a TruffleHog report: the finding in line {line} is {said}", fix=fix)
    return document.understood(tools.one("trufflehog"))


def _findings(content: bytes) -> Iterator[tuple[int, Any]]:
    if content.lstrip().startswith(b"["):
        yield from ((1, each) for each in jsons.elements(content))
        return
    for number, found in enumerate(jsons.several(content)):
        if number >= _FINDINGS:
            raise errors.TooLarge(f"more than {_FINDINGS} findings", fix="split the report")
        yield found.line, found.value
