"""The ingest API as a Starlette app. Each route reads its request, calls one use case and writes its answer."""

import functools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from avouch import errors
from avouch.api import wire
from avouch.controlplane.intake import multipart, sessions, submissions
from avouch.controlplane.model import runs
from avouch.ingest import (
    answers,
    artifacts,
    bodies,
    bodyreading,
    external_runs,
    observer,
    openapi,
    problems,
    requestid,
    waiting,
)

CLIENT = "Avouch-Client"  # `step`: it speaks for no sidecar. Its own word, so it can only make a verdict stricter
LATE = "the run has its verdict: this claim is kept, and changes the verdict only where it contradicts it"
Operation = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class IngestApi:
    """The ingest API over its use cases."""

    intake: submissions.Intake
    metrics: observer.Observer = field(default_factory=observer.NoObserver)
    min_rate: bodies.MinDataRate = field(default_factory=bodies.MinDataRate)
    budget: bodies.BodyBudget = field(default_factory=bodies.BodyBudget)  # for bundles until their COMMIT
    uploads: bodies.BodyBudget = field(default_factory=bodies.BodyBudget)  # for all other bodies
    external_api: external_runs.ExternalApi | None = None  # None: runs in Tekton only
    artifact_api: artifacts.ArtifactApi | None = None  # None: no artifacts are read here
    verdicts: waiting.Verdicts = field(default_factory=waiting.Verdicts)

    def routes(self) -> list[BaseRoute]:
        """Every route, with the operation's name that OpenAPI and metrics use."""
        material, part = "/v1/runs/{id}/materials/{digest}", "/v1/runs/{id}/parts/{digest}"
        return [
            self._route("POST", "/v1/runs", "openRuns", self.open_runs),
            self._route("GET", "/v1/runs/{id}", "getRun", self.get_run),
            self._route("HEAD", material, "hasMaterial", self.has_material),
            self._route("PUT", material, "putMaterial", self.put_material),
            self._route("POST", material, "joinMaterial", self.join_material),
            self._route("HEAD", part, "hasPart", self.has_part),
            self._route("PUT", part, "putPart", self.put_part),
            self._route("POST", "/v1/runs/{id}/certificate", "certify", self.certify),
            self._route("POST", "/v1/runs/{id}/bundles", "pushBundle", self.push_bundle),
            *self._external_routes(),
            *self._artifact_routes(),
            Route("/v1/openapi.json", self.openapi, methods=["GET"], name="openapi"),
        ]

    def _external_routes(self) -> Iterator[BaseRoute]:
        """The routes that only external runs have."""
        if self.external_api is None:
            return
        opening, state = "/v1/namespaces/{namespace}/workflows/{workflow}/runs", "/v1/runs/{id}/state"
        yield self._route("POST", opening, "openRun", self.external_api.open)
        yield self._route("POST", "/v1/runs/{id}/reset", "resetRun", self.external_api.reset)
        yield self._route("GET", state, "getState", self.external_api.get_state)
        yield self._route("PUT", state, "putState", self.external_api.put_state)
        yield self._route("DELETE", state, "dropState", self.external_api.drop_state)
        yield self._route("GET", "/v1/trust", "getTrust", self.external_api.trust)

    def _artifact_routes(self) -> Iterator[BaseRoute]:
        """Artifacts by digest alone."""
        if self.artifact_api is None:
            return
        keeping = "/v1/namespaces/{namespace}/artifacts/{digest}"
        yield self._route("GET", "/v1/artifacts/{digest}", "getArtifact", self.artifact_api.get)
        yield self._route("PUT", keeping, "keepArtifact", self.artifact_api.put)
        yield self._route("HEAD", keeping, "hasArtifact", self.artifact_api.kept)
        yield self._route("POST", keeping, "joinArtifact", self.artifact_api.join)

    async def open_runs(self, request: Request) -> Response:
        """`POST /v1/runs`: 201 where a run is new, 200 where all were there."""
        subject = await self.intake.pods.identify(bodyreading.bearer(request))
        with self.uploads.reservation(subject.caller.namespace_uid) as held:
            await bodyreading.decoded(request, wire.OpenRequest, self.min_rate, held)
        opened = await self.intake.pods.open(subject)
        status = 201 if any(one.created for one in opened) else 200
        return bodyreading.answer(wire.OpenAnswer(runs=[answers.opened(one.run, one.text) for one in opened]), status)

    async def get_run(self, request: Request) -> Response:
        """`GET /v1/runs/{id}?wait=SECONDS`: the caller's run and its plan, as soon as there is a verdict."""
        until = time.monotonic() + waiting.seconds(request)
        session = await self._session(request, sessions.Need.READ)
        if await self.verdicts.wait(session.run, until, self.intake.pods.runs.get):
            session = await self._session(request, sessions.Need.READ)
        if session.external is None or self.intake.external is None:
            return bodyreading.answer(answers.opened(session.run))
        return bodyreading.answer(answers.external(await self.intake.external.opened(session.external)))

    async def has_material(self, request: Request) -> Response:
        """`HEAD /v1/runs/{id}/materials/{digest}`: 200 where the content is stored."""
        session = await self._session(request, sessions.Need.ATTEST)
        known = await self.intake.known(session, bodyreading.digest(request))
        return Response(status_code=200 if known else 404)

    async def put_material(self, request: Request) -> Response:
        """`PUT /v1/runs/{id}/materials/{digest}`: bytes, hashed while they are written."""
        session = await self._session(request)
        expected = bodyreading.digest(request)
        content = bodies.chunks(request, self.intake.max_material, self.min_rate)
        with self.uploads.reservation(session.run.namespace_uid):
            digest, size = await self.intake.put_material(session, expected, content)
        return bodyreading.answer(wire.MaterialAnswer(digest=str(digest), size=size), 201)

    async def join_material(self, request: Request) -> Response:
        """`POST /v1/runs/{id}/materials/{digest}`: one material of the parts that were stored."""
        session = await self._session(request)
        with self.uploads.reservation(session.run.namespace_uid) as held:
            expected, of = bodyreading.digest(request), await bodyreading.joining(request, self.min_rate, held)
            digest, size = await self.intake.join(session, expected, of)
        return bodyreading.answer(wire.MaterialAnswer(digest=str(digest), size=size), 201)

    async def has_part(self, request: Request) -> Response:
        """`HEAD /v1/runs/{id}/parts/{digest}`: 200 where this part of an upload is stored."""
        session = await self._session(request)
        known = await self.intake.has_part(session, bodyreading.digest(request))
        return Response(status_code=200 if known else 404)

    async def put_part(self, request: Request) -> Response:
        """`PUT /v1/runs/{id}/parts/{digest}`: a part of an upload, kept for a while."""
        session = await self._session(request)
        content = bodies.chunks(request, multipart.LARGEST, self.min_rate)
        with self.uploads.reservation(session.run.namespace_uid):
            digest, size = await self.intake.put_part(session, bodyreading.digest(request), content)
        return bodyreading.answer(wire.MaterialAnswer(digest=str(digest), size=size), 201)

    async def certify(self, request: Request) -> Response:
        """`POST /v1/runs/{id}/certificate`: a leaf for the caller's key."""
        session = await self._session(request)
        with self.uploads.reservation(session.run.namespace_uid) as held:
            body = await bodyreading.decoded(request, wire.CertificateRequest, self.min_rate, held)
        issued = await self.intake.certify(session, body.csr.encode())
        return bodyreading.answer(wire.CertificateAnswer(certificate=issued.certificate, chain=list(issued.chain)))

    async def push_bundle(self, request: Request) -> Response:
        """`POST /v1/runs/{id}/bundles`: 2xx after COMMIT only; 202 for a claim that came after the verdict."""
        try:
            receipt = await self._push(request)
        except errors.AvouchError as exc:
            self.metrics.claimed(problems.kind_of(exc).name)
            raise
        self.metrics.claimed("late" if receipt.late else "created" if receipt.created else "resent")
        answer = wire.BundleAnswer(
            id=str(receipt.id), digest=str(receipt.digest), created=receipt.created, note=LATE if receipt.late else ""
        )
        return bodyreading.answer(answer, 202 if receipt.late else 201 if receipt.created else 200)

    async def _push(self, request: Request) -> runs.Receipt:
        """A resend of the bundle that ended a run is answered like the first, so the run need not be open."""
        session = await self._session(request, sessions.Need.ATTEST)
        with self.budget.reservation(session.run.namespace_uid) as reservation:
            content = await bodies.whole(request, submissions.MAX_BUNDLE, self.min_rate, reservation)
            explicit = request.headers.get(CLIENT) == "step"
            return await self.intake.accept(session, content, explicit=explicit)

    async def openapi(self, request: Request) -> Response:
        """`GET /v1/openapi.json`: for anyone who can reach us."""
        return Response(openapi.document(), media_type="application/json")

    async def _session(self, request: Request, need: sessions.Need = sessions.Need.ADD) -> sessions.RunSession:
        """Who calls about which run: before a byte of the body is read."""
        run_id = bodyreading.run_id(request)
        return await self.intake.session(bodyreading.bearer(request), run_id, need)

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
                self.metrics.answered(name, status, time.perf_counter() - started)
            return response

        return Route(path, timed, methods=[method], name=name)


def create(api: IngestApi, also: Sequence[BaseRoute] = ()) -> Starlette:
    """The app of the ingest listener; `also` are routes of other apps that share it."""
    return Starlette(
        routes=[*api.routes(), *also],
        middleware=[Middleware(requestid.RequestIds)],
        exception_handlers={errors.AvouchError: problems.answer, HTTPException: _routing, Exception: problems.answer},
    )


async def _routing(request: Request, exc: Exception) -> Response:
    """What Starlette's router itself refuses, in the same form as everything else."""
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    if status == 405:
        return await problems.answer(request, problems.WrongMethod(f"{request.method} is not allowed for this path"))
    if status == 404:
        return await problems.answer(request, errors.NotFound("no such path"))
    return await problems.answer(request, exc)
