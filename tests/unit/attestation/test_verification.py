"""Every way to say yes wrongly."""

import dataclasses
import json
import re
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from avouch import errors
from avouch.attestation import (
    authority,
    bundle,
    dsse,
    identity,
    predicate,
    signing,
    statement,
    strictbase64,
    trust,
    verification,
    vsa,
)
from tests.unit.attestation import builders
from tests.unit.attestation.builders import NOW, POD, Pki


@pytest.fixture(scope="module")
def pki() -> Pki:
    return builders.pki()


def refuse(
    pki: Pki,
    data: bytes,
    *,
    expected: identity.Identity | None = POD,
    at: datetime = NOW,
    roots: trust.TrustRoot | None = None,
    told: str = "step ",
) -> str:
    """The step at which verification fails; it must fail, for the reason that is given."""
    with pytest.raises(errors.NotVerified, match=re.escape(told)) as caught:
        verification.verify(data, roots or pki.trust, expected, at)
    return caught.value.step


def edited(data: bytes, path: list[str | int], value: object) -> bytes:
    whole = json.loads(data)
    place = whole
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(whole).encode()


def test_what_our_sidecar_signs_verifies(pki: Pki) -> None:
    data = pki.bundle()
    found = verification.verify(data, pki.trust, POD, NOW)
    assert found.pod == POD
    assert found.digest == bundle.digest(data)
    assert found.verified_at == NOW
    assert predicate.read(found.statement) == builders.facts()
    assert bytes.fromhex(found.authority_key) == trust.authority_key(pki.ca.certificate)


def test_chainloops_own_bundle_verifies_with_its_ca() -> None:
    data = (builders.CHAINLOOP / "bundle.json").read_bytes()
    roots = trust.TrustRoot.from_pems([(builders.CHAINLOOP / "ca.crt.pem").read_bytes()])
    leaf = x509.load_der_x509_certificate(bundle.parse(data).certificate or b"")
    found = verification.verify(data, roots, None, leaf.not_valid_before_utc)
    assert (found.uris, found.pod) == ((), None)
    assert predicate.read(found.statement).metadata.workflow_name == "build-small"


def test_chainloops_bundle_is_not_believed_to_be_a_pod_of_ours() -> None:
    data = (builders.CHAINLOOP / "bundle.json").read_bytes()
    roots = trust.TrustRoot.from_pems([(builders.CHAINLOOP / "ca.crt.pem").read_bytes()])
    with pytest.raises(errors.NotVerified, match="8 identity"):
        verification.verify(data, roots, POD, NOW - timedelta(minutes=50))


def test_a_verified_value_cannot_be_made_or_edited_elsewhere(pki: Pki) -> None:
    good = verification.verify(pki.bundle(), pki.trust, POD, NOW)
    with pytest.raises(TypeError, match="may create verified values"):
        verification.VerifiedAttestation(
            good.digest, good.statement, good.uris, good.pod, good.authority_key, NOW, good.payload, made_here=None
        )
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(good, pod=None)
    with pytest.raises(TypeError, match="may create verified values"):
        verification.VerifiedStatement(good.statement, "", made_here=object())


# 1-4: the outside


def test_a_ten_megabyte_body_is_refused_before_it_is_read(pki: Pki) -> None:
    assert refuse(pki, b"{" + b" " * 10_000_000) == "1 size"


def test_a_bundle_has_as_many_bytes_as_it_may_and_not_one_more(pki: Pki) -> None:
    data = pki.bundle().ljust(bundle.MAX_BUNDLE)
    assert verification.verify(data, pki.trust, POD, NOW).pod == POD
    assert refuse(pki, data + b" ") == "1 size"


