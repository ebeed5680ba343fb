"""The ingest API, over fakes in memory and real keys."""

import asyncio
import dataclasses
import json
import uuid
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.requests import Request
from starlette.routing import Route

from avouch import digests, errors
from avouch.attestation import trustroot
from avouch.controlplane.intake import external_runs, sessions
from avouch.controlplane.model import runs
from avouch.ingest import app, artifacts, bodies
from avouch.ingest import external_runs as external_api
from tests.unit.ingest import fakes

HEADERS = {"Authorization": f"Bearer {fakes.TOKEN}"}


@pytest.fixture
def fake() -> fakes.Fakes:
    return fakes.Fakes()


@pytest.fixture
async def client(fake: fakes.Fakes) -> AsyncIterator[httpx.AsyncClient]:
    api = app.IngestApi(fake.intake, min_rate=bodies.MinDataRate(pause=0.05))
    transport = httpx.ASGITransport(app.create(api))
    async with httpx.AsyncClient(transport=transport, base_url="https://avouch", headers=HEADERS) as client:
        yield client


def bundles(fake: fakes.Fakes) -> str:
    return f"/v1/runs/{fake.run.id}/bundles"


async def test_a_good_bundle_is_created_and_a_resend_answers_the_same_id(
    client: httpx.AsyncClient, fake: fakes.Fakes
) -> None:
    content = fakes.signed(fake)
    first = await client.post(bundles(fake), content=content)
    second = await client.post(bundles(fake), content=content)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == {"id": second.json()["id"], "digest": str(digests.of_bytes(content)), "created": True}
    (claim,) = fake.store.claims.values()
    assert (claim.pipeline_task, claim.pod_uid, claim.received_at, claim.explicit) == (
        "compile",
        "pod-uid",
        fakes.NOW,
        False,
    )


async def test_a_claim_that_comes_after_the_verdict_is_accepted_and_told_what_becomes_of_it(
    client: httpx.AsyncClient, fake: fakes.Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = fake.store.accept

    async def late(claim: runs.Claim) -> runs.Receipt:
        return dataclasses.replace(await stored(claim), late=True)

    monkeypatch.setattr(fake.store, "accept", late)
    answer = await client.post(bundles(fake), content=fakes.signed(fake))
    assert (answer.status_code, answer.json()["note"]) == (202, app.LATE)


async def test_the_run_of_a_workflow_that_is_gone_takes_no_more_claims(
    client: httpx.AsyncClient, fake: fakes.Fakes
) -> None:
    content = fakes.signed(fake)
    fake.store.known.clear()
    assert (await client.post(bundles(fake), content=content)).status_code == 403
    assert not fake.store.claims


class Needs:
    """An intake that knows no run, and remembers what was wanted of it."""

    max_material = 1024

    def __init__(self) -> None:
        self.asked: list[sessions.Need] = []

    async def session(self, token: str, run_id: uuid.UUID, need: sessions.Need = sessions.Need.ADD) -> None:
        self.asked.append(need)
        raise errors.NotFound("no such run")


@pytest.mark.parametrize(
    ("method", "path", "need"),
    [
        ("GET", "", sessions.Need.READ),
        ("HEAD", "/materials/{digest}", sessions.Need.ATTEST),
        ("PUT", "/materials/{digest}", sessions.Need.ADD),
        ("POST", "/materials/{digest}", sessions.Need.ADD),
        ("HEAD", "/parts/{digest}", sessions.Need.ADD),
        ("PUT", "/parts/{digest}", sessions.Need.ADD),
        ("POST", "/certificate", sessions.Need.ADD),
        ("POST", "/bundles", sessions.Need.ATTEST),  # a resend of the one that ended the run is answered like the first
    ],
)
async def test_each_route_asks_for_the_leave_that_it_needs(method: str, path: str, need: sessions.Need) -> None:
    intake = Needs()
    served = app.create(app.IngestApi(intake))  # type: ignore[arg-type]  # what is used before a run is known
    transport = httpx.ASGITransport(served)
    async with httpx.AsyncClient(transport=transport, base_url="https://avouch", headers=HEADERS) as client:
        where = path.format(digest=digests.of_bytes(b"x"))
        answer = await client.request(method, f"/v1/runs/{uuid.uuid4()}{where}")
    assert (answer.status_code, intake.asked) == (404, [need])


async def test_a_step_of_the_users_is_told_apart_from_our_sidecar(client: httpx.AsyncClient, fake: fakes.Fakes) -> None:
    await client.post(bundles(fake), content=fakes.signed(fake), headers={"Avouch-Client": "step"})
    fake.cluster.pods["shop", "build-pod"]["spec"].pop("initContainers")
    await client.post(bundles(fake), content=fakes.signed(fake))
    assert [claim.explicit for claim in fake.store.claims.values()] == [True, True]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"workflow_run_id": "another"}, 409),
        ({"contract_version": "2"}, 409),
        ({"contract_name": "other"}, 409),
        ({"workflow_name": "other"}, 409),
        ({"workflow_run_id": ""}, 422),
        ({"pod_uid": "other-pod"}, 422),
    ],
)
async def test_a_statement_about_anything_else_is_refused(
    client: httpx.AsyncClient, fake: fakes.Fakes, said: dict[str, str], status: int
) -> None:
    answer = await client.post(bundles(fake), content=fakes.signed(fake, **said))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert not fake.store.claims


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b'{"mediaType":1,"mediaType":2}'])
async def test_what_is_no_bundle_names_its_step(client: httpx.AsyncClient, fake: fakes.Fakes, content: bytes) -> None:
    answer = await client.post(bundles(fake), content=content)
    assert answer.status_code == 422
    assert answer.json()["step"] == "2 bundle"


