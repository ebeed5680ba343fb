"""Who may speak for whom: tokens and pods that the real server does not believe, although the cluster issued them."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from avouch import digests
from tests.api.served import Served
from tests.api.shop import Pod, Shop, rows
from tests.postgres import Postgres

FORGERIES = ("a uid that does not exist", "of another namespace", "no controller", "a Job")

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]


@pytest.fixture(scope="module")
def pod(shop: Shop) -> Pod:
    shop.taskrun("trust")
    return shop.pod("trust")


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def parts(token: str) -> list[dict[str, Any]]:
    """Header and claims of a token."""
    return [json.loads(base64.urlsafe_b64decode(piece + "==")) for piece in token.split(".")[:2]]


def issuer_key(shop: Shop) -> rsa.RSAPrivateKey:
    """The key with which this cluster signs tokens."""
    key = serialization.load_pem_private_key((shop.api.folder / "pki/service-account.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def resigned(token: str, key: rsa.RSAPrivateKey, **claims: object) -> str:
    """The same token with other claims, signed again."""
    header, said = parts(token)
    body = ".".join(part(json.dumps(piece).encode()) for piece in (header, {**said, **claims}))
    return f"{body}.{part(key.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def opens(served: Served, token: str) -> int:
    return served.ask("POST", "/v1/runs", token, b"{}").status


def test_a_token_is_good_until_it_expires(served: Served, shop: Shop, pod: Pod) -> None:
    now, key = int(time.time()), issuer_key(shop)
    assert opens(served, resigned(pod.token, key, exp=now + 600, jti="later")) in (200, 201)
    assert opens(served, resigned(pod.token, key, exp=now - 120, iat=now - 720, nbf=now - 720)) == 401


def test_a_token_of_another_issuer_or_without_a_true_signature_is_401(served: Served, shop: Shop, pod: Pod) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert opens(served, resigned(pod.token, stranger)) == 401
    assert opens(served, resigned(pod.token, issuer_key(shop), iss="https://elsewhere.example")) == 401
    header, said = parts(pod.token)
    public = issuer_key(shop).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for algorithm, sign in (("none", lambda _: b""), ("HS256", lambda body: hmac.digest(pem, body, hashlib.sha256))):
        body = ".".join(part(json.dumps(piece).encode()) for piece in ({**header, "alg": algorithm}, said))
        assert opens(served, f"{body}.{part(sign(body.encode()))}") == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer " + "x" * 20_000])
def test_a_request_without_one_usable_token_is_401_and_is_not_told_why(served: Served, header: str) -> None:
    answer = served.ask("POST", "/v1/runs", "", b"{}", **({"Authorization": header} if header else {}))
    assert (answer.status, answer.body["detail"]) == (401, "no valid bearer token"), answer
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_ends_with_its_pod_also_where_one_of_the_same_name_follows(served: Served, shop: Shop) -> None:
    shop.taskrun("again")
    first = shop.pod("again")
    run = served.open_run(first)  # the server remembers for a while that this token was good
    content = served.claim(first, run)
    shop.delete_pod(first)
    assert served.push(first, run, content).status == 401
    second = shop.pod("again")
    assert second.uid != first.uid
    assert served.push(first, run, content).status == 401
    assert served.push(second, run, content).body["step"] == "8 identity"
    assert served.push(second, run, served.claim(second, run)).status == 201


def test_a_run_of_another_namespace_is_404_as_if_it_did_not_exist(
    served: Served, shop: Shop, pod: Pod, prepared: Postgres
) -> None:
    shop.taskrun("trust", "other")
    theirs = shop.pod("trust", "other")
    run = served.open_run(theirs)
    nowhere = "00000000-0000-0000-0000-000000000000"
    digest = digests.of_bytes(b"x")
    for method, path, body in (
        ("GET", "", None),
        ("POST", "/certificate", b'{"csr": "x"}'),
        ("POST", "/bundles", served.claim(pod, run)),
        ("PUT", f"/materials/{digest}", b"x"),
    ):
        real = served.ask(method, f"/v1/runs/{run}{path}", pod.token, body)
        none = served.ask(method, f"/v1/runs/{nowhere}{path}", pod.token, body)
        assert (real.status, none.status) == (404, 404), real
        differing = {key for key in real.body if real.body[key] != none.body[key]}
        assert differing == {"instance"}, (real, none)
    assert rows(prepared, "SELECT count(*) FROM claims WHERE run_id = %s", run) == [(0,)]
    assert served.ask("GET", f"/v1/runs/{run}", theirs.token).status == 200


def test_a_run_of_another_taskrun_in_the_namespace_is_not_for_this_pod(served: Served, shop: Shop, pod: Pod) -> None:
    shop.taskrun("neighbour")
    run = served.open_run(shop.pod("neighbour"))
    answer = served.push(pod, run, served.claim(pod, run))
    assert (answer.status, "neighbour" in answer.body["detail"]) == (403, True), answer


def test_labels_of_a_pod_prove_nothing(served: Served, shop: Shop, pod: Pod) -> None:
    labels = {"tekton.dev/taskRun": "trust", "tekton.dev/taskRunUID": pod.taskrun_uid, "avouch.dev/workflow": "release"}
    forged = shop.pod("trust", name="forged-labels", ownerReferences=[], labels=labels)
    assert opens(served, forged.token) == 401

    shop.taskrun("plain", workflow="none", task="none")
    labelled = shop.pod("plain", labels=labels)
    answer = served.ask("POST", "/v1/runs", labelled.token, b"{}")
    assert (answer.status, "TaskRun plain" in answer.body["detail"]) == (404, True), answer


@pytest.mark.parametrize("forgery", FORGERIES)
def test_an_owner_reference_that_does_not_hold_is_401(served: Served, shop: Shop, pod: Pod, forgery: str) -> None:
    theirs = shop.taskrun(f"theirs-{FORGERIES.index(forgery)}", "other")
    owner = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": "trust", "uid": pod.taskrun_uid}
    said: dict[str, dict[str, object]] = {
        "a uid that does not exist": {**owner, "uid": "9d1f1a0a-0000-4000-8000-000000000000", "controller": True},
        "of another namespace": {**owner, "uid": theirs, "controller": True},
        "no controller": owner,
        "a Job": {**owner, "apiVersion": "batch/v1", "kind": "Job", "controller": True},
    }
    forged = shop.pod("trust", name=f"forged-{FORGERIES.index(forgery)}", ownerReferences=[said[forgery]])
    assert opens(served, forged.token) == 401
    true = shop.pod("trust", name=f"true-{FORGERIES.index(forgery)}")
    assert opens(served, true.token) in (200, 201)


def test_a_taskrun_of_the_same_name_in_another_namespace_is_not_ones_owner(served: Served, shop: Shop) -> None:
    owner = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": "elsewhere", "controller": True}
    uid = shop.taskrun("elsewhere", "other")
    shop.taskrun("near")
    forged = shop.pod("near", name="forged-far", ownerReferences=[{**owner, "uid": uid}])
    assert opens(served, forged.token) == 401


def test_a_service_account_that_the_workflow_does_not_name_is_403_with_the_fix(served: Served, shop: Shop) -> None:
    shop.taskrun("guarded", workflow="strict", task="other")
    builder, signer = shop.pod("guarded", name="by-builder"), shop.pod("guarded", name="by-signer", account="signer")
    run = served.open_run(signer, "strict")
    for answer in (
        served.ask("POST", "/v1/runs", builder.token, b"{}"),
        served.push(builder, run, served.claim(builder, run, "strict")),
    ):
        assert answer.status == 403, answer
        assert answer.body["field"] == "spec.attesters.serviceAccounts"
        assert "add builder" in answer.body["fix"]
    assert served.push(signer, run, served.claim(signer, run, "strict")).status == 201