def signed_with(pki: Pki, algorithm: hashes.HashAlgorithm) -> bytes:
    """The leaf again, signed with another hash."""
    whole = x509.load_pem_x509_certificate(pki.leaf)
    builder = (
        x509.CertificateBuilder().subject_name(whole.subject).issuer_name(whole.issuer)
        .public_key(whole.public_key()).serial_number(whole.serial_number)
        .not_valid_before(whole.not_valid_before_utc).not_valid_after(whole.not_valid_after_utc)
    )  # fmt: skip
    for one in whole.extensions:
        builder = builder.add_extension(one.value, one.critical)
    return builder.sign(pki.ca.key, algorithm).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_an_authority_signs_with_any_sha_2(pki: Pki, algorithm: hashes.HashAlgorithm) -> None:
    data = pki.bundle(leaf=signed_with(pki, algorithm))
    assert verification.verify(data, pki.trust, POD, NOW).pod == POD


@pytest.mark.parametrize("algorithm", [hashes.SHA224(), hashes.SHA3_256()])
def test_an_authority_signs_with_no_other_hash(pki: Pki, algorithm: hashes.HashAlgorithm) -> None:
    data = pki.bundle(leaf=signed_with(pki, algorithm))
    assert refuse(pki, data, told="not signed with SHA-2") == "5 chain"


def test_an_authority_with_an_rsa_key_is_believed_as_any_other(pki: Pki) -> None:
    key, whole = rsa.generate_private_key(65537, 2048), pki.ca.certificate
    made = (
        x509.CertificateBuilder().subject_name(whole.subject).issuer_name(whole.issuer).public_key(key.public_key())
        .serial_number(1).not_valid_before(whole.not_valid_before_utc).not_valid_after(whole.not_valid_after_utc)
    )  # fmt: skip
    for one in whole.extensions:
        made = made.add_extension(one.value, one.critical)
    ca = made.sign(key, hashes.SHA256())
    leaf = builders.raw_leaf(ca, key, pki.signer.key.public_key())  # type: ignore[arg-type]  # signs alike
    trusted = trust.TrustRoot.from_pems([ca.public_bytes(serialization.Encoding.PEM)])
    assert verification.verify(pki.bundle(leaf=leaf), trusted, POD, NOW).pod == POD


def test_junk_is_not_a_bundle(pki: Pki) -> None:
    for data in (b"", b"junk", b"[]", b"null", b"\xef\xbb\xbf" + pki.bundle(), b"[" * 100_000):
        assert refuse(pki, data) == "2 bundle"


def test_duplicate_keys_are_refused_before_anything_is_believed(pki: Pki) -> None:
    data = pki.bundle()
    assert refuse(pki, b'{"mediaType":"x",' + data[1:], told="duplicate key 'mediaType'") == "2 bundle"


def test_a_bare_envelope_is_not_a_bundle(pki: Pki) -> None:
    assert (
        refuse(pki, dsse.to_bytes(bundle.parse(pki.bundle()).envelope), told="this is JSON, but no Sigstore bundle")
        == "2 bundle"
    )


def test_junk_base64_is_refused(pki: Pki) -> None:
    for path in (
        ["dsseEnvelope", "payload"],
        ["dsseEnvelope", "signatures", 0, "sig"],
        ["verificationMaterial", "certificate", "rawBytes"],
    ):
        assert refuse(pki, edited(pki.bundle(), path, "e30\n=")) == "2 bundle"


def test_no_signature_is_not_a_signature(pki: Pki) -> None:
    assert refuse(pki, edited(pki.bundle(), ["dsseEnvelope", "signatures"], []), told="no signatures") == "2 bundle"


def test_two_signatures_are_refused_even_when_both_are_good(pki: Pki) -> None:
    data = pki.bundle()
    twice = json.loads(data)["dsseEnvelope"]["signatures"] * 2
    assert (
        refuse(pki, edited(data, ["dsseEnvelope", "signatures"], twice), told="2 signatures, exactly one is accepted")
        == "3 one signature"
    )


def test_no_certificate_means_nobody_signed(pki: Pki) -> None:
    assert (
        refuse(pki, edited(pki.bundle(), ["verificationMaterial"], {}), told="no certificate, so the signer is unknown")
        == "2 bundle"
    )
    assert (
        refuse(
            pki,
            edited(pki.bundle(), ["verificationMaterial"], {"publicKey": {"hint": "k"}}),
            told="no certificate, so the signer is unknown",
        )
        == "2 bundle"
    )


