"""Envelopes and bundles: strict outside, exact inside."""

import json

import pytest

from avouch import digests, errors
from avouch.attestation import bundle, dsse, signing, strictbase64
from tests.unit.attestation import builders

GOOD = {"payloadType": dsse.IN_TOTO, "payload": "e30=", "signatures": [{"sig": "AAEC"}]}


def envelope(**changes: object) -> bytes:
    return json.dumps({key: value for key, value in {**GOOD, **changes}.items() if value is not None}).encode()


def test_an_envelope_survives_writing_and_reading() -> None:
    given = dsse.Envelope("t", b"\x00\xff", (dsse.Signature(b"\x01", "SHA256:x"), dsse.Signature(b"\x02")))
    assert dsse.parse(dsse.to_bytes(given)) == given


def test_an_empty_keyid_is_not_written() -> None:
    assert dsse.to_dict(dsse.parse(envelope(signatures=[{"sig": "AAEC", "keyid": ""}])))["signatures"] == [
        {"sig": "AAEC"}
    ]


def test_unknown_fields_of_later_versions_are_ignored() -> None:
    assert dsse.parse(envelope(extra=1)).payload == b"{}"


BAD = {
    "no signatures": {"signatures": []},
    "signatures missing": {"signatures": None},
    "signatures not a list": {"signatures": {}},
    "nine signatures": {"signatures": [{"sig": "AAEC"}] * 9},
    "an empty signature": {"signatures": [{"sig": ""}]},
    "a signature that is a number": {"signatures": [{"sig": 1}]},
    "a signature over 1 KiB": {"signatures": [{"sig": "A" * 1500}]},
    "a keyid that is a number": {"signatures": [{"sig": "AAEC", "keyid": 1}]},
    "payload missing": {"payload": None},
    "payload with a newline": {"payload": "e30\n="},
    "payload without padding": {"payload": "e30"},
    "payload with surplus padding": {"payload": "e30=="},
    "payload with trailing bits": {"payload": "e31="},
    "payload with junk": {"payload": "e!30="},
    "payload URL-safe": {"payload": "-_-_"},
    "payload not ASCII": {"payload": "é30="},
    "payload type missing": {"payloadType": None},
    "payload type not text": {"payloadType": 5},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
def test_a_malformed_envelope_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(errors.Invalid):
        dsse.parse(envelope(**changes))


def test_an_envelope_may_have_eight_signatures_of_a_kibibyte() -> None:
    longest = strictbase64.encode(b"s" * dsse.MAX_SIGNATURE)
    assert len(dsse.parse(envelope(signatures=[{"sig": longest}] * 8)).signatures) == 8
    with pytest.raises(errors.TooLarge):
        dsse.parse(envelope(signatures=[{"sig": strictbase64.encode(b"s" * (dsse.MAX_SIGNATURE + 1))}]))


def test_a_ten_megabyte_envelope_is_refused() -> None:
    with pytest.raises(errors.TooLarge):
        dsse.parse(envelope(payload="A" * 10_000_000))


def test_errors_name_the_field() -> None:
    with pytest.raises(errors.Invalid) as caught:
        dsse.parse(envelope(signatures=[{"sig": "AAEC"}, {"sig": "A"}]))
    assert caught.value.field == "envelope.signatures[1].sig"


def test_the_one_accepted_base64_is_what_we_write() -> None:
    assert strictbase64.decode(strictbase64.encode(b"\xfb\xff"), "x") == b"\xfb\xff"


def signed() -> dsse.Envelope:
    return signing.sign_envelope(signing.KeySigner.generate(), dsse.IN_TOTO, b"{}")


def test_a_bundle_is_written_with_the_v03_media_type_and_the_leaf_only() -> None:
    written = json.loads(bundle.to_bytes(bundle.Bundle(signed(), certificate=b"\x30\x00")))
    assert written["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert written["verificationMaterial"] == {"certificate": {"rawBytes": "MAA="}}


def test_a_bundle_by_key_carries_the_keyid_as_hint() -> None:
    whole = signed()
    data = bundle.to_bytes(bundle.Bundle(whole, key_hint=whole.signatures[0].keyid))
    assert bundle.parse(data).key_hint == whole.signatures[0].keyid
    assert bundle.digest(data) == digests.of_bytes(data)


def test_a_bundle_without_signer_or_with_two_is_not_written() -> None:
    with pytest.raises(errors.Invalid):
        bundle.to_bytes(bundle.Bundle(signed()))
    with pytest.raises(errors.Invalid):
        bundle.to_bytes(bundle.Bundle(signed(), certificate=b"x", key_hint="y"))


def test_a_bundle_with_two_signatures_is_not_written() -> None:
    one = signed()
    two = dsse.Envelope(one.payload_type, one.payload, one.signatures * 2)
    with pytest.raises(errors.Invalid, match="exactly one"):
        bundle.to_bytes(bundle.Bundle(two, certificate=b"x"))


def test_a_key_hint_that_contradicts_the_keyid_is_refused_both_ways() -> None:
    whole = signed()
    with pytest.raises(errors.Invalid):
        bundle.to_bytes(bundle.Bundle(whole, key_hint="other"))
    fields = json.loads(bundle.to_bytes(bundle.Bundle(whole, key_hint=whole.signatures[0].keyid)))
    fields["verificationMaterial"]["publicKey"]["hint"] = "other"
    with pytest.raises(errors.Invalid):
        bundle.parse(json.dumps(fields).encode())


BAD_BUNDLES = {
    "unknown media type": {"mediaType": "application/vnd.dev.sigstore.bundle.v0.1+json"},
    "media type missing": {"mediaType": None},
    "a chain": {"verificationMaterial": {"x509CertificateChain": {"certificates": []}}},
    "certificate and key": {"verificationMaterial": {"certificate": {"rawBytes": "MAA="}, "publicKey": {"hint": "x"}}},
    "a certificate that is not base64": {"verificationMaterial": {"certificate": {"rawBytes": "?"}}},
    "a certificate of 20 KB": {"verificationMaterial": {"certificate": {"rawBytes": "A" * 28_000}}},
    "material that is a list": {"verificationMaterial": []},
    "no envelope": {"dsseEnvelope": None},
}


@pytest.mark.parametrize("changes", BAD_BUNDLES.values(), ids=BAD_BUNDLES.keys())
def test_a_malformed_bundle_is_refused(changes: dict[str, object]) -> None:
    fields = {**json.loads(bundle.to_bytes(bundle.Bundle(signed(), certificate=b"x"))), **changes}
    with pytest.raises(errors.Invalid):
        bundle.parse(json.dumps({key: value for key, value in fields.items() if value is not None}).encode())


def test_chainloops_older_media_type_is_read() -> None:
    read = bundle.parse((builders.CHAINLOOP / "bundle.json").read_bytes())
    assert read.certificate is not None
    assert json.loads(read.envelope.payload) == json.loads((builders.CHAINLOOP / "statement.json").read_bytes())
