"""Routes of external runs only: open, reset, state, and the authorities that their clients trust."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from avouch import digests, errors
from avouch.api import wire
from avouch.attestation import trustroot
from avouch.controlplane.intake import authentication, external_runs, sessions, submissions
from avouch.controlplane.model import external
from avouch.crafting import state
from avouch.ingest import answers, bodies, bodyreading


@dataclass(frozen=True, slots=True)
class ExternalApi:
    """These routes over their use cases."""

    runs: external_runs.ExternalRuns
    keys: submissions.Keys
    trusted: Callable[[], trustroot.Document] = trustroot.Document
    min_rate: bodies.MinDataRate = field(default_factory=bodies.MinDataRate)
    budget: bodies.BodyBudget = field(default_factory=bodies.BodyBudget)  # for states until their COMMIT

    async def open(self, request: Request) -> Response:
        """`POST /v1/namespaces/{namespace}/workflows/{workflow}/runs`: 201 where the run is new."""
        attester = await self.runs.identify(bodyreading.bearer(request))
        with self.budget.reservation(authentication.described(attester).id) as held:
            body = await bodyreading.decoded(request, wire.ExternalRunRequest, self.min_rate, held)
        opened = await self.runs.open(attester, _opening(request, body))
        return bodyreading.answer(answers.external(opened), 201 if opened.created else 200)

    async def reset(self, request: Request) -> Response:
        """`POST /v1/runs/{id}/reset`: give the run up."""
        session = await self._session(request)
        with self.budget.reservation(session.run.namespace_uid) as held:
            body = await bodyreading.decoded(request, wire.ResetRequest, self.min_rate, held)
        found = await self.runs.reset(session, external.Reset(body.trigger, body.reason))
        return bodyreading.answer(answers.external(found))

    async def get_state(self, request: Request) -> Response:
        """`GET /v1/runs/{id}/state`: what the client remembers, with its ETag."""
        digest, content = await self.runs.state(await self._session(request))
        return Response(content, headers={"ETag": f'"{digest}"'}, media_type="application/octet-stream")

    async def put_state(self, request: Request) -> Response:
        """`PUT /v1/runs/{id}/state`: with If-Match, or If-None-Match: * for the first."""
        session = await self._session(request, sessions.Need.ADD)
        instead_of = _instead_of(request)
        with self.budget.reservation(session.run.namespace_uid) as reservation:
            content = await bodies.whole(request, state.MAX_STATE, self.min_rate, reservation)
            digest = await self.runs.put_state(session, content, instead_of=instead_of)
        return Response(status_code=204, headers={"ETag": f'"{digest}"'})

    async def drop_state(self, request: Request) -> Response:
        """`DELETE /v1/runs/{id}/state`."""
        await self.runs.drop_state(await self._session(request))
        return Response(status_code=204)

    async def trust(self, request: Request) -> Response:
        """`GET /v1/trust`: for anyone who can reach us."""
        try:
            root = self.trusted().to_json()
        except errors.NotReady:  # who asks for authorities has them from the first moment
            root = {}
        return bodyreading.answer(wire.TrustAnswer(authorities=list(self.keys.trust().pems()), root=root))

    async def _session(self, request: Request, need: sessions.Need = sessions.Need.ATTEST) -> sessions.RunSession:
        """The session of a run that only the external ones can be."""
        run_id = bodyreading.run_id(request)
        return await self.runs.session(bodyreading.bearer(request), run_id, need)


def _opening(request: Request, body: wire.ExternalRunRequest) -> external.RunRequest:
    return external.RunRequest(
        id=uuid.UUID(body.id),
        namespace=request.path_params["namespace"],
        workflow=request.path_params["workflow"],
        revision=body.contract_revision,
        runner=external.RunnerRequest(body.runner.type, body.runner.url, body.runner.identity_token),
        version=external.VersionRequest(
            body.version.name, body.version.existing, body.version.latest, body.version.mark_latest
        ),
        release=body.release,
        dry_run=body.dry_run,
    )


def _instead_of(request: Request) -> str:
    match, none = request.headers.get("if-match", ""), request.headers.get("if-none-match", "")
    if none == "*" and not match:
        return ""
    if match.startswith('"') and match.endswith('"') and not none:
        return str(digests.Digest.parse(match[1:-1]))
    raise errors.Invalid(
        "the precondition is missing", field="If-Match", fix='send If-Match: "<ETag>" or If-None-Match: *'
    )