def test_a_certificate_that_is_junk_is_refused(pki: Pki) -> None:
    for junk in (b"", b"junk", b"\x30\x82\xff\xff", builders.der(pki.leaf) + b"\x00", builders.der(pki.leaf)[:-1]):
        path: list[str | int] = ["verificationMaterial", "certificate", "rawBytes"]
        assert refuse(pki, edited(pki.bundle(), path, strictbase64.encode(junk))) == "2 bundle"


def test_another_payload_type_is_refused_although_it_is_signed(pki: Pki) -> None:
    assert (
        refuse(
            pki,
            pki.bundle(payload_type="application/json"),
            told="'application/json' instead of 'application/vnd.in-toto+json'",
        )
        == "4 payload type"
    )


# 5: the chain


def test_an_unknown_authority_is_not_trusted(pki: Pki) -> None:
    other = builders.pki()
    assert refuse(pki, other.bundle(), told="no trusted authority issued this certificate") == "5 chain"


def test_an_authority_that_only_claims_the_trusted_name_and_key_identifier_is_not_trusted(pki: Pki) -> None:
    impostor = ec.generate_private_key(ec.SECP256R1())
    leaf = builders.raw_leaf(pki.ca.certificate, impostor, pki.signer.key.public_key())
    assert refuse(pki, pki.bundle(leaf=leaf), told="the signature does not match") == "5 chain"


def test_a_self_signed_leaf_is_not_trusted(pki: Pki) -> None:
    own = authority.new_authority("avouch test", NOW, timedelta(hours=1))
    leaf = builders.raw_leaf(own.certificate, own.key, pki.signer.key.public_key())
    assert refuse(pki, pki.bundle(leaf=leaf), told="no trusted authority issued this certificate") == "5 chain"


def test_a_leaf_whose_trusted_authority_signed_it_over_a_weak_digest_is_refused(pki: Pki) -> None:
    def of(hashed: hashes.SHA224 | hashes.SHA384) -> bytes:
        return builders.raw_leaf(pki.ca.certificate, pki.ca.key, pki.signer.key.public_key(), hashed=hashed)

    assert verification.verify(pki.bundle(leaf=of(hashes.SHA384())), pki.trust, POD, NOW)
    for weak in (of(hashes.SHA224()), builders.with_sha1(pki.leaf, pki.ca.key)):
        with pytest.raises(errors.NotVerified, match="step 5 chain: the certificate is not signed with SHA-2"):
            verification.verify(pki.bundle(leaf=weak), pki.trust, POD, NOW)


def test_a_leaf_that_names_no_authority_is_refused(pki: Pki) -> None:
    leaf = builders.raw_leaf(
        pki.ca.certificate, pki.ca.key, pki.signer.key.public_key(), leave_out=(x509.AuthorityKeyIdentifier,)
    )
    assert refuse(pki, pki.bundle(leaf=leaf)) == "5 chain"


def test_a_leaf_of_a_leaf_is_refused(pki: Pki) -> None:
    issuer = x509.load_pem_x509_certificate(pki.leaf)
    other = signing.KeySigner.generate()
    leaf = builders.raw_leaf(issuer, pki.signer.key, other.key.public_key())
    assert (
        refuse(
            pki,
            dataclasses.replace(pki, signer=other, leaf=leaf).bundle(),
            told="no trusted authority issued this certificate",
        )
        == "5 chain"
    )


def test_a_certificate_without_extensions_is_refused(pki: Pki) -> None:
    bare = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(pki.ca.certificate.subject)
        .public_key(pki.signer.key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(minutes=1))
        .sign(pki.ca.key, hashes.SHA256())
    )
    assert refuse(pki, pki.bundle(leaf=bare.public_bytes(serialization.Encoding.PEM))) == "5 chain"


def test_old_and_new_authority_are_both_believed_during_a_rotation(pki: Pki) -> None:
    new = builders.pki()
    roots = trust.TrustRoot.from_pems([pki.ca.certificate_pem + new.ca.certificate_pem])
    for each in (pki, new):
        assert verification.verify(each.bundle(), roots, POD, NOW).pod == POD
    after = trust.TrustRoot.from_pems([new.ca.certificate_pem])
    assert refuse(pki, pki.bundle(), roots=after, told="no trusted authority issued this certificate") == "5 chain"


