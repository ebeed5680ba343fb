"""POST /admission/pods: always answers 200 and `allowed: true`, with a patch if a sidecar is needed.

Every error is logged, counted and answered with `allowed: true` and a warning: the build continues without a sidecar.
The API server gives up after 2 s (failurePolicy Ignore); the webhook gives up earlier, so that the reason is known.

An API server shows webhooks no certificate unless its own configuration (AdmissionConfiguration) says so, so nobody
here is known. Therefore the webhook has a port of its own, which no way into the cluster leads to, and it is bounded in
all that a stranger inside could make it hold or ask: bytes of bodies, time, and pods that are planned at once.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette import background
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from avouch import errors
from avouch.admission import review
from avouch.controlplane.intake import injection as injection_planning
from avouch.controlplane.intake import trial
from avouch.tekton import injection, labels, pod

PATH = "/admission/pods"
SECONDS = 1.5  # of the API server's 2 s
AT_ONCE = 64  # pods that are planned at a time, each with a handful of questions to the API server
MAX_BODIES = 16 * 1024 * 1024  # bytes of bodies that are held at a time: a review has some ten KiB
IN_LOOP = 64 * 1024  # bytes of a review that is read at once; larger ones are read in a thread, one after the other
MAX_BODY = 3 * 1024 * 1024  # bytes: etcd takes objects of 1.5 MiB, a review holds at most one of them and its frame
log = logging.getLogger(__name__)

# Known of this very pod alone, here alone: of the others the controller tells when the run begins.
_TOLD = frozenset({pod.Reason.LIMITS, pod.Reason.POD_RESOURCES, pod.Reason.POLICY, pod.Reason.RESULTS})

# Ordinary and configured on purpose: a warning on each pod would be noise.
_QUIET = frozenset({pod.Reason.NO_WORKFLOW, pod.Reason.NEVER, pod.Reason.NOT_NEEDED, pod.Reason.ALREADY})


class Planner(Protocol):
    """Decides about one pod."""

    async def plan_for(self, namespace: str, created: Mapping[str, Any]) -> injection_planning.Decision:
        """The injection, or the reason for none."""
        ...


class Teller(Protocol):
    """Tells people about a pod that was left alone."""

    async def not_injected(self, namespace: str, owner: labels.Owner, why: str) -> None:
        """Say it of the TaskRun that owns the pod. Never raises."""
        ...


def _uncounted(outcome: str) -> None:
    """Does not count."""


class BodyBudget:
    """Bytes that all reviews may hold together. Owned by one event loop."""

    def __init__(self, size: int = MAX_BODIES) -> None:
        self.free = size

    async def read(self, request: Request) -> bytes:
        """The body. Raises errors.TooLarge, and errors.Overloaded where others hold too much."""
        chunks = bytearray()
        try:
            async for chunk in request.stream():
                self.free -= len(chunk)
                chunks += chunk
                if len(chunks) > MAX_BODY:
                    raise errors.TooLarge(f"the AdmissionReview is over {MAX_BODY} bytes")
                if self.free < 0:
                    raise errors.Overloaded("too many AdmissionReviews are read at once")
            return bytes(chunks)
        finally:
            self.free += len(chunks)


@dataclass(frozen=True, slots=True)
class PodAdmission:
    """The webhook. `settings` is asked for each pod, because the authority in it rotates.

    `count` is called once per request with `Injected`, a refusal's reason, or `Error`.
    """

    planner: Planner
    settings: Callable[[], injection.Settings]
    count: Callable[[str], None] = _uncounted
    seconds: float = SECONDS
    suffix: Callable[[], str] = field(default=lambda: secrets.token_hex(4))
    budget: BodyBudget = field(default_factory=BodyBudget)
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    tried: trial.Trial | None = None  # None: policies of the cluster are not asked beforehand
    teller: Teller | None = None

    def routes(self) -> list[Route]:
        """The routes to mount."""
        return [Route(PATH, self.pods, methods=["POST"])]

    async def pods(self, request: Request) -> Response:
        """Answer one AdmissionReview."""
        body, told, of = b"", None, "a pod"
        try:
            async with asyncio.timeout(self.seconds):  # the body, too: anyone may begin one and never end it
                body = await self.budget.read(request)
                asked = await self._read(body)
                of = _named(asked)
                if trial.is_trial(asked.pod, dry_run=asked.dry_run):
                    answer, outcome = review.allow(asked.uid), "Trial"  # without a place: who asks for it has one
                else:
                    async with self.places:
                        found = await self._answer(asked)
                    if isinstance(found, pod.Refusal):
                        answer, outcome = _refused(asked, found)
                        told = self._told(asked, found)
                    else:
                        answer, outcome = found
        except Exception as exc:  # an error of avouch never refuses or delays a pod
            why = _why(exc)
            if isinstance(exc, (errors.AvouchError, TimeoutError)):  # such as overload: it may come a thousand times
                log.warning("%s is admitted without a sidecar: %s", of, why)
            else:
                log.exception("internal error: %s is admitted without a sidecar", of)
            answer, outcome = review.allow(review.uid_of(body), warnings=[_not_injected(why)]), "Error"
        self.count(outcome)
        return JSONResponse(answer, background=told)

    async def _read(self, body: bytes) -> review.PodRequest:
        """The request, read without holding up whoever else is served."""
        if len(body) <= IN_LOOP:
            return review.read(body)
        async with self.large:
            return await asyncio.to_thread(review.read, body)

    def _told(self, asked: review.PodRequest, refusal: pod.Refusal) -> background.BackgroundTask | None:
        """What is said after the answer, about a pod that comes to be: whole, where a warning is cut."""
        owner = labels.controller(asked.pod, "TaskRun")
        if self.teller is None or asked.dry_run or refusal.reason not in _TOLD or owner is None:
            return None
        return background.BackgroundTask(self.teller.not_injected, asked.namespace, owner, _said(refusal))

    async def _answer(self, asked: review.PodRequest) -> tuple[dict[str, object], str] | pod.Refusal:
        if asked.operation != "CREATE":
            return review.allow(asked.uid), "NotCreate"
        planned = await self.planner.plan_for(asked.namespace, asked.pod)
        if isinstance(planned, pod.Refusal):
            return planned
        patch = injection.patch(planned.injection, self.settings(), self.suffix())
        if isinstance(patch, pod.Refusal):
            return patch
        patched = injection.applied(asked.pod, patch)
        if self.tried and (refused := await self.tried.refused(asked.namespace, asked.pod, patched)):
            return refused
        return review.allow(asked.uid, patch, [f"avouch: {warning}" for warning in planned.warnings]), "Injected"


def create(admission: PodAdmission) -> Starlette:
    """The app of the admission listener."""
    return Starlette(routes=admission.routes())


def _refused(asked: review.PodRequest, refusal: pod.Refusal) -> tuple[dict[str, object], str]:
    log.info("no sidecar injected into a pod in namespace %s: %s: %s", asked.namespace, refusal.reason, refusal.message)
    quiet = refusal.reason in _QUIET
    warnings = () if quiet else (_not_injected(_said(refusal)),)
    return review.allow(asked.uid, warnings=warnings), refusal.reason.value


def _named(asked: review.PodRequest) -> str:
    """Which pod, for the log, where nothing else tells that it was left alone: no Event is sent under load."""
    owner = labels.controller(asked.pod, "TaskRun")
    return f"a pod of TaskRun {asked.namespace}/{owner.name}" if owner else f"a pod in namespace {asked.namespace}"


def _said(refusal: pod.Refusal) -> str:
    return f"{refusal.reason}: {refusal.message}"


def _not_injected(why: str) -> str:
    return f"avouch: no sidecar was injected: {why}"


def _why(exc: Exception) -> str:
    """The reason for users: avouch's own errors in full, others as internal error."""
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    return str(exc) if isinstance(exc, errors.AvouchError) else "internal error"
