"""Routes of runs outside Tekton. `app` shares the paths below `/v1/runs/{id}` between these and the runs in Tekton."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from avouch import digests, errors, rfc3339
from avouch.api import wire
from avouch.controlplane.intake import external_runs, multipart, pod_runs
from avouch.controlplane.model import external, runs, verdicts
from avouch.ingest import bodies, bodyreading

_WAIT = 30.0  # seconds at most
_LOOK = 0.03  # seconds until the first look for a verdict; each wait is half as long again, up to a second
_WAITING = 200  # requests that may wait for verdicts at a time; others are answered at once
VERSION = 8  # of the run ids that belong here (`values.RunKey.id`)


def is_outside(run_id: uuid.UUID) -> bool:
    """Whether an id is that of a run outside Tekton."""
    return run_id.version == VERSION


@dataclass(frozen=True, slots=True)
class OutsideDoor:
    """The ingest API of runs outside Tekton, over its use cases."""

    intake: external_runs.ExternalIntake
    pace: bodies.Pace = field(default_factory=bodies.Pace)
    room: bodies.Room = field(default_factory=bodies.Room)  # for states until their COMMIT
    waiting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_WAITING))

    async def open(self, request: Request) -> Response:
        """`POST /v1/namespaces/{namespace}/workflows/{workflow}/runs`: 201 where the run is new."""
        token = bodyreading.bearer(request)
        body = await bodyreading.decoded(request, wire.ExternalRunRequest, self.pace)
        opened = await self.intake.open(token, _opening(request, body))
        return bodyreading.answer(_run(opened), 201 if opened.created else 200)

    async def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """`GET /v1/runs/{id}?wait=SECONDS`: answers as soon as there is a verdict."""
        token = bodyreading.bearer(request)
        until = time.monotonic() + _seconds(request)
        found = await self.intake.get(token, run_id)
        if (
            found.run.result is verdicts.VerdictResult.PENDING
            and time.monotonic() < until
            and not self.waiting.locked()
        ):
            async with self.waiting:
                await self._judged(run_id, until)
            found = await self.intake.get(token, run_id)
        return bodyreading.answer(_run(found))

    async def known(self, request: Request, run_id: uuid.UUID) -> Response:
        """`HEAD /v1/runs/{id}/materials/{digest}`: 200 where the content is stored."""
        token = bodyreading.bearer(request)
        known = await self.intake.known(token, run_id, bodyreading.digest(request))
        return Response(status_code=200 if known else 404)

    async def put_material(self, request: Request, run_id: uuid.UUID) -> Response:
        """`PUT /v1/runs/{id}/materials/{digest}`: bytes, hashed while they are written."""
        token = bodyreading.bearer(request)
        expected = bodyreading.digest(request)
        content = bodies.chunks(request, self.intake.max_material, self.pace)
        digest, size = await self.intake.put_material(token, run_id, expected, content)
        return bodyreading.answer(wire.MaterialAnswer(digest=str(digest), size=size), 201)

    async def has_part(self, request: Request) -> Response:
        """`HEAD /v1/runs/{id}/parts/{digest}`: 200 where this part of an upload is stored."""
        token, run_id = bodyreading.bearer(request), bodyreading.run_id(request)
        known = await self.intake.has_part(token, run_id, bodyreading.digest(request))
        return Response(status_code=200 if known else 404)

    async def put_part(self, request: Request) -> Response:
        """`PUT /v1/runs/{id}/parts/{digest}`: a part of an upload, kept for a while."""
        token, run_id = bodyreading.bearer(request), bodyreading.run_id(request)
        content = bodies.chunks(request, multipart.LARGEST, self.pace)
        digest, size = await self.intake.put_part(token, run_id, bodyreading.digest(request), content)
        return bodyreading.answer(wire.MaterialAnswer(digest=str(digest), size=size), 201)

    async def join(self, request: Request) -> Response:
        """`POST /v1/runs/{id}/materials/{digest}`: one material of the parts that were stored."""
        token, run_id = bodyreading.bearer(request), bodyreading.run_id(request)
        expected, of = bodyreading.digest(request), await bodyreading.joining(request, self.pace)
        digest, size = await self.intake.join(token, run_id, expected, of)
        return bodyreading.answer(wire.MaterialAnswer(digest=str(digest), size=size), 201)

    async def certify(self, request: Request, run_id: uuid.UUID) -> Response:
        """`POST /v1/runs/{id}/certificate`: a leaf for the attester's key."""
        token = bodyreading.bearer(request)
        body = await bodyreading.decoded(request, wire.CertificateRequest, self.pace)
        issued = await self.intake.certify(token, run_id, body.csr.encode())
        return bodyreading.answer(wire.CertificateAnswer(certificate=issued.certificate, chain=list(issued.chain)))

    async def push(self, request: Request, run_id: uuid.UUID, share: bodies.Share) -> runs.Receipt:
        """`POST /v1/runs/{id}/bundles`: ends the run; returns after COMMIT only."""
        token = bodyreading.bearer(request)
        content = await bodies.whole(request, pod_runs.MAX_BUNDLE, self.pace, share)
        return await self.intake.accept(token, run_id, content)

    async def reset(self, request: Request) -> Response:
        """`POST /v1/runs/{id}/reset`: give the run up."""
        token, run_id = bodyreading.bearer(request), bodyreading.run_id(request)
        body = await bodyreading.decoded(request, wire.ResetRequest, self.pace)
        found = await self.intake.reset(token, run_id, external.Reset(body.trigger, body.reason))
        return bodyreading.answer(_run(found))

    async def get_state(self, request: Request) -> Response:
        """`GET /v1/runs/{id}/state`: what the client remembers, with its ETag."""
        digest, content = await self.intake.state(bodyreading.bearer(request), bodyreading.run_id(request))
        return Response(content, headers={"ETag": f'"{digest}"'}, media_type="application/octet-stream")

    async def put_state(self, request: Request) -> Response:
        """`PUT /v1/runs/{id}/state`: with If-Match, or If-None-Match: * for the first."""
        token, run_id = bodyreading.bearer(request), bodyreading.run_id(request)
        instead_of = _instead_of(request)
        with self.room.share() as share:
            content = await bodies.whole(request, external.MAX_STATE, self.pace, share)
            digest = await self.intake.put_state(token, run_id, content, instead_of=instead_of)
        return Response(status_code=204, headers={"ETag": f'"{digest}"'})

    async def drop_state(self, request: Request) -> Response:
        """`DELETE /v1/runs/{id}/state`."""
        await self.intake.drop_state(bodyreading.bearer(request), bodyreading.run_id(request))
        return Response(status_code=204)

    async def trust(self, request: Request) -> Response:
        """`GET /v1/trust`: for anyone who can reach us."""
        return bodyreading.answer(wire.TrustAnswer(authorities=list(self.intake.keys.trust().pems())))

    async def _judged(self, run_id: uuid.UUID, until: float) -> None:
        pause = _LOOK
        while time.monotonic() < until:
            stored = await self.intake.opener.store.find(run_id)
            if stored is None or stored.run.result is not verdicts.VerdictResult.PENDING:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 1.0)