def renewed(ca: authority.Authority, start: datetime, name: x509.Name | None = None) -> authority.Authority:
    """The same authority with another certificate of the same key, valid for an hour."""
    made = (
        x509.CertificateBuilder()
        .subject_name(name or ca.certificate.subject)
        .issuer_name(name or ca.certificate.subject)
        .public_key(ca.key.public_key())
        .serial_number(2)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(hours=1))
    )
    for extension in ca.certificate.extensions:
        made = made.add_extension(extension.value, extension.critical)
    return authority.Authority(made.sign(ca.key, hashes.SHA256()), ca.key)


def test_a_renewed_authority_is_believed_for_old_and_new_leaves_alike(pki: Pki) -> None:
    ca, later = authority.new_authority("avouch", NOW, timedelta(hours=1)), NOW + timedelta(minutes=50)
    new = renewed(ca, later)
    for roots in ([ca, new], [new, ca]):
        trusted = trust.TrustRoot.from_pems([each.certificate_pem for each in roots])
        for issuer, at in ((ca, NOW), (new, later + timedelta(minutes=30))):
            leaf = authority.issue(issuer, signing.csr(pki.signer, "x"), POD, at)
            assert verification.verify(pki.bundle(leaf=leaf), trusted, POD, at).pod == POD


# 6: time


def test_sixty_seconds_of_clock_skew_are_forgiven_and_not_one_more(pki: Pki) -> None:
    leaf = x509.load_pem_x509_certificate(pki.leaf)
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    minute, second = timedelta(seconds=60), timedelta(seconds=1)
    for at in (start - minute, end + minute):
        assert verification.verify(pki.bundle(), pki.trust, POD, at)
    for at, told in ((start - minute - second, "is not valid yet"), (end + minute + second, "has expired")):
        assert refuse(pki, pki.bundle(), at=at, told=f"the certificate {told}") == "6 time"


def test_an_expired_authority_is_not_believed(pki: Pki) -> None:
    ca = authority.new_authority("short", NOW, timedelta(minutes=2))
    key = pki.signer.key.public_key()
    short = dataclasses.replace(pki, ca=ca, leaf=builders.raw_leaf(ca.certificate, ca.key, key))
    assert verification.verify(short.bundle(), short.trust, POD, NOW)
    assert refuse(short, short.bundle(), at=NOW + timedelta(minutes=4), told="the authority has expired") == "6 time"


def test_of_authorities_with_one_key_and_several_names_the_one_that_the_leaf_names_counts(pki: Pki) -> None:
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "renamed")])
    new = renewed(pki.ca, pki.ca.certificate.not_valid_before_utc, named)
    for roots in ([pki.ca, new], [new, pki.ca]):
        trusted = trust.TrustRoot.from_pems([each.certificate_pem for each in roots])
        assert verification.verify(pki.bundle(), trusted, POD, NOW).pod == POD
    alone = trust.TrustRoot.from_pems([new.certificate_pem])
    assert refuse(pki, pki.bundle(), roots=alone, told="no trusted authority issued this certificate") == "5 chain"


def test_between_two_certificates_of_an_authority_it_is_not_believed(pki: Pki) -> None:
    old = authority.new_authority("short", NOW, timedelta(minutes=2))
    new = renewed(old, NOW + timedelta(minutes=8))
    leaf = builders.raw_leaf(old.certificate, old.key, pki.signer.key.public_key())
    for roots in ([old, new], [new, old]):
        trusted = trust.TrustRoot.from_pems([each.certificate_pem for each in roots])
        with pytest.raises(errors.NotVerified, match="6 time"):
            verification.verify(pki.bundle(leaf=leaf), trusted, POD, NOW + timedelta(minutes=5))


