"""`avouch verify` of what an attester signed: who must have signed is said, never guessed."""

import json
from pathlib import Path

import pytest

from tests.crafting import builders as crafting
from tests.unit.attestation import builders
from tests.unit.cli.attestation.test_verify_verdict import failed_step, verify

PKI = builders.pki()
SIGNED = PKI.bundle()
BY = builders.POD.uris()
NAMED = "--certificate-identity"


@pytest.fixture
def trusted(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "ca.crt").write_bytes(PKI.ca.certificate_pem)
    return "--trust", str(tmp_path / "ca.crt"), "--at", "2026-11-21T12:00:00Z"


def test_a_signature_of_whoever_is_not_verified_and_says_whose_it_is(trusted: tuple[str, ...]):
    answer = verify(SIGNED, *trusted, "-o", "json")
    assert failed_step(answer) == "8 identity"
    assert json.loads(answer.out)["signedBy"] == list(BY)
    assert f"signed by {', '.join(BY)}, and no signer was expected" in answer.err
    assert f"fix: --certificate-identity {BY[0]}" in answer.err
    assert "Verified" not in verify(SIGNED, *trusted).out


@pytest.mark.parametrize(
    "expected",
    [
        *((NAMED, each) for each in BY),
        tuple(part for each in BY for part in (NAMED, each)),
        (f"{NAMED}-regexp", r"https://avouch\.dev/.+"),
        (NAMED, BY[0], f"{NAMED}-regexp", ".+"),
    ],
)
def test_an_attestation_by_whom_was_expected_is_verified(trusted: tuple[str, ...], expected: tuple[str, ...]):
    answer = verify(SIGNED, *trusted, *expected, "-o", "json")
    assert (answer.code, json.loads(answer.out)["verified"]) == (0, True)


@pytest.mark.parametrize(
    "expected",
    [
        (NAMED, f"{BY[0]}x"),
        (NAMED, BY[0][:-1]),
        (NAMED, BY[0], NAMED, "https://x.example"),
        (f"{NAMED}-regexp", BY[0][:-1]),
        (f"{NAMED}-regexp", "x"),
        (NAMED, BY[0], f"{NAMED}-regexp", "https://x.example"),
        (NAMED, "https://x.example", f"{NAMED}-regexp", ".+"),
    ],
)
def test_an_attestation_by_anybody_else_is_not_verified(trusted: tuple[str, ...], expected: tuple[str, ...]):
    answer = verify(SIGNED, *trusted, *expected, "-o", "json")
    assert failed_step(answer) == "8 identity"
    assert f"signed by {', '.join(BY)}, expected " in answer.err


def test_an_expression_that_is_none_is_a_mistake(trusted: tuple[str, ...]):
    answer = verify(SIGNED, *trusted, f"{NAMED}-regexp", "(")
    assert answer.code == 1
    assert f"field: {NAMED}-regexp" in answer.err


def test_a_certificate_that_names_nobody_but_in_its_subject_is_told_by_that():
    content = (crafting.REAL / "bundle.json").read_bytes()
    real = ("--trust", str(crafting.REAL / "ca.crt.pem"), "--at", "certificate")
    subject = "O=7de8e4a2-7443-4eb8-a50d-1ffb05586bc8"
    assert f"fix: {NAMED} {subject}" in verify(content, *real).err
    assert verify(content, *real, NAMED, subject).code == 0
    assert verify(content, *real, NAMED, "O=other").code == 1


def test_what_fails_before_the_signer_is_compared_says_nothing_of_the_signer(trusted: tuple[str, ...]):
    forged = PKI.bundle(builders.statement_bytes(predicateType="https://x.example"))
    said = json.loads(verify(forged, *trusted, NAMED, BY[0], "-o", "json").out)
    results = {each["step"]: each["result"] for each in said["steps"]}
    assert (results["8 identity"], results["9 signature"], results["11 predicate type"]) == (
        "not reached",
        "ok",
        "failed",
    )
