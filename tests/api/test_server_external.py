"""External runs on the real server: opened, filled, ended, and everything that must not be possible."""

import asyncio
import http.client
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from avouch import digests
from avouch.attestation import bundle, dsse, materials, predicate
from avouch.contract import reading, revisions
from avouch.controlplane.intake import tokens as token_rules
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import identities
from avouch.store import contracts, database, organizations, workflows
from avouch.store import tokens as token_store
from tests.api.served import Answer, Served
from tests.api.shop import Shop, rows
from tests.postgres import Postgres
from tests.unit.ingest import fakes

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONTRACTS = (
    {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "grown"}, "spec": {}},
    {
        "apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "grown"},
        "spec": {"materials": [{"name": "note", "type": "STRING"}]},
    },
)  # fmt: skip
OPEN = "/v1/namespaces/shop/workflows/{}/runs"


def in_database(postgres: Postgres, act: Callable[[database.Database], Any]) -> Any:
    async def main() -> Any:
        async with database.Database(postgres.url) as opened:
            return await act(opened)

    return asyncio.run(main())


@pytest.fixture(scope="module")
def uid(shop: Shop) -> str:
    return shop.uid("shop")


@pytest.fixture(scope="module")
def a_token(prepared: Postgres, uid: str) -> Callable[..., str]:
    """A new API token of the shop's."""

    def made(**differs: Any) -> str:
        minted = token_rules.mint(os.urandom(token_rules.ENTROPY))
        name = f"ci-{minted.id}"
        record = identities.TokenRecord(
            minted.id, name, "shop", uid, f"uid-{name}", "Project", "", minted.digest, datetime.now(UTC)
        )
        kept = replace(record, **differs)
        in_database(prepared, lambda opened: token_store.Tokens(opened).record(kept, epoch=1))
        return minted.text

    return made


@pytest.fixture(scope="module")
def token(a_token: Callable[..., str]) -> str:
    return a_token()


def opening(**said: Any) -> bytes:
    return json.dumps({"id": str(uuid.uuid4()), **said}).encode()


def opened(served: Served, token: str, workflow: str = "release", **said: Any) -> dict[str, Any]:
    answer = served.ask("POST", OPEN.format(workflow), token, opening(**said))
    assert answer.status == 201, answer
    found: dict[str, Any] = answer.body
    return found


def uploaded(served: Served, token: str, run: str, content: bytes) -> Answer:
    return served.ask("PUT", f"/v1/runs/{run}/materials/{digests.of_bytes(content)}", token, content)


def attested(
    served: Served,
    token: str,
    run: dict[str, Any],
    *found: materials.Material,
    env: dict[str, str] | None = None,
    **differs: Any,
) -> bytes:
    """A bundle as the command line makes it, with a leaf that the server gave to this token."""
    key = ec.generate_private_key(ec.SECP256R1())
    csr = json.dumps({"csr": fakes.csr(key).decode()}).encode()
    issued = served.ask("POST", f"/v1/runs/{run['id']}/certificate", token, csr)
    assert issued.status == 200, issued
    facts = {
        "name": run["workflow"], "workflow_name": run["workflow"], "workflow_id": run["workflowUid"],
        "workflow_run_id": run["id"], "project": "shop", "organization": "", "contract_name": run["contract"]["name"],
        "contract_version": str(run["contract"]["revision"]),
    }  # fmt: skip
    now = datetime.now(UTC)
    metadata = predicate.Metadata(initialized_at=now, finished_at=now, **{**facts, **differs})  # type: ignore[arg-type]
    runner = predicate.Runner(run["runner"]["type"])
    payload = predicate.build(predicate.AttestationFacts(metadata, "https://avouch.dev/cli", runner, found, env or {}))
    signature = key.sign(dsse.pae(dsse.IN_TOTO, payload), ec.ECDSA(hashes.SHA256()))
    leaf = x509.load_pem_x509_certificate(issued.body["certificate"].encode())
    der = leaf.public_bytes(serialization.Encoding.DER)
    return bundle.to_bytes(bundle.Bundle(dsse.Envelope(dsse.IN_TOTO, payload, (dsse.Signature(signature),)), der))