def test_an_authority_is_believed_to_the_last_second_of_one_certificate_and_from_the_first_of_the_next(
    pki: Pki,
) -> None:
    old = authority.new_authority("short", NOW, timedelta(minutes=2))
    new = renewed(old, NOW + timedelta(minutes=8))
    leaf = builders.raw_leaf(old.certificate, old.key, pki.signer.key.public_key())
    for roots in ([old, new], [new, old]):
        trusted = trust.TrustRoot.from_pems([each.certificate_pem for each in roots])
        for at in (old.certificate.not_valid_after_utc, new.certificate.not_valid_before_utc):
            assert verification.verify(pki.bundle(leaf=leaf), trusted, POD, at).pod == POD


def test_a_time_without_a_zone_is_not_a_time(pki: Pki) -> None:
    assert refuse(pki, pki.bundle(), at=NOW.replace(tzinfo=None)) == "6 time"


# 7: use


def test_a_ca_certificate_is_not_a_leaf(pki: Pki) -> None:
    signer = signing.KeySigner(pki.ca.key)
    ca_as_leaf = dataclasses.replace(pki, signer=signer, leaf=pki.ca.certificate_pem)
    assert (
        refuse(pki, ca_as_leaf.bundle(), expected=None, told="a CA certificate signs certificates, not attestations")
        == "7 use"
    )


def test_a_serving_certificate_of_the_same_authority_signs_nothing(pki: Pki) -> None:
    pem, key = authority.serving_certificate(pki.ca, ["avouch.svc"], [], NOW, timedelta(days=1))
    server = dataclasses.replace(pki, signer=signing.KeySigner.from_pem(key), leaf=pem)
    assert refuse(pki, server.bundle(), expected=None, told="extendedKeyUsage lacks codeSigning") == "7 use"


CODE = "extendedKeyUsage lacks codeSigning"
MISUSES = {
    "no keyUsage": ({"leave_out": (x509.KeyUsage,)}, "ExtensionNotFound"),
    "keyUsage without digitalSignature": (
        {"instead": ((x509.KeyUsage(False, False, True, False, False, False, False, False, False), True),)},
        "keyUsage lacks digitalSignature",
    ),
    "no extendedKeyUsage": ({"leave_out": (x509.ExtendedKeyUsage,)}, "ExtensionNotFound"),
    "extendedKeyUsage for clients": (
        {"instead": ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),)},
        CODE,
    ),
    "extendedKeyUsage for anything": (
        {"instead": ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False),)},
        CODE,
    ),
    "basicConstraints CA:TRUE": (
        {"instead": ((x509.BasicConstraints(ca=True, path_length=None), True),)},
        "a CA certificate signs certificates",
    ),
    "an unknown critical extension": (
        {"instead": ((x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),)},
        "unknown critical extension 1.2.3.4",
    ),
}


@pytest.mark.parametrize(("changes", "told"), MISUSES.values(), ids=MISUSES.keys())
def test_a_certificate_for_another_use_signs_nothing(pki: Pki, changes: dict[str, tuple], told: str) -> None:
    leaf = builders.raw_leaf(pki.ca.certificate, pki.ca.key, pki.signer.key.public_key(), **changes)
    assert refuse(pki, pki.bundle(leaf=leaf), told=told) == "7 use"


def test_an_unknown_extension_that_is_not_critical_is_no_harm(pki: Pki) -> None:
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    key = pki.signer.key.public_key()
    leaf = builders.raw_leaf(pki.ca.certificate, pki.ca.key, key, instead=((unknown, False),))
    assert verification.verify(pki.bundle(leaf=leaf), pki.trust, POD, NOW).pod == POD


def test_a_p_384_key_signs_nothing(pki: Pki) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    leaf = builders.raw_leaf(pki.ca.certificate, pki.ca.key, key.public_key())
    payload = predicate.build(builders.facts())
    sig = key.sign(dsse.pae(dsse.IN_TOTO, payload), ec.ECDSA(hashes.SHA256()))
    envelope = dsse.Envelope(dsse.IN_TOTO, payload, (dsse.Signature(sig),))
    assert (
        refuse(
            pki, bundle.to_bytes(bundle.Bundle(envelope, certificate=builders.der(leaf))), told="not an ECDSA P-256 key"
        )
        == "7 use"
    )


