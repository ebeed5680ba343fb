"""What a claim says must be such that it can be recorded: `avouch.storable` says what cannot."""

from avouch import errors, storable
from avouch.attestation import materials, predicate, statement, verification


def read(verified: verification.VerifiedAttestation) -> predicate.AttestationFacts:
    """The facts of a verified attestation, as `predicate.read`.

    Raises:
        Invalid: it holds U+0000, or what `predicate.read` refuses.
    """
    if storable.ESCAPED in verified.payload:
        said = verified.statement
        _refuse("subject", storable.clean([statement.to_dict(one) for one in said.subjects]).places)
        _refuse("predicate", storable.clean(said.predicate).places)
    facts = predicate.read(verified.statement)
    for material in facts.materials:
        if material.type == materials.STRING and b"\0" in (material.content or b""):  # in base64 until here
            _refuse(f"material {material.name[:80]!r}", ("",))
    return facts


def _refuse(what: str, places: tuple[str, ...]) -> None:
    for place in places:
        where = f"{what}{'' if place.startswith('[') or not place else '.'}{place}"[:300]
        raise errors.Invalid("holds the character U+0000, which cannot be recorded", field=where, fix=storable.FIX)
