"""Errors of the aggregated API, as the `Status` objects (metav1) that Kubernetes clients read."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from avouch import errors
from avouch.ingest import problems


def status(exc: BaseException) -> dict[str, Any]:
    """The object."""
    kind = problems.kind_of(exc)
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": str(exc)[:1000] if isinstance(exc, errors.Invalid) else problems.detail_of(exc),
        "reason": kind.reason,
        "code": kind.status,
    }


async def answer(request: Request, exc: Exception) -> Response:
    """The answer of a request that failed."""
    problems.note(request, exc)
    return json(status(exc), problems.kind_of(exc).status, problems.headers_of(exc))


def json(body: Mapping[str, Any], code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Any object as an answer."""
    content = msgspec.json.encode(body)
    return Response(content, status_code=code, headers=dict(headers or {}), media_type="application/json")