def note(text: str = "hello") -> materials.Material:
    content = text.encode()
    return materials.Material("note", "STRING", digests.of_bytes(content), content=content)


def pushed(served: Served, token: str, run: dict[str, Any], content: bytes) -> Answer:
    return served.ask("POST", f"/v1/runs/{run['id']}/bundles", token, content)


def test_a_run_is_opened_once_per_id_and_says_what_it_owes(served: Served, token: str) -> None:
    body = opening(runner={"type": "GITHUB_ACTION", "url": "https://github.com/a/b/actions/runs/1"})
    first = served.ask("POST", OPEN.format("release"), token, body)
    again = served.ask("POST", OPEN.format("release"), token, body)
    assert (first.status, again.status) == (201, 200)
    assert first.body["id"] == again.body["id"]
    assert uuid.UUID(first.body["id"]).version == 8
    assert first.body["contract"] == {**first.body["contract"], "name": "evidence", "revision": 1, "latest": 1}
    assert [one["name"] for one in first.body["plan"]["materials"]] == ["note"]
    assert first.body["attester"]["type"] == "AUTH_TYPE_API_TOKEN"
    assert first.body["runner"] == {
        "type": "GITHUB_ACTION", "url": "https://github.com/a/b/actions/runs/1", "environment": "unknown",
        "authenticated": False, "workflowFilePath": "",
    }  # fmt: skip


def test_a_dry_run_answers_the_same_and_leaves_no_trace(served: Served, token: str, prepared: Postgres) -> None:
    before = rows(prepared, "SELECT count(*) FROM runs")
    answer = served.ask("POST", OPEN.format("release"), token, opening(dryRun=True, version={"name": "v-dry"}))
    assert (answer.status, answer.body["version"]) == (200, {"name": "v-dry", "prerelease": True})
    assert rows(prepared, "SELECT count(*) FROM runs") == before
    assert rows(prepared, "SELECT * FROM project_versions WHERE name = 'v-dry'") == []


def test_a_bundle_ends_the_run_and_is_committed_with_its_job(served: Served, token: str, prepared: Postgres) -> None:
    run = opened(served, token)
    assert uploaded(served, token, run["id"], b"report").status == 201
    assert served.ask("PUT", f"/v1/runs/{run['id']}/materials/sha256:{'0' * 64}", token, b"report").status == 400
    content = attested(served, token, run, note())
    first, again = pushed(served, token, run, content), pushed(served, token, run, content)
    assert (first.status, again.status, first.body["created"], again.body["created"]) == (201, 200, True, False)
    second = pushed(served, token, run, content)
    assert second.body["id"] == first.body["id"]
    jobs = rows(prepared, "SELECT count(*) FROM procrastinate_jobs WHERE queueing_lock = %s", f"judge:{run['id']}")
    assert jobs == [(1,)]
    assert uploaded(served, token, run["id"], b"late").status == 409
    for path, body in (("certificate", b'{"csr": ""}'), ("reset", b'{"trigger": "failure"}')):
        assert served.ask("POST", f"/v1/runs/{run['id']}/{path}", token, body).status == 409


def test_nobody_but_its_attester_goes_on_with_a_run(served: Served, a_token: Callable[..., str], shop: Shop) -> None:
    mine, yours = a_token(), a_token()
    run = opened(served, mine)
    content = attested(served, mine, run, note())
    shop.taskrun("outsider")
    for other, status in ((yours, 404), (shop.pod("outsider").token, 403)):
        assert pushed(served, other, run, content).status == status
        assert uploaded(served, other, run["id"], b"x").status == status
        assert served.ask("GET", f"/v1/runs/{run['id']}", other).status == status
        assert served.ask("POST", f"/v1/runs/{run['id']}/reset", other, b'{"trigger": "failure"}').status == status
        for method, body in (("GET", None), ("PUT", b"x"), ("DELETE", None)):
            told = raw(served, method, f"/v1/runs/{run['id']}/state", other, body, If_None_Match="*")
            assert told[0] == status, method
    other_run = opened(served, yours)
    stolen = attested(served, yours, other_run, note(), workflow_run_id=run["id"])
    assert pushed(served, mine, run, stolen).status == 422  # signed by another attester
    assert pushed(served, yours, other_run, stolen).status == 409  # about another run