async def test_a_claim_that_no_database_takes_is_refused_with_its_place_and_the_fix(
    client: httpx.AsyncClient, fake: fakes.Fakes
) -> None:
    answer = await client.post(bundles(fake), content=fakes.signed(fake, team="a\0b"))
    assert (answer.status_code, answer.json()["field"]) == (400, "predicate.metadata.team")
    assert "U+0000" in answer.json()["fix"]
    assert not fake.store.claims


async def test_a_body_that_no_database_takes_is_refused_with_its_place_and_the_fix(
    client: httpx.AsyncClient, fake: fakes.Fakes
) -> None:
    answer = await client.post(f"/v1/runs/{fake.run.id}/certificate", json={"csr": "", "more": [{"a": "\0"}]})
    assert (answer.status_code, answer.json()["field"]) == (400, "body.more[0].a")
    assert "U+0000" in answer.json()["fix"]


async def test_a_body_of_more_items_than_any_list_of_parts_is_refused(
    client: httpx.AsyncClient, fake: fakes.Fakes
) -> None:
    path = f"/v1/runs/{fake.run.id}/materials/{digests.of_bytes(b'')}"
    answer = await client.post(path, content=b'{"parts":[],"x":[' + b"0," * 5000 + b"0]}")
    assert (answer.status_code, answer.json()["detail"]) == (400, "JSON of more than 4196 items")


async def test_a_full_queue_says_when_to_come_back(client: httpx.AsyncClient, fake: fakes.Fakes) -> None:
    fake.store.failure = errors.Overloaded("full", retry_after=3)
    answer = await client.post(bundles(fake), content=fakes.signed(fake))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")


async def test_an_error_of_ours_is_masked_and_logged(
    client: httpx.AsyncClient, fake: fakes.Fakes, caplog: pytest.LogCaptureFixture
) -> None:
    fake.store.failure = errors.Unavailable("password=secret")
    answer = await client.post(bundles(fake), content=fakes.signed(fake))
    assert answer.status_code == 503
    assert "secret" not in answer.text
    assert "secret" in caplog.text
    assert answer.json()["instance"] == answer.headers["x-request-id"]


async def test_ten_megabytes_are_refused_before_they_are_read(client: httpx.AsyncClient, fake: fakes.Fakes) -> None:
    assert (await client.post(bundles(fake), content=b"x" * 10_000_000)).status_code == 413


