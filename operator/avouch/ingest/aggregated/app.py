"""Runs and revisions as read-only Kubernetes resources of `runs.avouch.dev`, behind kube-apiserver's aggregation layer.

The API server has authenticated and authorised; we only make sure that it is the API server (`frontproxy`). Discovery
needs no database: a database that is down must not take the whole cluster's discovery with it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from avouch import digests, errors
from avouch.attestation import trustroot
from avouch.controlplane.model import cluster
from avouch.controlplane.model import deletions as deletion_model
from avouch.controlplane.model import reevaluations as reevaluation_model
from avouch.controlplane.model import views as view_model
from avouch.ingest import bodies, problems, requestid
from avouch.ingest.aggregated import (
    contractrevisions,
    discovery,
    frames,
    frontproxy,
    negotiation,
    objects,
    policyreviews,
    reasons,
    reevaluations,
    rundeletions,
    selection,
    statuses,
    trustroots,
    workflowruns,
)
from avouch.ingest.aggregated import tickets as download_tickets

_log = logging.getLogger(__name__)
PAGES = 4  # that are made at a time: as objects each may take some 10 MiB; the others wait
_ROOT = discovery.ROOT
_INSTEAD = "kubectl avouch run delete NAME --reason TEXT deletes a run that has its verdict, and leaves a record"
_ALL = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]  # ours to refuse, so that the refusal is a Status


@dataclass(frozen=True, slots=True)
class Aggregated:
    """The API over the read ports, and tickets for downloads where somebody gives them."""

    views: view_model.RunViews
    revisions: view_model.Views
    tickets: download_tickets.Tickets
    deletions: deletion_model.Deletions
    asking: reevaluation_model.Asking
    reviews: policyreviews.Reviews
    clock: cluster.Clock
    trusted: Callable[[], trustroot.Document] = trustroot.Document
    bounds: frames.Bounds = field(default_factory=lambda: frames.Bounds(asyncio.Semaphore(PAGES)))

    def routes(self) -> list[Route]:
        """Every path that the API server asks for."""
        runs, revisions = workflowruns.KIND.plural, contractrevisions.KIND.plural
        deleted = rundeletions.KIND.plural
        below = f"{_ROOT}/namespaces/{{namespace}}"
        return [
            Route("/apis", discovery.groups, methods=["GET"]),
            Route(f"/apis/{objects.GROUP}", discovery.group, methods=["GET"]),
            Route(_ROOT, discovery.resources, methods=["GET"]),
            Route("/openapi/v3", discovery.openapi_index, methods=["GET"]),
            Route(f"/openapi/v3{_ROOT}", discovery.openapi, methods=["GET"]),
            Route(f"{_ROOT}/{runs}", self.collection, methods=_ALL),
            Route(f"{below}/{runs}", self.collection, methods=_ALL),
            Route(f"{below}/{runs}/{{name}}", self.single, methods=_ALL),
            *(Route(f"{below}/{runs}/{{name}}/{one}", self.signed, methods=_ALL) for one in discovery.SIGNED),
            Route(f"{below}/{runs}/{{name}}/{discovery.CLAIMS}", self.claims, methods=_ALL),
            Route(f"{below}/{runs}/{{name}}/{discovery.CLAIMS}/{{digest}}", self.claim, methods=_ALL),
            Route(f"{below}/{runs}/{{name}}/{discovery.TICKETS}", self.ticket, methods=_ALL),
            Route(f"{below}/{runs}/{{name}}/{discovery.DELETION}", self.delete, methods=_ALL),
            Route(f"{below}/{runs}/{{name}}/{discovery.REEVALUATION}", self.reevaluate, methods=_ALL),
            Route(f"{_ROOT}/{deleted}", self.deletion_list, methods=_ALL),
            Route(f"{below}/{deleted}", self.deletion_list, methods=_ALL),
            Route(f"{below}/{deleted}/{{name}}", self.deletion, methods=_ALL),
            Route(f"{below}/{policyreviews.KIND.plural}", self.review, methods=_ALL),
            Route(f"{_ROOT}/{trustroots.KIND.plural}", self.trust_list, methods=_ALL),
            Route(f"{_ROOT}/{trustroots.KIND.plural}/{{name}}", self.trust, methods=_ALL),
            Route(f"{_ROOT}/{revisions}", self.revision_list, methods=_ALL),
            Route(f"{below}/{revisions}", self.revision_list, methods=_ALL),
            Route(f"{below}/{revisions}/{{name}}", self.revision, methods=_ALL),
        ]

    async def collection(self, request: Request) -> Response:
        """List or watch, of one namespace or of all."""
        return await self._listed(request, self.views, workflowruns.KIND, selection.FIELDS)

    async def single(self, request: Request) -> Response:
        """Get one."""
        return await self._one(request, self.views, workflowruns.KIND)

    async def signed(self, request: Request) -> Response:
        """`GET .../workflowruns/{name}/attestation` and its like: what the verdict signed, byte by byte.

        With `?superseded=NUMBER`, of a verdict that another one took the place of.
        """
        _only_get(request)
        name, document = request.path_params["name"], request.url.path.rsplit("/", 1)[1]
        earlier = selection.superseded(request)
        found = await self.views.signed(request.path_params["namespace"], name, document, earlier)
        if found is None:
            what = f"{document} of a superseded verdict {earlier}" if earlier else f"{document} yet"
            raise errors.NotFound(f'{workflowruns.KIND.plural}.{objects.GROUP} "{name[:253]}" has no {what}')
        return Response(found, media_type="application/json")

    async def claims(self, request: Request) -> Response:
        """`GET .../workflowruns/{name}/claims`: which bundles its jobs pushed, in the order in which they came.

        Who may read them may read its artifacts: where the backend is inline, they are inside.
        """
        _only_get(request)
        name = request.path_params["name"]
        found = await self.views.claims(request.path_params["namespace"], name)
        if found is None:
            raise _missing(workflowruns.KIND, name)
        return statuses.json({"apiVersion": objects.API_VERSION, "kind": "ClaimList", "metadata": {}, "items": found})

    async def claim(self, request: Request) -> Response:
        """`GET .../workflowruns/{name}/claims/{digest}`: one of them, byte by byte."""
        _only_get(request)
        name, digest = request.path_params["name"], digests.Digest.parse(request.path_params["digest"])
        found = await self.views.claim(request.path_params["namespace"], name, digest)
        if found is None:
            raise errors.NotFound(f'{workflowruns.KIND.plural}.{objects.GROUP} "{name[:253]}" has no claim {digest}')
        return Response(found, media_type="application/json")

    async def trust_list(self, request: Request) -> Response:
        """List the trust root: there is one."""
        form = self._of_trust(request)
        found = [trustroots.document(self.trusted())]
        return statuses.json(form.listing(found, {"resourceVersion": "1"}, self.clock.now()))

    async def trust(self, request: Request) -> Response:
        """Get the trust root."""
        form = self._of_trust(request)
        if request.path_params["name"] != trustroots.NAME:
            raise _missing(trustroots.KIND, request.path_params["name"])
        return statuses.json(form.single(trustroots.document(self.trusted()), self.clock.now()))

    async def revision_list(self, request: Request) -> Response:
        """List or watch revisions, of one namespace or of all."""
        return await self._listed(request, self.revisions, contractrevisions.KIND, selection.REVISION_FIELDS)

    async def revision(self, request: Request) -> Response:
        """Get one revision."""
        return await self._one(request, self.revisions, contractrevisions.KIND)

    async def ticket(self, request: Request) -> Response:
        """`POST .../workflowruns/{name}/tickets`: one download of something that this run used.

        Who may `create` `workflowruns/tickets` is Kubernetes RBAC's to say.
        """
        if request.method != "POST":
            raise problems.WrongMethod("a ticket can only be created")
        digest = download_tickets.digest_of(
            await bodies.whole(request, download_tickets.MAX_BODY, bodies.MinDataRate())
        )
        found = await self.views.view(request.path_params["namespace"], request.path_params["name"])
        if found is None:
            raise _missing(workflowruns.KIND, request.path_params["name"])
        return statuses.json(await self.tickets.issue(found, digest, self.clock.now()), 201)

    async def delete(self, request: Request) -> Response:
        """`POST .../workflowruns/{name}/deletion`: have the run deleted; the record that stays.

        Who may `create` `workflowruns/deletion` is Kubernetes RBAC's to say.
        """
        if request.method != "POST":
            raise problems.WrongMethod("a deletion can only be created")
        if request.query_params.get("dryRun"):
            raise errors.Invalid("a run cannot be deleted by a dry run", field="dryRun", fix="leave it out")
        body = await bodies.whole(request, reasons.MAX_BODY, bodies.MinDataRate())
        why = reasons.of(body, "a run is deleted", "delete")
        asked = deletion_model.Asked(frontproxy.user(request), why, self.clock.now())
        namespace, name = request.path_params["namespace"], request.path_params["name"]
        found = await self.deletions.ask(namespace, name, asked)
        _log.warning("run %s/%s is deleted by %s: %s", namespace, name, asked.by, asked.reason)
        return statuses.json(rundeletions.KIND.resource(found), 201)

    async def reevaluate(self, request: Request) -> Response:
        """`POST .../workflowruns/{name}/reevaluation`: have the run judged again by what its Contract says now.

        Who may `create` `workflowruns/reevaluation` is Kubernetes RBAC's to say. A dry run says whether it would be.
        """
        if request.method != "POST":
            raise problems.WrongMethod("a reevaluation can only be created: the run shows what becomes of it")
        selection.check_once(request)
        dry = request.query_params.get("dryRun", "")
        if dry not in ("", "All"):
            raise errors.Invalid("is not All", field="dryRun", fix="write All, or leave it out")
        body = await bodies.whole(request, reasons.MAX_BODY, bodies.MinDataRate())
        why = reasons.of(body, "a run is judged again", "reevaluate")
        asked = reevaluation_model.Asked(frontproxy.user(request), why, self.clock.now())
        namespace, name = request.path_params["namespace"], request.path_params["name"]
        found = await self.asking.ask(namespace, name, asked, dry_run=bool(dry))
        if not dry:
            _log.info("run %s/%s is judged again for %s: %s", namespace, name, asked.by, asked.reason)
        return statuses.json(reevaluations.resource(found), 201)

    async def deletion_list(self, request: Request) -> Response:
        """List what was deleted, of one namespace or of all."""
        form, asked = self._asked(request, rundeletions.KIND, selection.DELETION_FIELDS)
        if asked.watch:
            raise problems.WrongMethod("deletions are not watched: list them")
        return await self._page(self.deletions, form, asked)

    async def deletion(self, request: Request) -> Response:
        """Get the record of one deleted run, by the run's name."""
        return await self._one(request, self.deletions, rundeletions.KIND)

    async def review(self, request: Request) -> Response:
        """`POST .../policyreviews`: a policy, tried on a document, and what it says; also in a dry run.

        Who may `create` `policyreviews` is Kubernetes RBAC's to say.
        """
        if request.method != "POST":
            raise problems.WrongMethod("a PolicyReview can only be created: nothing of it is kept")
        namespace = request.path_params["namespace"]
        async with self.reviews.turn(frontproxy.user(request), namespace):
            body = await bodies.whole(request, policyreviews.MAX_BODY, policyreviews.RATE)
            found = await self.reviews.reviewed(namespace, body, self.clock.now())
        return statuses.json(found, 201)

    def _of_trust(self, request: Request) -> negotiation.Form:
        form, asked = self._asked(request, trustroots.KIND, {"metadata.name": "name"})
        if asked.watch:
            raise problems.WrongMethod("the trust root is not watched: get it again")
        if asked.filters not in ({}, {"name": trustroots.NAME}):
            raise errors.Invalid("there is one trust root", field="fieldSelector", fix=f"get {trustroots.NAME}")
        return form

    async def _listed(
        self, request: Request, views: view_model.Views, kind: objects.Kind, fields: Mapping[str, str]
    ) -> Response:
        form, asked = self._asked(request, kind, fields)
        if asked.watch:
            watch = frames.Watch(asked, form, frontproxy.user(request))
            stream = frames.stream(views, watch, self.clock, self.bounds)
            return StreamingResponse(stream, media_type="application/json")
        return await self._page(views, form, asked)

    def _asked(
        self, request: Request, kind: objects.Kind, fields: Mapping[str, str]
    ) -> tuple[negotiation.Form, selection.Selection]:
        _only_get(request)
        place = request.path_params.get("namespace")
        return negotiation.form(request, kind), selection.parse(request, place, self.clock.now(), fields)

    async def _one(self, request: Request, views: view_model.Pages, kind: objects.Kind) -> Response:
        _only_get(request)
        name = request.path_params["name"]
        form = negotiation.form(request, kind)
        found = await views.view(request.path_params["namespace"], name)
        if found is None:
            raise _missing(kind, name)
        return statuses.json(form.single(found, self.clock.now()))

    async def _page(self, views: view_model.Pages, form: negotiation.Form, asked: selection.Selection) -> Response:
        async with self.bounds.places:
            found, token, version = await views.page(
                asked.namespace, limit=asked.limit, after=asked.after, filters=asked.filters, whole=form.whole
            )
            listed: dict[str, Any] = {"resourceVersion": str(version)}
            if token:
                listed["continue"] = selection.sealed(token, self.clock.now())
            return statuses.json(form.listing(found, listed, self.clock.now()))


def create(api: Aggregated, proxy: frontproxy.Allowed) -> Starlette:
    """The app of the aggregated listener."""
    return Starlette(
        routes=api.routes(),
        middleware=[Middleware(requestid.RequestIds), Middleware(frontproxy.Guard, allowed=proxy)],
        exception_handlers={errors.AvouchError: statuses.answer, HTTPException: _routing, Exception: statuses.answer},
    )


def _missing(kind: objects.Kind, name: str) -> errors.NotFound:
    return errors.NotFound(f'{kind.plural}.{objects.GROUP} "{name[:253]}" not found')


def _only_get(request: Request) -> None:
    """Raises problems.WrongMethod, and errors.Invalid for what stands twice in the query."""
    if request.method not in ("GET", "HEAD"):
        raise problems.WrongMethod(errors.with_fix("runs and revisions are read-only", _INSTEAD))
    selection.check_once(request)


async def _routing(request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    if status == 405:
        return await statuses.answer(request, problems.WrongMethod(f"{request.method} is not allowed for this path"))
    return await statuses.answer(request, errors.NotFound("the server could not find the requested resource"))