# 8: identity


@pytest.mark.parametrize("field", ["namespace", "service_account", "pod_uid", "task_run_uid"])
def test_another_identity_is_refused_whichever_part_differs(pki: Pki, field: str) -> None:
    other = dataclasses.replace(POD, **{field: "other"})
    said = f"signed by {', '.join(POD.uris())}, expected {', '.join(other.uris())}"
    assert refuse(pki, pki.bundle(), expected=other, told=said) == "8 identity"


def test_a_token_is_not_a_pod(pki: Pki) -> None:
    token = identity.TokenIdentity("shop", "ci", "1")
    assert refuse(pki, pki.bundle(), expected=token) == "8 identity"
    leaf = authority.issue(pki.ca, signing.csr(pki.signer, "ci"), token, NOW)
    found = verification.verify(pki.bundle(leaf=leaf), pki.trust, token, NOW)
    assert (found.pod, found.uris) == (None, token.uris())


def uris(*names: str) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return ((x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name) for name in names]), True),)


ODD_NAMES = {
    "only the service account": uris(POD.uris()[0]),
    "the URIs in another order": uris(*reversed(POD.uris())),
    "one more URI": uris(*POD.uris(), "https://example.com"),
    "a DNS name beside the URIs": (
        (
            x509.SubjectAlternativeName(
                [*(x509.UniformResourceIdentifier(uri) for uri in POD.uris()), x509.DNSName("x.example")]
            ),
            True,
        ),
    ),
    "the namespace as a prefix": uris(POD.uris()[0].replace("/shop/", "/shop2/"), POD.uris()[1]),
    "the URIs in upper case": uris(*(uri.upper() for uri in POD.uris())),
}


@pytest.mark.parametrize("instead", ODD_NAMES.values(), ids=ODD_NAMES.keys())
def test_names_that_are_not_exactly_the_pods_are_refused(
    pki: Pki, instead: tuple[tuple[x509.ExtensionType, bool], ...]
) -> None:
    leaf = builders.raw_leaf(pki.ca.certificate, pki.ca.key, pki.signer.key.public_key(), instead=instead)
    assert refuse(pki, pki.bundle(leaf=leaf)) == "8 identity"


def test_a_name_that_is_no_uri_is_refused_although_nobody_is_expected(pki: Pki) -> None:
    beside = ODD_NAMES["a DNS name beside the URIs"]
    leaf = builders.raw_leaf(pki.ca.certificate, pki.ca.key, pki.signer.key.public_key(), instead=beside)
    assert refuse(pki, pki.bundle(leaf=leaf), expected=None, told="has a name that is not a URI") == "8 identity"


def test_a_certificate_without_names_is_nobodys(pki: Pki) -> None:
    key = pki.signer.key.public_key()
    leaf = builders.raw_leaf(pki.ca.certificate, pki.ca.key, key, leave_out=(x509.SubjectAlternativeName,))
    assert (
        refuse(
            pki, pki.bundle(leaf=leaf), told="signed by a certificate without a name, expected https://kubernetes.io/"
        )
        == "8 identity"
    )


# 9: the signature


def test_a_tampered_payload_is_refused(pki: Pki) -> None:
    other = strictbase64.encode(predicate.build(builders.facts(env={"PARAM": "2"})))
    assert (
        refuse(pki, edited(pki.bundle(), ["dsseEnvelope", "payload"], other), told="the signature does not match")
        == "9 signature"
    )


def test_an_equal_payload_with_other_bytes_is_refused(pki: Pki) -> None:
    spaced = json.dumps(json.loads(predicate.build(builders.facts())), indent=1).encode()
    data = edited(pki.bundle(), ["dsseEnvelope", "payload"], strictbase64.encode(spaced))
    assert refuse(pki, data, told="the signature does not match") == "9 signature"


def test_a_good_certificate_of_someone_elses_key_is_refused(pki: Pki) -> None:
    stolen = dataclasses.replace(pki, signer=signing.KeySigner.generate())
    assert refuse(pki, stolen.bundle(), told="the signature does not match") == "9 signature"


