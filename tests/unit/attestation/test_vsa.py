"""The signed verdict."""

import json
from dataclasses import replace

import pytest

from avouch import digests, errors
from avouch.attestation import predicate, statement, vsa
from tests.unit.attestation import builders

SHA = digests.of_bytes(b"x")


def facts(**changes: object) -> vsa.VsaFacts:
    given = vsa.VsaFacts(
        verifier_id="https://avouch.example/verifiers/shop/build",
        time_verified=builders.NOW,
        resource_uri="pkg:oci/shop",
        policy_uri="https://avouch.example/contracts/shop/release?revision=3",
        policy_digest=SHA,
        inputs=(vsa.InputAttestation(SHA, builders.NOW),),
        passed=True,
        levels=("AVOUCH_CONTRACT_MET",),
        subjects=(statement.named("shop", SHA),),
    )
    return replace(given, **changes)  # type: ignore[arg-type]  # tests name the fields


def test_a_passed_verdict_has_every_field_the_spec_requires() -> None:
    assert json.loads(vsa.build(facts(verifier_version={"avouch": "0.1.0"}))) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "shop", "digest": {"sha256": SHA.hex}}],
        "predicateType": "https://slsa.dev/verification_summary/v1",
        "predicate": {
            "verifier": {"id": "https://avouch.example/verifiers/shop/build", "version": {"avouch": "0.1.0"}},
            "timeVerified": "2026-11-21T12:00:00Z",
            "resourceUri": "pkg:oci/shop",
            "policy": {
                "uri": "https://avouch.example/contracts/shop/release?revision=3",
                "digest": {"sha256": SHA.hex},
            },
            "inputAttestations": [
                {
                    "digest": {"sha256": SHA.hex},
                    "annotations": {"https://avouch.dev/receivedAt": "2026-11-21T12:00:00Z"},
                }
            ],
            "verificationResult": "PASSED",
            "verifiedLevels": ["AVOUCH_CONTRACT_MET"],
        },
    }


def test_a_failed_verdict_has_the_one_level_failed() -> None:
    body = json.loads(vsa.build(facts(passed=False, inputs=())))["predicate"]
    assert (body["verificationResult"], body["verifiedLevels"]) == ("FAILED", ["FAILED"])


WRONG = {
    "no verifier": {"verifier_id": ""},
    "no resource": {"resource_uri": ""},
    "no policy": {"policy_uri": ""},
    "passed without evidence": {"inputs": ()},
    "passed with no level": {"levels": ()},
    "a SLSA level": {"levels": ("SLSA_BUILD_LEVEL_3",)},
    "a level called FAILED": {"levels": ("FAILED",)},
    "an empty level": {"levels": ("",)},
    "no subject": {"subjects": ()},
    "a subject without digest": {"subjects": (statement.ResourceDescriptor(name="x"),)},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
def test_a_verdict_about_nothing_or_on_nothing_is_not_written(changes: dict[str, object]) -> None:
    with pytest.raises(errors.Invalid):
        vsa.build(facts(**changes))


def test_only_a_clear_passed_is_passed() -> None:
    assert vsa.passed(statement.parse(vsa.build(facts())))
    assert not vsa.passed(statement.parse(vsa.build(facts(passed=False))))
    good = statement.parse(vsa.build(facts()))
    for changes in ({"verificationResult": "passed"}, {"verifiedLevels": []}, {"verifiedLevels": ["X", "FAILED"]}):
        assert not vsa.passed(replace(good, predicate={**good.predicate, **changes}))
    with pytest.raises(errors.Invalid):
        vsa.passed(replace(good, predicate_type=predicate.TYPE))


def test_a_run_without_outputs_is_named_by_its_record() -> None:
    record = predicate.record_digest(builders.facts())
    payload = vsa.build(facts(subjects=(vsa.run_subject("build-0123456789", record),)))
    subject = statement.parse(payload).subjects[0]
    assert (subject.name, subject.sha256) == ("avouch.run.build-0123456789", record)
