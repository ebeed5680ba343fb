"""Reports of secret scanners. None has a published schema: typical fields are checked."""

import io
from collections.abc import Iterator
from typing import Any

from avouch import errors
from avouch.materials.readers import document, jsons, tools

_LINES = 500_000  # each is parsed by itself; a finding has several hundred bytes


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
    for finding in _findings(content.strip()):
        if not jsons.text(finding, "DetectorName"):
            raise errors.Invalid(
                "not a TruffleHog report: a finding without DetectorName", fix="deliver trufflehog --json"
            )
    return document.understood(tools.one("trufflehog"))


def _findings(content: bytes) -> Iterator[Any]:
    if content.startswith(b"["):
        yield from jsons.elements(content)
        return
    for number, line in enumerate(io.BytesIO(content)):
        if number >= _LINES:
            raise errors.TooLarge(f"more than {_LINES} lines", fix="split the report")
        if line.strip():
            yield jsons.mapping(line)
