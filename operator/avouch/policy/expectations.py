"""What a test expects a policy to say, and how what it says differs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum

from avouch import errors
from avouch.policy import outcome
from avouch.values import dataclass


class Says(StrEnum):
    """What a policy says of a material, in one word."""

    PASSED = "passed"
    VIOLATIONS = "violations"
    SKIPPED = "skipped"
    IGNORED = "ignored"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be said.

    Attributes:
        says: in one word.
        messages: all violations, in this order; None: not said.
        number: of violations; None: not said.
        contains: texts, each of which is a part of some violation.
        reason: the reason of a skip, or a part of the error; "" for any.
    """

    says: Says
    messages: Sequence[str] | None = None
    number: int | None = None
    contains: Sequence[str] = ()
    reason: str = ""


Said = outcome.Outcome | errors.AvouchError | None


def differences(expected: Expected, said: Said) -> Sequence[str]:
    """How it differs, a line for each difference; none where the policy says what is expected.

    A line that begins with - is expected and not there; one that begins with + is there and not expected.
    """
    found = word(said)
    if found is not expected.says:
        return [f"expected: {_expectation(expected)}", f"   found: {found}", *(f"  + {each}" for each in _told(said))]
    if expected.says is Says.VIOLATIONS and isinstance(said, outcome.Outcome):
        return list(_of_violations(expected, said))
    told = "; ".join(_told(said))
    fits = expected.reason in told if expected.says is Says.ERROR else expected.reason in ("", told)
    return [] if fits else [f"another {'reason' if isinstance(said, outcome.Outcome) else 'error'}:",
                            f"  - {expected.reason}", f"  + {told}"]  # fmt: skip


def word(said: Said) -> Says:
    """What is said, in one word."""
    if said is None:
        return Says.IGNORED
    if isinstance(said, errors.AvouchError):
        return Says.ERROR
    return Says.VIOLATIONS if said.violations else Says.SKIPPED if said.skipped else Says.PASSED


def _of_violations(expected: Expected, said: outcome.Outcome) -> Iterator[str]:
    there = [each.message for each in said.violations]
    number = len(there) + said.more
    if expected.messages is not None and list(expected.messages) != there:
        missing, more = Counter(expected.messages) - Counter(there), Counter(there) - Counter(expected.messages)
        yield "other violations:" if missing or more else "the same violations in another order:"
        yield from (f"  - {each}" for each in missing.elements())
        yield from (f"  + {each}" for each in (more.elements() if missing or more else there))
    if expected.messages is not None and said.more:
        yield f"and {_counted(said.more)} more"
    if expected.number is not None and expected.number != number:
        yield f"expected: {_counted(expected.number)}"
        yield f"   found: {_counted(number)}"
        yield from (f"  + {each}" for each in there)
    absent = [part for part in expected.contains if not any(part in each for each in there)]
    if absent:
        yield "in no violation:"
        yield from (f"  - {each}" for each in absent)
        yield from (f"  + {each}" for each in there)


def _expectation(expected: Expected) -> str:
    number = len(expected.messages) if expected.messages is not None else expected.number
    if number is not None:
        return _counted(number)
    return f"{expected.says}: {expected.reason}" if expected.reason else str(expected.says)


def _counted(number: int) -> str:
    return f"{number} violation{'s' if number != 1 else ''}"


def _told(said: Said) -> Sequence[str]:
    if isinstance(said, errors.AvouchError):
        return [str(said)]
    if said is None:
        return []
    return [each.message for each in said.violations] or ([said.skipped] if said.skipped else [])
