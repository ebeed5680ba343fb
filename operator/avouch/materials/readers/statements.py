"""Signed statements as materials: SLSA provenance, Chainloop attestations. Structure only: no signature is verified."""

import base64
import binascii
from typing import Any

from avouch import errors
from avouch.materials.readers import document, jsons

PAYLOAD = "application/vnd.in-toto+json"
_STATEMENTS = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
_BUNDLE = "application/vnd.dev.sigstore.bundle"
_SLSA = "https://slsa.dev/provenance/v1"
_CHAINLOOP = "chainloop.dev/attestation/v0.2"
_PROVENANCE_FIX = "deliver a Sigstore bundle of SLSA provenance v1"
_ATTESTATION_FIX = "deliver the bundle or DSSE envelope of an attestation"


def slsa(content: bytes) -> document.Document:
    """A Sigstore bundle with provenance v1: it must have buildType, externalParameters and builder."""
    found = jsons.mapping(content)
    if not _is_bundle(found):
        raise errors.Invalid("not a Sigstore bundle: mediaType or dsseEnvelope is missing", fix=_PROVENANCE_FIX)
    statement = _statement(found["dsseEnvelope"], _SLSA, _PROVENANCE_FIX)
    predicate = statement["predicate"]
    if not jsons.text(predicate, "buildDefinition", "buildType"):
        raise errors.Invalid("not SLSA provenance v1: buildDefinition.buildType is missing", fix=_PROVENANCE_FIX)
    if not isinstance(jsons.at(predicate, "buildDefinition", "externalParameters"), dict):
        raise errors.Invalid("not SLSA provenance v1: externalParameters is missing", fix=_PROVENANCE_FIX)
    if not jsons.text(predicate, "runDetails", "builder", "id"):
        raise errors.Invalid("not SLSA provenance v1: runDetails.builder.id is missing", fix=_PROVENANCE_FIX)
    return document.understood()


def attestation(content: bytes) -> document.Document:
    """A DSSE envelope or a Sigstore bundle with a Chainloop attestation."""
    _statement(_envelope(content), _CHAINLOOP, _ATTESTATION_FIX)
    return document.understood()


def attested(content: bytes) -> bytes:
    """The statement in a DSSE envelope or a Sigstore bundle, as it was signed. Raises errors.Invalid."""
    return _payload(_envelope(content), _ATTESTATION_FIX)


def _envelope(content: bytes) -> dict[str, Any]:
    found = jsons.mapping(content)
    return found["dsseEnvelope"] if _is_bundle(found) else found


def _is_bundle(found: dict[str, Any]) -> bool:
    return jsons.text(found, "mediaType").startswith(_BUNDLE) and isinstance(found.get("dsseEnvelope"), dict)


def _statement(envelope: dict[str, Any], predicate: str, fix: str) -> dict[str, Any]:
    if envelope.get("payloadType") != PAYLOAD:
        message = f"the payloadType is {document.shown(envelope.get('payloadType'))}, not {PAYLOAD}"
        raise errors.Invalid(message, fix=fix)
    if not any(jsons.text(each, "sig") for each in jsons.mappings(envelope, "signatures")):
        raise errors.Invalid("the envelope has no signature", fix=fix)
    statement = jsons.mapping(_payload(envelope, fix))
    if statement.get("_type") not in _STATEMENTS:
        raise errors.Invalid("the payload is not an in-toto statement", fix=fix)
    if statement.get("predicateType") != predicate:
        said = document.shown(statement.get("predicateType"))
        raise errors.Invalid(f"the predicateType is {said}, not {predicate}", fix=fix)
    _check_subjects(statement, fix)
    return statement


def _payload(envelope: dict[str, Any], fix: str) -> bytes:
    try:
        return base64.b64decode(jsons.text(envelope, "payload"), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise errors.Invalid(f"the payload is not base64: {exc}", fix=fix) from exc


def _check_subjects(statement: dict[str, Any], fix: str) -> None:
    subjects = list(jsons.mappings(statement, "subject"))
    if not subjects or not all(isinstance(each.get("digest"), dict) and each["digest"] for each in subjects):
        raise errors.Invalid("the statement needs subjects with digests", fix=fix)
    if not isinstance(statement.get("predicate"), dict):
        raise errors.Invalid("the statement has no predicate", fix=fix)