@pytest.mark.parametrize(
    ("differs", "status"),
    [
        ({"workflow_run_id": ""}, 422),
        ({"workflow_run_id": str(uuid.uuid4())}, 409),
        ({"workflow_name": "audit"}, 409),
        ({"contract_version": "2"}, 409),
    ],
)
def test_a_statement_about_anything_else_is_refused(
    served: Served, token: str, differs: dict[str, str], status: int
) -> None:
    run = opened(served, token)
    assert pushed(served, token, run, attested(served, token, run, note(), **differs)).status == status


def test_a_bad_token_is_401_and_one_whose_scope_does_not_reach_is_told_of_no_workflow(
    served: Served, shop: Shop, a_token: Callable[..., str], token: str
) -> None:
    past, now = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC)
    bad = [a_token(expires_at=past), a_token(revoked_at=now), f"{token[:-1]}x", "avouch_", "avouch_x_y", token + "x"]
    for text in bad:
        assert served.ask("POST", OPEN.format("release"), text, opening()).status == 401, text
    narrow = a_token(scope="Workflow", workflow="audit")
    elsewhere = a_token(namespace="other", namespace_uid=shop.uid("other"))
    outside = {narrow: 404, elsewhere: 404, a_token(scope="Organization"): 404, a_token(scope="Anything"): 404}
    for text, status in outside.items():
        answer = served.ask("POST", OPEN.format("release"), text, opening())
        assert answer.status == status, answer
    assert served.ask("POST", OPEN.format("audit"), narrow, opening()).status == 403  # it reaches, and is of Tekton
    assert served.ask("POST", OPEN.format("strict"), token, opening()).status == 404  # lists a ServiceAccount only
    assert served.ask("POST", OPEN.format("nothing"), token, opening()).status == 404


def test_a_revoked_token_is_refused_at_once_even_in_the_middle_of_a_run(
    served: Served, a_token: Callable[..., str], prepared: Postgres
) -> None:
    text = a_token()
    run = opened(served, text)
    rows(prepared, "UPDATE tokens SET revoked_at = now() WHERE id = %s RETURNING id", token_rules.parse(text))
    assert served.ask("GET", f"/v1/runs/{run['id']}", text).status == 401


def test_a_service_account_attests_where_the_workflow_lets_it(served: Served, shop: Shop) -> None:
    path = "/api/v1/namespaces/shop/serviceaccounts/{}/token"
    asked = {"spec": {"audiences": ["avouch"]}}
    signer = shop.request("POST", path.format("signer"), asked)["status"]["token"]
    builder = shop.request("POST", path.format("builder"), asked)["status"]["token"]
    foreign = shop.request("POST", path.format("signer"), {"spec": {"audiences": ["other"]}})["status"]["token"]
    run = opened(served, signer, "strict")
    assert run["attester"] == {"type": "AUTH_TYPE_SERVICE_ACCOUNT", "id": "shop/signer"}
    assert pushed(served, signer, run, attested(served, signer, run, note())).status == 201
    assert served.ask("POST", OPEN.format("strict"), builder, opening()).status == 404
    assert served.ask("POST", OPEN.format("release"), foreign, opening()).status == 401


