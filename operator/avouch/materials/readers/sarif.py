"""SARIF 2.1.0, against the official schema.

Scanners in wide use break it in known ways, each of which is forgiven with a note: the report says what was found.
"""

import re
from collections.abc import Iterator
from typing import Any

from avouch import errors
from avouch.materials.readers import document, jsons, scantypes, schemas, tools

_FIX = "deliver a SARIF 2.1.0 document with version and runs"
_SCHEMA = "sarif/sarif-2.1.0"
_CHECKMARX = "checkmarx"
# Checkmarx One ends the name of each rule with the engine that found it: "Reflected_XSS (sast)".
_ENGINE = re.compile(r".*\(\s*([a-z]+)\s*\)\s*", re.ASCII | re.IGNORECASE | re.DOTALL)
_LEVELS = frozenset({"none", "note", "warning", "error"})
_FROM_ONE = ("startLine", "endLine", "startColumn", "endColumn")
_RAW = "it breaks JSON: raw control characters in its texts, which policy engines refuse"


def read(content: bytes) -> document.Document:
    """A SARIF log; `$schema` is optional (3.13.3). Raw control characters are accepted: scanners copy source code."""
    found, notes = _parsed(content)
    if found.get("version") != "2.1.0":
        raise errors.Invalid(f"not SARIF 2.1.0: version {document.shown(found.get('version'))}", fix=_FIX)
    if not isinstance(found.get("runs"), list):
        raise errors.Invalid("not SARIF: it has no runs", fix=_FIX)
    if not schemas.accepts(_SCHEMA, found):
        notes += [f"it breaks SARIF 2.1.0: {each}" for each in _forgiven(found)]
        try:
            schemas.check(_SCHEMA, found)
        except errors.Invalid as exc:
            raise errors.Invalid(f"not valid SARIF: {exc.args[0]}", fix=_FIX) from exc
    return document.understood(_annotations(found), notes)


def _parsed(content: bytes) -> tuple[dict[str, Any], list[str]]:
    try:
        return jsons.mapping(content), []
    except errors.TooLarge:
        raise
    except errors.Invalid:
        return jsons.mapping(content, strict=False), [_RAW]


def _forgiven(found: dict[str, Any]) -> list[str]:
    """Mend what tools are known to write, in place, and say what it was."""
    said: set[str] = set()
    rest: list[Any] = [found]
    while rest:
        each = rest.pop()
        if isinstance(each, dict):
            said.update(_mended(each))
            rest.extend(each.values())
        elif isinstance(each, list):
            rest.extend(each)
    return sorted(said)


def _mended(each: dict[str, Any]) -> Iterator[str]:
    if isinstance(each.get("markdown"), str) and "text" not in each and "id" not in each:
        each["text"] = each["markdown"]  # tfsec
        yield "a text in markdown alone"
    if each.get("results", ()) is None:
        del each["results"]
        yield "results is null, read as none"
    level = each.get("level")
    if isinstance(level, str) and level not in _LEVELS:
        del each["level"]
        yield f"a level {document.shown(level)}"
    for name in _FROM_ONE:
        if each.get(name) == 0 and each[name] is not False:
            del each[name]
            yield f"{name} 0, which counts from 1"


def _annotations(found: dict[str, Any]) -> Iterator[tuple[str, object]]:
    drivers = [each["tool"]["driver"] for each in found["runs"]]
    yield from tools.annotations(
        [(each["name"], each.get("version") or each.get("semanticVersion", "")) for each in drivers[:1]]
    )
    yield scantypes.KEY, scantypes.of(_engines(found))


def _engines(found: dict[str, Any]) -> Iterator[str]:
    """The engines of Checkmarx that found something; rules without findings do not count."""
    for run in found["runs"]:
        if _is_checkmarx(run["tool"]["driver"]):
            for result in run.get("results") or ():
                match = _ENGINE.fullmatch(jsons.text(result, "ruleId"))
                yield match[1] if match else ""


def _is_checkmarx(driver: dict[str, Any]) -> bool:
    """By its name, or by a tag of a rule where another tool exported the findings."""
    return _CHECKMARX in driver["name"].lower() or any(
        isinstance(tags := jsons.at(rule, "properties", "tags"), list) and _CHECKMARX in tags
        for rule in jsons.mappings(driver, "rules")
    )
