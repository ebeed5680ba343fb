"""Errors of the aggregated API, as the `Status` objects (metav1) that Kubernetes clients read."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from avouch import errors
from avouch.ingest import problems, requestid


def status(exc: BaseException, request_id: str = "") -> dict[str, Any]:
    """The object. kubectl shows its message alone: where the fault is ours, it has the id to look for in our log."""
    kind = problems.kind_of(exc)
    message = str(exc)[:1000] if isinstance(exc, errors.Invalid) else problems.detail_of(exc)
    if request_id and kind.status >= 500:
        message = f"{message} (request id {request_id})"
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": kind.reason,
        "code": kind.status,
    }


async def answer(request: Request, exc: Exception) -> Response:
    """The answer of a request that failed."""
    problems.note(request, exc)
    return json(status(exc, requestid.of(request.scope)), problems.kind_of(exc).status, problems.headers_of(exc))


def json(body: Mapping[str, Any], code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Any object as an answer."""
    content = msgspec.json.encode(body)
    return Response(content, status_code=code, headers=dict(headers or {}), media_type="application/json")