async def test_a_body_without_length_is_refused_while_it_is_read(client: httpx.AsyncClient, fake: fakes.Fakes) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 65536

    assert (await client.post(bundles(fake), content=endless())).status_code == 413


async def test_the_run_of_another_namespace_does_not_exist(client: httpx.AsyncClient, fake: fakes.Fakes) -> None:
    other = fakes.open_run("other")
    fake.store.stored[other.id] = other
    known = await client.post(f"/v1/runs/{other.id}/bundles", content=b"x")
    unknown = await client.post("/v1/runs/5ad1c1d8-7c94-5ac1-9d0b-6f1a3d0f3a57/bundles", content=b"x")
    assert known.status_code == unknown.status_code == 404
    assert known.json()["detail"] == unknown.json()["detail"]


async def test_the_run_of_a_namespace_that_was_made_anew_does_not_exist(
    client: httpx.AsyncClient, fake: fakes.Fakes
) -> None:
    fake.store.stored[fake.run.id] = dataclasses.replace(fake.run, namespace_uid="of its predecessor")
    assert (await client.get(f"/v1/runs/{fake.run.id}")).status_code == 404
    assert (await client.post(bundles(fake), content=fakes.signed(fake))).status_code == 404


async def test_the_run_of_a_neighbour_pipelinerun_is_denied(client: httpx.AsyncClient, fake: fakes.Fakes) -> None:
    other = fakes.open_run(subject="another-run")
    fake.store.stored[other.id] = other
    assert (await client.get(f"/v1/runs/{other.id}")).status_code == 403


async def test_only_named_service_accounts_may_attest(client: httpx.AsyncClient, fake: fakes.Fakes) -> None:
    fake.store.known = [fakes.workflow(attesters={"serviceAccounts": ["robot"]})]
    answer = await client.post(bundles(fake), content=fakes.signed(fake))
    assert answer.status_code == 403
    fake.store.known = [fakes.workflow(attesters={"serviceAccounts": ["builder"]})]
    assert (await client.post(bundles(fake), content=fakes.signed(fake))).status_code == 201


async def test_the_run_of_a_workflow_that_is_gone_is_read_and_takes_nothing_any_more(
    client: httpx.AsyncClient, fake: fakes.Fakes
) -> None:
    fake.store.known = []
    path = f"/v1/runs/{fake.run.id}"
    assert (await client.get(path)).status_code == 200
    assert (await client.post(bundles(fake), content=fakes.signed(fake))).status_code == 403
    assert (await client.put(f"{path}/materials/{digests.of_bytes(b'x')}", content=b"x")).status_code == 403
    assert (await client.post(f"{path}/certificate", json={"csr": ""})).status_code == 403
    assert (fake.store.claims, fake.store.content) == ({}, {})


