"""avouch's certificate authority: short-lived leaves for workloads, serving certificates for its own TLS.

A leaf (RFC 5280, profile of Fulcio's code-signing certificates):
- empty subject; critical subjectAltName with the URIs of `identity`;
- critical keyUsage digitalSignature; extendedKeyUsage codeSigning; critical basicConstraints CA:FALSE;
- subject and authority key identifiers; random 159-bit serial; ECDSA P-256, signed with SHA-256;
- valid from one minute before now (clocks differ) for ten minutes, never longer than the authority itself.

Of a certificate request only the key is read, after its signature has proven possession; names and extensions that the
requester put there are ignored. Serving certificates carry serverAuth instead of codeSigning, so neither kind can
replace the other although one authority issues both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from avouch import errors
from avouch.attestation import identity, signing, trust

LEAF_LIFETIME = timedelta(minutes=10)
MAX_LEAF_LIFETIME = timedelta(hours=1)  # nothing revokes a leaf: its age is the only limit
BACKDATE = timedelta(minutes=1)  # the verifier's leeway for clocks
MAX_CSR = 16 * 1024  # bytes of PEM; a P-256 request has under 500

_SIGNING_ONLY = {
    "digital_signature": True,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}
_ISSUING_ONLY = {**_SIGNING_ONLY, "digital_signature": False, "key_cert_sign": True, "crl_sign": True}


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA certificate and its P-256 key.

    Raises:
        Invalid: the certificate is not a CA, or belongs to another key.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        trust.authority_key(self.certificate)
        signing.require_p256(self.key.public_key())
        if self.certificate.public_key() != self.key.public_key():
            raise errors.Invalid("certificate and key do not belong together", field="authority")

    @classmethod
    def from_pem(cls, certificate_pem: bytes, key_pem: bytes) -> Self:
        """Read an authority from a Secret's two PEMs.

        Raises:
            Invalid: either is unreadable, they do not match, or the certificate is not a P-256 CA.
        """
        certificate, *_ = trust.certificates(certificate_pem, "authority")
        return cls(certificate, signing.KeySigner.from_pem(key_pem).key)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate, for a trust root."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def private_key_pem(self) -> bytes:
        """The key, unencrypted PKCS #8, for the Secret that holds it."""
        return signing.KeySigner(self.key).private_key_pem()


def new_authority(name: str, now: datetime, lifetime: timedelta) -> Authority:
    """A self-signed authority that may issue leaves only (pathLenConstraint 0).

    Args:
        name: common name, 1 to 64 characters.
        now: start of validity, less one minute.
        lifetime: until when from `now`.

    Raises:
        Invalid: an impossible name, or a lifetime that is not positive.
    """
    try:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    except ValueError as exc:
        raise errors.Invalid("not a common name", field="name", fix="1 to 64 characters") from exc
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(key.public_key(), key.public_key(), now, now + _positive(lifetime))
    builder = builder.subject_name(subject).issuer_name(subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(x509.KeyUsage(**_ISSUING_ONLY), critical=True)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def issue(
    authority: Authority,
    csr_pem: bytes,
    subject: identity.Identity,
    now: datetime,
    lifetime: timedelta = LEAF_LIFETIME,
) -> bytes:
    """A PEM leaf for the requester's key and an identity that the caller has already authenticated.

    Raises:
        TooLarge: a request over 16 KiB.
        Invalid: not a request, a signature that does not prove possession of the key, a key that is not P-256, a
            lifetime over an hour, or an authority that is not valid now.
    """
    if lifetime > MAX_LEAF_LIFETIME:
        raise errors.Invalid("leaf certificates are valid for an hour at most", field="lifetime")
    key = _requested_key(csr_pem)
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in subject.uris()])
    leaf = _leaf(authority, key, now, lifetime)
    leaf = leaf.add_extension(names, critical=True)  # critical because the subject is empty (RFC 5280 4.2.1.6)
    leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    return leaf.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def serving_certificate(
    authority: Authority,
    dns_names: Sequence[str],
    ips: Sequence[IPv4Address | IPv6Address],
    now: datetime,
    lifetime: timedelta,
) -> tuple[bytes, bytes]:
    """A TLS server certificate and its new private key, both PEM.

    Raises:
        Invalid: no name at all, a name that is not ASCII, a lifetime that is not positive, an authority not valid now.
    """
    if not dns_names and not ips:
        raise errors.Invalid("a serving certificate needs a name", field="dns_names")
    try:
        dns = [x509.DNSName(name) for name in dns_names]
    except ValueError as exc:
        raise errors.Invalid("not a DNS name", field="dns_names", fix="write IDNs as xn--") from exc
    names = x509.SubjectAlternativeName([*dns, *(x509.IPAddress(ip) for ip in ips)])
    signer = signing.KeySigner.generate()
    leaf = _leaf(authority, signer.key.public_key(), now, lifetime)
    leaf = leaf.add_extension(names, critical=True)
    leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    certificate = leaf.sign(authority.key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM), signer.private_key_pem()


def _requested_key(csr_pem: bytes) -> ec.EllipticCurvePublicKey:
    if len(csr_pem) > MAX_CSR:
        raise errors.TooLarge(f"{len(csr_pem)} bytes of certificate request, at most {MAX_CSR}", field="csr")
    try:
        request = x509.load_pem_x509_csr(csr_pem)
        key = signing.require_p256(request.public_key())
        proven = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise errors.Invalid("not a PEM certificate request", field="csr") from exc
    if not proven:
        raise errors.Invalid("the request's signature does not match its key", field="csr")
    return key


def _leaf(
    authority: Authority, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    """The common part of all leaves; the caller adds names and extended key usage."""
    ends = authority.certificate.not_valid_after_utc
    if not authority.certificate.not_valid_before_utc <= now < ends:
        raise errors.Invalid("the authority is not valid now", field="authority", fix="rotate the authority")
    builder = _builder(key, authority.key.public_key(), now, min(now + _positive(lifetime), ends))
    builder = builder.subject_name(x509.Name([])).issuer_name(authority.certificate.subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return builder.add_extension(x509.KeyUsage(**_SIGNING_ONLY), critical=True)


def _builder(
    key: ec.EllipticCurvePublicKey, issuer: ec.EllipticCurvePublicKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
    )


def _positive(lifetime: timedelta) -> timedelta:
    if lifetime <= timedelta(0):
        raise errors.Invalid("not a positive lifetime", field="lifetime")
    return lifetime
