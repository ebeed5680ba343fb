"""The one algorithm that verifies attestations and statements.

`verify(bundle, trust, expected, at)`, for bundles with a certificate. The steps run in this order; the first that fails
raises `NotVerified(step, reason)`, and any other error inside a step counts as that step's failure.

1. size: the bundle has at most `bundle.MAX_BUNDLE` bytes, checked before they are read.
2. bundle: strict JSON, a known media type, canonical base64, a leaf certificate and no chain. The certificate is DER to
   its last byte: one attestation has one digest, and Go and OpenSSL refuse what is not.
3. one signature: exactly one, so that it is clear which one counts.
4. payload type: `application/vnd.in-toto+json`.
5. chain: the leaf is X.509 v3 and names, by authority key identifier, a trusted authority; the names match, and that
   authority's signature (SHA-2) over it is good. There are no intermediates.
6. time: `at` lies within the validity of leaf and authority, with 60 seconds of leeway for clocks.
7. use: the leaf is no CA, its key is ECDSA P-256, keyUsage has digitalSignature, extendedKeyUsage has codeSigning, and
   no critical extension is unknown.
8. identity: the URIs of subjectAltName, all of them and in order, equal those expected. With `expected` None the caller
   has to check the signer; the result has the URIs of the certificate.
9. signature: in DER, over the pre-authentication encoding of exactly the payload bytes received.
10. statement: strict JSON, in-toto statement v1 with at least one subject, each with well-formed digests.
11. predicate type: the attestation predicate.

The caller MUST compare run, contract revision and project in the statement with its own records (replay), and MUST take
`at` from its own clock at receipt or from a verdict it signed, never from the bundle. `verify_with_key` runs steps 3,
4, 9, 10 and 11 for statements that avouch signed with a known key.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import InitVar, dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from avouch import digests, errors
from avouch.attestation import bundle as bundles
from avouch.attestation import dsse, identity, predicate, signing, statement, strictjson, trust

LEEWAY = timedelta(seconds=60)

_MADE_HERE = object()  # only this module holds it: a verified value cannot be made anywhere else by accident
_SHA2 = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_KNOWN_EXTENSIONS = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)


@dataclass(frozen=True, slots=True)
class VerifiedAttestation:
    """An attestation that passed every step of `verify`.

    Attributes:
        digest: of the bundle's bytes, the attestation's name.
        statement: what was signed.
        uris: the signer, by the URIs of the certificate.
        pod: the same as a pod, or None if it is not one.
        authority_key: subject key identifier of the authority, hex.
        verified_at: the time at which the certificate was checked.
        payload: the statement's bytes.
    """

    digest: digests.Digest
    statement: statement.Statement
    uris: tuple[str, ...]
    pod: identity.PodIdentity | None
    authority_key: str
    verified_at: datetime
    payload: bytes
    made_here: InitVar[object]

    def __post_init__(self, made_here: object) -> None:
        _require_made_here(made_here)


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """A statement that passed `verify_with_key`; `keyid` is the fingerprint of the key that signed it."""

    statement: statement.Statement
    keyid: str
    made_here: InitVar[object]

    def __post_init__(self, made_here: object) -> None:
        _require_made_here(made_here)


def verify(
    bundle_bytes: bytes,
    trust_root: trust.TrustRoot,
    expected: identity.Identity | None,
    at: datetime,
    read: strictjson.Reader = strictjson.loads,
) -> VerifiedAttestation:
    """Verify a bundle, or raise with the step that fails. The module docstring is the specification.

    Args:
        bundle_bytes: as received.
        trust_root: the trusted authorities.
        expected: the signer; None only if the caller checks the identity (Chainloop's leaves have none).
        at: when it was received.
        read: how strict JSON is read: `strictjson.loads`, or what reads exactly the same faster.

    Raises:
        NotVerified: any step failed.
    """
    with _step("1 size"):
        if len(bundle_bytes) > bundles.MAX_BUNDLE:
            raise errors.TooLarge(f"{len(bundle_bytes)} bytes, at most {bundles.MAX_BUNDLE}")
    with _step("2 bundle"):
        bundle = bundles.parse(bundle_bytes, read)
        leaf = _load_leaf(bundle.certificate)
    signature = _one_signature(bundle.envelope)  # 3
    _require_payload_type(bundle.envelope)  # 4
    with _step("5 chain"):
        issuers = _find_issuers(leaf, trust_root)
    with _step("6 time"):
        _check_validity(leaf, "certificate", at)
        issuer = _valid_issuer(issuers, at)
    with _step("7 use"):
        _check_use(leaf)
        key = signing.require_p256(leaf.public_key())
    with _step("8 identity"):
        uris = _uris(leaf)
        if expected is not None and uris != expected.uris():
            who, wanted = ", ".join(uris) or "a certificate without a name", ", ".join(expected.uris())
            raise errors.Invalid(f"signed by {who}, expected {wanted}")
    _check_signature(key, bundle.envelope, signature)  # 9
    parsed = _parse_statement(bundle.envelope.payload, predicate.TYPE, read)  # 10, 11
    return VerifiedAttestation(
        digest=bundles.digest(bundle_bytes),
        statement=parsed,
        uris=uris,
        pod=identity.PodIdentity.from_uris(uris),
        authority_key=trust.authority_key(issuer).hex(),
        verified_at=at,
        payload=bundle.envelope.payload,
        made_here=_MADE_HERE,
    )


def verify_with_key(envelope: dsse.Envelope, public_key_pem: bytes, predicate_type: str) -> VerifiedStatement:
    """Verify what a known P-256 key signed: avouch's own attestations, verdicts and provenance (steps 3, 4, 9-11).

    The predicate type is required, because a key that signs one kind of statement must not be accepted for another.

    Raises:
        NotVerified: any step failed, the key is not P-256, or the signature names another key.
    """
    signature = _one_signature(envelope)  # 3
    _require_payload_type(envelope)  # 4
    with _step("9 signature"):
        key = signing.public_key_from_pem(public_key_pem)
        keyid = signing.fingerprint(key)
        if signature.keyid not in ("", keyid):
            raise errors.Invalid("the signature names another key")
    _check_signature(key, envelope, signature)  # 9
    parsed = _parse_statement(envelope.payload, predicate_type)  # 10, 11
    return VerifiedStatement(statement=parsed, keyid=keyid, made_here=_MADE_HERE)


@contextmanager
def _step(step: str) -> Iterator[None]:
    """Name the step that failed, whatever the failure was: an error inside a check is never a pass."""
    try:
        yield
    except errors.AvouchError as exc:
        raise errors.NotVerified(step, str(exc)) from exc
    except InvalidSignature as exc:
        raise errors.NotVerified(step, "the signature does not match") from exc
    except Exception as exc:
        raise errors.NotVerified(step, f"could not be checked ({type(exc).__name__})") from exc


def _require_made_here(token: object) -> None:
    if token is not _MADE_HERE:
        raise TypeError("only avouch.attestation.verification may create verified values")


def _load_leaf(der: bytes | None) -> x509.Certificate:
    if der is None:
        raise errors.Invalid("no certificate, so the signer is unknown", field="bundle.verificationMaterial")
    leaf = x509.load_der_x509_certificate(der)
    # cryptography checks the rest; it ignores how many bits of the last BIT STRING are said to be unused.
    if leaf.public_bytes(serialization.Encoding.DER) != der or not der.endswith(b"\0" + leaf.signature):
        raise errors.Invalid("the certificate is not in DER", field="bundle.verificationMaterial")
    return leaf


def _require_der(signature: bytes) -> None:
    if utils.encode_dss_signature(*utils.decode_dss_signature(signature)) != signature:
        raise errors.Invalid("the signature is not in DER")


def _one_signature(envelope: dsse.Envelope) -> dsse.Signature:
    """(3)."""
    if len(envelope.signatures) != 1:
        raise errors.NotVerified("3 one signature", f"{len(envelope.signatures)} signatures, exactly one is accepted")
    return envelope.signatures[0]


def _require_payload_type(envelope: dsse.Envelope) -> None:
    """(4)."""
    if envelope.payload_type != dsse.IN_TOTO:
        raise errors.NotVerified("4 payload type", f"{envelope.payload_type[:80]!r} instead of {dsse.IN_TOTO!r}")


def _find_issuers(leaf: x509.Certificate, trust_root: trust.TrustRoot) -> list[x509.Certificate]:
    """(5) The trusted authority that issued the leaf: at least one certificate, several where its key was renewed."""
    if leaf.version is not x509.Version.v3:
        raise errors.Invalid("not an X.509 v3 certificate")
    if not isinstance(leaf.signature_hash_algorithm, _SHA2):
        raise errors.Invalid("the certificate is not signed with SHA-2")
    named = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    candidates = trust_root.candidates(named) if named else ()
    issuers = [candidate for candidate in candidates if candidate.subject == leaf.issuer]
    if not issuers:
        raise errors.Invalid("no trusted authority issued this certificate")
    if isinstance(issuers[0].public_key(), ec.EllipticCurvePublicKey):
        _require_der(leaf.signature)
    for issuer in issuers:
        leaf.verify_directly_issued_by(issuer)
    return issuers


def _valid_issuer(issuers: list[x509.Certificate], at: datetime) -> x509.Certificate:
    """(6) The first of the issuer's certificates that was valid then; if none was, the error is that of the last."""
    for issuer in issuers[:-1]:
        if issuer.not_valid_before_utc <= at <= issuer.not_valid_after_utc:
            return issuer
    _check_validity(issuers[-1], "authority", at)
    return issuers[-1]


def _check_validity(certificate: x509.Certificate, what: str, at: datetime) -> None:
    """(6)."""
    if at < certificate.not_valid_before_utc - LEEWAY:
        raise errors.Invalid(f"the {what} is not valid yet")
    if at > certificate.not_valid_after_utc + LEEWAY:
        raise errors.Invalid(f"the {what} has expired")


def _check_use(leaf: x509.Certificate) -> None:
    """(7) Except for the type of the key, which the caller checks."""
    for extension in leaf.extensions:
        if extension.critical and extension.oid not in _KNOWN_EXTENSIONS:
            raise errors.Invalid(f"unknown critical extension {extension.oid.dotted_string}")
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
            raise errors.Invalid("a CA certificate signs certificates, not attestations")
    if not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
        raise errors.Invalid("keyUsage lacks digitalSignature")
    uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    if ExtendedKeyUsageOID.CODE_SIGNING not in uses:
        raise errors.Invalid("extendedKeyUsage lacks codeSigning")


def _uris(leaf: x509.Certificate) -> tuple[str, ...]:
    """(8) All names of the certificate; one that is not a URI would be a second identity that is not compared."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    uris = tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
    if len(uris) != len(list(names)):
        raise errors.Invalid("the certificate has a name that is not a URI")
    return uris


def _check_signature(key: ec.EllipticCurvePublicKey, envelope: dsse.Envelope, signature: dsse.Signature) -> None:
    """(9)."""
    with _step("9 signature"):
        _require_der(signature.sig)
        key.verify(signature.sig, dsse.pae(envelope.payload_type, envelope.payload), ec.ECDSA(hashes.SHA256()))


def _parse_statement(
    payload: bytes, predicate_type: str, read: strictjson.Reader = strictjson.loads
) -> statement.Statement:
    """(10) and (11)."""
    with _step("10 statement"):
        parsed = statement.parse(payload, read)
    if parsed.predicate_type != predicate_type:
        reason = f"{parsed.predicate_type[:80]!r} instead of {predicate_type!r}"
        raise errors.NotVerified("11 predicate type", reason)
    return parsed
