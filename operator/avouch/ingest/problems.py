"""The one table from our errors to HTTP: RFC 9457 for the ingest API, Status objects for the aggregated one."""

import logging
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from avouch import errors
from avouch.api import wire
from avouch.ingest import requestid

_log = logging.getLogger(__name__)
_TYPES = "https://avouch.dev/problems/"


class SlowBody(errors.AvouchError):
    """The client sends its body too slowly."""


class WrongMethod(errors.AvouchError):
    """The resource exists and cannot be asked for this."""


class NotAcceptable(errors.AvouchError):
    """The client wants a form we do not write."""


class Expired(errors.AvouchError):
    """A continue token or resource version that is too old: list again from the start."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one family of errors is answered. `constant` hides the message from the client."""

    status: int
    name: str
    title: str
    reason: str  # metav1.StatusReason
    constant: str = ""


# First match wins, so subclasses stand before their bases.
TABLE: tuple[tuple[type[BaseException], Kind], ...] = (
    (errors.TooLarge, Kind(413, "too-large", "Too large", "RequestEntityTooLarge")),
    (errors.NotVerified, Kind(422, "not-verified", "Not verified", "Invalid")),
    (errors.Invalid, Kind(400, "invalid", "Not valid", "BadRequest")),
    (
        errors.Unauthenticated,
        Kind(401, "unauthenticated", "Not authenticated", "Unauthorized", "no valid bearer token"),
    ),
    (errors.Denied, Kind(403, "denied", "Not allowed", "Forbidden")),
    (errors.NotFound, Kind(404, "not-found", "Not found", "NotFound")),
    (errors.Conflict, Kind(409, "conflict", "Conflict", "Conflict")),
    (SlowBody, Kind(408, "slow", "Too slow", "Timeout")),
    (WrongMethod, Kind(405, "method", "Wrong method", "MethodNotAllowed")),
    (NotAcceptable, Kind(406, "not-acceptable", "Not acceptable", "NotAcceptable")),
    (Expired, Kind(410, "expired", "Expired", "Expired")),
    (errors.Overloaded, Kind(429, "overloaded", "Overloaded", "TooManyRequests")),
    (errors.NotReady, Kind(503, "not-ready", "Not ready", "ServiceUnavailable")),
    (
        errors.NoSchema,
        Kind(503, "no-schema", "Not migrated", "ServiceUnavailable", "avouch's database has no schema yet; try again"),
    ),
    (errors.Unavailable, Kind(503, "unavailable", "Try again", "ServiceUnavailable", "a dependency does not answer")),
    (errors.Corrupt, Kind(500, "corrupt", "Corrupt", "InternalError", "the stored bytes do not match their digest")),
)
_UNKNOWN = Kind(
    500, "internal", "Internal error", "InternalError", "internal error; search the server's log for this request id"
)


def kind_of(exc: BaseException) -> Kind:
    """How this error is answered; one of no family we know is masked."""
    return next((kind for family, kind in TABLE if isinstance(exc, family)), _UNKNOWN)


def detail_of(exc: BaseException) -> str:
    """What the client is told, on one line and bounded."""
    kind = kind_of(exc)
    message = kind.constant or (exc.args[0] if exc.args else kind.title)
    return " ".join(str(message).split())[:1000]


def headers_of(exc: BaseException) -> dict[str, str]:
    """Headers that belong to the answer."""
    if isinstance(exc, errors.Overloaded):
        return {"Retry-After": str(max(1, exc.retry_after))}
    if isinstance(exc, errors.Unavailable):
        return {"Retry-After": "2"}
    return {"WWW-Authenticate": "Bearer"} if isinstance(exc, errors.Unauthenticated) else {}


def note(request: Request, exc: BaseException) -> None:
    """Log what the client is not told."""
    kind = kind_of(exc)
    about = {"request_id": requestid.of(request.scope), "status": kind.status, "problem": kind.name}
    if kind.status >= 500:
        _log.error("request failed: %s", exc, exc_info=exc if kind is _UNKNOWN else None, extra=about)
    else:
        _log.info("request refused: %s", exc, extra=about)


async def answer(request: Request, exc: Exception) -> Response:
    """An error as `application/problem+json`."""
    note(request, exc)
    kind = kind_of(exc)
    problem = wire.Problem(
        type=f"{_TYPES}{kind.name}",
        title=kind.title,
        status=kind.status,
        detail=detail_of(exc),
        instance=requestid.of(request.scope),
        field=exc.field if isinstance(exc, (errors.Invalid, errors.Denied)) else "",
        fix=exc.fix if isinstance(exc, (errors.Invalid, errors.Denied)) else "",
        step=exc.step if isinstance(exc, errors.NotVerified) else "",
    )
    return Response(
        msgspec.json.encode(problem),
        status_code=kind.status,
        headers=headers_of(exc),
        media_type="application/problem+json",
    )
