"""Quantities as Kubernetes writes them, and as people do."""

from fractions import Fraction

import pytest

from avouch import errors
from avouch.tekton import quantities


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("5m", Fraction(5, 1000)),
        ("1.5", Fraction(3, 2)),
        (".5", Fraction(1, 2)),
        ("1u", Fraction(1, 10**6)),
        ("1n", Fraction(1, 10**9)),
        ("2k", 2000),
        ("1.5Gi", 3 * 2**29),
        ("64Mi", 64 * 2**20),
        ("1E", 10**18),
        ("1Ei", 2**60),
        ("1E3", 1000),
        ("1e3", 1000),
        ("12e-1", Fraction(6, 5)),
        ("+1", 1),
        ("-1", -1),
        ("9" * 64, 10**64 - 1),
        (3, 3),
    ],
)
def test_a_quantity_is_read_exactly(text: object, value: Fraction) -> None:
    assert quantities.read(text) == value


@pytest.mark.parametrize(
    "text", ["", "m", "1 m", "1mi", "1K", "1e", "1e3m", "0x10", "1_0", "NaN", "1e9999", "9" * 65, None]
)
def test_what_is_no_quantity_is_refused(text: object) -> None:
    with pytest.raises(errors.Invalid, match="not a quantity"):
        quantities.read(text)
