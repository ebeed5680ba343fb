"""Sigstore bundles v0.3: the envelope and what is needed to check it, in one JSON document.

Spec: sigstore/protobuf-specs, sigstore_bundle.proto (protojson, camelCase). The file we write is read by cosign 3 and
sigstore-go; Chainloop spells the media type the older way, which we read but never write.
"""

from avouch import digests, errors
from avouch.attestation import dsse, shape, strictbase64, strictjson
from avouch.values import dataclass

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
CHAINLOOP_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle+json;version=0.3"
MAX_BUNDLE = dsse.MAX_ENVELOPE + 64 * 1024  # the envelope, one certificate, and room for timestamps and log entries
MAX_CERTIFICATE = 16 * 1024  # DER bytes; our leaves have under 1 KiB


@dataclass(frozen=True, slots=True)
class Bundle:
    """An envelope with the signer's leaf certificate (DER), or the name of a key known from elsewhere, or neither."""

    envelope: dsse.Envelope
    certificate: bytes | None = None
    key_hint: str = ""


def parse(data: bytes, read: strictjson.Reader = strictjson.loads) -> Bundle:
    """Read a bundle. A readable bundle proves nothing: only `verification` does.

    Raises:
        TooLarge: the document, the certificate or the signatures are over their limits.
        Invalid: another media type, not strict JSON, certificate chains (v0.3 allows the leaf only), both kinds of
            verification material, or a key hint that contradicts the signature's keyid.
    """
    fields = shape.mapping(read(data, max_bytes=MAX_BUNDLE), "bundle")
    if "mediaType" not in fields:
        what = "an in-toto statement, which nobody signed" if "_type" in fields else "JSON, but no Sigstore bundle"
        raise errors.Invalid(f"this is {what}", field="bundle.mediaType", fix="give the bundle that holds it")
    media_type = shape.text(fields.get("mediaType"), "bundle.mediaType")
    if media_type not in (MEDIA_TYPE, CHAINLOOP_MEDIA_TYPE):
        raise errors.Invalid(
            f"unknown media type {media_type[:80]!r}", field="bundle.mediaType", fix=f"use {MEDIA_TYPE}"
        )
    envelope = dsse.from_json(fields.get("dsseEnvelope"), "bundle.dsseEnvelope")
    material = fields.get("verificationMaterial")
    certificate, hint = _material(shape.mapping({} if material is None else material, "bundle.verificationMaterial"))
    _check_hint(hint, envelope)
    return Bundle(envelope=envelope, certificate=certificate, key_hint=hint)


def to_bytes(bundle: Bundle) -> bytes:
    """Write a bundle as canonical JSON.

    Raises:
        Invalid: not exactly one signature, not exactly one of certificate and key hint, a hint that is not the keyid.
    """
    if len(bundle.envelope.signatures) != 1:
        raise errors.Invalid("a bundle carries exactly one signature", field="bundle.dsseEnvelope.signatures")
    if (bundle.certificate is None) == (not bundle.key_hint):
        raise errors.Invalid("a bundle has either a certificate or a key hint", field="bundle")
    _check_hint(bundle.key_hint, bundle.envelope)
    if bundle.certificate is not None:
        material: dict[str, object] = {"certificate": {"rawBytes": strictbase64.encode(bundle.certificate)}}
    else:
        material = {"publicKey": {"hint": bundle.key_hint}}
    return strictjson.dumps(
        {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": material,
            "dsseEnvelope": dsse.to_dict(bundle.envelope),
        }
    )


def digest(data: bytes) -> digests.Digest:
    """Digest that names the attestation: sha256 of the bundle's bytes as received, never of a re-serialisation."""
    return digests.of_bytes(data)


def _material(fields: dict[str, object]) -> tuple[bytes | None, str]:
    where = "bundle.verificationMaterial"
    if fields.get("x509CertificateChain") is not None:
        raise errors.Invalid(
            "v0.3 contains the leaf certificate only, never a chain", field=where, fix="use certificate.rawBytes"
        )
    certificate, key = fields.get("certificate"), fields.get("publicKey")
    if certificate is not None and key is not None:
        raise errors.Invalid("both a certificate and a public key", field=where, fix="keep one of them")
    if certificate is not None:
        return _certificate(shape.mapping(certificate, f"{where}.certificate"), f"{where}.certificate"), ""
    if key is not None:
        named = shape.mapping(key, f"{where}.publicKey")
        return None, shape.optional_text(named.get("hint"), f"{where}.publicKey.hint")
    return None, ""


def _certificate(fields: dict[str, object], where: str) -> bytes:
    raw = strictbase64.decode(shape.text(fields.get("rawBytes"), f"{where}.rawBytes"), f"{where}.rawBytes")
    if len(raw) > MAX_CERTIFICATE:
        raise errors.TooLarge(f"a certificate of {len(raw)} bytes, at most {MAX_CERTIFICATE}", field=where)
    return raw


def _check_hint(hint: str, envelope: dsse.Envelope) -> None:
    """With DSSE, hint and named keyid must be the same text (sigstore_bundle.proto, PublicKeyIdentifier)."""
    if hint and any(signature.keyid not in ("", hint) for signature in envelope.signatures):
        raise errors.Invalid("the key hint differs from the signature's keyid", field="bundle.verificationMaterial")
