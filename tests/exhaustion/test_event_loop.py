"""No request, and no object that is reconciled, holds its process's event loop for long, whatever its limits allow."""

import gc
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.requests import Request

from avouch.api import contract as contract_kind
from avouch.attestation import bundle, predicate
from avouch.contract import reading, revisions
from avouch.controlplane.intake import bundles
from avouch.controlplane.model import artifacts
from avouch.crafting import state
from avouch.ingest import answers, bodies, bodyreading
from avouch.kube.cache import Key, ObjectCache
from avouch.oidc import checks
from avouch.reconcilers import contracts
from avouch.store import database, external_runs, migrate
from tests import postgres
from tests.exhaustion import holding
from tests.store.test_external_runs import opened_run
from tests.unit.attestation import builders
from tests.unit.controlplane.intake import test_external_opening as opening
from tests.unit.reconcilers import test_kinds as kinds

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BACKEND = artifacts.Destination(artifacts.BUILT_IN, artifacts.BUILT_IN, 1)
ISSUER, AUDIENCE = "https://issuer.example", "avouch"


def contract(size: int = 180) -> dict[str, Any]:
    """As large as etcd takes one: as many materials and annotations as the kind allows."""
    asked = [{"name": f"a{i:02}", "value": "x" * size} for i in range(32)]
    return {
        "apiVersion": contract_kind.KIND.api_version,
        "kind": "Contract",
        "metadata": {"name": "evidence", "namespace": "team-a", "uid": "uid"},
        "spec": {
            "materials": [{"name": f"m{i:03}", "type": "ARTIFACT", "annotations": asked} for i in range(200)],
            "envAllowList": [f"E{i}" for i in range(200)],
            "annotations": [{"name": f"n{i}", "value": "x" * size} for i in range(200)],
        },
    }


def flawed() -> dict[str, Any]:
    """One whose every material is wrong."""
    found = contract()
    for material in found["spec"]["materials"]:
        material.update(type="NO_TYPE", name="No Name")
    return found


@pytest.fixture(scope="module", autouse=True)
def settled() -> Iterator[None]:
    """As the server does once it has started: no collection goes through what stays."""
    gc.freeze()
    yield
    gc.unfreeze()


async def least(doing: Callable[[], Any], tries: int = 4) -> float:
    """What it holds the loop for: of several times, that with the least of what else happens, such as a collection."""
    return min([await holding.held(doing()) for _ in range(tries)])


async def test_opening_a_run_of_the_largest_contract_and_answering() -> None:
    world = opening.World(revisions.canonical(reading.read(contract())))

    async def opened() -> None:
        found = replace(await world.opener.open(opening.SOMEBODY, opening.wish()), backend=BACKEND)
        assert len(bodyreading.answer(answers.external(found), 201).body) > 10**6

    assert await least(opened) < holding.MOST


@pytest.mark.parametrize("make", [contract, flawed])
async def test_recording_a_contract(make: Callable[[], dict[str, Any]]) -> None:
    context = SimpleNamespace(
        contracts=kinds.Memory(), cache=ObjectCache(), clock=opening.World(), epoch=lambda: 1,
        namespace_uid=lambda _: "ns-uid", canonical=lambda obj: revisions.canonical(reading.read(obj)), replayed={},
    )  # fmt: skip
    manifest = make()

    async def recorded() -> None:
        await contracts.reconcile(context, Key("Contract", "team-a", "evidence"), manifest)  # type: ignore[arg-type]

    assert await least(recorded) < holding.MOST


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    with postgres.running() as started:
        migrate.migrate(started.url)
        yield started


@pytest.fixture
async def store(server: postgres.Postgres) -> AsyncIterator[external_runs.ExternalRuns]:
    async with database.Database(server.url) as opened:
        yield external_runs.ExternalRuns(opened)


@pytest.mark.postgres
async def test_saving_the_largest_state_and_reading_it_back(store: external_runs.ExternalRuns) -> None:
    run = await opened_run(store)
    content = bytes(range(256)) * (state.MAX_STATE // 256)
    known = ""

    async def saved() -> None:
        nonlocal known
        pieces = iter([content[at : at + 65536] for at in range(0, len(content), 65536)])

        async def receive() -> dict[str, Any]:
            piece = next(pieces, None)
            return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

        request = Request({"type": "http", "method": "PUT", "headers": []}, receive)
        body = await bodies.whole(request, state.MAX_STATE, bodies.MinDataRate())
        known = await store.put_state(run.id, body, instead_of=known)

    async def read() -> None:
        assert await store.state(run.id) == (known, content)

    assert await least(saved) < holding.MOST
    assert await least(read) < holding.MOST


def jwk(kind: str) -> dict[str, Any]:
    """A key as an issuer publishes it, or as it never should."""
    if kind == "EC":
        return jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    key = rsa.generate_private_key(65537, 2048 if kind.startswith("private") else 4096)
    found = jwt.algorithms.RSAAlgorithm.to_jwk(key if kind.startswith("private") else key.public_key(), as_dict=True)
    return {name: found[name] for name in ("kty", "n", "e", "d")} if kind == "private, without primes" else found


@pytest.mark.parametrize("kind", ["RSA", "EC", "private", "private, without primes"])
async def test_reading_an_issuers_keys(kind: str) -> None:
    entry = jwk(kind)
    body = {"keys": [{**entry, "kid": f"kid-{i}"} for i in range(100)]}

    async def read() -> None:
        assert len(checks.keys_of(body).found) == 100

    assert await least(read, 2) < holding.MOST


async def test_looking_at_a_token_of_the_longest() -> None:
    key = rsa.generate_private_key(65537, 4096)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    found = checks.keys_of({"keys": [{**public, "kid": "k"}]}).found["k", "RS256"]
    now = NOW.timestamp()
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "s", "iat": now, "exp": now + 60, "more": [[0]] * 2880}
    token = jwt.encode(said, key, "RS256", {"kid": "k"})
    assert 0.9 * checks.LONGEST < len(token) <= checks.LONGEST

    async def looked() -> None:
        assert checks.look(token).issuer == ISSUER
        assert checks.check(token, found, ISSUER, AUDIENCE, now)["sub"] == "s"

    assert await least(looked) < holding.MOST


def filled(pki: builders.Pki, kind: str) -> bytes:
    """A bundle of about the largest size that somebody may sign, filled with something."""
    statement = json.loads(predicate.build(builders.facts()))
    room = bundle.MAX_BUNDLE * 3 // 4 - 60_000
    statement["predicate"]["more"] = {
        "text": "x" * room,
        "escapes": "\\" * (room // 2),
        "lists": [[]] * min(room // 4, bundles.MAX_ITEMS // 2 - 500),
        "digits": [10**300] * (room // 310),
        "objects": [{"a": ""}] * (bundles.MAX_ITEMS // 4),
    }[kind]
    return pki.bundle(json.dumps(statement).encode())


@pytest.mark.parametrize("kind", ["text", "escapes", "lists", "digits", "objects"])
async def test_a_bundle_of_the_largest(kind: str) -> None:
    pki = builders.pki()
    content, checking = filled(pki, kind), bundles.Checking()

    async def checked() -> None:
        assert (await checking.believe(content, pki.trust, builders.POD, builders.NOW)).facts == builders.facts()

    assert await least(checked) < holding.MOST
    checking.large.shutdown()
