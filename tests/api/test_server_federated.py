"""Attesters of an OIDC issuer on the real server: a job of GitLab from its token to a verdict, and who is refused."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from avouch import digests
from avouch.attestation import keysigned, materials, predicate, signing
from avouch.contract import reading, revisions
from avouch.controlplane.model import contracts as contract_model
from avouch.store import contracts, database, views, workflows
from tests.api.served import Answer, Served, until
from tests.api.shop import Shop
from tests.api.test_server_external import attested, note, opening, pushed, raw, uploaded
from tests.api.test_worker_kills import Worker
from tests.postgres import Postgres
from tests.unit.oidc import issuer as issuers

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]
SUBJECT, COMMIT = "project_path:octo/app:ref_type:branch:ref:main", "ace3ab241dd4de68d4075c629a123f3541b0e7ca"
JOB = {
    "sub": SUBJECT, "project_path": "octo/app", "sha": COMMIT, "job_id": "7", "runner_environment": "gitlab-hosted",
    "ci_config_ref_uri": "gitlab.example/octo/app//.gitlab-ci.yml@refs/heads/main",
}  # fmt: skip
CONTRACT = {
    "apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "gitlab"},
    "spec": {"materials": [{"name": "note", "type": "STRING"}], "runner": {"type": "GITLAB_PIPELINE"}},
}  # fmt: skip
RUNNER = {"type": "GITLAB_PIPELINE", "url": "https://elsewhere.example/job"}
OPEN = "/v1/namespaces/shop/workflows/gitlab/runs"


@pytest.fixture(scope="module")
def gitlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[issuers.Issuer]:
    """The issuer that the server trusts."""
    with issuers.running(tmp_path_factory.mktemp("issuer")) as found:
        yield found


@pytest.fixture(scope="module")
def served(
    shop: Shop, prepared: Postgres, gitlab: issuers.Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A server that trusts the issuer and keeps artifacts in the database, and a Workflow that lists its one job."""
    asyncio.run(_record(prepared, shop.uid("shop"), gitlab.url))
    settings = {
        "AVOUCH_AGGREGATED_API": "false",
        "AVOUCH_OIDC_ISSUERS": f"{gitlab.url}=GITLAB_PIPELINE",
        "SSL_CERT_FILE": str(gitlab.authority),
    }
    with Served(shop.api, prepared, tmp_path_factory.mktemp("served"), **settings) as server:
        yield server


async def _record(postgres: Postgres, uid: str, issuer: str) -> None:
    canonical, now = revisions.canonical(reading.read(CONTRACT)), datetime(2026, 1, 1, tzinfo=UTC)
    revision = contract_model.ContractRevision(
        "shop", uid, "gitlab", "contract-gitlab", 0, digests.of_bytes(canonical), canonical, now
    )
    spec = {"contractRef": {"name": "gitlab"}, "attesters": {"oidc": [{"issuer": issuer, "subject": SUBJECT}]}}
    record = contract_model.WorkflowRecord("shop", uid, "gitlab", "gitlab-shop", 1, spec, {}, "shop", "gitlab")
    async with database.Database(postgres.url) as opened:
        await contracts.Contracts(opened).record(revision, epoch=1)
        await workflows.Workflows(opened).upsert(record, epoch=1)


