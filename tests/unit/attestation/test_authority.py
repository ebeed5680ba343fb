"""Keys, the authority, identities and trust roots."""

import base64
import ipaddress
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from avouch import errors
from avouch.attestation import authority, identity, signing, trust
from tests.unit.attestation import builders
from tests.unit.attestation.builders import NOW, POD, Pki


@pytest.fixture(scope="module")
def pki() -> Pki:
    return builders.pki()


def pem_of(key: object) -> bytes:
    return key.private_bytes(  # type: ignore[attr-defined,no-any-return]  # any private key
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def request(key: object, digest: hashes.HashAlgorithm | None = None) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, digest)  # type: ignore[arg-type]
    return made.public_bytes(serialization.Encoding.PEM)


def test_an_authority_issues_leaves_and_no_other_authority(pki: Pki) -> None:
    ext = x509.load_pem_x509_certificate(pki.ca.certificate_pem).extensions
    basic, usage = (ext.get_extension_for_class(kind) for kind in (x509.BasicConstraints, x509.KeyUsage))
    assert (basic.critical, basic.value) == (True, x509.BasicConstraints(ca=True, path_length=0))
    issuing = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    assert (usage.critical, usage.value) == (True, issuing)


def test_a_leaf_has_the_documented_profile(pki: Pki) -> None:
    leaf = x509.load_pem_x509_certificate(pki.leaf)
    ext = leaf.extensions
    names = ext.get_extension_for_class(x509.SubjectAlternativeName)
    assert (names.critical, tuple(name.value for name in names.value)) == (True, POD.uris())
    assert len(leaf.subject.rdns) == 0
    assert list(ext.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CODE_SIGNING]
    usage = ext.get_extension_for_class(x509.KeyUsage)
    signing_only = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    assert (usage.critical, usage.value) == (True, signing_only)
    basic = ext.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca) == (True, False)
    aki = ext.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert aki == trust.authority_key(pki.ca.certificate)
    assert ext.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert leaf.not_valid_before_utc == NOW - timedelta(minutes=1)
    assert leaf.not_valid_after_utc == NOW + timedelta(minutes=10)


def test_names_in_the_request_are_ignored(pki: Pki) -> None:
    leaf = authority.issue(pki.ca, signing.csr(pki.signer, "system:masters"), POD, NOW)
    assert len(x509.load_pem_x509_certificate(leaf).subject.rdns) == 0


def test_two_leaves_never_share_a_serial(pki: Pki) -> None:
    again = authority.issue(pki.ca, signing.csr(pki.signer, "x"), POD, NOW)
    first, second = map(x509.load_pem_x509_certificate, (pki.leaf, again))
    assert first.serial_number != second.serial_number


OTHER_KEY, NO_REQUEST = "key: not an ECDSA P-256 key", "csr: not a PEM certificate request"
KEYS = {
    "P-384": (request(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()), OTHER_KEY),
    "RSA": (request(rsa.generate_private_key(65537, 2048), hashes.SHA256()), OTHER_KEY),
    "Ed25519": (request(ed25519.Ed25519PrivateKey.generate()), OTHER_KEY),
    "junk": (b"junk", NO_REQUEST),
    "nothing": (b"", NO_REQUEST),
    "17 KiB": (b"x" * 17_000, "csr: 17000 bytes of certificate request"),
}


@pytest.mark.parametrize(("csr", "told"), KEYS.values(), ids=KEYS.keys())
def test_only_a_p_256_request_is_signed(pki: Pki, csr: bytes, told: str) -> None:
    with pytest.raises(errors.Invalid, match=f"^{told}"):
        authority.issue(pki.ca, csr, POD, NOW)


def test_a_request_for_someone_elses_key_is_refused(pki: Pki) -> None:
    good = x509.load_pem_x509_csr(signing.csr(pki.signer, "x")).public_bytes(serialization.Encoding.DER)
    flipped = bytearray(good)
    flipped[-1] ^= 1
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(bytes(flipped))
    with pytest.raises(errors.Invalid, match="does not match its key"):
        authority.issue(pki.ca, pem + b"-----END CERTIFICATE REQUEST-----\n", POD, NOW)


def test_a_leaf_never_outlives_its_authority_and_a_dead_authority_issues_nothing(pki: Pki) -> None:
    csr = signing.csr(pki.signer, "x")
    ca = authority.new_authority("short", NOW, timedelta(minutes=2))
    leaf = x509.load_pem_x509_certificate(authority.issue(ca, csr, POD, NOW))
    assert leaf.not_valid_after_utc == ca.certificate.not_valid_after_utc
    for at in (NOW + timedelta(minutes=2), NOW - timedelta(minutes=2)):
        with pytest.raises(errors.Invalid, match="not valid now"):
            authority.issue(ca, csr, POD, at)


