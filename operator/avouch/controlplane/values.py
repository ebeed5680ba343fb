"""What the use cases exchange: frozen values, free of I/O. Times are timezone-aware UTC."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One signed document of a verdict. `kind` names its role; a verdict has one document of each kind."""

    kind: str
    predicate_type: str
    statement: bytes  # what was signed
    bundle: bytes  # Sigstore bundle, the statement inside