def test_a_signature_over_the_bare_payload_is_refused(pki: Pki) -> None:
    bare = strictbase64.encode(pki.signer.sign(predicate.build(builders.facts())))
    assert (
        refuse(
            pki,
            edited(pki.bundle(), ["dsseEnvelope", "signatures", 0, "sig"], bare),
            told="the signature does not match",
        )
        == "9 signature"
    )


def test_bytes_cannot_move_between_payload_type_and_payload(pki: Pki) -> None:
    payload = predicate.build(builders.facts())
    shifted = f"{dsse.IN_TOTO} {len(payload)} ".encode() + payload
    sig = strictbase64.encode(pki.signer.sign(b"DSSEv1 0  %d %b" % (len(shifted), shifted)))
    assert refuse(pki, edited(pki.bundle(), ["dsseEnvelope", "signatures", 0, "sig"], sig)) == "9 signature"


@pytest.mark.parametrize("sig", [b"\x00", b"\x30\x06\x02\x01\x00\x02\x01\x00", b"\x30\x00", b"\xff" * 72])
def test_a_signature_that_is_zero_or_junk_is_refused(pki: Pki, sig: bytes) -> None:
    data = edited(pki.bundle(), ["dsseEnvelope", "signatures", 0, "sig"], strictbase64.encode(sig))
    assert refuse(pki, data) == "9 signature"


def with_unused_bits(der: bytes, count: int) -> bytes:
    """The certificate with another count of unused bits in its last BIT STRING, which nobody signed."""
    start = len(der) - len(x509.load_der_x509_certificate(der).signature) - 1
    return der[:start] + bytes([count]) + der[start + 1 :]


def test_a_certificate_with_unused_bits_is_refused_although_its_signature_holds(pki: Pki) -> None:
    """Go and OpenSSL refuse it; accepted, one attestation would have more than one digest."""
    while (leaf := builders.der(authority.issue(pki.ca, signing.csr(pki.signer, "x"), POD, NOW)))[-1] & 1:
        pass  # cryptography takes one unused bit only if it is 0
    data = edited(
        pki.bundle(),
        ["verificationMaterial", "certificate", "rawBytes"],
        strictbase64.encode(with_unused_bits(leaf, 1)),
    )
    with pytest.raises(errors.NotVerified, match=r"2 bundle: .*not in DER"):
        verification.verify(data, pki.trust, POD, NOW)


def test_a_signature_that_is_not_der_is_refused_although_its_numbers_are_right(pki: Pki) -> None:
    data = pki.bundle()
    sig = strictbase64.decode(json.loads(data)["dsseEnvelope"]["signatures"][0]["sig"], "sig")
    long_length = b"\x30\x81" + sig[1:]
    data = edited(data, ["dsseEnvelope", "signatures", 0, "sig"], strictbase64.encode(long_length))
    assert refuse(pki, data) == "9 signature"


# 10, 11: what was signed


SIGNED_NONSENSE = {
    "not JSON": (b"hello", "not JSON"),
    "an empty payload": (b"", "not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf" + builders.statement_bytes(), "byte order mark"),
    "duplicate keys": (b'{"_type":"x",' + builders.statement_bytes()[1:], "duplicate key '_type'"),
    "NaN": (builders.statement_bytes().replace(b'"predicate":{}', b'"predicate":{"a":NaN}'), "NaN is not JSON"),
    "deep nesting": (
        builders.statement_bytes().replace(b'"predicate":{}', b'"predicate":{"a":' + b"[" * 99 + b"]" * 99 + b"}"),
        "nested deeper than 64",
    ),
    "no subject": (builders.statement_bytes(subject=[]), "no subject"),
    "a subject without digest": (builders.statement_bytes(subject=[{"name": "x"}]), "a subject without a digest"),
    "a bad digest": (builders.statement_bytes(subject=[{"digest": {"sha256": "z" * 64}}]), "not a sha256"),
    "another statement type": (
        builders.statement_bytes(_type="https://in-toto.io/Statement/v0.1"),
        "not an in-toto statement v1",
    ),
}


