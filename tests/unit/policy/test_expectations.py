"""How what a policy says differs from what a test expects."""

import pytest

from avouch import errors
from avouch.policy import expectations, outcome
from avouch.policy.expectations import Expected, Says

PASSED = outcome.Outcome()
SKIPPED = outcome.Outcome(skipped="no report")
TWO = outcome.Outcome((outcome.Violation("first"), outcome.Violation("second")))
MANY = outcome.Outcome((outcome.Violation("first"),), more=41)
WRONG = errors.Invalid("is broken", field="spec.policies[0].embedded")


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        (Expected(Says.PASSED), PASSED),
        (Expected(Says.IGNORED), None),
        (Expected(Says.SKIPPED), SKIPPED),
        (Expected(Says.SKIPPED, reason="no report"), SKIPPED),
        (Expected(Says.ERROR, reason="broken"), WRONG),
        (Expected(Says.VIOLATIONS, messages=["first", "second"]), TWO),
        (Expected(Says.VIOLATIONS, number=2, contains=["sec", "fir"]), TWO),
        (Expected(Says.VIOLATIONS, number=42), MANY),
        (Expected(Says.VIOLATIONS, contains=["first"]), MANY),
    ],
)
def test_what_is_expected_differs_in_nothing(expected: Expected, said: expectations.Said) -> None:
    assert expectations.differences(expected, said) == []


@pytest.mark.parametrize(
    ("expected", "said", "told"),
    [
        (Expected(Says.PASSED), TWO, ["expected: passed", "   found: violations", "  + first", "  + second"]),
        (Expected(Says.PASSED), SKIPPED, ["expected: passed", "   found: skipped", "  + no report"]),
        (Expected(Says.PASSED), None, ["expected: passed", "   found: ignored"]),
        (Expected(Says.VIOLATIONS, messages=["a"]), PASSED, ["expected: 1 violation", "   found: passed"]),
        (Expected(Says.VIOLATIONS, number=2), PASSED, ["expected: 2 violations", "   found: passed"]),
        (Expected(Says.VIOLATIONS, contains=["a"]), PASSED, ["expected: violations", "   found: passed"]),
        (Expected(Says.ERROR, reason="x"), PASSED, ["expected: error: x", "   found: passed"]),
        (
            Expected(Says.VIOLATIONS, messages=["first"]),
            WRONG,
            ["expected: 1 violation", "   found: error", "  + spec.policies[0].embedded: is broken"],
        ),
        (Expected(Says.SKIPPED, reason="other"), SKIPPED, ["another reason:", "  - other", "  + no report"]),
        (
            Expected(Says.ERROR, reason="other"),
            WRONG,
            ["another error:", "  - other", "  + spec.policies[0].embedded: is broken"],
        ),
        (
            Expected(Says.VIOLATIONS, messages=["first", "third"]),
            TWO,
            ["other violations:", "  - third", "  + second"],
        ),
        (
            Expected(Says.VIOLATIONS, messages=["second", "first"]),
            TWO,
            ["the same violations in another order:", "  + first", "  + second"],
        ),
        (
            Expected(Says.VIOLATIONS, messages=["first", "first"]),
            TWO,
            ["other violations:", "  - first", "  + second"],
        ),
        (
            Expected(Says.VIOLATIONS, number=1),
            MANY,
            ["expected: 1 violation", "   found: 42 violations", "  + first"],
        ),
        (
            Expected(Says.VIOLATIONS, contains=["first", "third"]),
            TWO,
            ["in no violation:", "  - third", "  + first", "  + second"],
        ),
    ],
)
def test_what_differs_is_told_line_by_line(expected: Expected, said: expectations.Said, told: list[str]) -> None:
    assert expectations.differences(expected, said) == told


def test_the_first_violations_are_not_all_of_them_where_there_are_more() -> None:
    expected = Expected(Says.VIOLATIONS, messages=["first"])
    assert expectations.differences(expected, MANY) == ["and 41 violations more"]
