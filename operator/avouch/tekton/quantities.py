"""Kubernetes' quantities, exactly: `500m`, `1.5Gi`, `1e3` (k8s.io/apimachinery/pkg/api/resource)."""

import re
from fractions import Fraction

from avouch import errors

_FORM = re.compile(r"([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,3})|([numkMGTPE]|[KMGTPE]i)?)", re.ASCII)
_LONGEST = 64  # characters; the API server writes none of this length
_SCALE = {
    "": Fraction(1),
    **{unit: Fraction(1, 1000**power) for power, unit in enumerate("mun", 1)},
    **{unit: Fraction(1000**power) for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Fraction(1024**power) for power, unit in enumerate("KMGTPE", 1)},
}


def read(text: object) -> Fraction:
    """The number.

    Raises:
        Invalid: no quantity.
    """
    found = _FORM.fullmatch(str(text)) if len(str(text)) <= _LONGEST else None
    if found is None:
        raise errors.Invalid(f"not a quantity: {str(text)[:_LONGEST]!r}", fix="write it as 500m or 64Mi")
    sign, digits, exponent, unit = found.groups()
    scale = Fraction(10) ** int(exponent) if exponent else _SCALE[unit or ""]
    return Fraction(f"{sign}{digits}") * scale