@pytest.mark.parametrize(("payload", "told"), SIGNED_NONSENSE.values(), ids=SIGNED_NONSENSE.keys())
def test_signed_nonsense_is_still_nonsense(pki: Pki, payload: bytes, told: str) -> None:
    assert refuse(pki, pki.bundle(payload), told=told) == "10 statement"


@pytest.mark.parametrize("kind", ["https://slsa.dev/provenance/v1", "chainloop.dev/attestation/v0.1", vsa.TYPE])
def test_another_predicate_is_refused_although_it_is_signed(pki: Pki, kind: str) -> None:
    assert refuse(pki, pki.bundle(builders.statement_bytes(predicateType=kind))) == "11 predicate type"


def test_any_error_inside_a_step_is_that_steps_failure(pki: Pki) -> None:
    class Broken(identity.TokenIdentity):
        def uris(self) -> tuple[str, ...]:
            raise ZeroDivisionError

    assert refuse(pki, pki.bundle(), expected=Broken("a", "b", "c")) == "8 identity"


# our own keys


def signed(signer: signing.KeySigner, payload: bytes | None = None) -> dsse.Envelope:
    return signing.sign_envelope(signer, dsse.IN_TOTO, payload or builders.statement_bytes(predicateType=vsa.TYPE))


def test_what_we_signed_with_a_known_key_verifies(pki: Pki) -> None:
    found = verification.verify_with_key(signed(pki.signer), pki.signer.public_key_pem, vsa.TYPE)
    assert found.keyid == pki.signer.keyid
    assert isinstance(found.statement, statement.Statement)


def test_a_verdict_by_another_key_is_refused_with_or_without_its_keyid(pki: Pki) -> None:
    other = signing.KeySigner.generate()
    whole = signed(other)
    nameless = dataclasses.replace(whole, signatures=(dsse.Signature(whole.signatures[0].sig),))
    for envelope in (whole, nameless):
        with pytest.raises(errors.NotVerified, match="9 signature"):
            verification.verify_with_key(envelope, pki.signer.public_key_pem, vsa.TYPE)


def test_a_good_signature_that_names_another_key_is_refused(pki: Pki) -> None:
    whole = signed(pki.signer)
    other = dsse.Signature(whole.signatures[0].sig, signing.KeySigner.generate().keyid)
    with pytest.raises(errors.NotVerified, match="names another key"):
        verification.verify_with_key(
            dataclasses.replace(whole, signatures=(other,)), pki.signer.public_key_pem, vsa.TYPE
        )


def test_a_key_of_one_family_does_not_vouch_for_another(pki: Pki) -> None:
    with pytest.raises(errors.NotVerified, match="11 predicate type"):
        verification.verify_with_key(signed(pki.signer), pki.signer.public_key_pem, predicate.TYPE)


def test_an_envelope_without_or_with_two_signatures_is_refused_by_key_too(pki: Pki) -> None:
    whole = signed(pki.signer)
    for signatures in ((), whole.signatures * 2):
        with pytest.raises(errors.NotVerified, match="3 one signature"):
            verification.verify_with_key(
                dataclasses.replace(whole, signatures=signatures), pki.signer.public_key_pem, vsa.TYPE
            )


def test_what_a_known_key_signed_as_something_else_is_no_statement(pki: Pki) -> None:
    payload = builders.statement_bytes(predicateType=vsa.TYPE)
    envelope = signing.sign_envelope(pki.signer, "application/vnd.oci.image.manifest.v1+json", payload)
    with pytest.raises(errors.NotVerified, match="4 payload type"):
        verification.verify_with_key(envelope, pki.signer.public_key_pem, vsa.TYPE)


def test_a_key_that_is_not_p_256_is_no_key(pki: Pki) -> None:
    for pem in (b"", b"junk", pki.leaf):
        with pytest.raises(errors.NotVerified, match="9 signature"):
            verification.verify_with_key(signed(pki.signer), pem, vsa.TYPE)
