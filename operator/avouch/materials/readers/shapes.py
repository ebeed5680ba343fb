"""The shape of small objects: their fields and the types of these."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from avouch import errors

Kinds = Mapping[str, type | tuple[type, ...]]
ANY = (dict, list, str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Shape:
    """Fields an object must have and may have. If not `closed`, other fields are allowed.

    A required text must not be empty, except those of `empty`.
    """

    required: Kinds
    optional: Kinds = field(default_factory=dict)
    closed: bool = True
    empty: tuple[str, ...] = ()


def check(value: object, shape: Shape, where: str, fix: str) -> None:
    """Check an object against a shape.

    Raises:
        Invalid: a field is missing, of another type, or unknown.
    """
    if not isinstance(value, dict):
        raise errors.Invalid(f"{where} is not an object", fix=fix)
    for name in shape.required:
        if name not in value:
            raise errors.Invalid(f"{where} has no {name}", fix=fix)
    known = {**shape.optional, **shape.required}
    for name, found in value.items():
        if name in known:
            _check_field(found, known[name], f"{where}.{name}", fix)
        elif shape.closed:
            raise errors.Invalid(f"{where} has an unknown field {name[:64]!r}", fix=fix)
        if found == "" and name in shape.required and name not in shape.empty:
            raise errors.Invalid(f"{where}.{name} is empty", fix=fix)


def _check_field(found: object, kinds: type | tuple[type, ...], where: str, fix: str) -> None:
    if not isinstance(found, kinds) or (kinds is int and isinstance(found, bool)):
        raise errors.Invalid(f"{where} is of the wrong JSON type", fix=fix)
