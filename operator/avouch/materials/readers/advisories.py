"""Statements on vulnerabilities: OpenVEX and the profiles of CSAF, against the official schemas."""

from typing import Any

from avouch import errors
from avouch.materials.readers import document, jsons, schemas, tools

_OPENVEX = "deliver an OpenVEX JSON document with @context, @id, author, timestamp, version and statements"
_CONTEXT = "https://openvex.dev/ns"
_CURRENT = f"{_CONTEXT}/v0.2.0"
_CSAF = {"2.0": "csaf/csaf-2.0", "2.1": "csaf/csaf-2.1"}


def openvex(content: bytes) -> document.Document:
    """OpenVEX: 0.2.0 against its schema; documents of older drafts by their required fields only."""
    found = jsons.mapping(content)
    context = jsons.text(found, "@context")
    if context != _CONTEXT and not context.startswith(f"{_CONTEXT}/"):
        raise errors.Invalid(f"not OpenVEX: the @context is not {_CONTEXT}", fix=_OPENVEX)
    if not jsons.text(found, "@id"):
        raise errors.Invalid("not OpenVEX: @id is missing", fix=_OPENVEX)
    if context == _CURRENT:
        _check("OpenVEX", "openvex/openvex-0.2.0", found, _OPENVEX)
    elif not jsons.text(found, "author") or not list(jsons.mappings(found, "statements")):
        raise errors.Invalid("not OpenVEX: it needs an author and statements", fix=_OPENVEX)
    return document.understood()


def csaf_vex(content: bytes) -> document.Document:
    """A CSAF document of the VEX profile."""
    return _csaf(content, "csaf_vex")


def csaf_informational_advisory(content: bytes) -> document.Document:
    """A CSAF document of the informational advisory profile."""
    return _csaf(content, "csaf_informational_advisory")


def csaf_security_advisory(content: bytes) -> document.Document:
    """A CSAF document of the security advisory profile."""
    return _csaf(content, "csaf_security_advisory")


def csaf_security_incident_response(content: bytes) -> document.Document:
    """A CSAF document of the security incident response profile."""
    return _csaf(content, "csaf_security_incident_response")


def _csaf(content: bytes, category: str) -> document.Document:
    fix = f"deliver a CSAF 2.0 or 2.1 document of category {category}"
    found = jsons.mapping(content)
    about = found.get("document")
    if not isinstance(about, dict):
        raise errors.Invalid("not CSAF: document is missing", fix=fix)
    if about.get("category") != category:
        said = document.shown(about.get("category"))
        message = f"invalid CSAF category field in file, expected: {category}, found {said}"
        raise errors.Invalid(message, fix=fix)
    schema = _CSAF.get(str(about.get("csaf_version")))
    if schema is None:
        message = f"not CSAF: csaf_version {document.shown(about.get('csaf_version'))} is not one of {', '.join(_CSAF)}"
        raise errors.Invalid(message, fix=fix)
    _check("CSAF", schema, found, fix)
    engine: Any = jsons.at(about, "tracking", "generator", "engine")
    return document.understood(tools.annotations([(jsons.text(engine, "name"), jsons.text(engine, "version"))]))


def _check(kind: str, schema: str, found: Any, fix: str) -> None:
    try:
        schemas.check(schema, found)
    except errors.Invalid as exc:
        raise errors.Invalid(f"not valid {kind}: {exc.args[0]}", fix=fix) from exc
