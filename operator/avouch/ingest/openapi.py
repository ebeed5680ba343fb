"""The OpenAPI document of the ingest API, made from the bodies in `api/wire.py` and one table of operations."""

import functools
from dataclasses import dataclass
from typing import Any

import msgspec

import avouch
from avouch.api import wire

_RUN = ("id",)
_MATERIAL = ("id", "digest")


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the document."""

    method: str
    path: str
    name: str
    summary: str
    parameters: tuple[str, ...] = ()
    body: type[msgspec.Struct] | str | None = None  # a struct, or the media type of raw bytes
    answer: type[msgspec.Struct] | str = "application/octet-stream"
    statuses: tuple[int, ...] = (200,)


OPERATIONS = (
    Operation(
        "post", "/v1/runs", "openRuns", "Open a run for each Workflow that covers the calling pod; idempotent.",
        body=wire.OpenRequest, answer=wire.OpenAnswer, statuses=(200, 201),
    ),
    Operation("get", "/v1/runs/{id}", "getRun", "Plan and state of the caller's run.", _RUN, answer=wire.OpenedRun),
    Operation(
        "put", "/v1/runs/{id}/materials/{digest}", "putMaterial", "Upload the bytes of a material.", _MATERIAL,
        body="application/octet-stream", answer=wire.MaterialAnswer, statuses=(200, 201),
    ),
    Operation(
        "post", "/v1/runs/{id}/certificate", "certify", "Certify an ephemeral key for the calling pod.", _RUN,
        body=wire.CertificateRequest, answer=wire.CertificateAnswer,
    ),
    Operation(
        "post", "/v1/runs/{id}/bundles", "pushBundle", "Push a claim; answered after it is committed.", _RUN,
        body="application/vnd.dev.sigstore.bundle.v0.3+json", answer=wire.BundleAnswer, statuses=(200, 201),
    ),
    Operation(
        "get", "/v1/artifacts/{digest}", "getArtifact", "Stored bytes, for avouch's own worker.", ("digest",),
    ),
)  # fmt: skip


@functools.cache
def document() -> bytes:
    """The whole document as JSON."""
    structs = {s for o in OPERATIONS for s in (o.body, o.answer) if isinstance(s, type)} | {wire.Problem}
    ordered = sorted(structs, key=lambda struct: struct.__name__)
    _, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "avouch ingest API", "version": avouch.__version__},
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "pod": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "Projected ServiceAccount token with audience `avouch`, bound to the pod.",
                    }
                },
            },
            "security": [{"pod": []}],
        }
    )


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [_parameter(name) for name in operation.parameters],
        "responses": {
            **{str(status): _content("Done.", operation.answer) for status in operation.statuses},
            "default": _content("What went wrong.", wire.Problem, "application/problem+json"),
        },
    }
    if operation.body is not None:
        found["requestBody"] = {"required": True, **_content("", operation.body)}
    return found


def _parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "format": "uuid"} if name == "id" else {"type": "string", "pattern": wire.DIGEST}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _content(
    description: str, body: type[msgspec.Struct] | str, media_type: str = "application/json"
) -> dict[str, Any]:
    said = {"description": description} if description else {}
    if isinstance(body, str):
        return {**said, "content": {body: {"schema": {"type": "string", "format": "binary"}}}}
    return {**said, "content": {media_type: {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}}}