@pytest.mark.parametrize("header", ["", "Basic good", "Bearer ", "Bearer other", "good"])
async def test_without_a_good_token_the_answer_never_says_why(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.post("/v1/runs", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["detail"] == "no valid bearer token"


async def test_material_is_stored_by_digest_and_a_wrong_digest_is_not(
    client: httpx.AsyncClient, fake: fakes.Fakes
) -> None:
    digest = digests.of_bytes(b"sbom")
    path = f"/v1/runs/{fake.run.id}/materials/{digest}"
    assert (await client.put(path, content=b"sbox")).status_code == 400
    assert (await client.put(path, content=b"sbom")).status_code == 201
    assert (await client.put(path, content=b"sbom")).json() == {"digest": str(digest), "size": 4}
    assert (await client.put(path, content=b"x" * 1025)).status_code == 413
    assert fake.blobs.content == {digest: b"sbom"}


async def test_a_certificate_is_issued_for_the_calling_pod_only(client: httpx.AsyncClient, fake: fakes.Fakes) -> None:
    request = fakes.csr(ec.generate_private_key(ec.SECP256R1())).decode()
    answer = await client.post(f"/v1/runs/{fake.run.id}/certificate", json={"csr": request})
    assert answer.status_code == 200
    assert answer.json()["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    broken = await client.post(f"/v1/runs/{fake.run.id}/certificate", json={"csr": "x"})
    assert (broken.status_code, broken.json()["field"]) == (400, "csr")


async def test_the_openapi_document_names_every_route(client: httpx.AsyncClient, fake: fakes.Fakes) -> None:
    document = (await client.get("/v1/openapi.json")).json()
    crafting = external_api.ExternalApi(external_runs.ExternalRuns(None), fake.keys)  # type: ignore[arg-type]
    api = app.IngestApi(fake.intake, external_api=crafting, artifact_api=artifacts.ArtifactApi(None))  # type: ignore[arg-type]
    served = {(route.path, method) for route, method in _served(api)}
    named = {(path, method.upper()) for path, operations in document["paths"].items() for method in operations}
    assert named == served - {("/v1/openapi.json", "GET")}
    assert "#/components/schemas/Problem" in json.dumps(document)
    assert set(document["components"]["schemas"]) >= {"OpenAnswer", "OpenedRun", "Problem"}


async def test_authorities_are_shown_before_the_trust_root_is_there(fake: fakes.Fakes) -> None:
    def absent() -> trustroot.Document:
        raise errors.NotReady("not there yet")

    crafting = external_api.ExternalApi(external_runs.ExternalRuns(None), fake.keys, absent)  # type: ignore[arg-type]
    said = json.loads((await crafting.trust(Request({"type": "http"}))).body)
    assert (len(said["authorities"]), said["root"]) == (1, {})


def _served(api: app.IngestApi) -> Iterator[tuple[Route, str]]:
    for route in api.routes():
        assert isinstance(route, Route)
        methods = route.methods or set()
        yield from ((route, method) for method in methods if method != "HEAD" or methods == {"HEAD"})


async def test_unknown_paths_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v2")).json()["status"] == 404
    assert (await client.delete("/v1/runs")).json()["status"] == 405


async def test_a_silent_body_is_given_up(fake: fakes.Fakes) -> None:
    api = app.create(app.IngestApi(fake.intake, min_rate=bodies.MinDataRate(pause=0.01)))
    scope = {
        "type": "http",
        "method": "POST",
        "path": bundles(fake),
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer good")],
        "http_version": "1.1",
        "scheme": "https",
    }
    sent: list[dict[str, object]] = []

    async def silence() -> dict[str, object]:

        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await api(scope, silence, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 408


def _routes(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    routes = client._transport.app.routes  # type: ignore[attr-defined]
    return [(route.path, route.name) for route in routes]


async def test_bodies_that_do_not_fit_beside_those_that_wait_are_429_and_room_is_given_back(
    fake: fakes.Fakes,
) -> None:
    content = fakes.signed(fake)
    api = app.IngestApi(fake.intake, budget=bodies.BodyBudget(len(content) + 10, each=len(content)))
    transport = httpx.ASGITransport(app.create(api))
    async with httpx.AsyncClient(transport=transport, base_url="https://avouch", headers=HEADERS) as client:
        with api.budget.reservation("another") as waiting:
            waiting.take(11)
            full = await client.post(bundles(fake), content=content)
        assert (full.status_code, full.headers["retry-after"], api.budget.held) == (429, "1", 0)
        assert (await client.post(bundles(fake), content=b"no bundle")).status_code == 422
        assert (await client.post(bundles(fake), content=content)).status_code == 201
    assert api.budget.held == 0


async def test_a_namespace_that_fills_its_part_of_the_budget_takes_none_from_others(fake: fakes.Fakes) -> None:
    content = fakes.signed(fake)
    api = app.IngestApi(fake.intake, budget=bodies.BodyBudget(4 * len(content)))
    transport = httpx.ASGITransport(app.create(api))
    async with httpx.AsyncClient(transport=transport, base_url="https://avouch", headers=HEADERS) as client:
        with api.budget.reservation("another") as greedy:
            greedy.take(len(content))
            with pytest.raises(errors.Overloaded):
                greedy.take(1)
            assert (await client.post(bundles(fake), content=content)).status_code == 201
        with api.budget.reservation(fake.run.namespace_uid) as own:
            own.take(1)
            assert (await client.post(bundles(fake), content=content)).status_code == 429
    assert api.budget.held == 0
