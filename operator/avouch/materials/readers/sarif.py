"""SARIF 2.1.0, against the official schema."""

import re
from collections.abc import Iterator
from typing import Any

from avouch import errors
from avouch.materials.readers import document, jsons, scantypes, schemas, tools

_FIX = "deliver a SARIF 2.1.0 document with $schema, version and runs"
# Checkmarx One ends the name of each rule with the engine that found it: "Reflected_XSS (sast)".
_ENGINE = re.compile(r".*\(([a-z]+)\)\s*", re.ASCII | re.DOTALL)


def read(content: bytes) -> document.Document:
    """A SARIF log. Raw control characters in its texts are accepted: scanners copy them from source code."""
    found = jsons.mapping(content, strict=False)
    if not jsons.text(found, "$schema"):
        raise errors.Invalid("not SARIF: it has no $schema", fix=_FIX)
    if found.get("version") != "2.1.0":
        raise errors.Invalid(f"not SARIF 2.1.0: version {document.shown(found.get('version'))}", fix=_FIX)
    try:
        schemas.check("sarif/sarif-2.1.0", found)
    except errors.Invalid as exc:
        raise errors.Invalid(f"not valid SARIF: {exc.args[0]}", fix=_FIX) from exc
    return document.understood(_annotations(found))


def _annotations(found: dict[str, Any]) -> Iterator[tuple[str, object]]:
    drivers = [each["tool"]["driver"] for each in found["runs"]]
    yield from tools.annotations(
        [(each["name"], each.get("version") or each.get("semanticVersion", "")) for each in drivers[:1]]
    )
    yield scantypes.KEY, scantypes.of(_engines(found))


def _engines(found: dict[str, Any]) -> Iterator[str]:
    """The engines of Checkmarx that found something; rules without findings do not count."""
    for run in found["runs"]:
        if run["tool"]["driver"]["name"].lower().startswith("checkmarx"):
            for result in run.get("results") or ():
                match = _ENGINE.fullmatch(jsons.text(result, "ruleId"))
                yield match[1] if match else ""
