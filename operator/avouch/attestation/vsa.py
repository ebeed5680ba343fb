"""The signed verdict: a SLSA verification summary (VSA) v1.

Spec: slsa.dev/spec/v1.1/verification_summary. Levels are avouch's own names and must not start with `SLSA_`; a failed
verdict has the one level `FAILED`. Each input carries the time it was received, so a claim with an expired ten-minute
certificate can still be verified at that time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from avouch import digests, errors, rfc3339
from avouch.attestation import shape, statement

TYPE = "https://slsa.dev/verification_summary/v1"
FAILED_LEVEL = "FAILED"  # the spec's only level of a failed policy
RUN_SUBJECT = "avouch.run."  # + run name: subject of a run without outputs
RECEIVED_AT = "https://avouch.dev/receivedAt"  # annotation of an input attestation, RFC 3339
REPLACES = "https://avouch.dev/replaces"  # field of a verdict that takes the place of another: that one's digest
REEVALUATION = "https://avouch.dev/reevaluation"  # field of one that somebody asked for: who, when, why


@dataclass(frozen=True, slots=True)
class InputAttestation:
    """One bundle that the verdict is based on: digest of its bytes, time of receipt, and where to fetch it."""

    digest: digests.Digest
    received_at: datetime
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Reevaluation:
    """Who had a run judged again, when and why, and the revision of the contract under which it was opened."""

    asked_by: str
    asked_at: datetime
    reason: str
    pinned_uri: str
    pinned_digest: digests.Digest


@dataclass(frozen=True, slots=True)
class VsaFacts:
    """One verdict.

    Attributes:
        verifier_id: URI of this installation, which never changes.
        time_verified: when it was judged.
        resource_uri: what was verified, as whoever checks the summary expects it (`attestation.uris`).
        policy_uri: the contract, with its own namespace, and the revision that judged.
        policy_digest: digest of the contract's canonical form.
        inputs: every attestation used, not a selection.
        passed: the verdict.
        levels: what was verified, own names; ignored when failed.
        subjects: the output materials, or `run_subject` if there are none.
        verifier_version: component name to version.
        replaces: bundle of the verdict that this one takes the place of.
        reevaluation: set where somebody asked for that.
    """

    verifier_id: str
    time_verified: datetime
    resource_uri: str
    policy_uri: str
    policy_digest: digests.Digest
    inputs: tuple[InputAttestation, ...]
    passed: bool
    levels: tuple[str, ...]
    subjects: tuple[statement.ResourceDescriptor, ...]
    verifier_version: Mapping[str, str] = field(default_factory=dict)
    replaces: digests.Digest | None = None
    reevaluation: Reevaluation | None = None


def run_subject(run: str, record: digests.Digest) -> statement.ResourceDescriptor:
    """Subject of a run that has no output: the digest of its canonical record (`predicate.record_digest`)."""
    return statement.named(f"{RUN_SUBJECT}{run}", record)


def build(facts: VsaFacts) -> bytes:
    """The payload to sign.

    Raises:
        Invalid: no verifier, resource or policy URI, no subject, passed without inputs or levels, or a level that
            starts with `SLSA_` or is `FAILED`.
    """
    _check(facts)
    verifier: dict[str, object] = {"id": facts.verifier_id}
    if facts.verifier_version:
        verifier["version"] = dict(facts.verifier_version)
    body: dict[str, object] = {
        "verifier": verifier,
        "timeVerified": rfc3339.write(facts.time_verified),
        "resourceUri": facts.resource_uri,
        "policy": {"uri": facts.policy_uri, "digest": {"sha256": facts.policy_digest.hex}},
        "inputAttestations": [_input(found) for found in facts.inputs],
        "verificationResult": "PASSED" if facts.passed else "FAILED",
        "verifiedLevels": list(facts.levels) if facts.passed else [FAILED_LEVEL],
    }
    if facts.replaces is not None:
        body[REPLACES] = {"digest": {"sha256": facts.replaces.hex}}
    if facts.reevaluation is not None:
        body[REEVALUATION] = _reevaluation(facts.reevaluation)
    return statement.to_bytes(statement.Statement(facts.subjects, TYPE, body))


def passed(parsed: statement.Statement) -> bool:
    """The verdict of a verified summary; anything but a clear PASSED is not passed.

    Raises:
        Invalid: another predicate type.
    """
    if parsed.predicate_type != TYPE:
        raise errors.Invalid(f"not a verdict: {parsed.predicate_type[:80]!r}", field="predicateType", fix=TYPE)
    levels = shape.sequence(parsed.predicate.get("verifiedLevels"), "verifiedLevels")
    return parsed.predicate.get("verificationResult") == "PASSED" and bool(levels) and FAILED_LEVEL not in levels


def received(parsed: statement.Statement) -> dict[digests.Digest, datetime]:
    """The attestations that a verified summary rests on, each with the time at which the server received it.

    Raises:
        Invalid: another predicate type, or an input without digest or time.
    """
    read(parsed)
    found = {}
    for each in shape.sequence(parsed.predicate.get("inputAttestations"), "inputAttestations"):
        fields = shape.mapping(each, "inputAttestations")
        notes = shape.mapping(fields.get("annotations"), "inputAttestations.annotations")
        at = shape.text(notes.get(RECEIVED_AT), f"inputAttestations.annotations[{RECEIVED_AT}]")
        found[digests.Digest.parse(_sha256(fields, "inputAttestations"))] = rfc3339.read(at, RECEIVED_AT)
    return found


class Summary(NamedTuple):
    """What a verified summary says."""

    passed: bool
    levels: tuple[str, ...]
    verifier_id: str
    resource_uri: str
    policy_uri: str
    policy_digest: str
    time_verified: str
    inputs: tuple[str, ...]
    subjects: tuple[statement.ResourceDescriptor, ...]
    replaces: str = ""
    asked_by: str = ""
    reason: str = ""
    pinned_uri: str = ""


def read(parsed: statement.Statement) -> Summary:
    """A verdict from a statement that was verified.

    Raises:
        Invalid: another predicate type, or a field that is missing or of the wrong type.
    """
    verdict, body = passed(parsed), parsed.predicate
    policy = shape.mapping(body.get("policy"), "policy")
    inputs = shape.sequence(body.get("inputAttestations"), "inputAttestations")
    levels = shape.sequence(body.get("verifiedLevels"), "verifiedLevels")
    again = shape.mapping(body.get(REEVALUATION, {}), REEVALUATION)
    pinned = shape.mapping(again.get("openedUnder", {}), f"{REEVALUATION}.openedUnder")
    return Summary(
        passed=verdict,
        levels=tuple(shape.text(each, "verifiedLevels") for each in levels),
        verifier_id=shape.text(shape.mapping(body.get("verifier"), "verifier").get("id"), "verifier.id"),
        resource_uri=shape.text(body.get("resourceUri"), "resourceUri"),
        policy_uri=shape.text(policy.get("uri"), "policy.uri"),
        policy_digest=_sha256(policy, "policy"),
        time_verified=shape.text(body.get("timeVerified"), "timeVerified"),
        inputs=tuple(_sha256(shape.mapping(each, "inputAttestations"), "inputAttestations") for each in inputs),
        subjects=parsed.subjects,
        replaces=_sha256(shape.mapping(body[REPLACES], REPLACES), REPLACES) if REPLACES in body else "",
        asked_by=shape.optional_text(again.get("askedBy"), f"{REEVALUATION}.askedBy"),
        reason=shape.optional_text(again.get("reason"), f"{REEVALUATION}.reason"),
        pinned_uri=shape.optional_text(pinned.get("uri"), f"{REEVALUATION}.openedUnder.uri"),
    )


def _sha256(fields: Mapping[str, object], where: str) -> str:
    found = shape.mapping(fields.get("digest"), f"{where}.digest").get("sha256")
    return f"sha256:{shape.text(found, f'{where}.digest.sha256')}"


def _reevaluation(asked: Reevaluation) -> dict[str, object]:
    return {
        "askedBy": asked.asked_by,
        "askedAt": rfc3339.write(asked.asked_at),
        "reason": asked.reason,
        "openedUnder": {"uri": asked.pinned_uri, "digest": {"sha256": asked.pinned_digest.hex}},
    }


def _check(facts: VsaFacts) -> None:
    for name in ("verifier_id", "resource_uri", "policy_uri"):
        if not getattr(facts, name):
            raise errors.Invalid("empty", field=name)
    if facts.passed and not facts.inputs:
        raise errors.Invalid("passed without evidence", field="inputs")
    if facts.passed and not facts.levels:
        raise errors.Invalid("passed without a verified level", field="levels")
    for level in facts.levels:
        if not level or level.startswith("SLSA_") or level == FAILED_LEVEL:
            raise errors.Invalid(f"a level must not be FAILED or start with SLSA_: {level[:80]!r}", field="levels")


def _input(found: InputAttestation) -> dict[str, object]:
    return statement.to_dict(
        statement.ResourceDescriptor(
            uri=found.uri,
            digest={"sha256": found.digest.hex},
            annotations={RECEIVED_AT: rfc3339.write(found.received_at)},
        )
    )
