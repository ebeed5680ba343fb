"""What an attachment gives to a policy: `with` as Chainloop reads it.

Source of the rules: what Chainloop's command line does with them, see `docs/compatibility.md`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from avouch import errors
from avouch.api import policy as kind
from avouch.values import dataclass

Value = str | list[str]
_COMMA = re.compile(r"(?<!\\),")


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a policy sees as `args`. `undeclared`: names that the policy does not know; they are left out."""

    values: Mapping[str, Value]
    undeclared: Sequence[str] = ()


def bound(policy: str, declared: Sequence[kind.PolicyInput], given: Mapping[str, str]) -> Arguments:
    """The arguments of one evaluation.

    A policy that declares no input takes every argument. One that is given blank is as if it was not given, except that
    its default does not stand in for it: so a default can be taken away.

    Args:
        policy: its name.
        declared: its inputs.
        given: what the attachment says, `with`; in a group, with the inputs of the group in it.

    Raises:
        errors.Invalid: a required input is missing.
    """
    said = texts(f"policy {policy}", declared, given)
    names = {one.name for one in declared}
    return Arguments(_valued(said.items()), tuple(name for name in given if declared and name not in names))


def texts(owner: str, declared: Sequence[kind.PolicyInput], given: Mapping[str, str]) -> Mapping[str, str]:
    """The texts of all arguments, those with a default included: as the policies of a group see the group's.

    Raises as `bound`.
    """
    said = {one.name: given.get(one.name, one.default) for one in declared} if declared else dict(given)
    for one in declared:
        if one.required and value_of(said[one.name]) is None:
            fix = f"add {one.name} to the attachment's with"
            raise errors.Invalid(f'missing required input "{one.name}" of {owner}', field="with", fix=fix)
    return said


def value_of(text: str) -> Value | None:
    r"""One value, or a list where the text has several lines or commas; None where it is blank.

    >>> value_of("a"), value_of("a, b\nc"), value_of(r"a\,b"), value_of(" , ")
    ('a', ['a', 'b', 'c'], 'a,b', None)
    """
    parts = [part.replace("\\,", ",").strip() for line in text.split("\n") for part in _COMMA.split(line)]
    found = [part for part in parts if part]
    return (found[0] if len(found) == 1 else found) if found else None


def _valued(items: Iterable[tuple[str, str]]) -> dict[str, Value]:
    found = ((name, value_of(text)) for name, text in items)
    return {name: value for name, value in found if value is not None}
