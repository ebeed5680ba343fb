"""The signed verdict."""

import json
import re
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


LEVEL = "levels: a level must not be FAILED or start with SLSA_"
WRONG: dict[str, tuple[dict[str, object], str]] = {
    "no verifier": ({"verifier_id": ""}, "verifier_id: empty"),
    "no resource": ({"resource_uri": ""}, "resource_uri: empty"),
    "no policy": ({"policy_uri": ""}, "policy_uri: empty"),
    "passed without evidence": ({"inputs": ()}, "inputs: passed without evidence"),
    "passed with no level": ({"levels": ()}, "levels: passed without a verified level"),
    "a SLSA level": ({"levels": ("SLSA_BUILD_LEVEL_3",)}, f"{LEVEL}: 'SLSA_BUILD_LEVEL_3'"),
    "a level called FAILED": ({"levels": ("AVOUCH_CONTRACT_MET", "FAILED")}, f"{LEVEL}: 'FAILED'"),
    "an empty level": ({"levels": ("",)}, f"{LEVEL}: ''"),
    "a SLSA level of a failed verdict": ({"passed": False, "levels": ("SLSA_X",)}, f"{LEVEL}: 'SLSA_X'"),
    "no subject": ({"subjects": ()}, "subject: no subject"),
    "a subject without digest": ({"subjects": (statement.ResourceDescriptor(name="x"),)}, "subject[0].digest: "),
}


@pytest.mark.parametrize(("changes", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_verdict_about_nothing_or_on_nothing_is_not_written(changes: dict[str, object], told: str) -> None:
    with pytest.raises(errors.Invalid, match=f"^{re.escape(told)}"):
        vsa.build(facts(**changes))


def test_a_failed_verdict_needs_neither_evidence_nor_levels() -> None:
    said = vsa.read(statement.parse(vsa.build(facts(passed=False, inputs=(), levels=()))))
    assert (said.passed, said.levels, said.inputs) == (False, ("FAILED",), ())


def test_a_verdict_says_when_it_was_made_and_on_what_and_without_a_version_names_none() -> None:
    fetched = vsa.InputAttestation(digests.of_bytes(b"y"), builders.NOW, "https://avouch.example/y")
    payload = vsa.build(facts(inputs=(vsa.InputAttestation(SHA, builders.NOW), fetched)))
    assert vsa.read(statement.parse(payload)) == vsa.Summary(
        passed=True,
        levels=("AVOUCH_CONTRACT_MET",),
        verifier_id="https://avouch.example/verifiers/shop/build",
        resource_uri="pkg:oci/shop",
        policy_uri="https://avouch.example/contracts/shop/release?revision=3",
        policy_digest=str(SHA),
        time_verified="2026-11-21T12:00:00Z",
        inputs=(str(SHA), str(fetched.digest)),
        subjects=(statement.named("shop", SHA),),
    )
    written = json.loads(payload)["predicate"]
    assert written["verifier"] == {"id": "https://avouch.example/verifiers/shop/build"}
    assert [each.get("uri") for each in written["inputAttestations"]] == [None, "https://avouch.example/y"]


UNREADABLE = {
    "no levels": ({"verifiedLevels": None}, "verifiedLevels: must be a list"),
    "a level that is a number": ({"verifiedLevels": ["X", 1]}, "verifiedLevels: must be text"),
    "no policy": ({"policy": None}, "policy: must be an object"),
    "a policy without a URI": ({"policy": {"digest": {"sha256": SHA.hex}}}, "policy.uri: must be text"),
    "a policy without a digest": ({"policy": {"uri": "x"}}, "policy.digest: must be an object"),
    "a policy without a sha256": ({"policy": {"uri": "x", "digest": {}}}, "policy.digest.sha256: must be text"),
    "no inputs": ({"inputAttestations": None}, "inputAttestations: must be a list"),
    "an input that is a text": ({"inputAttestations": ["x"]}, "inputAttestations: must be an object"),
    "an input without a digest": ({"inputAttestations": [{}]}, "inputAttestations.digest: must be an object"),
    "no verifier": ({"verifier": None}, "verifier: must be an object"),
    "a verifier without an id": ({"verifier": {}}, "verifier.id: must be text"),
    "no resource": ({"resourceUri": None}, "resourceUri: must be text"),
    "no time": ({"timeVerified": None}, "timeVerified: must be text"),
}


@pytest.mark.parametrize(("changes", "told"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_verdict_that_lacks_a_part_is_not_read(changes: dict[str, object], told: str) -> None:
    good = statement.parse(vsa.build(facts()))
    with pytest.raises(errors.Invalid, match=f"^{re.escape(told)}"):
        vsa.read(replace(good, predicate={**good.predicate, **changes}))


def test_only_a_clear_passed_is_passed() -> None:
    assert vsa.passed(statement.parse(vsa.build(facts())))
    assert not vsa.passed(statement.parse(vsa.build(facts(passed=False))))
    good = statement.parse(vsa.build(facts()))
    for changes in ({"verificationResult": "passed"}, {"verifiedLevels": []}, {"verifiedLevels": ["X", "FAILED"]}):
        assert not vsa.passed(replace(good, predicate={**good.predicate, **changes}))
    with pytest.raises(errors.Invalid, match=r"^predicateType: not a verdict"):
        vsa.passed(replace(good, predicate_type=predicate.TYPE))


def test_a_run_without_outputs_is_named_by_its_record() -> None:
    record = predicate.record_digest(builders.facts())
    payload = vsa.build(facts(subjects=(vsa.run_subject("build-0123456789", record),)))
    subject = statement.parse(payload).subjects[0]
    assert (subject.name, subject.sha256) == ("avouch.run.build-0123456789", record)


def test_a_verdict_that_takes_the_place_of_another_names_it_and_who_asked_why_and_what_held_before() -> None:
    old = digests.of_bytes(b"before")
    again = vsa.Reevaluation("ann", builders.NOW, "it is banned", "contract@1", SHA)
    written = vsa.build(facts(replaces=old, reevaluation=again))
    said = json.loads(written)["predicate"]
    assert said["https://avouch.dev/replaces"] == {"digest": {"sha256": old.hex}}
    assert said["https://avouch.dev/reevaluation"] == {
        "askedBy": "ann",
        "askedAt": "2026-11-21T12:00:00Z",
        "reason": "it is banned",
        "openedUnder": {"uri": "contract@1", "digest": {"sha256": SHA.hex}},
    }
    read = vsa.read(statement.parse(written))
    assert (read.replaces, read.asked_by, read.reason, read.pinned_uri) == (
        str(old),
        "ann",
        "it is banned",
        "contract@1",
    )
    plain = vsa.build(facts())
    assert (
        not {"https://avouch.dev/replaces", "https://avouch.dev/reevaluation"} & json.loads(plain)["predicate"].keys()
    )
    assert vsa.read(statement.parse(plain)).replaces == ""


@pytest.mark.parametrize(
    "field", [{"https://avouch.dev/replaces": "x"}, {"https://avouch.dev/reevaluation": {"askedBy": 1}}]
)
def test_a_verdict_that_says_otherwise_what_it_replaces_is_not_read(field: dict[str, object]) -> None:
    written = json.loads(vsa.build(facts()))
    written["predicate"] |= field
    with pytest.raises(errors.Invalid, match=r"avouch\.dev/re"):
        vsa.read(statement.parse(json.dumps(written).encode()))
