"""The answer of a script: its rule `result`, as Chainloop's policies write it, read strictly.

What Chainloop drops without a word (a field of another type, a finding without a message) is an error here: a policy
whose answer cannot be read has not passed. What is kept can be recorded, and is bounded.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from avouch import errors
from avouch.policy import finding_types
from avouch.values import dataclass

MOST = 1000  # violations that are kept; how many more there were is said
_SUPPRESSED = "suppressed_findings"
_FOUND = ("violations", "findings", _SUPPRESSED)
_UNTYPED = (
    "the policy has no finding_type: of its findings only the messages are kept "
    f"(fix: add the annotation chainloop.dev/finding_type, one of {', '.join(finding_types.SCHEMAS)})"
)
_MESSAGES = "the policy has finding_type {}, and violations that are texts: they are kept, without fields"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that a policy found. `finding`: its fields, where the policy has a type of findings."""

    message: str
    finding: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one script said.

    Attributes:
        violations: at most `MOST`; `more` counts the others.
        skipped: why it did not judge the input; "" where it did.
        ignored: the script has nothing to say about this input: as if it was not there.
        suppressed: findings that the policy tells and does not count; `more_suppressed` counts those not kept.
        notes: what the policy's author should know.
    """

    violations: Sequence[Violation] = ()
    more: int = 0
    skipped: str = ""
    ignored: bool = False
    suppressed: Sequence[Violation] = ()
    more_suppressed: int = 0
    notes: Sequence[str] = ()


def read(result: Any, finding_type: str = "") -> Outcome:
    """Read the value of a script's rule `result`.

    Violations count even where the script says that it was skipped; findings, where there are any, replace them. One
    with `suppress: true`, and each of `suppressed_findings`, is kept and not counted.

    Args:
        result: the value.
        finding_type: of the policy; "": of findings only the messages are kept.

    Raises:
        errors.Invalid: it is not what a policy answers, or a finding does not match its type; `field` says where.
    """
    if not isinstance(result, Mapping):
        raise finding_types.wrong("result", "an object", result)
    name = "findings" if _listed(result, "findings") else "violations"
    told = [_told(f"{name}[{index}]", one, finding_type) for index, one in enumerate(_listed(result, name))]
    aside = [
        _told(f"{_SUPPRESSED}[{index}]", one, finding_type) for index, one in enumerate(_listed(result, _SUPPRESSED))
    ]
    counted = [each for each, suppressed in told if not suppressed]
    suppressed = [each for each, suppressed in told if suppressed] + [each for each, _ in aside]
    reason = finding_types.bounded(_typed(result, "skip_reason", str, ""))
    skipped = _typed(result, "skipped", bool, False) and not counted
    ignored = _typed(result, "ignore", bool, False)
    if not (skipped or ignored or any(each in result for each in _FOUND)):
        fix = "add it to the rule result: a list, which is empty where nothing is wrong"
        raise errors.Invalid("is missing, so nothing was judged", field="result.violations", fix=fix)
    return Outcome(
        tuple(counted[:MOST]),
        max(0, len(counted) - MOST),
        (reason or "the policy gave no reason") if skipped else "",
        ignored,
        tuple(suppressed[:MOST]),
        max(0, len(suppressed) - MOST),
        tuple(_notes((*_listed(result, name), *_listed(result, _SUPPRESSED)), finding_type)),
    )


def combined(outcomes: Sequence[Outcome]) -> Outcome | None:
    """What a policy of several scripts says; None where every one of them ignores the input, or there is none."""
    told = [one for one in outcomes if not one.ignored]
    if not told:
        return None
    violations = tuple(each for one in told for each in one.violations)
    suppressed = tuple(each for one in told for each in one.suppressed)
    reasons = dict.fromkeys(one.skipped for one in told)
    return Outcome(
        violations[:MOST],
        sum(one.more for one in told) + max(0, len(violations) - MOST),
        "; ".join(reasons) if all(reasons) else "",
        False,
        suppressed[:MOST],
        sum(one.more_suppressed for one in told) + max(0, len(suppressed) - MOST),
        tuple(dict.fromkeys(note for one in told for note in one.notes)),
    )


def _told(place: str, said: Any, finding_type: str) -> tuple[Violation, bool]:
    """A violation, and whether it is suppressed."""
    if isinstance(said, str):
        return Violation(_message(said)), False
    if not isinstance(said, Mapping):
        raise finding_types.wrong(place, "a text, or an object with a message", said)
    message = said.get("message")
    if "message" not in said:
        fix = "add it: a finding without one tells nobody what is wrong"
        raise errors.Invalid("is missing", field=f"{place}.message", fix=fix)
    if not isinstance(message, str):
        raise finding_types.wrong(f"{place}.message", "a text", message)
    suppress = said.get("suppress") or False
    if not isinstance(suppress, bool):
        raise finding_types.wrong(f"{place}.suppress", "true or false", suppress)
    finding = finding_types.read(finding_type, said, place) if finding_type else None
    return Violation(_message(message), finding), suppress


def _message(said: str) -> str:
    return finding_types.bounded(said) if said.strip() else "the policy gave no message"


def _notes(said: Iterable[Any], finding_type: str) -> Iterable[str]:
    texts = {isinstance(one, str) for one in said}
    if not finding_type and False in texts:
        yield _UNTYPED
    if finding_type and True in texts:
        yield _MESSAGES.format(finding_type)


def _listed(result: Mapping[str, Any], name: str) -> Sequence[Any]:
    return list(_typed(result, name, list, []))


def _typed(result: Mapping[str, Any], name: str, wanted: type, otherwise: Any) -> Any:
    value = result.get(name, otherwise)
    if not isinstance(value, wanted):
        words = {str: "a text", bool: "true or false", list: "a list"}
        raise finding_types.wrong(f"result.{name}", words[wanted], value)
    return value