@pytest.mark.parametrize(
    ("lifetime", "told"),
    [
        (timedelta(0), "not a positive lifetime"),
        (timedelta(seconds=-1), "not a positive lifetime"),
        (timedelta(hours=1, seconds=1), "valid for an hour at most"),
    ],
)
def test_a_leaf_lives_between_nothing_and_an_hour(pki: Pki, lifetime: timedelta, told: str) -> None:
    with pytest.raises(errors.Invalid, match=f"^lifetime: .*{told}"):
        authority.issue(pki.ca, signing.csr(pki.signer, "x"), POD, NOW, lifetime)


def test_a_leaf_may_live_for_an_hour_and_begin_with_its_authority(pki: Pki) -> None:
    csr, ca = signing.csr(pki.signer, "x"), pki.ca
    leaf = x509.load_pem_x509_certificate(authority.issue(ca, csr, POD, NOW, authority.MAX_LEAF_LIFETIME))
    assert leaf.not_valid_after_utc == NOW + authority.MAX_LEAF_LIFETIME
    assert authority.issue(ca, csr, POD, ca.certificate.not_valid_before_utc)


@pytest.mark.parametrize(("more", "issued"), [(0, True), (1, False)])
def test_a_request_has_at_most_sixteen_kibibytes(pki: Pki, more: int, issued: bool) -> None:
    csr = signing.csr(pki.signer, "x").ljust(authority.MAX_CSR + more, b"\n")
    if issued:
        assert authority.issue(pki.ca, csr, POD, NOW)
    else:
        with pytest.raises(errors.TooLarge):
            authority.issue(pki.ca, csr, POD, NOW)


def test_an_authority_survives_its_secret(pki: Pki) -> None:
    again = authority.Authority.from_pem(pki.ca.certificate_pem, pki.ca.private_key_pem())
    assert again.certificate == pki.ca.certificate


def test_an_authority_with_another_key_or_a_leafs_certificate_is_refused(pki: Pki) -> None:
    with pytest.raises(errors.Invalid, match="do not belong together"):
        authority.Authority.from_pem(pki.ca.certificate_pem, pki.signer.private_key_pem())
    with pytest.raises(errors.Invalid, match="CA"):
        authority.Authority.from_pem(pki.leaf, pki.signer.private_key_pem())
    with pytest.raises(errors.Invalid, match="not a PEM certificate"):
        authority.Authority.from_pem(b"junk", pki.signer.private_key_pem())


def test_an_authority_of_another_curve_is_refused(pki: Pki) -> None:
    key, whole = ec.generate_private_key(ec.SECP384R1()), pki.ca.certificate
    made = (
        x509.CertificateBuilder().subject_name(whole.subject).issuer_name(whole.issuer).public_key(key.public_key())
        .serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    )  # fmt: skip
    for one in whole.extensions:
        made = made.add_extension(one.value, one.critical)
    with pytest.raises(errors.Invalid, match="not an ECDSA P-256 key"):
        authority.Authority(made.sign(key, hashes.SHA256()), key)


def test_a_signature_names_its_key_unless_a_certificate_does(pki: Pki) -> None:
    for with_keyid, keyid in ((True, pki.signer.keyid), (False, "")):
        (made,) = signing.sign_envelope(pki.signer, "t", b"x", with_keyid=with_keyid).signatures
        assert made.keyid == keyid


def test_private_keys_are_never_printed(pki: Pki) -> None:
    assert "key=" not in repr(pki.signer)
    assert "PrivateKey" not in repr(pki.ca)


def test_a_serving_certificate_carries_its_names_and_server_auth(pki: Pki) -> None:
    pem, _ = authority.serving_certificate(
        pki.ca, ["avouch.avouch.svc"], [ipaddress.ip_address("10.0.0.1")], NOW, timedelta(days=1)
    )
    made = x509.load_pem_x509_certificate(pem)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["avouch.avouch.svc"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.0.0.1")]
    uses = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.SERVER_AUTH]
    made.verify_directly_issued_by(pki.ca.certificate)


def test_a_serving_certificate_needs_a_name(pki: Pki) -> None:
    for names, told in (([], "needs a name"), (["ü.example"], "not a DNS name")):
        with pytest.raises(errors.Invalid, match=f"^dns_names: .*{told}"):
            authority.serving_certificate(pki.ca, names, [], NOW, timedelta(days=1))
    for names, addresses in ((["a.svc"], []), ([], [ipaddress.ip_address("::1")])):
        assert authority.serving_certificate(pki.ca, names, addresses, NOW, timedelta(days=1))


