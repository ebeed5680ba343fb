"""Runs as the read-only Kubernetes resource `workflowruns.runs.avouch.dev`, behind kube-apiserver's aggregation layer.

The API server has authenticated and authorised; we only make sure that it is the API server (`frontproxy`). Discovery
needs no database: a database that is down must not take the whole cluster's discovery with it.
"""

from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from avouch import errors
from avouch.controlplane import ports
from avouch.ingest import discovery, frames, frontproxy, negotiation, problems, requestid, selection, statuses
from avouch.ingest import workflowruns as runs

_ROOT = f"/apis/{runs.API_VERSION}"
_ALL = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]  # ours to refuse, so that the refusal is a Status


@dataclass(frozen=True, slots=True)
class Aggregated:
    """The API over the read port."""

    views: ports.RunViews
    clock: ports.Clock

    def routes(self) -> list[Route]:
        """Every path that the API server asks for."""
        one = f"{_ROOT}/namespaces/{{namespace}}/{runs.PLURAL}"
        return [
            Route("/apis", discovery.groups, methods=["GET"]),
            Route(f"/apis/{runs.GROUP}", discovery.group, methods=["GET"]),
            Route(_ROOT, discovery.resources, methods=["GET"]),
            Route("/openapi/v3", discovery.openapi_index, methods=["GET"]),
            Route(f"/openapi/v3{_ROOT}", discovery.openapi, methods=["GET"]),
            Route(f"{_ROOT}/{runs.PLURAL}", self.collection, methods=_ALL),
            Route(one, self.collection, methods=_ALL),
            Route(f"{one}/{{name}}", self.single, methods=_ALL),
        ]

    async def collection(self, request: Request) -> Response:
        """List or watch, of one namespace or of all."""
        _only_get(request)
        form = negotiation.form(request)
        asked = selection.parse(request, request.path_params.get("namespace"), self.clock.now())
        if request.query_params.get("watch") in ("true", "1"):
            return self._watch(asked, form)
        found, token, version = await self.views.page(
            asked.namespace, limit=asked.limit, after=asked.after, filters=dict(asked.filters), whole=form.whole
        )
        listed: dict[str, Any] = {"resourceVersion": str(version)}
        if token:
            listed["continue"] = selection.sealed(token, self.clock.now())
        return statuses.json(form.listing(found, listed, self.clock.now()))

    async def single(self, request: Request) -> Response:
        """Get one."""
        _only_get(request)
        name = request.path_params["name"]
        form = negotiation.form(request)
        found = await self.views.view(request.path_params["namespace"], name)
        if found is None:
            raise errors.NotFound(f'{runs.PLURAL}.{runs.GROUP} "{name[:253]}" not found')
        return statuses.json(form.single(found, self.clock.now()))

    def _watch(self, asked: selection.Selection, form: negotiation.Form) -> Response:
        stream = frames.stream(self.views, asked, form, self.clock)
        return StreamingResponse(stream, media_type="application/json")


def create(api: Aggregated, proxy: frontproxy.Allowed) -> Starlette:
    """The app of the aggregated listener."""
    return Starlette(
        routes=api.routes(),
        middleware=[Middleware(requestid.RequestIds), Middleware(frontproxy.Guard, allowed=proxy)],
        exception_handlers={errors.AvouchError: statuses.answer, HTTPException: _routing, Exception: statuses.answer},
    )


def _only_get(request: Request) -> None:
    if request.method not in ("GET", "HEAD"):
        raise problems.WrongMethod("runs are a record: they can be read, never written")


async def _routing(request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    if status == 405:
        return await statuses.answer(request, problems.WrongMethod(f"{request.method} is not for this path"))
    return await statuses.answer(request, errors.NotFound("the server could not find the requested resource"))