def test_a_pod_of_a_taskrun_opens_no_external_run_of_its_own_workflow_nor_of_another(
    served: Served, shop: Shop
) -> None:
    shop.taskrun("around-tekton", workflow="strict")
    pod = shop.pod("around-tekton", account="signer")
    for workflow in ("strict", "release", "audit"):
        for dry_run in (False, True):
            refused = served.ask("POST", OPEN.format(workflow), pod.token, opening(dryRun=dry_run))
            assert refused.status == 403, workflow
            assert "belongs to TaskRun around-tekton" in refused.body["detail"]
            assert "StepAction avouch-attest" in refused.body["fix"]
    assert served.ask("POST", "/v1/runs", pod.token, b"{}").status == 201  # the TaskRun's own run


def test_a_workflow_of_tekton_takes_external_runs_only_where_it_says_so(
    served: Served, token: str, prepared: Postgres, uid: str
) -> None:
    refused = served.ask("POST", OPEN.format("audit"), token, opening())
    assert (refused.status, refused.body["field"]) == (403, "spec.externalRuns")
    assert "externalRuns: true" in refused.body["fix"]
    spec = {"contractRef": {"name": "evidence"}, "tekton": {"tasks": [{"name": "x"}]}, "externalRuns": True}
    record = contract_model.WorkflowRecord("shop", uid, "both", "both-shop", 1, spec, {}, "shop", "evidence")
    in_database(prepared, lambda o: workflows.Workflows(o).upsert(record, epoch=1))
    assert opened(served, token, "both")["attester"]["type"] == "AUTH_TYPE_API_TOKEN"


def test_a_token_of_one_workflow_releases_no_version(served: Served, a_token: Callable[..., str]) -> None:
    narrow, version = a_token(scope="Workflow", workflow="release"), {"name": f"v-{uuid.uuid4().hex[:8]}"}
    refused = served.ask("POST", OPEN.format("release"), narrow, opening(version=version, release=True))
    assert (refused.status, refused.body["field"]) == (403, "release")
    opened(served, narrow, version=version)


def test_an_organizations_token_reaches_its_projects_only(
    served: Served, a_token: Callable[..., str], prepared: Postgres
) -> None:
    org = identities.Organization("acme", "home")
    in_database(prepared, lambda o: organizations.Organizations(o).record(org, ["shop"], epoch=1))
    text = a_token(namespace="home", namespace_uid="uid-home", scope="Organization")
    run = opened(served, text)
    assert (run["organization"], run["project"]) == ("acme", "shop")
    assert served.ask("POST", "/v1/namespaces/other/workflows/release/runs", text, opening()).status == 404
    in_database(prepared, lambda o: organizations.Organizations(o).remove("acme", epoch=1))
    assert served.ask("GET", f"/v1/runs/{run['id']}", text).status == 403


def test_versions_are_made_found_and_immutable_once_released(served: Served, token: str, prepared: Postgres) -> None:
    name = f"v-{uuid.uuid4().hex[:8]}"
    missing = served.ask("POST", OPEN.format("release"), token, opening(version={"name": name, "existing": True}))
    assert (missing.status, missing.body["detail"]) == (404, f'project version "{name}" not found')
    first = opened(served, token, version={"name": name})
    latest = opened(served, token, version={"latest": True})
    assert latest["version"] == first["version"] == {"name": name, "prerelease": True}
    rows(prepared, "UPDATE project_versions SET released_at = now() WHERE name = %s RETURNING name", name)
    refused = served.ask("POST", OPEN.format("release"), token, opening(version={"name": name}))
    assert (refused.status, "released and immutable" in refused.body["detail"]) == (409, True)
    late = pushed(served, token, first, attested(served, token, first, note()))
    assert late.status == 409
    bad = served.ask("POST", OPEN.format("release"), token, opening(version={"name": "no spaces"}))
    assert bad.status == 400


