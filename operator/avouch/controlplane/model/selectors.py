"""What of a list of runs is asked for: by a field's value, by all others, or by labels as kubectl writes them. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from avouch import errors

MOST = 20  # requirements of one selector, and values of one requirement
_SET = re.compile(r"(?P<key>[^\s!=,()]+)\s+(?P<word>in|notin)\s*\((?P<values>[^()]*)\)", re.ASCII)
_PAIR = re.compile(r"(?P<key>[^\s!=,()]+)\s*(?P<word>==?|!=)\s*(?P<values>[^\s!=,()]*)", re.ASCII)
_BARE = re.compile(r"(?P<not>!?)\s*(?P<key>[^\s!=,()]+)", re.ASCII)
_COMMA = re.compile(r",(?![^()]*\))", re.ASCII)
_FIX = "write key=value, key!=value, key in (a,b), key notin (a,b), key or !key, joined by commas"


@dataclass(frozen=True, slots=True)
class Not:
    """A field that has none of these values."""

    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a label must be: one of `values`, or anything at all where that is None; the contrary if not `wanted`."""

    key: str
    values: frozenset[str] | None = None
    wanted: bool = True

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is meant; a label that is not there is none of its values."""
        found = labels.get(self.key)
        there = found is not None and (self.values is None or found in self.values)
        return there is self.wanted


Filters: TypeAlias = Mapping[str, "str | Not | Sequence[Requirement]"]
"""By the store's names of fields: the value, or `Not`; under "labels" what every label must be."""


def is_wanted(found: str, wanted: "str | Not | Sequence[Requirement] | None") -> bool:
    """Whether a field's value is one that is asked for; None asks for any."""
    if isinstance(wanted, Not):
        return found not in wanted.values
    return wanted is None or found == wanted


def labels(selector: str) -> tuple[Requirement, ...]:
    """A labelSelector as the Kubernetes API writes it.

    Raises:
        Invalid: it cannot be read, or asks for more than `MOST` things.

    >>> [one.key for one in labels("app=shop,team in (a, b),!old")]
    ['app', 'team', 'old']
    """
    found = tuple(_requirement(part.strip()) for part in _COMMA.split(selector) if part.strip())
    if len(found) > MOST or any(len(one.values or ()) > MOST for one in found):
        raise errors.Invalid(f"more than {MOST} labels or values", field="labelSelector", fix="select by fewer")
    return found


def _requirement(part: str) -> Requirement:
    if said := _SET.fullmatch(part):
        values = frozenset(each.strip() for each in said["values"].split(","))
        return Requirement(said["key"], values, said["word"] == "in")
    if said := _PAIR.fullmatch(part):
        return Requirement(said["key"], frozenset((said["values"],)), said["word"] != "!=")
    if said := _BARE.fullmatch(part):
        return Requirement(said["key"], None, not said["not"])
    raise errors.Invalid(f"cannot select by {part[:80]!r}", field="labelSelector", fix=_FIX)
