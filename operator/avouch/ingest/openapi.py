"""The OpenAPI document of the ingest API, made from the bodies in `api/wire.py` and one table of operations."""

import functools
from dataclasses import dataclass
from typing import Any

import msgspec

import avouch
from avouch.api import wire

_RUN = ("id",)
_PLACE = ("namespace", "workflow")
_BYTES = "application/octet-stream"
_PARAMETERS: dict[str, dict[str, Any]] = {
    "id": {"format": "uuid"},
    "digest": {"pattern": wire.DIGEST},
    "namespace": {"maxLength": 63},
    "workflow": {"maxLength": 63},
}
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
        body=_BYTES, answer=wire.MaterialAnswer, statuses=(201,),
    ),
    Operation(
        "post", "/v1/runs/{id}/certificate", "certify", "Certify an ephemeral key for the calling pod.", _RUN,
        body=wire.CertificateRequest, answer=wire.CertificateAnswer,
    ),
    Operation(
        "post", "/v1/runs/{id}/bundles", "pushBundle", "Push a claim; answered after it is committed.", _RUN,
        body="application/vnd.dev.sigstore.bundle.v0.3+json", answer=wire.BundleAnswer, statuses=(200, 201, 202),
    ),
    Operation(
        "post", "/v1/namespaces/{namespace}/workflows/{workflow}/runs", "openRun",
        "Open an external run; idempotent by the id that the client makes.", _PLACE,
        body=wire.ExternalRunRequest, answer=wire.ExternalRun, statuses=(200, 201),
    ),
    Operation(
        "head", "/v1/runs/{id}/materials/{digest}", "hasMaterial", "Whether the bytes of a material are stored.",
        _MATERIAL,
    ),
    Operation(
        "post", "/v1/runs/{id}/materials/{digest}", "joinMaterial", "Make a material of parts that were stored.",
        _MATERIAL, body=wire.JoinRequest, answer=wire.MaterialAnswer, statuses=(201,),
    ),
    Operation("head", "/v1/runs/{id}/parts/{digest}", "hasPart", "Whether a part of an upload is stored.", _MATERIAL),
    Operation(
        "put", "/v1/runs/{id}/parts/{digest}", "putPart", "Store a part of an upload temporarily.", _MATERIAL,
        body=_BYTES, answer=wire.MaterialAnswer, statuses=(201,),
    ),
    Operation(
        "post", "/v1/runs/{id}/reset", "resetRun", "End an external run without an attestation.", _RUN,
        body=wire.ResetRequest, answer=wire.ExternalRun,
    ),
    Operation("get", "/v1/runs/{id}/state", "getState", "The client's stored state, with an ETag.", _RUN),
    Operation(
        "put", "/v1/runs/{id}/state", "putState", "Store the client's state; needs a precondition.", _RUN, body=_BYTES,
        statuses=(204,),
    ),
    Operation("delete", "/v1/runs/{id}/state", "dropState", "Delete the client's state.", _RUN, statuses=(204,)),
    Operation(
        "get", "/v1/trust", "getTrust", "Certificates of the authorities that certify attesters.",
        answer=wire.TrustAnswer,
    ),
    Operation(
        "put", "/v1/namespaces/{namespace}/artifacts/{digest}", "keepArtifact", "Store an artifact of no run.",
        ("namespace", "digest"), body=_BYTES, answer=wire.MaterialAnswer, statuses=(201,),
    ),
    Operation(
        "head", "/v1/namespaces/{namespace}/artifacts/{digest}", "hasArtifact", "Whether the namespace stores it.",
        ("namespace", "digest"),
    ),
    Operation(
        "post", "/v1/namespaces/{namespace}/artifacts/{digest}", "joinArtifact",
        "Make an artifact of parts that were stored.", ("namespace", "digest"), body=wire.JoinRequest,
        answer=wire.MaterialAnswer, statuses=(201,),
    ),
    Operation(
        "get", "/v1/artifacts/{digest}", "getArtifact", "Bytes of a run that the caller may see; Range: bytes=N-.",
        ("digest",), statuses=(200, 206),
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
                    "bearer": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "For runs in Tekton a projected ServiceAccount token with audience `avouch`, "
                        "bound to the pod. For others an API token, the OIDC token of a trusted issuer, "
                        "or a ServiceAccount token with audience `avouch`.",
                    }
                },
            },
            "security": [{"bearer": []}],
        }
    )


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [_parameter(name) for name in operation.parameters],
        "responses": {
            **{str(status): _done(operation, status) for status in operation.statuses},
            "default": _content("What went wrong.", wire.Problem, "application/problem+json"),
        },
    }
    if operation.body is not None:
        found["requestBody"] = {"required": True, **_content("", operation.body)}
    return found


def _done(operation: Operation, status: int) -> dict[str, Any]:
    return {"description": "Done."} if status == 204 else _content("Done.", operation.answer)


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", **_PARAMETERS[name]}}


def _content(
    description: str, body: type[msgspec.Struct] | str, media_type: str = "application/json"
) -> dict[str, Any]:
    said = {"description": description} if description else {}
    if isinstance(body, str):
        return {**said, "content": {body: {"schema": {"type": "string", "format": "binary"}}}}
    return {**said, "content": {media_type: {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}}}
