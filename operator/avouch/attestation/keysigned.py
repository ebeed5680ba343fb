"""Believing what the server signed itself: verdicts, and its own attestation of a run. One key for each family.

`verify(bundle, keys)` runs the steps of `verification.verify_with_key`, and these around it, in this order:

1. size, 2. bundle: as in `verification`; there is a public key's hint, or nothing, in place of a certificate.
12. family: the key is the one for what the statement says. A PASSED verdict counts with the key for PASSED verdicts
    only, so whoever steals another key cannot make a build pass.

Nothing of the statement is believed before its signature is verified: until then it only says which key to take.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from avouch import digests, errors
from avouch.attestation import bundle as bundles
from avouch.attestation import predicate, statement, verification, vsa


class Family(StrEnum):
    """What a key signs."""

    ATTESTATION = "attestation"  # the server's attestation of a run
    PASSED = "passed"  # verdicts that are PASSED
    FAILED = "failed"  # all other verdicts


class Verified(NamedTuple):
    """A statement that the server signed. `keyid` is the fingerprint of its key."""

    digest: digests.Digest
    family: Family
    keyid: str
    statement: statement.Statement


def verify(bundle_bytes: bytes, keys: Mapping[Family, bytes]) -> Verified:
    """Believe a bundle that the server signed, or say at which step it fails.

    Args:
        bundle_bytes: as received.
        keys: public keys that are trusted, PEM, each for its family.

    Raises:
        NotVerified: any step failed.
    """
    if len(bundle_bytes) > bundles.MAX_BUNDLE:
        raise errors.NotVerified("1 size", f"{len(bundle_bytes)} bytes, at most {bundles.MAX_BUNDLE}")
    try:
        envelope = bundles.parse(bundle_bytes).envelope
    except errors.AvouchError as exc:
        raise errors.NotVerified("2 bundle", str(exc)) from exc
    family = _family(_claimed(envelope.payload))
    if family not in keys:
        raise errors.NotVerified("12 family", f"signed for {family}, and no key for {family} is trusted")
    wanted = predicate.TYPE if family is Family.ATTESTATION else vsa.TYPE
    found = verification.verify_with_key(envelope, keys[family], wanted)
    if _family(found.statement) is not family:
        raise errors.NotVerified("12 family", "the signed payload differs from the statement that was read before")
    return Verified(bundles.digest(bundle_bytes), family, found.keyid, found.statement)


def _claimed(payload: bytes) -> statement.Statement:
    try:
        return statement.parse(payload)
    except errors.AvouchError as exc:
        raise errors.NotVerified("10 statement", str(exc)) from exc


def _family(found: statement.Statement) -> Family:
    if found.predicate_type == predicate.TYPE:
        return Family.ATTESTATION
    if found.predicate_type != vsa.TYPE:
        raise errors.NotVerified(
            "11 predicate type", f"{found.predicate_type[:80]!r} is neither attestation nor verdict"
        )
    try:
        return Family.PASSED if vsa.passed(found) else Family.FAILED
    except errors.Invalid as exc:
        raise errors.NotVerified("10 statement", str(exc)) from exc
