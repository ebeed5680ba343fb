"""The real server process, kube-apiserver and PostgreSQL: a bound token opens a run and pushes a claim."""

import json
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from avouch import digests
from tests.api.served import Served
from tests.api.shop import Pod, Shop
from tests.postgres import Postgres
from tests.unit.ingest import fakes

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]


@pytest.fixture(scope="module")
def served(shop: Shop, prepared: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(shop.api, prepared, tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.fixture(scope="module")
def pod(shop: Shop) -> Pod:
    shop.taskrun("build", task="another")
    return shop.pod("build")


def test_a_bound_token_opens_a_run_and_its_claim_is_committed_once(pod: Pod, served: Served) -> None:
    token = pod.token
    status, answer = served.call("POST", "/v1/runs", token, b"{}")
    assert (status, len(answer["runs"])) == (201, 1), answer
    run = answer["runs"][0]
    assert run["plan"]["materials"][0]["name"] == "note"
    assert served.call("POST", "/v1/runs", token, b"{}") == (200, answer)

    key = ec.generate_private_key(ec.SECP256R1())
    body = json.dumps({"csr": fakes.csr(key).decode()}).encode()
    status, certified = served.call("POST", f"/v1/runs/{run['id']}/certificate", token, body)
    assert status == 200, certified
    content = fakes.bundle_of(key, certified["certificate"].encode(), run["id"], contract_version="1")
    first = served.call("POST", f"/v1/runs/{run['id']}/bundles", token, content)
    second = served.call("POST", f"/v1/runs/{run['id']}/bundles", token, content)
    assert (first[0], second[0]) == (201, 200), (first, second)
    assert first[1]["id"] == second[1]["id"]

    digest = digests.of_bytes(b"bytes")
    path = f"/v1/runs/{run['id']}/materials/{digest}"
    assert served.call("PUT", path, token, b"bytes")[0] == 201
    assert served.call("PUT", path, token, b"other")[0] == 400


@pytest.mark.parametrize("audience", ["other", "https://kubernetes.default.svc"])
def test_a_token_for_another_audience_is_401(shop: Shop, pod: Pod, served: Served, audience: str) -> None:
    token = shop.token(pod.name, pod.uid, audience=audience)
    assert served.call("POST", "/v1/runs", token, b"{}")[0] == 401


def test_a_token_bound_to_no_pod_is_401(shop: Shop, served: Served) -> None:
    token = shop.api.token("builder", "shop", "avouch")
    assert served.call("POST", "/v1/runs", token, b"{}")[0] == 401


def test_metrics_name_outcomes_and_no_users_text(pod: Pod, served: Served) -> None:
    status, text = served.health("/metrics")
    assert status == 200
    assert 'avouch_claims_total{outcome="created"} 1.0' in text
    assert "shop" not in text
