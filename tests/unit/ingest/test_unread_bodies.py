"""Nobody who is not known gets a byte of a body read, on any route; nor does one whose namespace sends too many."""

import itertools
import uuid
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.routing import Route

from avouch import digests, errors
from avouch.attestation import identity
from avouch.controlplane.artifacts import downloads
from avouch.controlplane.intake import (
    authentication,
    authorization,
    external_opening,
    external_runs,
    sessions,
    submissions,
)
from avouch.controlplane.model import artifacts as artifact_model
from avouch.ingest import app, artifacts, bodies
from avouch.ingest import external_runs as external_api
from tests.unit.ingest import fakes

DIGEST = str(digests.of_bytes(b"x"))
IN_TEKTON = uuid.uuid5(uuid.NAMESPACE_URL, "a run")
EXTERNAL = uuid.UUID("00000000-0000-8000-8000-000000000000")
NOBODY = {"none": "", "of nobody": "Bearer other", "an API token that is none": f"Bearer avouch_{'a' * 16}_{'b' * 43}"}


def api() -> app.IngestApi:
    """The whole ingest API. What comes after identification is not there: reaching it is an error."""
    fake = fakes.Fakes()

    async def no_token(token_id: str) -> None:
        return None

    async def no_ticket(*_: object) -> None:
        return None

    identities = authentication.Authenticator(
        SimpleNamespace(find=no_token),  # type: ignore[arg-type]
        SimpleNamespace(knows=lambda token: False),  # type: ignore[arg-type]
        fake.cluster,
        fakes.Clock(),
    )
    opener = external_opening.Opener(None, identities, None, None, None, None, fakes.Clock())  # type: ignore[arg-type]
    external = external_runs.ExternalRuns(opener)
    intake = submissions.Intake(fake.intake.pods, fake.store, fake.blobs, fakes.Clock(), fake.keys, 1024, external)
    reading = downloads.Downloads(
        fake.blobs, None, SimpleNamespace(taken=no_ticket), identities, None, "", 1024  # type: ignore[arg-type]
    )  # fmt: skip
    return app.IngestApi(
        intake, external_api=external_api.ExternalApi(external, fake.keys), artifact_api=artifacts.ArtifactApi(reading)
    )


def with_bodies() -> list[tuple[str, str]]:
    """(method, path) of every route that may have a body, for a run in Tekton and for an external one."""
    found = []
    for route, run_id in itertools.product(api().routes(), (IN_TEKTON, EXTERNAL)):
        assert isinstance(route, Route)
        path = route.path.format(id=run_id, digest=DIGEST, namespace="shop", workflow="release")
        found += [(method, path) for method in sorted(route.methods or ()) if method in ("POST", "PUT", "DELETE")]
    return sorted(set(found))


async def status_of(method: str, path: str, headers: Mapping[str, str], receive: Callable[[], Awaitable[Any]]) -> int:
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "http_version": "1.1",
        "scheme": "https",
    }
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app.create(api())(scope, receive, send)  # type: ignore[arg-type]
    return int(sent[0]["status"])


@pytest.mark.parametrize("who", NOBODY)
@pytest.mark.parametrize(("method", "path"), with_bodies())
async def test_the_body_of_somebody_unknown_is_never_read(method: str, path: str, who: str) -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    headers = {"authorization": NOBODY[who]} if NOBODY[who] else {}
    assert await status_of(method, path, headers, receive) == 401


async def test_the_body_for_a_run_that_is_not_the_callers_is_never_read() -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    for method, rest in (("PUT", f"materials/{DIGEST}"), ("PUT", f"parts/{DIGEST}"), ("POST", "bundles")):
        path = f"/v1/runs/{IN_TEKTON}/{rest}"
        assert await status_of(method, path, {"authorization": f"Bearer {fakes.TOKEN}"}, receive) == 404


def test_the_routes_that_take_bodies_are_all_looked_at() -> None:
    looked_at = {(method, path.split("/")[-2 if DIGEST in path else -1]) for method, path in with_bodies()}
    assert looked_at >= {
        ("POST", "runs"), ("PUT", "materials"), ("POST", "materials"), ("PUT", "parts"), ("POST", "certificate"),
        ("POST", "bundles"), ("POST", "reset"), ("PUT", "state"), ("PUT", "artifacts"), ("POST", "artifacts"),
    }  # fmt: skip


async def test_an_unknown_attester_is_told_so_before_the_body_of_its_opening_is_read() -> None:
    with pytest.raises(errors.Unauthenticated):
        await api().intake.session("other", EXTERNAL)


class Known:
    """Whoever calls is known, and owns every run and namespace."""

    def __init__(self) -> None:
        self.run = fakes.Fakes().run
        self.held = sessions.RunSession(self.run, identity.AccountIdentity("shop", "builder"))

    async def session(self, *_: object) -> sessions.RunSession:
        return self.held

    async def owner(self, *_: object) -> artifact_model.Owner:
        return artifact_model.Owner("shop", self.run.namespace_uid)

    async def identify(self, *_: object) -> authorization.ServiceAccount:
        return authorization.ServiceAccount("shop", "builder")


@pytest.mark.parametrize(("method", "path"), [one for one in with_bodies() if one[0] != "DELETE"])
async def test_a_namespace_that_sends_too_many_bodies_gets_no_more_of_them_read(
    monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    """One route that forgets to count would be enough to hold every connection."""
    known = Known()
    for asked in (submissions.Intake, external_runs.ExternalRuns):
        monkeypatch.setattr(asked, "session", known.session)
    monkeypatch.setattr(downloads.Downloads, "owner", known.owner)
    monkeypatch.setattr(external_runs.ExternalRuns, "identify", known.identify)
    monkeypatch.setattr(bodies.BodyBudget, "take", refused)
    monkeypatch.setattr(bodies.BodyBudget, "reservation", refused)

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    headers = {"authorization": f"Bearer {fakes.TOKEN}", "if-none-match": "*"}
    assert await status_of(method, path, headers, receive) == 429


def refused(*_: object) -> None:
    raise errors.Overloaded("too many")


async def test_bodies_are_counted_for_each_owner_and_given_back() -> None:
    budget = bodies.BodyBudget(bodies=2)
    with budget.reservation("greedy"), budget.reservation("greedy"):
        with pytest.raises(errors.Overloaded, match="of your namespace"), budget.reservation("greedy"):
            pass
        with budget.reservation("another") as held:
            held.take(1)
    with budget.reservation("greedy"):
        assert budget.held == 0