@pytest.fixture(scope="module")
def keys(shop: Shop, prepared: Postgres, served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A worker judges; the folder of its signing keys."""
    folder = tmp_path_factory.mktemp("federated") / "worker"
    with Worker(shop, prepared, folder, served):
        yield folder


def opened(served: Served, token: str, **said: Any) -> dict[str, Any]:
    answer = served.ask("POST", OPEN, token, opening(runner=RUNNER, **said))
    assert answer.status == 201, answer
    found: dict[str, Any] = answer.body
    return found


def judged(served: Served, token: str, run: dict[str, Any]) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        answer = served.ask("GET", f"/v1/runs/{run['id']}?wait=5", token)
        assert answer.status == 200, answer
        return answer.body if answer.body["verdict"] != "Pending" else None

    found: dict[str, Any] = until(look, "no verdict")
    return found


def signed(postgres: Postgres, run: dict[str, Any], keys: Path) -> predicate.AttestationFacts:
    """The server's own attestation of a run, verified."""

    async def main() -> bytes | None:
        async with database.Database(postgres.url) as opened:
            return await views.RunViews(opened).signed("shop", run["name"], "attestation")

    key = signing.KeySigner.from_pem((keys / "attestation.pem").read_bytes())
    content = asyncio.run(main())
    assert content is not None
    return predicate.read(keysigned.verify(content, {keysigned.Family.ATTESTATION: key.public_key_pem}).statement)


def test_a_job_attests_with_its_own_token_and_its_runner_and_commit_are_proven(
    served: Served, gitlab: issuers.Issuer, prepared: Postgres, keys: Path
) -> None:
    token = gitlab.token(**JOB)
    run = opened(served, token)
    assert run["attester"] == {"type": "AUTH_TYPE_FEDERATED", "id": f"{gitlab.url} {SUBJECT}"}
    assert run["runner"]["authenticated"] is True
    assert run["findings"] == []
    report = b"what the job found"
    assert uploaded(served, token, run["id"], report).status == 201
    file = materials.Material(
        "report", "ARTIFACT", digests.of_bytes(report), "report.txt", size=len(report), storage="uploaded"
    )
    content = attested(served, token, run, note(), file, env={"CI_COMMIT_SHA": COMMIT})
    assert pushed(served, token, run, content).status == 201
    found = judged(served, token, run)
    assert (found["verdict"], found["findings"]) == ("Passed", [])
    facts = signed(prepared, run, keys)
    assert facts.runner == predicate.Runner(
        "GITLAB_PIPELINE", f"{gitlab.url}/octo/app/-/jobs/7", "managed", True, JOB["ci_config_ref_uri"]
    )
    assert facts.server["auth"] == {"id": f"{gitlab.url} {SUBJECT}", "type": "AUTH_TYPE_FEDERATED"}
    artifact = f"/v1/artifacts/{digests.of_bytes(report)}"
    assert raw(served, "GET", artifact, gitlab.token(**JOB))[::2] == (200, report)  # another token of the same job
    assert raw(served, "GET", artifact, gitlab.token(**{**JOB, "sub": "project_path:octo/other"}))[0] == 404


@pytest.mark.parametrize(
    ("env", "code"),
    [({"CI_COMMIT_SHA": "0" * 40}, "RunnerContradicted"), ({"CI_PROJECT_PATH": "octo/other"}, "RunnerContradicted")],
)
def test_what_the_jobs_token_proves_cannot_be_attested_otherwise(
    served: Served, gitlab: issuers.Issuer, keys: Path, env: dict[str, str], code: str
) -> None:
    token = gitlab.token(**JOB)
    run = opened(served, token)
    assert pushed(served, token, run, attested(served, token, run, note(), env=env)).status == 201
    found = judged(served, token, run)
    assert (found["verdict"], [each["code"] for each in found["findings"]]) == ("Rejected", [code])


def test_a_job_that_says_it_is_another_runner_opens_no_run(served: Served, gitlab: issuers.Issuer) -> None:
    answer = served.ask("POST", OPEN, gitlab.token(**JOB), opening(runner={"type": "GITHUB_ACTION", "url": ""}))
    assert (answer.status, answer.body["field"]) == (400, "runner.type")


UNKNOWN, UNLISTED = {401}, {403, 404}  # who may read a run of their own is told why they may no longer


def refusals(gitlab: issuers.Issuer) -> dict[str, tuple[str, set[int]]]:
    """Tokens that are not this job's, each with what it may be answered."""
    now = int(time.time())
    return {
        "another audience": (
            gitlab.token(**JOB, aud="sigstore"),
            UNLISTED,
        ),  # an identity, which the Workflow does not list
        "two audiences": (gitlab.token(**JOB, aud=["avouch", "sigstore"]), UNKNOWN),
        "no audience": (gitlab.token(**JOB, aud=None), UNKNOWN),
        "another issuer": (gitlab.token(**JOB, iss="https://gitlab.com"), UNKNOWN),
        "a subject that begins like it": (gitlab.token(**{**JOB, "sub": f"{SUBJECT}2"}), UNLISTED),
        "no subject": (gitlab.token(**{**JOB, "sub": None}), UNKNOWN),
        "expired": (gitlab.token(**JOB, iat=now - 7200, exp=now - 3600), UNKNOWN),
        "not yet valid": (gitlab.token(**JOB, nbf=now + 3600), UNKNOWN),
        "another key": (gitlab.token(issuers.OTHER, **JOB), UNKNOWN),
        "no signature": (f"{gitlab.token(**JOB).rpartition('.')[0]}.", UNKNOWN),
    }


def asked(served: Served, token: str, run: dict[str, Any], content: bytes) -> dict[str, Answer]:
    """Every way in that an attester has, with somebody's token."""
    csr = json.dumps({"csr": ""}).encode()
    return {
        "open": served.ask("POST", OPEN, token, opening(runner=RUNNER)),
        "look": served.ask("GET", f"/v1/runs/{run['id']}", token),
        "upload": uploaded(served, token, run["id"], b"x"),
        "certify": served.ask("POST", f"/v1/runs/{run['id']}/certificate", token, csr),
        "push": pushed(served, token, run, content),
        "reset": served.ask("POST", f"/v1/runs/{run['id']}/reset", token, b'{"trigger": "failure"}'),
        "download": served.ask("GET", f"/v1/artifacts/sha256:{'0' * 64}", token),
    }


def test_a_token_that_is_not_the_jobs_is_refused_everywhere(served: Served, gitlab: issuers.Issuer) -> None:
    mine = gitlab.token(**JOB)
    run = opened(served, mine)
    content = attested(served, mine, run, note())
    for who, (token, statuses) in refusals(gitlab).items():
        for way, answer in asked(served, token, run, content).items():
            assert answer.status in statuses, (who, way, answer)
    assert pushed(served, mine, run, content).status == 201
