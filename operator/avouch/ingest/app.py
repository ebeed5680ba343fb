"""The ingest API as a Starlette app. Each route reads its request, calls one use case and writes its answer."""

import functools
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from avouch import errors
from avouch.api import wire
from avouch.controlplane.intake import pod_identity, pod_runs
from avouch.controlplane.model import runs
from avouch.ingest import artifacts, bodies, bodyreading, external_runs, observer, openapi, problems, requestid

CLIENT = "Avouch-Client"  # `step`: an explicit step of the user's, not our injected sidecar
Operation = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Door:
    """The ingest API over its use cases."""

    intake: pod_runs.Intake
    watch: observer.Observer = field(default_factory=observer.Nobody)
    pace: bodies.Pace = field(default_factory=bodies.Pace)
    room: bodies.Room = field(default_factory=bodies.Room)  # for bundles until their COMMIT
    crafting: external_runs.OutsideDoor | None = None  # None: runs in Tekton only
    reading: artifacts.ArtifactDoor | None = None  # None: no artifacts are read here

    def routes(self) -> list[BaseRoute]:
        """Every route, with the operation's name that OpenAPI and metrics use."""
        return [
            self._route("POST", "/v1/runs", "openRuns", self.open_runs),
            self._route("GET", "/v1/runs/{id}", "getRun", self.get_run),
            self._route("PUT", "/v1/runs/{id}/materials/{digest}", "putMaterial", self.put_material),
            self._route("POST", "/v1/runs/{id}/certificate", "certify", self.certify),
            self._route("POST", "/v1/runs/{id}/bundles", "pushBundle", self.push_bundle),
            *self._outside_routes(),
            Route("/v1/openapi.json", self.openapi, methods=["GET"], name="openapi"),
        ]

    def _outside_routes(self) -> Iterator[BaseRoute]:
        """Reading artifacts, and what only runs outside Tekton have."""
        if self.reading is not None:
            yield self._route("GET", "/v1/artifacts/{digest}", "getArtifact", self.reading.get)
            keeping = "/v1/namespaces/{namespace}/artifacts/{digest}"
            yield self._route("PUT", keeping, "keepArtifact", self.reading.put)
            yield self._route("HEAD", keeping, "hasArtifact", self.reading.kept)
            yield self._route("POST", keeping, "joinArtifact", self.reading.join)
        if self.crafting is None:
            return
        opening, state = "/v1/namespaces/{namespace}/workflows/{workflow}/runs", "/v1/runs/{id}/state"
        yield self._route("POST", opening, "openRun", self.crafting.open)
        yield self._route("HEAD", "/v1/runs/{id}/materials/{digest}", "hasMaterial", self.has_material)
        yield self._route("POST", "/v1/runs/{id}/materials/{digest}", "joinMaterial", self.crafting.join)
        yield self._route("HEAD", "/v1/runs/{id}/parts/{digest}", "hasPart", self.crafting.has_part)
        yield self._route("PUT", "/v1/runs/{id}/parts/{digest}", "putPart", self.crafting.put_part)
        yield self._route("POST", "/v1/runs/{id}/reset", "resetRun", self.crafting.reset)
        yield self._route("GET", state, "getState", self.crafting.get_state)
        yield self._route("PUT", state, "putState", self.crafting.put_state)
        yield self._route("DELETE", state, "dropState", self.crafting.drop_state)
        yield self._route("GET", "/v1/trust", "getTrust", self.crafting.trust)

    async def open_runs(self, request: Request) -> Response:
        """`POST /v1/runs`: 201 where a run is new, 200 where all were there."""
        subject = await self._caller(request)
        await bodyreading.decoded(request, wire.OpenRequest, self.pace, empty=b"{}")
        opened = await self.intake.open(subject)
        status = 201 if any(one.created for one in opened) else 200
        return bodyreading.answer(wire.OpenAnswer(runs=[_opened(one) for one in opened]), status)

    async def get_run(self, request: Request) -> Response:
        """`GET /v1/runs/{id}`: the caller's run and its plan."""
        run_id = bodyreading.run_id(request)
        if crafted := self._crafted(run_id):
            return await crafted.get(request, run_id)
        return bodyreading.answer(_opened(await self.intake.get(await self._caller(request), run_id)))

    async def has_material(self, request: Request) -> Response:
        """`HEAD /v1/runs/{id}/materials/{digest}`: a sidecar does not ask, it sends."""
        run_id = bodyreading.run_id(request)
        if crafted := self._crafted(run_id):
            return await crafted.known(request, run_id)
        raise errors.NotFound("no such run")

    async def put_material(self, request: Request) -> Response:
        """`PUT /v1/runs/{id}/materials/{digest}`: bytes, hashed while they are written."""
        run_id = bodyreading.run_id(request)
        if crafted := self._crafted(run_id):
            return await crafted.put_material(request, run_id)
        subject = await self._caller(request)
        expected = bodyreading.digest(request)
        content = bodies.chunks(request, self.intake.max_material, self.pace)
        known = await self.intake.blobs.has(expected)
        digest, size = await self.intake.put_material(subject, run_id, expected, content)
        return bodyreading.answer(wire.MaterialAnswer(digest=str(digest), size=size), 200 if known else 201)

    async def certify(self, request: Request) -> Response:
        """`POST /v1/runs/{id}/certificate`: a leaf for the caller's key."""
        run_id = bodyreading.run_id(request)
        if crafted := self._crafted(run_id):
            return await crafted.certify(request, run_id)
        subject = await self._caller(request)
        body = await bodyreading.decoded(request, wire.CertificateRequest, self.pace)
        issued = await self.intake.certify(subject, run_id, body.csr.encode())
        return bodyreading.answer(wire.CertificateAnswer(certificate=issued.certificate, chain=list(issued.chain)))

    async def push_bundle(self, request: Request) -> Response:
        """`POST /v1/runs/{id}/bundles`: 2xx after COMMIT only."""
        try:
            run_id = bodyreading.run_id(request)
            with self.room.share() as share:
                if crafted := self._crafted(run_id):
                    receipt = await crafted.push(request, run_id, share)
                else:
                    receipt = await self._push(request, run_id, share)
        except errors.AvouchError as exc:
            self.watch.claimed(problems.kind_of(exc).name)
            raise
        self.watch.claimed("created" if receipt.created else "resent")
        answer = wire.BundleAnswer(id=str(receipt.id), digest=str(receipt.digest), created=receipt.created)
        return bodyreading.answer(answer, 201 if receipt.created else 200)

    async def _push(self, request: Request, run_id: uuid.UUID, share: bodies.Share) -> runs.Receipt:
        subject = await self._caller(request)
        content = await bodies.whole(request, pod_runs.MAX_BUNDLE, self.pace, share)
        explicit = request.headers.get(CLIENT) == "step"
        return await self.intake.accept(subject, run_id, content, explicit=explicit)

    async def openapi(self, request: Request) -> Response:
        """`GET /v1/openapi.json`: for anyone who can reach us."""
        return Response(openapi.document(), media_type="application/json")

    def _crafted(self, run_id: uuid.UUID) -> external_runs.OutsideDoor | None:
        """Who serves a run outside Tekton; None for any other."""
        return self.crafting if external_runs.is_outside(run_id) else None

    async def _caller(self, request: Request) -> pod_identity.Subject:
        return await self.intake.identify(bodyreading.bearer(request))

    def _route(self, method: str, path: str, name: str, operation: Operation) -> Route:
        @functools.wraps(operation)
        async def timed(request: Request) -> Response:
            started = time.perf_counter()
            status = 500
            try:
                response = await operation(request)
                status = response.status_code
            except errors.AvouchError as exc:
                status = problems.kind_of(exc).status
                raise
            finally:
                self.watch.answered(name, status, time.perf_counter() - started)
            return response

        return Route(path, timed, methods=[method], name=name)


def create(door: Door, also: Sequence[BaseRoute] = ()) -> Starlette:
    """The app of the ingest listener; `also` are routes of other doors that share it."""
    return Starlette(
        routes=[*door.routes(), *also],
        middleware=[Middleware(requestid.RequestIds)],
        exception_handlers={errors.AvouchError: problems.answer, HTTPException: _routing, Exception: problems.answer},
    )


async def _routing(request: Request, exc: Exception) -> Response:
    """What Starlette's router itself refuses, in the same form as everything else."""
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    if status == 405:
        return await problems.answer(request, problems.WrongMethod(f"{request.method} is not for this path"))
    if status == 404:
        return await problems.answer(request, errors.NotFound("no such path"))
    return await problems.answer(request, exc)


def _opened(one: pod_runs.Opened) -> wire.OpenedRun:
    return wire.OpenedRun(
        id=str(one.run.id),
        name=one.run.name,
        workflow=one.run.workflow,
        verdict=str(one.run.result),
        plan=msgspec.json.decode(one.plan.to_json(), type=dict[str, Any]),
    )
