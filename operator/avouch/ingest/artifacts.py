"""Artifacts by digest: read by those who may see a run that used them, from any byte on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from avouch.api import wire
from avouch.controlplane.artifacts import downloads as artifact_downloads
from avouch.controlplane.model import artifacts
from avouch.ingest import bodies, bodyreading

_RANGE = re.compile(r"bytes=([0-9]{1,18})-", re.ASCII)  # the only form that goes on where a download broke off


@dataclass(frozen=True, slots=True)
class ArtifactApi:
    """Artifacts over their use case."""

    downloads: artifact_downloads.Downloads
    min_rate: bodies.MinDataRate = field(default_factory=bodies.MinDataRate)
    budget: bodies.BodyBudget = field(default_factory=bodies.BodyBudget)

    async def put(self, request: Request) -> Response:
        """`PUT /v1/namespaces/{namespace}/artifacts/{digest}`: bytes of no run."""
        owner = await self._owner(request)
        expected = bodyreading.digest(request)
        content = bodies.chunks(request, self.downloads.max_material, self.min_rate)
        with self.budget.reservation(owner.namespace_uid):
            digest, size = await self.downloads.keep(owner, expected, content)
        return bodyreading.answer(wire.MaterialAnswer(digest=str(digest), size=size), 201)

    async def kept(self, request: Request) -> Response:
        """`HEAD /v1/namespaces/{namespace}/artifacts/{digest}`: 200 where it is stored."""
        known = await self.downloads.kept(await self._owner(request), bodyreading.digest(request))
        return Response(status_code=200 if known else 404)

    async def join(self, request: Request) -> Response:
        """`POST /v1/namespaces/{namespace}/artifacts/{digest}`: one artifact of the parts that were stored."""
        owner = await self._owner(request)
        with self.budget.reservation(owner.namespace_uid) as held:
            expected, of = bodyreading.digest(request), await bodyreading.joining(request, self.min_rate, held)
            digest, size = await self.downloads.join(owner, expected, of)
        return bodyreading.answer(wire.MaterialAnswer(digest=str(digest), size=size), 201)

    async def get(self, request: Request) -> Response:
        """`GET /v1/artifacts/{digest}`: the bytes, re-hashed while they are read; `Range: bytes=N-` goes on from there.

        A length is only announced where it is known, so a connection that breaks never looks like the end of the file.
        """
        digest = bodyreading.digest(request)
        token = bodyreading.bearer(request)
        found = await self.downloads.find(token, digest, request.query_params.get("namespaceUid", ""))
        start = _start(request, found.size)
        headers = {"Accept-Ranges": "bytes", "ETag": f'"{digest}"'}
        if found.size is not None and start >= found.size > 0 and start > 0:
            return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{found.size}"})
        return StreamingResponse(
            await self.downloads.read(found, start),
            status_code=206 if start else 200,
            headers={**headers, **_length(found.size, start)},
            media_type="application/octet-stream",
        )

    async def _owner(self, request: Request) -> artifacts.Owner:
        """The namespace whose artifacts the caller may store: before a byte of the body is read."""
        return await self.downloads.owner(bodyreading.bearer(request), request.path_params["namespace"])


def _start(request: Request, size: int | None) -> int:
    """Where to begin. Any other form of Range is answered with the whole (RFC 9110 14.2)."""
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    return int(found[1]) if found and size is not None else 0


def _length(size: int | None, start: int) -> Mapping[str, str]:
    if size is None:
        return {}
    ranged = {"Content-Range": f"bytes {start}-{size - 1}/{size}"} if start else {}
    return {"Content-Length": str(size - start), **ranged}