def _opening(request: Request, body: wire.ExternalRunRequest) -> external.Opening:
    return external.Opening(
        id=uuid.UUID(body.id),
        namespace=request.path_params["namespace"],
        workflow=request.path_params["workflow"],
        revision=body.contract_revision,
        runner=external.SaidRunner(body.runner.type, body.runner.url, body.runner.identity_token),
        version=external.WantedVersion(
            body.version.name, body.version.existing, body.version.latest, body.version.mark_latest
        ),
        release=body.release,
        dry_run=body.dry_run,
    )


def _run(found: external.Opened) -> wire.ExternalRun:
    run, extra, asked = found.run, found.outside, found.plan
    runner, backend = extra.runner, found.backend
    return wire.ExternalRun(
        id=str(run.id),
        name=run.name,
        namespace=run.namespace,
        workflow=run.workflow,
        workflow_uid=run.key.workflow_uid,
        team=asked.team,
        project=asked.project,
        organization=extra.organization,
        verdict=str(run.result),
        created_at=rfc3339.write(run.created_at),
        expires_at=rfc3339.write(extra.expires_at),
        contract=wire.ContractAnswer(run.contract, run.revision, found.latest, run.contract_digest),
        plan=msgspec.json.decode(run.plan, type=dict[str, object]),
        version=wire.VersionAnswer(extra.version, extra.prerelease and not extra.release),
        runner=wire.RunnerAnswer(
            runner.type, runner.url, runner.environment, runner.authenticated, runner.workflow_file_path
        ),
        attester=wire.AttesterAnswer(extra.attester.type, extra.attester.id),
        backend=wire.BackendAnswer(backend.id, backend.name, backend.inline, backend.fallback, backend.max_bytes),
        skip_runner_variables=found.skip_runner_variables,
        gate=found.gate,
        findings=list(found.findings),
    )


def _seconds(request: Request) -> float:
    said = request.query_params.get("wait", "0")
    if not said.isascii() or not said.isdigit() or len(said) > 4:
        raise errors.Invalid("not a number of seconds", field="wait", fix="wait=30")
    return min(float(said), _WAIT)


def _instead_of(request: Request) -> str:
    match, none = request.headers.get("if-match", ""), request.headers.get("if-none-match", "")
    if none == "*" and not match:
        return ""
    if match.startswith('"') and match.endswith('"') and not none:
        return str(digests.Digest.parse(match[1:-1]))
    raise errors.Invalid(
        "a state is written instead of a known one", field="If-Match", fix='send If-Match: "<ETag>" or If-None-Match: *'
    )
