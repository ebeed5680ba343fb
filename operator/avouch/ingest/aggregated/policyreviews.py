"""PolicyReviews: policies of users, tried on documents of users, as the worker would judge them. Nothing is kept.

The process of OPA that it needs ends with it. One is done at a time; others wait, one of each user and two of each
namespace: who writes policies in one may make as many users of it as they like.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

import msgspec

from avouch import errors, rfc3339
from avouch.api import policy as policy_kind
from avouch.api import policyreview
from avouch.contract import policies
from avouch.ingest import bodies
from avouch.ingest.aggregated import objects
from avouch.materials import types as material_types
from avouch.policy import documents, evaluation, outcome
from avouch.values import dataclass

MAX_BODY = 8 * 1024 * 1024  # bytes
RATE = bodies.MinDataRate(pause=5.0, grace=10.0, lowest=256 * 1024)  # of a body: while it comes, others wait
SECONDS = 20.0  # of one review, whatever number of scripts its policy has
_WAITING = 8  # users, the one whose turn it is among them
_EACH = 2  # of them, of one namespace
_RETRY = 2  # seconds
_RESERVED = (errors.Unavailable, errors.NotInstalled)  # says nothing of the policy
_Engine = AbstractAsyncContextManager[evaluation.Engine]


@dataclass(frozen=True, slots=True)
class Request:
    """A review as it was asked for: its metadata, what it says, and the document that scripts are shown."""

    metadata: Mapping[str, Any]
    spec: policyreview.PolicyReviewSpec
    document: bytes


class Reviews:
    """Tries policies. `engine`: for one review; leaving it ends what it started."""

    def __init__(self, engine: Callable[[], _Engine]) -> None:
        self._engine = engine
        self._users: dict[str, str] = {}  # those that wait, and the namespace that each is about
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def turn(self, user: str, namespace: str) -> AsyncIterator[None]:
        """The turn of one review: as its body is read, too, so that one body at a time is in memory.

        Raises:
            errors.Overloaded: this user has one, this namespace has two, or many users wait.
        """
        if user in self._users:
            raise errors.Overloaded("you have a policy review that is not done yet", retry_after=_RETRY)
        if list(self._users.values()).count(namespace) >= _EACH:
            raise errors.Overloaded(
                f"namespace {namespace} has {_EACH} policy reviews that are not done yet", retry_after=_RETRY
            )
        if len(self._users) >= _WAITING:
            raise errors.Overloaded(f"{_WAITING} users wait for their policy reviews", retry_after=_RETRY)
        self._users[user] = namespace
        try:
            async with self._turn:
                yield
        finally:
            del self._users[user]

    async def reviewed(self, namespace: str, body: bytes, now: datetime) -> dict[str, Any]:
        """The review with what the policy says.

        Raises:
            errors.Invalid: it is no review, or its policy or its document cannot be read.
            errors.Unavailable: the engine does not start.
        """
        asked = await asyncio.to_thread(read, body)
        policy = _policy(asked.spec)
        began = time.monotonic()
        try:
            async with asyncio.timeout(SECONDS), self._engine() as engine:
                status = await _tried(engine, policy, asked)
                version = engine.version
        except errors.NotInstalled as exc:
            raise errors.NotReady(f"this server has no policy engine: {exc}") from exc
        except TimeoutError:
            status, version = _failed(f"the policy takes longer than {SECONDS:.0f} seconds"), ""
        took = round(1000 * (time.monotonic() - began))
        named = msgspec.structs.replace(status, milliseconds=took, engine=evaluation.engine_of(version) or "OPA")
        return KIND.resource(
            {
                "metadata": {
                    "name": str(asked.metadata.get("name") or policy.metadata.name)[:253],
                    "namespace": namespace,
                    "creationTimestamp": rfc3339.write(now),
                },
                "status": msgspec.to_builtins(named),
            }
        )


def read(body: bytes) -> Request:
    """A review from the body of a request; its document is only looked over.

    Raises:
        errors.Invalid: it is not one; `field` says where.
    """
    try:
        whole = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        spec = msgspec.json.decode(whole.get("spec", msgspec.Raw(b"{}")), type=dict[str, msgspec.Raw])
        document = bytes(spec.pop("document", msgspec.Raw(b"{}")))
        metadata = msgspec.json.decode(whole.get("metadata", msgspec.Raw(b"{}")), type=dict[str, Any])
        said = msgspec.json.decode(msgspec.json.encode(spec), type=policyreview.PolicyReviewSpec)
    except (msgspec.MsgspecError, RecursionError) as exc:
        fix = "kubectl explain policyreviews.spec says what it has"
        raise errors.Invalid(f"is no PolicyReview: {exc}", field="spec", fix=fix) from exc
    try:
        shown = documents.of_json(document)
    except errors.Invalid as exc:
        raise type(exc)(exc.args[0], field="spec.document", fix=exc.fix) from exc
    if said.type not in documents.TABLE:
        fix = f"write one of {', '.join(one.name for one in material_types.MATERIALS)}"
        raise errors.Invalid(f"{said.type[:100]!r} is no type of material", field="spec.type", fix=fix)
    return Request(metadata, said, shown)


def _policy(spec: policyreview.PolicyReviewSpec) -> policy_kind.Policy:
    try:
        found = policies.read(spec.policy)
    except errors.Invalid as exc:
        where = ".".join(part for part in ("spec.policy", exc.field) if part)
        raise errors.Invalid(exc.args[0], field=where, fix=exc.fix) from exc
    if not isinstance(found, policy_kind.Policy):
        raise errors.Invalid("is no Policy", field="spec.policy.kind", fix="review the policies of a group one by one")
    return found


async def _tried(
    engine: evaluation.Engine, policy: policy_kind.Policy, asked: Request
) -> policyreview.PolicyReviewStatus:
    """What the policy says; where it cannot be evaluated, why."""
    said = asked.spec
    at = rfc3339.read(said.at, "spec.at") if said.at else None
    own = {} if said.run is None else documents.of_run(said.run)
    material = evaluation.Material(said.type, b"", said.metadata, asked.document, own, at)
    try:
        found = await evaluation.evaluate(engine, policy, material, said.inputs)
    except _RESERVED:
        raise
    except errors.AvouchError as exc:
        return _failed(str(exc))
    return _status(found)


def _failed(why: str) -> policyreview.PolicyReviewStatus:
    return policyreview.PolicyReviewStatus(outcome="Error", message=why)


def _status(found: evaluation.Evaluation) -> policyreview.PolicyReviewStatus:
    told, notes = found.outcome, list(found.notes)
    if told is None:
        return policyreview.PolicyReviewStatus(outcome="Ignored", notes=notes)
    return policyreview.PolicyReviewStatus(
        outcome="Violated" if told.violations else "Skipped" if told.skipped else "Passed",
        message=told.skipped,
        violations=_violations(told.violations),
        more=told.more,
        suppressed=_violations(told.suppressed),
        more_suppressed=told.more_suppressed,
        notes=notes,
    )


def _violations(found: Sequence[outcome.Violation]) -> list[policyreview.ReviewedViolation]:
    return [policyreview.ReviewedViolation(one.message, dict(one.finding) if one.finding else None) for one in found]


KIND = objects.Kind("PolicyReview", "policyreviews", (), dict, lambda _document, _now: [])