@pytest.mark.skipif(not shutil.which("openssl"), reason="compares with openssl")
def test_openssl_accepts_our_chain_for_its_purpose(pki: Pki, tmp_path: Path) -> None:
    (tmp_path / "ca").write_bytes(pki.ca.certificate_pem)
    (tmp_path / "leaf").write_bytes(pki.leaf)
    (tmp_path / "tls").write_bytes(authority.serving_certificate(pki.ca, ["a.svc"], [], NOW, timedelta(days=1))[0])
    base = ["openssl", "verify", "-x509_strict", "-attime", str(int(NOW.timestamp())), "-CAfile", str(tmp_path / "ca")]
    for purpose, file in (("any", "leaf"), ("sslserver", "tls")):
        done = subprocess.run([*base, "-purpose", purpose, str(tmp_path / file)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="compares with ssh-keygen")
def test_the_keyid_is_what_ssh_keygen_prints(pki: Pki, tmp_path: Path) -> None:
    key = pki.signer.key.public_key()
    public = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (tmp_path / "key.pub").write_bytes(public)
    done = subprocess.run(["ssh-keygen", "-l", "-f", tmp_path / "key.pub"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] == pki.signer.keyid


def test_the_keyid_of_a_known_key_never_changes() -> None:
    signer = signing.KeySigner(ec.derive_private_key(1, ec.SECP256R1()))
    assert signer.keyid == KNOWN_KEYID
    assert signing.fingerprint(signing.public_key_from_pem(signer.public_key_pem)) == KNOWN_KEYID


KNOWN_KEYID = "SHA256:SFMVDOrhOSBssOVH9hIcK/Z2XVf1oSVMjNCL8u2aICY"


NO_KEY = "not a readable PEM private key"


@pytest.mark.parametrize(
    ("told", "pem"),
    [
        (NO_KEY, b"junk"),
        (NO_KEY, b""),
        ("not an ECDSA P-256 key", pem_of(ec.generate_private_key(ec.SECP384R1()))),
        ("not an ECDSA P-256 key", pem_of(ed25519.Ed25519PrivateKey.generate())),
        (
            NO_KEY,
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            ),
        ),
    ],
    ids=["junk", "nothing", "P-384", "Ed25519", "encrypted without its password"],
)
def test_a_key_that_is_not_a_readable_p_256_key_is_refused(told: str, pem: bytes) -> None:
    with pytest.raises(errors.Invalid, match=f"^key: {told}"):
        signing.KeySigner.from_pem(pem)


def test_a_public_key_of_another_curve_is_refused() -> None:
    public = ec.generate_private_key(ec.SECP384R1()).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for bad, told in ((pem, "not an ECDSA P-256 key"), (b"junk", "not a readable PEM public key")):
        with pytest.raises(errors.Invalid, match=f"^key: {told}"):
            signing.public_key_from_pem(bad)


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_a_common_name_has_one_to_64_characters(pki: Pki, name: str) -> None:
    with pytest.raises(errors.Invalid, match=r"^common_name: not a common name"):
        signing.csr(pki.signer, name)
    with pytest.raises(errors.Invalid, match=r"^name: not a common name"):
        authority.new_authority(name, NOW, timedelta(days=1))


def test_a_trust_root_of_nothing_junk_leaves_or_too_many_is_refused(pki: Pki) -> None:
    cases: list[tuple[list[bytes], str]] = [
        ([], "no trusted authority"), ([b""], "not a PEM certificate"), ([b"junk"], "not a PEM certificate"),
        ([pki.leaf], "not a CA certificate"), ([pki.ca.certificate_pem] * 17, "17"),
        ([pki.ca.certificate_pem + b"x" * trust.MAX_PEM], "bytes of PEM"),
    ]  # fmt: skip
    for pems, said in cases:
        with pytest.raises(errors.Invalid, match=said):
            trust.TrustRoot.from_pems(pems)


def test_a_trust_root_may_have_sixteen_authorities_and_as_much_text_as_it_may(pki: Pki) -> None:
    assert trust.TrustRoot.from_pems([pki.ca.certificate_pem] * 16).pems()
    assert trust.TrustRoot.from_pems([pki.ca.certificate_pem.ljust(trust.MAX_PEM, b"\n")]).pems()


@pytest.mark.parametrize(
    "instead",
    [
        {x509.BasicConstraints: x509.BasicConstraints(ca=False, path_length=None)},
        {x509.KeyUsage: x509.KeyUsage(True, False, False, False, False, False, False, False, False)},
        {x509.BasicConstraints: None},
        {x509.KeyUsage: None},
        {x509.SubjectKeyIdentifier: None},
    ],
)
def test_a_certificate_that_lacks_one_mark_of_an_authority_is_not_trusted(pki: Pki, instead: dict) -> None:
    whole = pki.ca.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(whole.subject)
        .issuer_name(whole.issuer)
        .public_key(whole.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(whole.not_valid_before_utc)
        .not_valid_after(whole.not_valid_after_utc)
    )
    trusted = broken = builder
    for one in whole.extensions:
        value = instead.get(type(one.value), one.value)
        trusted = trusted.add_extension(one.value, one.critical)
        broken = broken if value is None else broken.add_extension(value, one.critical)
    pems = [
        each.sign(pki.ca.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) for each in (trusted, broken)
    ]
    assert trust.TrustRoot.from_pems(pems[:1]).pems()
    with pytest.raises(errors.Invalid, match="not a CA certificate"):
        trust.TrustRoot.from_pems(pems[1:])


def test_an_authority_signs_pods_and_no_other_authorities(pki: Pki) -> None:
    basic = pki.ca.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)