def test_a_state_is_kept_for_its_attester_with_optimistic_concurrency(
    served: Served, token: str, a_token: Callable[..., str]
) -> None:
    run = opened(served, token)
    path = f"/v1/runs/{run['id']}/state"
    first = raw(served, "PUT", path, token, b"one", If_None_Match="*")
    assert first[0] == 204
    tag = first[1]["etag"]
    assert raw(served, "PUT", path, token, b"two", If_None_Match="*")[0] == 409
    assert raw(served, "PUT", path, token, b"two")[0] == 400
    assert raw(served, "PUT", path, token, b"two", If_Match=tag)[0] == 204
    assert raw(served, "PUT", path, token, b"three", If_Match=tag)[0] == 409
    assert raw(served, "GET", path, a_token())[0] == 404
    status, headers, content = raw(served, "GET", path, token)
    assert (status, content, headers["etag"]) == (200, b"two", f'"{digests.of_bytes(b"two")}"')
    too_much = raw(served, "PUT", path, token, b"x" * (6 * 1024 * 1024 + 1), If_Match=f'"{digests.of_bytes(b"two")}"')
    assert too_much[0] == 413
    assert raw(served, "DELETE", path, token)[0] == 204
    assert raw(served, "GET", path, token)[0] == 404


def joined(served: Served, token: str, path: str, *parts: bytes) -> Answer:
    body = json.dumps({"parts": [str(digests.of_bytes(part)) for part in parts]}).encode()
    return served.ask("POST", path, token, body)


def test_an_upload_in_parts_becomes_one_material_and_only_with_all_of_them(
    served: Served, token: str, a_token: Callable[..., str]
) -> None:
    run = opened(served, token)
    one, two = os.urandom(200_000), os.urandom(1_000)
    whole = digests.of_bytes(one + two)
    path, part = f"/v1/runs/{run['id']}/materials/{whole}", f"/v1/runs/{run['id']}/parts/"
    assert served.ask("PUT", f"{part}{digests.of_bytes(one)}", token, one).status == 201
    assert raw(served, "HEAD", f"{part}{digests.of_bytes(one)}", token)[0] == 200
    assert raw(served, "HEAD", f"{part}{digests.of_bytes(two)}", token)[0] == 404
    missing = joined(served, token, path, one, two)
    assert (missing.status, "is not stored" in missing.body["detail"]) == (409, True)
    assert served.ask("PUT", f"{part}{digests.of_bytes(two)}", token, two).status == 201
    assert joined(served, token, path, two, one).status == 400  # another whole
    assert joined(served, token, path).status == 400
    assert joined(served, a_token(), path, one, two).status == 404
    assert raw(served, "HEAD", path, token)[0] == 404
    made = joined(served, token, path, one, two)
    assert (made.status, made.body) == (201, {"digest": str(whole), "size": 201_000})
    assert raw(served, "HEAD", path, token)[0] == 200


def test_an_artifact_of_no_run_is_joined_by_whoever_may_store_in_its_namespace(
    served: Served, token: str, a_token: Callable[..., str], shop: Shop
) -> None:
    one, two = os.urandom(300), os.urandom(300)
    below = "/v1/namespaces/shop/artifacts/"
    for content in (one, two):
        assert served.ask("PUT", f"{below}{digests.of_bytes(content)}", token, content).status == 201
    whole = f"{below}{digests.of_bytes(one + two)}"
    narrow = a_token(scope="Workflow", workflow="audit")
    assert joined(served, narrow, whole, one, two).status == 404
    elsewhere = f"/v1/namespaces/other/artifacts/{digests.of_bytes(one + two)}"
    foreign = a_token(namespace="other", namespace_uid=shop.uid("other"))
    assert joined(served, foreign, elsewhere, one, two).status == 409  # the parts are another namespace's
    assert joined(served, token, whole, one, two).status == 201
    assert raw(served, "HEAD", whole, token)[0] == 200
    read = raw(served, "GET", f"/v1/artifacts/{digests.of_bytes(one + two)}", token)
    assert read[0] == 404  # no run has used it


