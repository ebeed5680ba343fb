"""JSON bodies and path parameters of the ingest API, read strictly; answers written."""

import uuid
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from avouch import digests, errors, storable
from avouch.api import wire
from avouch.attestation import canonicaljson
from avouch.controlplane.intake import multipart
from avouch.ingest import bodies

_SMALL = 32 * 1024  # bytes of a JSON body
_PARTS = 512 * 1024  # bytes of a list of `multipart.MOST` digests
_ITEMS = multipart.MOST + 100  # of JSON
Body = TypeVar("Body")


async def decoded(
    request: Request,
    kind: type[Body],
    min_rate: bodies.MinDataRate,
    reservation: bodies.Reservation,
    *,
    limit: int = _SMALL,
) -> Body:
    """The body as what it should be; a missing one is an empty object.

    Read strictly first: msgspec alone skips over what it does not know, keys that stand twice included.

    Raises:
        Invalid: it is something else, or holds U+0000, which cannot be recorded.
    """
    content = await bodies.whole(request, limit, min_rate, reservation) or b"{}"
    try:
        found = canonicaljson.loads(content, max_bytes=limit, max_items=_ITEMS)
        if storable.ESCAPED in content:
            _recordable(found)
        return msgspec.convert(found, type=kind)
    except errors.Invalid as exc:
        raise errors.Invalid(exc.args[0], field=exc.field or "body", fix=exc.fix) from exc
    except msgspec.MsgspecError as exc:
        raise errors.Invalid(str(exc), field="body") from exc


def _recordable(found: object) -> None:
    for place in storable.clean(found).places:
        where = f"body.{place}"[:300]
        raise errors.Invalid("holds the character U+0000, which cannot be recorded", field=where, fix=storable.FIX)


async def joining(
    request: Request, min_rate: bodies.MinDataRate, reservation: bodies.Reservation
) -> list[digests.Digest]:
    """The parts of an upload, in order."""
    body = await decoded(request, wire.JoinRequest, min_rate, reservation, limit=_PARTS)
    return [digests.Digest.parse(part) for part in body.parts]


def digest(request: Request) -> digests.Digest:
    """The digest of the path. Raises errors.Invalid."""
    return digests.Digest.parse(request.path_params["digest"])


def run_id(request: Request) -> uuid.UUID:
    """The run of the path. One that is no UUID names no run: the same 404 as one that does not exist."""
    try:
        return uuid.UUID(request.path_params["id"])
    except ValueError as exc:
        raise errors.NotFound("no such run") from exc


def answer(body: msgspec.Struct, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")


def bearer(request: Request) -> str:
    """The bearer token.

    Raises:
        Unauthenticated: none, several, or another scheme.
    """
    sent = request.headers.getlist("authorization")
    scheme, _, token = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise errors.Unauthenticated("the request has no bearer token")
    return token.strip()