def test_an_empty_trust_root_trusts_nobody() -> None:
    assert trust.TrustRoot({}).candidates(b"x") == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for field in ("namespace", "service_account", "pod_uid", "task_run_uid")
        for value in ("", "a/b", "A", "a" * 300, "a b", "a\n", "é")
        if not (field.endswith("uid") and value == "A")  # a UID may hold capitals
    ],
)
def test_an_identity_has_only_names_that_kubernetes_allows(field: str, value: str) -> None:
    with pytest.raises(errors.Invalid, match=f"^{field}: not a Kubernetes name or uid"):
        replace(POD, **{field: value})


@pytest.mark.parametrize("value", ["", "a/b", "a" * 300, "a b", "a\n", "é"])
@pytest.mark.parametrize(
    ("whole", "field"),
    [
        *((identity.TokenIdentity("ns", "ci", "1"), field) for field in ("namespace", "name", "uid")),
        *((identity.AccountIdentity("ns", "ci"), field) for field in ("namespace", "name")),
    ],
)
def test_a_token_and_an_account_have_only_names_that_kubernetes_allows(
    whole: identity.TokenIdentity | identity.AccountIdentity, field: str, value: str
) -> None:
    with pytest.raises(errors.Invalid, match=f"^{field}: not a Kubernetes name or uid"):
        replace(whole, **{field: value})


def test_the_uris_of_each_identity_are_its_own() -> None:
    assert POD.uris() == (
        "https://kubernetes.io/namespaces/shop/serviceaccounts/builder",
        "https://avouch.dev/pods/0b0a7d0e-8f0a-4c4f-9d1c-6a5b4c3d2e1f/taskruns/7a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
    )
    assert identity.TokenIdentity("ns", "ci", "1").uris() == ("https://avouch.dev/namespaces/ns/tokens/ci/1",)
    assert identity.AccountIdentity("ns", "ci").uris() == ("https://kubernetes.io/namespaces/ns/serviceaccounts/ci",)
    assert identity.FederatedIdentity("https://x/", "a/b:c").uris() == (
        "https://avouch.dev/issuers/https%3A%2F%2Fx%2F/subjects/a%2Fb%3Ac",
    )
    assert identity.Recorded(("a", "b")).uris() == ("a", "b")


def test_a_pod_is_read_back_from_its_uris_and_from_nothing_else() -> None:
    account, pod = POD.uris()
    assert identity.PodIdentity.from_uris([account, pod]) == POD
    for uris in (
        [],
        [account],
        [account, account],
        [pod, pod],
        [pod, account],
        [account, pod, pod],
        [account + "/x", pod],
        [account, pod + "\n"],
    ):
        assert identity.PodIdentity.from_uris(uris) is None
    assert identity.PodIdentity.from_uris([account.replace("shop", "SHOP"), pod]) is None


@pytest.mark.parametrize("field", ["issuer", "subject"])
@pytest.mark.parametrize(("length", "allowed"), [(0, False), (1, True), (1024, True), (1025, False)])
def test_an_issuer_and_its_subject_have_1_to_1024_characters(field: str, length: int, allowed: bool) -> None:
    facts = {"issuer": "i", "subject": "s", field: "x" * length}
    if allowed:
        assert identity.FederatedIdentity(**facts).uris()
    else:
        with pytest.raises(errors.Invalid):
            identity.FederatedIdentity(**facts)
