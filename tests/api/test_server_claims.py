"""Claims that the real server refuses: each with the step of verification that failed, and nothing stored."""

import base64
import functools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from avouch.attestation import authority, bundle, dsse, identity
from tests.api.served import Served
from tests.api.shop import Pod, Shop, rows
from tests.postgres import Postgres
from tests.unit.ingest import fakes

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]


@pytest.fixture(scope="module")
def pod(shop: Shop) -> Pod:
    shop.taskrun("deploy")
    return shop.pod("deploy")


def payload(**said: str) -> bytes:
    """A good statement, but for what is said otherwise."""
    key = ec.generate_private_key(ec.SECP256R1())
    ca = authority.new_authority("nobody", datetime.now(UTC), timedelta(hours=1))
    leaf = authority.issue(ca, fakes.csr(key), identity.PodIdentity("a", "b", "c", "d"), datetime.now(UTC))
    run_id = said.pop("workflow_run_id", "")
    return bundle.parse(fakes.bundle_of(key, leaf, run_id, contract_version="1", **said)).envelope.payload


def signed(served: Served, pod: Pod, content: bytes, type_: str = dsse.IN_TOTO, **differs: str) -> dict[str, object]:
    """This payload, truly signed, in a bundle as JSON; `differs` names parts of another pod's certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = base64.b64encode(_der(served.leaf(pod, key, **differs)))
    signature = key.sign(dsse.pae(type_, content), ec.ECDSA(hashes.SHA256()))
    return {
        "mediaType": bundle.MEDIA_TYPE,
        "verificationMaterial": {"certificate": {"rawBytes": certificate.decode()}},
        "dsseEnvelope": {
            "payload": base64.b64encode(content).decode(),
            "payloadType": type_,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }


def _der(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


def envelope(content: dict[str, object], **changes: object) -> bytes:
    """The bundle with parts of its envelope replaced after signing."""
    inner = content["dsseEnvelope"]
    assert isinstance(inner, dict)
    return json.dumps({**content, "dsseEnvelope": {**inner, **changes}}).encode()


Make = Callable[[Served, Pod, bytes], bytes]


def _signed_by_a_stranger(served: Served, pod: Pod, good: bytes) -> bytes:
    mine, other = signed(served, pod, good), signed(served, pod, good)
    return json.dumps({**mine, "dsseEnvelope": other["dsseEnvelope"]}).encode()


def _of_another_authority(served: Served, pod: Pod, good: bytes) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    ca = authority.new_authority("avouch tests", datetime.now(UTC), timedelta(hours=1))
    who = identity.PodIdentity(pod.namespace, pod.account, pod.uid, pod.taskrun_uid)
    leaf = _der(authority.issue(ca, fakes.csr(key), who, datetime.now(UTC)))
    material = {"certificate": {"rawBytes": base64.b64encode(leaf).decode()}}
    return json.dumps({**signed(served, pod, good), "verificationMaterial": material}).encode()


def _expired(served: Served, pod: Pod, good: bytes) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    who = identity.PodIdentity(pod.namespace, pod.account, pod.uid, pod.taskrun_uid)
    leaf = authority.issue(served.ca, fakes.csr(key), who, datetime.now(UTC) - timedelta(hours=1))
    signature = key.sign(dsse.pae(dsse.IN_TOTO, good), ec.ECDSA(hashes.SHA256()))
    sealed = dsse.Envelope(dsse.IN_TOTO, good, (dsse.Signature(signature),))
    return bundle.to_bytes(bundle.Bundle(sealed, _der(leaf)))


def _changed(old: bytes, new: bytes, served: Served, pod: Pod, good: bytes) -> bytes:
    assert old in good
    return json.dumps(signed(served, pod, good.replace(old, new, 1))).encode()


def _empty_subject(served: Served, pod: Pod, good: bytes) -> bytes:
    return json.dumps(signed(served, pod, json.dumps({**json.loads(good), "subject": []}).encode())).encode()


REFUSED: dict[str, tuple[str, Make]] = {
    "nothing at all": ("2 bundle", lambda served, pod, good: b""),
    "not UTF-8": ("2 bundle", lambda served, pod, good: b'{"mediaType": "\xff\xfe"}'),
    "nested without end": ("2 bundle", lambda served, pod, good: b"[" * 500_000),
    "nested inside a string of the statement": (
        "10 statement",
        lambda served, pod, good: json.dumps(signed(served, pod, b'{"subject":' + b"[" * 100_000)).encode(),
    ),
    "a key twice in the bundle": (
        "2 bundle",
        lambda served, pod, good: b'{"mediaType": "x", ' + json.dumps(signed(served, pod, good)).encode()[1:],
    ),
    "unsigned": ("2 bundle", lambda served, pod, good: envelope(signed(served, pod, good), signatures=[])),
    "signed twice": (
        "3 one signature",
        lambda served, pod, good: envelope(signed(served, pod, good), signatures=[{"sig": "MAA="}, {"sig": "MAA="}]),
    ),
    "another payload type": (
        "4 payload type",
        lambda served, pod, good: json.dumps(signed(served, pod, good, "application/json")).encode(),
    ),
    "a certificate of another authority": ("5 chain", _of_another_authority),
    "a certificate that ran out": ("6 time", _expired),
    "a certificate of another pod": (
        "8 identity",
        lambda served, pod, good: json.dumps(signed(served, pod, good, pod_uid="another")).encode(),
    ),
    "a certificate of another namespace": (
        "8 identity",
        lambda served, pod, good: json.dumps(signed(served, pod, good, namespace="other")).encode(),
    ),
    "a signature of another key": ("9 signature", _signed_by_a_stranger),
    "a payload type changed after signing": (
        "9 signature",
        lambda served, pod, good: envelope(
            signed(served, pod, good, "application/json"), payloadType="application/vnd.in-toto+json"
        ),
    ),
    "a subject about nothing": ("10 statement", _empty_subject),
    "a key twice in the statement": ("10 statement", functools.partial(_changed, b"{", b'{"predicateType":"x",')),
    "another predicate": ("11 predicate type", functools.partial(_changed, b"attestation/v0.2", b"attestation/v9.9")),
    "no run": ("12 run", lambda served, pod, good: json.dumps(signed(served, pod, payload())).encode()),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_claim_is_refused_with_the_step_that_failed_and_nothing_is_stored(
    served: Served, pod: Pod, run: str, prepared: Postgres, name: str
) -> None:
    step, make = REFUSED[name]
    answer = served.push(pod, run, make(served, pod, payload(workflow_run_id=run)))
    assert (answer.status, answer.body.get("step")) == (422, step), answer
    assert step in answer.body["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert rows(prepared, "SELECT count(*) FROM claims WHERE run_id = %s", run) == [(0,)]


def test_the_same_claim_without_the_fault_is_accepted(served: Served, shop: Shop) -> None:
    shop.taskrun("good")
    pod = shop.pod("good")
    run = served.open_run(pod)
    content = json.dumps(signed(served, pod, payload(workflow_run_id=run))).encode()
    assert served.push(pod, run, content).status == 201


def test_a_good_claim_replayed_on_another_run_is_409_and_names_both(
    served: Served, pod: Pod, run: str, prepared: Postgres
) -> None:
    audit = served.open_run(pod, "audit")
    answer = served.push(pod, audit, served.claim(pod, run))
    assert (answer.status, run in answer.body["detail"], audit in answer.body["detail"]) == (409, True, True), answer
    assert rows(prepared, "SELECT count(*) FROM claims WHERE run_id = %s", audit) == [(0,)]


@pytest.mark.parametrize(
    "body", [b"[" * 30_000, b'{"a": "\xff"}', b'{"a": 1, "a": 2}', b"{}{}", b"\xef\xbb\xbf{}", b"[]", b"null"]
)
def test_a_body_that_is_no_one_json_object_is_400(served: Served, pod: Pod, body: bytes) -> None:
    answer = served.ask("POST", "/v1/runs", pod.token, body)
    assert (answer.status, answer.body.get("field")) == (400, "body"), answer
