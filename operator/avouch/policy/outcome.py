"""The answer of a script: its rule `result`, as Chainloop's policies write it, read strictly.

What Chainloop drops without a word (a field of another type, a finding without a message) is an error here: a policy
whose answer cannot be read has not passed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from avouch import errors
from avouch.values import dataclass

MOST = 1000  # violations that are kept; how many more there were is said


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that a policy found. `finding` is what it says beside the message, where it is structured."""

    message: str
    finding: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one script said.

    Attributes:
        violations: at most `MOST`; `more` counts the others.
        skipped: why it did not judge the input; "" where it did.
        ignored: the script has nothing to say about this input: as if it was not there.
    """

    violations: Sequence[Violation] = ()
    more: int = 0
    skipped: str = ""
    ignored: bool = False


def read(result: Any) -> Outcome:
    """Read the value of a script's rule `result`.

    Violations count even where the script says that it was skipped; findings, where there are any, replace them.

    Raises:
        errors.Invalid: it is not what a policy answers; `field` says where.
    """
    if not isinstance(result, Mapping):
        raise _wrong("result", "an object", result)
    found = _listed(result, "findings") or _listed(result, "violations")
    said = [_violation(index, one) for index, one in enumerate(found)]
    reason = _typed(result, "skip_reason", str, "")
    skipped = (reason or "the policy gave no reason") if _typed(result, "skipped", bool, False) and not said else ""
    return Outcome(tuple(said[:MOST]), max(0, len(said) - MOST), skipped, _typed(result, "ignore", bool, False))


def combined(outcomes: Sequence[Outcome]) -> Outcome | None:
    """What a policy of several scripts says; None where every one of them ignores the input, or there is none."""
    told = [one for one in outcomes if not one.ignored]
    if not told:
        return None
    violations = tuple(each for one in told for each in one.violations)
    more = sum(one.more for one in told) + max(0, len(violations) - MOST)
    reasons = dict.fromkeys(one.skipped for one in told)
    return Outcome(violations[:MOST], more, "; ".join(reasons) if all(reasons) else "")


def _violation(index: int, said: Any) -> Violation:
    if isinstance(said, str):
        return Violation(said)
    if not isinstance(said, Mapping):
        raise _wrong(f"violations[{index}]", "a text, or an object with a message", said)
    message = said.get("message")
    if not isinstance(message, str):
        raise _wrong(f"violations[{index}].message", "a text", message)
    return Violation(message, said)


def _listed(result: Mapping[str, Any], name: str) -> Sequence[Any]:
    return list(_typed(result, name, list, []))


def _typed(result: Mapping[str, Any], name: str, wanted: type, otherwise: Any) -> Any:
    value = result.get(name, otherwise)
    if not isinstance(value, wanted):
        words = {str: "a text", bool: "true or false", list: "a list"}
        raise _wrong(f"result.{name}", words[wanted], value)
    return value


def _wrong(field: str, wanted: str, value: Any) -> errors.Invalid:
    shown = {bool: "true or false", str: "a text", list: "a list", dict: "an object", type(None): "null"}
    return errors.Invalid(f"is {shown.get(type(value), 'a number')}, not {wanted}", field=field)
