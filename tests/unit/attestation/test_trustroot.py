"""The trust root: it only grows, and nothing in it is believed for what it does not say."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from avouch import errors
from avouch.attestation import authority, keysigned, signing, trustroot

NOW = datetime(2026, 1, 12, 9, tzinfo=UTC)
LATER = NOW + timedelta(days=400)


def keys() -> dict[keysigned.Family, bytes]:
    return {family: signing.KeySigner.generate().private_key_pem() for family in keysigned.Family}


def certificate(name: str) -> bytes:
    return authority.new_authority(name, NOW, timedelta(days=30)).certificate_pem


def test_what_was_rotated_stays_listed_and_the_same_is_listed_once() -> None:
    first, second, old, new = keys(), keys(), certificate("old"), certificate("new")
    before = trustroot.Document().joined([old], first, NOW)
    after = before.joined([old + new], second, LATER)
    assert after == after.joined([new], second, LATER + timedelta(days=1)) == trustroot.Document.parse(after.to_bytes())
    assert (len(after.keys), len(after.authorities)) == (6, 2)
    assert {key.since for key in after.keys} == {"2026-01-12T09:00:00Z", "2027-02-16T09:00:00Z"}
    assert len(after.root().by_key) == 2


def test_a_bundle_is_verified_with_the_key_that_it_names_else_with_the_newest() -> None:
    first, second = keys(), keys()
    listed = trustroot.Document().joined([], first, NOW).joined([], second, LATER)
    old = signing.KeySigner.from_pem(first[keysigned.Family.PASSED])
    new = signing.KeySigner.from_pem(second[keysigned.Family.PASSED])
    assert listed.keys_for(old.keyid)[keysigned.Family.PASSED] == old.public_key_pem
    assert listed.keys_for("")[keysigned.Family.PASSED] == new.public_key_pem
    assert listed.keys_for(old.keyid)[keysigned.Family.FAILED] != old.public_key_pem


def test_no_private_key_is_listed() -> None:
    assert b"PRIVATE" not in trustroot.Document().joined([certificate("a")], keys(), NOW).to_bytes()


def altered(**changes: object) -> bytes:
    said = json.loads(trustroot.Document().joined([certificate("a")], keys(), NOW).to_bytes())
    said["keys"][0].update(changes)
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"{}", b"[]", b"-----BEGIN CERTIFICATE-----", altered(family="provenance"), altered(keyId="SHA256:x"),
        altered(publicKey="x"), altered(family=None),
        json.dumps({"mediaType": trustroot.MEDIA_TYPE, "authorities": [{"certificate": "x"}], "keys": []}).encode(),
        json.dumps({"mediaType": trustroot.MEDIA_TYPE, "authorities": [], "keys": {}}).encode(),
    ],
)  # fmt: skip
def test_what_is_no_trust_root_is_refused(content: bytes) -> None:
    with pytest.raises(errors.Invalid):
        trustroot.Document.parse(content)
