"""`avouch verify` of what the server signs: verdicts and its own attestations, offline, with public keys."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from avouch import digests
from avouch.attestation import bundle, dsse, signing, statement, vsa
from avouch.cli import ports
from tests.crafting import builders
from tests.unit.cli import line

AT = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SUBJECT = digests.of_bytes(b"the package")
KEYS = {family: signing.KeySigner.generate() for family in ("attestation", "passed", "failed")}
FACTS = vsa.VsaFacts(
    verifier_id="https://avouch.example/verifier",
    time_verified=AT,
    resource_uri="avouch://shop/workflows/release?namespaceUid=1-2",
    policy_uri="avouch://home/contracts/release@3?namespaceUid=7-8",
    policy_digest=digests.of_bytes(b"contract"),
    inputs=(vsa.InputAttestation(digests.of_bytes(b"bundle"), AT),),
    passed=True,
    levels=("AVOUCH_CONTRACT_SATISFIED", "AVOUCH_EVIDENCE_CLI"),
    subjects=(statement.named("app.tar.gz", SUBJECT),),
)


REAL = (builders.REAL / "bundle.json").read_bytes()
TRUSTED = ("--trust", str(builders.REAL / "ca.crt.pem"), "--at", "certificate")


class Offline(line.Adapters):
    """Adapters without a server: no command may ask for one."""

    def attesting(self, options: ports.Options) -> Any:
        raise AssertionError("the network is not asked")


def signed(payload: bytes, key: str) -> bytes:
    signer = KEYS[key]
    return bundle.to_bytes(bundle.Bundle(signing.sign_envelope(signer, dsse.IN_TOTO, payload), key_hint=signer.keyid))


def verdict(key: str = "passed", **changes: Any) -> bytes:
    return signed(vsa.build(replace(FACTS, **changes)), key)


@pytest.fixture
def keys(tmp_path: Path) -> list[str]:
    """The options that trust all three public keys."""
    for family, signer in KEYS.items():
        (tmp_path / f"{family}.pub").write_bytes(signer.public_key_pem)
    return [part for family in KEYS for part in ("--key", f"{family}={tmp_path / family}.pub")]


def verify(content: bytes, *arguments: str) -> line.Answer:
    return line.run("verify", "-", *arguments, stdin=content, adapters=Offline())


def failed_step(answer: line.Answer) -> str:
    """The step at which a verification that printed JSON failed."""
    said = json.loads(answer.out)
    assert (answer.code, said["verified"]) == (1, False)
    (step,) = (each["step"] for each in said["steps"] if each["result"] == "failed")
    return str(step)


def test_a_passed_verdict_is_verified_and_says_by_whom_on_what_and_when(keys: list[str]):
    answer = verify(verdict(), *keys, "-o", "json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    wanted = {
        "verified": True, "type": "verdict", "verifiedLevels": list(FACTS.levels), "verdict": "PASSED",
        "family": "passed", "keyId": KEYS["passed"].keyid,
        "resourceUri": FACTS.resource_uri, "policyUri": FACTS.policy_uri, "verifierId": FACTS.verifier_id,
        "policyDigest": str(FACTS.policy_digest), "judgedAt": "2026-11-21T12:00:00Z",
        "subjects": [{"name": "app.tar.gz", "digest": {"sha256": SUBJECT.hex}}],
        "inputAttestations": [str(FACTS.inputs[0].digest)],
    }  # fmt: skip
    assert {key: said[key] for key in wanted} == wanted
    table = verify(verdict(), *keys).out
    assert "PASSED" in table
    for shown in (FACTS.policy_uri, FACTS.resource_uri, "AVOUCH_CONTRACT_SATISFIED, AVOUCH_EVIDENCE_CLI"):
        assert shown in table


def test_a_failed_verdict_that_is_verified_says_so_and_exits_with_5(keys: list[str]):
    answer = verify(verdict("failed", passed=False), *keys, "-o", "json")
    assert answer.code == 5
    assert json.loads(answer.out)["verdict"] == "FAILED"
    assert "the verdict is FAILED; its signature is good" in answer.err


def test_the_servers_own_attestation_is_verified_by_its_key(keys: list[str]):
    content = json.loads((builders.REAL / "statement.json").read_text())
    answer = verify(signed(json.dumps(content).encode(), "attestation"), *keys, "-o", "json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    assert (said["type"], said["family"]) == ("attestation", "attestation")
    assert said["run"] == content["predicate"]["metadata"]["workflowRunID"]


def test_a_verdict_as_kubectl_prints_it_is_verified_too(keys: list[str]):
    assert verify(json.dumps(json.loads(verdict()), indent=4).encode(), *keys).code == 0


@pytest.mark.parametrize(
    ("content", "step"),
    {
        "by a key that nobody trusts": (signed(vsa.build(FACTS), "attestation"), "9 signature"),
        "PASSED, by the key for FAILED": (verdict("failed"), "9 signature"),
        "FAILED, by the key for PASSED": (verdict("passed", passed=False), "9 signature"),
        "an attestation, by the key for verdicts": (
            signed((builders.REAL / "statement.json").read_bytes(), "passed"), "9 signature"
        ),
        "neither attestation nor verdict": (
            signed(statement.to_bytes(statement.Statement(FACTS.subjects, "https://x.example/v1", {})), "passed"),
            "11 predicate type",
        ),
        "no statement": (signed(b"{}", "passed"), "10 statement"),
    }.values(),
)  # fmt: skip
def test_what_is_signed_by_the_wrong_key_or_is_of_the_wrong_type_is_not_verified(
    keys: list[str], content: bytes, step: str
):
    assert failed_step(verify(content, *keys, "-o", "json")) == step


def test_a_verdict_that_was_changed_is_not_verified(keys: list[str]):
    changed = json.loads(verdict("failed", passed=False))
    passed = json.loads(verdict())
    changed["dsseEnvelope"]["payload"] = passed["dsseEnvelope"]["payload"]
    assert failed_step(verify(json.dumps(changed).encode(), *keys, "-o", "json")) == "9 signature"


def test_levels_that_contradict_the_result_are_not_passed(keys: list[str]):
    body = json.loads(vsa.build(FACTS))
    body["predicate"]["verifiedLevels"] = ["FAILED"]
    assert verify(signed(json.dumps(body).encode(), "passed"), *keys).code == 1
    assert verify(signed(json.dumps(body).encode(), "failed"), *keys).code == 5


def test_without_the_key_of_its_family_it_is_not_verified_and_the_fix_names_the_key(keys: list[str]):
    answer = verify(verdict(), "--key", keys[5])
    assert answer.code == 1
    assert "--key passed=FILE" in answer.err
    assert verify(verdict()).code == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-n", "other"), "the namespace is shop, expected other"),
        (("--workflow", "other"), "the workflow is release, expected other"),
        (("--verifier-id", "https://other.example"), "the verifier is"),
        (("--type", "attestation"), "the type is verdict, expected attestation"),
        (("--subject", f"sha256:{'0' * 64}"), f"none of its subjects is sha256:{'0' * 64}: app.tar.gz"),
        (("--certificate-identity", "https://x.example"), "not by an attester"),
        (("--certificate-identity-regexp", ".+"), "not by an attester"),
        (("--namespace-uid", "2-3"), "the namespace's UID is 1-2, expected 2-3"),
        (
            ("--level", "AVOUCH_EVIDENCE_SIDECAR"),
            "was not verified, but AVOUCH_CONTRACT_SATISFIED, AVOUCH_EVIDENCE_CLI",
        ),
    ],
)
def test_a_verdict_about_something_else_is_not_verified(keys: list[str], arguments: tuple[str, ...], reason: str):
    answer = verify(verdict(), *keys, *arguments)
    assert answer.code == 1
    assert reason in answer.err


def test_a_verdict_about_what_was_asked_for_is_verified(keys: list[str], tmp_path: Path):
    (tmp_path / "app.tar.gz").write_bytes(b"the package")
    about = ("-n", "shop", "--workflow", "release", "--type", "verdict", "--verifier-id", FACTS.verifier_id)
    about += ("--namespace-uid", "1-2", "--level", "AVOUCH_EVIDENCE_CLI", "--level", "AVOUCH_CONTRACT_SATISFIED")
    assert verify(verdict(), *keys, *about, "--subject", str(tmp_path / "app.tar.gz")).code == 0


def test_where_a_key_of_the_server_is_asked_for_no_certificate_of_an_attester_will_do(keys: list[str]):
    answer = verify((builders.REAL / "bundle.json").read_bytes(), *keys)
    assert answer.code == 1
    assert "not signed by a key of the server" in answer.err


def test_an_attestation_of_an_attester_is_held_against_what_was_asked_for(keys: list[str]):
    content, trusted = REAL, (*TRUSTED, "--certificate-identity", "O=7de8e4a2-7443-4eb8-a50d-1ffb05586bc8")
    assert verify(content, *trusted).code == 0
    assert verify(content, *trusted, "--workflow", "build-small").code == 0
    for other in (("-n", "shop"), ("--workflow", "x"), ("--type", "verdict"), ("--verifier-id", "https://x.example")):
        assert verify(content, *trusted, *other).code == 1, other


@pytest.mark.parametrize("content", [b"", verdict()[:-40], b"{}", vsa.build(FACTS), b"\xff\xfe"])
def test_what_is_no_bundle_is_refused_for_that_and_asks_no_authority(keys: list[str], content: bytes):
    assert failed_step(verify(content, *keys, "-o", "json")) == "2 bundle"
    assert failed_step(verify(content, "-o", "json")) == "2 bundle"


def test_a_statement_is_told_apart_from_the_bundle_that_holds_it(keys: list[str]):
    assert "an in-toto statement, which nobody signed" in verify(vsa.build(FACTS), *keys).err


def test_an_authority_that_is_no_certificate_is_named(tmp_path: Path):
    (tmp_path / "ca.crt").write_text("no certificate")
    answer = verify((builders.REAL / "bundle.json").read_bytes(), "--trust", str(tmp_path / "ca.crt"))
    assert f"field: --trust {tmp_path / 'ca.crt'}" in answer.err


def test_a_time_is_not_used_where_a_key_signed_and_that_is_noted(keys: list[str]):
    answer = verify(verdict(), *keys, "--at", "2020-01-01T00:00:00Z")
    assert (answer.code, "--at was not used" in answer.err) == (0, True)


@pytest.mark.parametrize("key", ["passed", "other=x.pub", "passed=/nowhere"])
def test_a_key_that_cannot_be_read_is_a_mistake(key: str):
    answer = verify(verdict(), "--key", key)
    assert (answer.code, answer.out) == (1, "")


def test_two_keys_for_one_family_are_refused_for_one_of_them_would_not_count(keys: list[str]):
    answer = verify(verdict(), *keys, *keys)
    assert answer.code not in (0, 5)
    assert "two keys for one family" in answer.err


def test_what_verifies_and_attests_no_run_says_so(keys: list[str]):
    """All steps hold of it: the predicate's type is Chainloop's, and nothing is in it."""
    whole = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "x", "digest": {"sha256": "0" * 64}}],
        "predicateType": "chainloop.dev/attestation/v0.2",
        "predicate": {},
    }
    answer = verify(signed(json.dumps(whole).encode(), "attestation"), *keys)
    assert answer.code == 1
    assert "every step passed, but what was signed is no attestation of a run: must be an object" in answer.err
    assert "predicate.metadata" in answer.err


def test_a_verdict_that_somebody_asked_for_tells_what_it_replaces_who_asked_and_what_held_before(
    tmp_path: Path, keys: list[str]
) -> None:
    again = vsa.Reevaluation("ann", AT, "it is banned", "avouch://home/contracts/release@2", SUBJECT)
    (tmp_path / "verdict.json").write_bytes(verdict(replaces=SUBJECT, reevaluation=again))
    out = line.run("verify", str(tmp_path / "verdict.json"), *keys, "-o", "json", adapters=Offline()).out
    found = json.loads(out)
    assert {key: found[key] for key in ("replaces", "askedBy", "reason", "openedUnder")} == {
        "replaces": str(SUBJECT), "askedBy": "ann", "reason": "it is banned",
        "openedUnder": "avouch://home/contracts/release@2",
    }  # fmt: skip
    (tmp_path / "plain.json").write_bytes(verdict())
    plain = json.loads(line.run("verify", str(tmp_path / "plain.json"), *keys, "-o", "json", adapters=Offline()).out)
    assert not {"replaces", "askedBy"} & plain.keys()
