"""Keys that sign: ECDSA P-256 with SHA-256, the one algorithm that all relevant verifiers accept.

The keyid is the SSH fingerprint of the public key, `SHA256:` and unpadded base64: go-securesystemslib computes the
same and skips a signature whose keyid differs.
"""

import base64
import functools
from dataclasses import dataclass, field
from typing import Protocol, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from avouch import digests, errors
from avouch.attestation import dsse

MAX_KEY_PEM = 16 * 1024  # bytes; a P-256 key has under 300


class Signer(Protocol):
    """A signer: a key in memory, a KMS, a signing server."""

    @property
    def keyid(self) -> str:
        """SSH fingerprint of the public key, or empty text to leave the keyid out."""
        ...

    @property
    def public_key_pem(self) -> bytes:
        """The public key, PEM SubjectPublicKeyInfo."""
        ...

    def sign(self, data: bytes) -> bytes:
        """A DER ECDSA signature over these bytes, hashed with SHA-256."""
        ...


@dataclass(frozen=True)  # without slots, for the cached property
class KeySigner:
    """A P-256 key in memory: ephemeral in the sidecar, from a Secret on the server. Never printed."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        require_p256(self.key.public_key())

    @classmethod
    def generate(cls) -> Self:
        """A new key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes, password: bytes | None = None) -> Self:
        """Read a private key, PEM PKCS #8 or SEC 1.

        Raises:
            Invalid: not a private key, a wrong or missing password, or another algorithm than P-256.
        """
        try:
            key = serialization.load_pem_private_key(pem[: MAX_KEY_PEM + 1], password)
        except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise errors.Invalid("not a readable PEM private key (or the wrong password)", field="key") from exc
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise errors.Invalid("not an ECDSA P-256 key", field="key")
        return cls(key)

    @functools.cached_property
    def keyid(self) -> str:
        """SSH fingerprint of the public key. Worked out when it is asked for: the sidecar never does."""
        return fingerprint(self.key.public_key())

    @property
    def public_key_pem(self) -> bytes:
        """The public key, PEM SubjectPublicKeyInfo."""
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def private_key_pem(self) -> bytes:
        """The private key, unencrypted PKCS #8, for the Secret that holds it."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, data: bytes) -> bytes:
        """A DER ECDSA signature over these bytes, hashed with SHA-256."""
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


def public_key_from_pem(pem: bytes) -> ec.EllipticCurvePublicKey:
    """Read a P-256 public key, PEM SubjectPublicKeyInfo.

    Raises:
        Invalid: not a public key, or another algorithm.
    """
    try:
        key = serialization.load_pem_public_key(pem[: MAX_KEY_PEM + 1])
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise errors.Invalid("not a readable PEM public key", field="key") from exc
    return require_p256(key)


def require_p256(key: object) -> ec.EllipticCurvePublicKey:
    """The key itself, if it is ECDSA P-256.

    Raises:
        Invalid: any other algorithm or curve.
    """
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise errors.Invalid("not an ECDSA P-256 key", field="key", fix="use curve P-256 (prime256v1)")
    return key


def fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """SSH fingerprint: sha256 of the SSH wire form (RFC 5656 3.1), as `ssh-keygen -l` prints it."""
    openssh = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    wire = base64.b64decode(openssh.split()[1])
    raw = bytes.fromhex(digests.of_bytes(wire).hex)
    return "SHA256:" + base64.b64encode(raw).decode("ascii").rstrip("=")


def csr(signer: KeySigner, common_name: str) -> bytes:
    """A PEM certificate request that proves possession of the key. The authority reads nothing else from it.

    Raises:
        Invalid: a common name that X.520 does not allow (1 to 64 characters).
    """
    try:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    except ValueError as exc:
        raise errors.Invalid("not a common name", field="common_name", fix="1 to 64 characters") from exc
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(signer.key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def sign_envelope(signer: Signer, payload_type: str, payload: bytes, *, with_keyid: bool = True) -> dsse.Envelope:
    """Sign a payload. Leave the keyid out (`with_keyid=False`) if a certificate names the signer."""
    signature = dsse.Signature(
        sig=signer.sign(dsse.pae(payload_type, payload)), keyid=signer.keyid if with_keyid else ""
    )
    return dsse.Envelope(payload_type=payload_type, payload=payload, signatures=(signature,))