def raw(served: Served, method: str, path: str, token: str, body: bytes | None = None, **headers: str) -> Any:
    """Bytes as they are."""
    connection = http.client.HTTPSConnection("localhost", served.port, context=served.context, timeout=20)
    said = {"Authorization": f"Bearer {token}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    try:
        connection.request(method, path, body, said)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_a_suspended_workflow_opens_nothing_and_lost_leave_ends_it(
    served: Served, token: str, prepared: Postgres, uid: str
) -> None:
    record = contract_model.WorkflowRecord(
        "shop",
        uid,
        "paused",
        "paused-shop",
        1,
        {"contractRef": {"name": "evidence"}, "suspend": True},
        {},
        "shop",
        "evidence",
    )
    in_database(prepared, lambda o: workflows.Workflows(o).upsert(record, epoch=1))
    assert served.ask("POST", OPEN.format("paused"), token, opening()).status == 409
    open_again = replace(record, generation=2, spec={"contractRef": {"name": "evidence"}})
    in_database(prepared, lambda o: workflows.Workflows(o).upsert(open_again, epoch=1))
    run = opened(served, token, "paused")
    closed = replace(record, generation=3, spec={**open_again.spec, "attesters": {"serviceAccounts": ["x"]}})
    in_database(prepared, lambda o: workflows.Workflows(o).upsert(closed, epoch=1))
    assert served.ask("GET", f"/v1/runs/{run['id']}", token).status == 403


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"unknown": 1}, "unknown"),
        ({"id": "7"}, "id"),
        ({"contractRevision": -1}, "contractRevision"),
        ({"runner": {"type": 1}}, "runner.type"),
        ({"version": {"name": "x" * 200}}, "version.name"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_by_name(
    served: Served, token: str, said: dict[str, Any], field: str
) -> None:
    answer = served.ask("POST", OPEN.format("release"), token, opening(**said))
    assert (answer.status, field in answer.body["detail"]) == (400, True), answer.body


def test_a_runners_token_of_an_issuer_that_nobody_listed_proves_nothing_and_is_named(
    served: Served, token: str
) -> None:
    runner = {"type": "GITLAB_PIPELINE", "url": "", "identityToken": "e30.e30.x"}
    answer = served.ask("POST", OPEN.format("release"), token, opening(runner=runner))
    assert answer.status == 201, answer
    assert answer.body["runner"]["authenticated"] is False
    assert [finding["code"] for finding in answer.body["findings"]] == ["RunnerNotProven"]


def test_nobody_picks_an_easier_revision_unless_the_workflow_lets_them(
    served: Served, token: str, prepared: Postgres, uid: str
) -> None:
    async def two_revisions(o: database.Database) -> None:
        for content in (b"", b"materials"):
            canonical = revisions.canonical(reading.read(CONTRACTS[bool(content)]))
            await contracts.Contracts(o).record(
                contract_model.ContractRevision(
                    "shop", uid, "grown", "c", 0, digests.of_bytes(canonical), canonical, NOW
                ),
                epoch=1,
            )

    in_database(prepared, two_revisions)
    spec: dict[str, Any] = {"contractRef": {"name": "grown"}}
    record = contract_model.WorkflowRecord("shop", uid, "grown", "grown-shop", 1, spec, {}, "shop", "grown")
    in_database(prepared, lambda o: workflows.Workflows(o).upsert(record, epoch=1))
    older = served.ask("POST", OPEN.format("grown"), token, opening(contractRevision=1))
    assert (older.status, older.body["field"]) == (403, "spec.olderRevisions")
    assert opened(served, token, "grown")["contract"]["revision"] == 2
    assert opened(served, token, "grown", contractRevision=2)["contract"]["revision"] == 2
    lets = replace(record, generation=2, spec={**spec, "olderRevisions": True})
    in_database(prepared, lambda o: workflows.Workflows(o).upsert(lets, epoch=1))
    chosen = opened(served, token, "grown", contractRevision=1)
    assert chosen["contract"] == {**chosen["contract"], "revision": 1, "latest": 2}
    assert served.ask("POST", OPEN.format("grown"), token, opening(contractRevision=3)).status == 404


def test_the_authorities_are_for_everybody(served: Served) -> None:
    answer = served.ask("GET", "/v1/trust")
    assert answer.status == 200
    assert answer.body["authorities"][0].startswith("-----BEGIN CERTIFICATE-----")
