"""Descriptions of APIs: OpenAPI and AsyncAPI, JSON or YAML, against the official schemas."""

from collections.abc import Iterator
from typing import Any

from avouch import errors
from avouch.materials.readers import document, jsons, schemas, yamls

_API = f"{document.PREFIX}api."
_OPENAPI = "deliver an OpenAPI document of version 2.0, 3.0, 3.1 or 3.2, JSON or YAML"
_ASYNCAPI = "deliver an AsyncAPI document of version 2.6, 3.0 or 3.1, JSON or YAML"


def openapi(content: bytes) -> document.Document:
    """OpenAPI, and Swagger 2.0."""
    found = _load(content, "OpenAPI", _OPENAPI)
    version = jsons.text(found, "openapi") or jsons.text(found, "swagger")
    _check("openapi", found, _known("OpenAPI", version, ("2.0", "3.0", "3.1", "3.2"), _OPENAPI), _OPENAPI)
    return document.understood(_annotations(found, version))


def asyncapi(content: bytes) -> document.Document:
    """AsyncAPI."""
    found = _load(content, "AsyncAPI", _ASYNCAPI)
    version = jsons.text(found, "asyncapi")
    _check("asyncapi", found, _known("AsyncAPI", version, ("2.6", "3.0", "3.1"), _ASYNCAPI), _ASYNCAPI)
    return document.understood((*_annotations(found, version), (f"{_API}protocol", _protocol(found))))


def _load(content: bytes, kind: str, fix: str) -> dict[str, Any]:
    found = jsons.load(content) if is_json(content) else yamls.load(content)
    if not isinstance(found, dict):
        raise errors.Invalid(f"not {kind}: its root is not a mapping", fix=fix)
    return found


def is_json(content: bytes) -> bool:
    """Whether a description is JSON and no other YAML."""
    return content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def _known(kind: str, version: str, known: tuple[str, ...], fix: str) -> str:
    short = ".".join(version.split(".")[:2])
    if short not in known:
        raise errors.Invalid(f"not {kind}: version {document.shown(version)} is not one of {', '.join(known)}", fix=fix)
    return short


def _check(family: str, found: dict[str, Any], version: str, fix: str) -> None:
    try:
        schemas.check(f"{family}/{family}-{version}", found)
    except errors.Invalid as exc:
        raise errors.Invalid(f"not valid against the schema of {version}: {exc.args[0]}", fix=fix) from exc


def _annotations(found: dict[str, Any], version: str) -> Iterator[tuple[str, object]]:
    yield f"{_API}spec_version", version
    yield f"{_API}name", jsons.text(found, "info", "title")
    yield f"{_API}version", jsons.text(found, "info", "version")


def _protocol(found: dict[str, Any]) -> str:
    """The protocol of the first server that has one, in the order of the document."""
    servers = found.get("servers")
    protocols = [jsons.text(each, "protocol") for each in servers.values()] if isinstance(servers, dict) else []
    return next((each for each in protocols if each), "")
