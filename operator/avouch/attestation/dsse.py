"""DSSE envelopes: the bytes that are signed, and their JSON form.

Spec: secure-systems-lab/dsse, protocol.md and envelope.md (v1.0.2).

>>> pae("http://example.com/HelloWorld", b"hello world")
b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
"""

from avouch import errors
from avouch.attestation import shape, strictbase64, strictjson
from avouch.values import dataclass

IN_TOTO = "application/vnd.in-toto+json"  # payload type of every in-toto statement
MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"
MAX_ENVELOPE = 4 * 1024 * 1024  # 4 MiB of JSON; a real attestation is about 20 KB, inlined files included
MAX_SIGNATURES = 8  # each costs a curve operation to check; a list of ten thousand is an attack
MAX_SIGNATURE = 1024  # bytes: P-256 needs 72, RSA-8192 needs 1024


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature: raw bytes (DER for ECDSA) and the key's name, empty if a certificate names the signer."""

    sig: bytes
    keyid: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload, its type and at least one signature over both."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """Pre-authentication encoding v1: the bytes under the signature. Lengths are bytes, so no two pairs collide."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def parse(data: bytes) -> Envelope:
    """Read an envelope from its JSON.

    Raises:
        TooLarge: over 4 MiB, over 8 signatures, or a signature over 1 KiB.
        Invalid: not strict JSON, a missing field, base64 that is not canonical, or no signature at all.
    """
    return from_json(strictjson.loads(data, max_bytes=MAX_ENVELOPE), "envelope")


def from_json(value: object, field: str) -> Envelope:
    """Read an envelope from parsed JSON; unknown fields are ignored, as envelope.md demands.

    Raises:
        TooLarge, Invalid: as `parse`.
    """
    fields = shape.mapping(value, field)
    signatures = shape.sequence(fields.get("signatures"), f"{field}.signatures")
    if not signatures:
        raise errors.Invalid("no signatures", field=f"{field}.signatures")
    if len(signatures) > MAX_SIGNATURES:
        raise errors.TooLarge(f"{len(signatures)} signatures, at most {MAX_SIGNATURES}", field=f"{field}.signatures")
    return Envelope(
        payload_type=shape.text(fields.get("payloadType"), f"{field}.payloadType"),
        payload=strictbase64.decode(shape.text(fields.get("payload"), f"{field}.payload"), f"{field}.payload"),
        signatures=tuple(_signature(item, f"{field}.signatures[{i}]") for i, item in enumerate(signatures)),
    )


def to_dict(envelope: Envelope) -> dict[str, object]:
    """The envelope as JSON values. An empty keyid is left out, because some verifiers compare it."""
    return {
        "payloadType": envelope.payload_type,
        "payload": strictbase64.encode(envelope.payload),
        "signatures": [_signature_dict(signature) for signature in envelope.signatures],
    }


def to_bytes(envelope: Envelope) -> bytes:
    """The envelope as canonical JSON: the same envelope always has the same digest."""
    return strictjson.dumps(to_dict(envelope))


def _signature(value: object, field: str) -> Signature:
    fields = shape.mapping(value, field)
    sig = strictbase64.decode(shape.text(fields.get("sig"), f"{field}.sig"), f"{field}.sig")
    if not sig:
        raise errors.Invalid("an empty signature", field=f"{field}.sig")
    if len(sig) > MAX_SIGNATURE:
        raise errors.TooLarge(f"a signature of {len(sig)} bytes, at most {MAX_SIGNATURE}", field=f"{field}.sig")
    return Signature(sig=sig, keyid=shape.optional_text(fields.get("keyid"), f"{field}.keyid"))


def _signature_dict(signature: Signature) -> dict[str, object]:
    named: dict[str, object] = {"keyid": signature.keyid} if signature.keyid else {}
    return {**named, "sig": strictbase64.encode(signature.sig)}
