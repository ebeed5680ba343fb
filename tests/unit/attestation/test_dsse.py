"""Envelopes and bundles: strict outside, exact inside."""

import json
import re

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


NOT_BASE64, NOT_CANONICAL = "payload: not base64", "payload: not canonical base64"
BAD: dict[str, tuple[dict[str, object], str]] = {
    "no signatures": ({"signatures": []}, "signatures: no signatures"),
    "signatures missing": ({"signatures": None}, "signatures: must be a list"),
    "signatures not a list": ({"signatures": {}}, "signatures: must be a list"),
    "nine signatures": ({"signatures": [{"sig": "AAEC"}] * 9}, "signatures: 9 signatures, at most 8"),
    "a signature that is a text": ({"signatures": ["AAEC"]}, "signatures[0]: must be an object"),
    "an empty signature": ({"signatures": [{"sig": ""}]}, "signatures[0].sig: an empty signature"),
    "a signature that is a number": ({"signatures": [{"sig": 1}]}, "signatures[0].sig: must be text"),
    "a signature over 1 KiB": ({"signatures": [{"sig": "A" * 1500}]}, "signatures[0].sig: a signature of 1125 bytes"),
    "a keyid that is a number": ({"signatures": [{"sig": "AAEC", "keyid": 1}]}, "signatures[0].keyid: must be text"),
    "payload missing": ({"payload": None}, "payload: must be text"),
    "payload with a newline": ({"payload": "e30\n="}, NOT_BASE64),
    "payload without padding": ({"payload": "e30"}, NOT_BASE64),
    "payload with surplus padding": ({"payload": "e30=="}, NOT_BASE64),
    "payload with trailing bits": ({"payload": "e31="}, NOT_CANONICAL),
    "payload with junk": ({"payload": "e!30="}, NOT_BASE64),
    "payload URL-safe": ({"payload": "-_-_"}, NOT_BASE64),
    "payload not ASCII": ({"payload": "é30="}, NOT_BASE64),
    "payload type missing": ({"payloadType": None}, "payloadType: must be text"),
    "payload type not text": ({"payloadType": 5}, "payloadType: must be text"),
}


@pytest.mark.parametrize(("changes", "told"), BAD.values(), ids=BAD.keys())
def test_a_malformed_envelope_is_refused_where_it_is_malformed(changes: dict[str, object], told: str) -> None:
    with pytest.raises(errors.Invalid, match=f"^{re.escape('envelope.' + told)}"):
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
    with pytest.raises(errors.Invalid, match="either a certificate or a key hint"):
        bundle.to_bytes(bundle.Bundle(signed()))
    with pytest.raises(errors.Invalid, match="either a certificate or a key hint"):
        bundle.to_bytes(bundle.Bundle(signed(), certificate=b"x", key_hint="y"))


def test_a_bundle_with_no_or_two_signatures_is_not_written() -> None:
    one = signed()
    for signatures in ((), one.signatures * 2):
        with pytest.raises(errors.Invalid, match="exactly one signature"):
            bundle.to_bytes(bundle.Bundle(dsse.Envelope("t", b"", signatures), certificate=b"x"))


def test_a_key_hint_that_contradicts_the_keyid_is_refused_both_ways() -> None:
    whole = signed()
    with pytest.raises(errors.Invalid, match="the key hint differs"):
        bundle.to_bytes(bundle.Bundle(whole, key_hint="other"))
    fields = json.loads(bundle.to_bytes(bundle.Bundle(whole, key_hint=whole.signatures[0].keyid)))
    fields["verificationMaterial"]["publicKey"]["hint"] = "other"
    with pytest.raises(errors.Invalid, match="the key hint differs"):
        bundle.parse(json.dumps(fields).encode())
    fields["dsseEnvelope"]["signatures"][0].pop("keyid")
    assert bundle.parse(json.dumps(fields).encode()).key_hint == "other"


