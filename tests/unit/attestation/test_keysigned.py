"""What the server signed: each kind by its own key, and the step at which everything else fails."""

import json

import pytest

from avouch import errors
from avouch.attestation import bundle, dsse, keysigned, predicate, signing, vsa
from tests.unit.attestation import builders
from tests.unit.attestation.test_vsa import facts

Family = keysigned.Family
SIGNERS = {family: signing.KeySigner.generate() for family in Family}
KEYS = {family: signer.public_key_pem for family, signer in SIGNERS.items()}
PAYLOADS = {
    Family.ATTESTATION: predicate.build(builders.facts()),
    Family.PASSED: vsa.build(facts()),
    Family.FAILED: vsa.build(facts(passed=False)),
}


def signed(payload: bytes, family: Family, payload_type: str = dsse.IN_TOTO) -> bytes:
    envelope = signing.sign_envelope(SIGNERS[family], payload_type, payload)
    return bundle.to_bytes(bundle.Bundle(envelope, key_hint=envelope.signatures[0].keyid))


def edited(payload: bytes, **changes: object) -> bytes:
    return json.dumps({**json.loads(payload), **changes}).encode()


@pytest.mark.parametrize("family", Family)
def test_each_family_is_verified_with_its_own_key_and_with_no_other(family: Family) -> None:
    data = signed(PAYLOADS[family], family)
    found = keysigned.verify(data, KEYS)
    assert (found.family, found.digest) == (family, bundle.digest(data))
    assert keysigned.verify(data, {family: KEYS[family]}).keyid == found.keyid
    others = {other: key for other, key in KEYS.items() if other is not family}
    assert failed(data, others) == "12 family"
    assert failed(data, dict.fromkeys(Family, KEYS[next(iter(others))])) == "9 signature"


def failed(data: bytes, keys: dict[Family, bytes] = KEYS) -> str:
    with pytest.raises(errors.NotVerified) as refused:
        keysigned.verify(data, keys)
    return refused.value.step


def test_a_bundle_has_as_many_bytes_as_it_may_and_not_one_more() -> None:
    data = signed(PAYLOADS[Family.PASSED], Family.PASSED).ljust(bundle.MAX_BUNDLE)
    assert keysigned.verify(data, KEYS).family is Family.PASSED
    assert failed(data + b" ") == "1 size"


PASSED = PAYLOADS[Family.PASSED]
WRONG = {
    "junk": (b"junk", "2 bundle"),
    "no statement": (signed(b"{}", Family.PASSED), "10 statement"),
    "another predicate": (signed(edited(PASSED, predicateType="https://other.example/v1"), Family.PASSED),
                          "11 predicate type"),
    "levels that are none": (signed(edited(PASSED, predicate={"verifiedLevels": 7}), Family.PASSED), "10 statement"),
    "another payload type": (signed(PASSED, Family.PASSED, "text/plain"), "4 payload type"),
    "a verdict by the key of attestations": (signed(PASSED, Family.ATTESTATION), "9 signature"),
    "passed by the key of what failed": (signed(PASSED, Family.FAILED), "9 signature"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "step"), WRONG.values(), ids=WRONG.keys())
def test_what_is_not_signed_by_the_server_as_what_it_says_is_refused_at_its_step(data: bytes, step: str) -> None:
    assert failed(data) == step