def test_a_bundle_that_says_nothing_of_its_signer_is_read_and_names_nobody() -> None:
    fields = json.loads(bundle.to_bytes(bundle.Bundle(signed(), certificate=b"x")))
    for material in (None, {}, {"certificate": None, "publicKey": None, "x509CertificateChain": None}):
        read = bundle.parse(json.dumps({**fields, "verificationMaterial": material}).encode())
        assert (read.certificate, read.key_hint) == (None, "")
    del fields["verificationMaterial"]
    assert bundle.parse(json.dumps(fields).encode()).certificate is None


def test_a_certificate_has_at_most_sixteen_kibibytes() -> None:
    for more in (0, 1):
        given = bundle.Bundle(signed(), certificate=b"c" * (bundle.MAX_CERTIFICATE + more))
        if more:
            with pytest.raises(errors.TooLarge, match="a certificate of 16385 bytes"):
                bundle.parse(bundle.to_bytes(given))
        else:
            assert bundle.parse(bundle.to_bytes(given)) == given


def test_what_is_no_bundle_is_told_from_a_statement_that_nobody_signed() -> None:
    for data, told in ((b"{}", "JSON, but no Sigstore bundle"), (b'{"_type":"x"}', "an in-toto statement")):
        with pytest.raises(errors.Invalid, match=f"^bundle.mediaType: this is {told}"):
            bundle.parse(data)


AT = "bundle.verificationMaterial"
BAD_BUNDLES: dict[str, tuple[dict[str, object], str]] = {
    "unknown media type": (
        {"mediaType": "application/vnd.dev.sigstore.bundle.v0.1+json"},
        "bundle.mediaType: unknown media type",
    ),
    "media type that is a number": ({"mediaType": 1}, "bundle.mediaType: must be text"),
    "media type missing": ({"mediaType": None}, "bundle.mediaType: this is JSON"),
    "a chain": (
        {"verificationMaterial": {"x509CertificateChain": {"certificates": []}}},
        f"{AT}: v0.3 contains the leaf certificate only",
    ),
    "certificate and key": (
        {"verificationMaterial": {"certificate": {"rawBytes": "MAA="}, "publicKey": {"hint": "x"}}},
        f"{AT}: both a certificate and a public key",
    ),
    "a certificate that is a text": (
        {"verificationMaterial": {"certificate": "MAA="}},
        f"{AT}.certificate: must be an",
    ),
    "a certificate without bytes": (
        {"verificationMaterial": {"certificate": {}}},
        f"{AT}.certificate.rawBytes: must be text",
    ),
    "a certificate that is not base64": (
        {"verificationMaterial": {"certificate": {"rawBytes": "?"}}},
        f"{AT}.certificate.rawBytes: not base64",
    ),
    "a key that is a text": ({"verificationMaterial": {"publicKey": "x"}}, f"{AT}.publicKey: must be an object"),
    "a hint that is a number": (
        {"verificationMaterial": {"publicKey": {"hint": 1}}},
        f"{AT}.publicKey.hint: must be text",
    ),
    "material that is a list": ({"verificationMaterial": []}, f"{AT}: must be an object"),
    "no envelope": ({"dsseEnvelope": None}, "bundle.dsseEnvelope: must be an object"),
}


@pytest.mark.parametrize(("changes", "told"), BAD_BUNDLES.values(), ids=BAD_BUNDLES.keys())
def test_a_malformed_bundle_is_refused_where_it_is_malformed(changes: dict[str, object], told: str) -> None:
    fields = {**json.loads(bundle.to_bytes(bundle.Bundle(signed(), certificate=b"x"))), **changes}
    with pytest.raises(errors.Invalid, match=f"^{re.escape(told)}"):
        bundle.parse(json.dumps({key: value for key, value in fields.items() if value is not None}).encode())


def test_chainloops_older_media_type_is_read() -> None:
    read = bundle.parse((builders.CHAINLOOP / "bundle.json").read_bytes())
    assert read.certificate is not None
    assert json.loads(read.envelope.payload) == json.loads((builders.CHAINLOOP / "statement.json").read_bytes())
