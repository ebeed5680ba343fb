"""A document as a tree whose nodes know their line and column, so that a problem can name them.

JSON and YAML read the same way: whatever Kubernetes' own reader makes of a text, this makes too (YAML 1.1 words such as
`yes`, no dates, no numbers to the base of 60). Hostile text is a flaw, never a crash: bytes, documents, depth and nodes
are bounded, aliases count each time they are used, and duplicate keys are reported.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any

from avouch import errors

LIMIT = 1024 * 1024  # bytes of a file: what etcd takes of an object, nearly
DOCUMENTS = 100
DEPTH = 64
FLAWS = 100
NODES = 100_000  # after aliases; the largest contract that the kind allows has about 40,000
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Position of a node; line and column count from 1."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, number, boolean or null. `source`: how YAML wrote what is no string; None for strings and in JSON."""

    place: Place
    value: str | int | float | bool | None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    place: Place
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value; `place` is the key's. `kind`: what YAML takes the key for, where that is no string."""

    key: str
    place: Place
    node: "Node"
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with unique keys."""

    place: Place
    entries: tuple[Entry, ...]

    def get(self, key: str) -> Entry | None:
        """The entry of this key."""
        return next((entry for entry in self.entries if entry.key == key), None)


Node = Scalar | Sequence | Table


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong with the text itself."""

    place: Place
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Text:
    """Content of a text: its documents, without empty ones, and its flaws."""

    documents: tuple[Node, ...] = ()
    flaws: tuple[Flaw, ...] = ()


@dataclass(slots=True)
class Budget:
    """Remaining limits while a text is read, and the flaws found so far."""

    left: int = NODES
    flaws: list[Flaw] = field(default_factory=list)

    def spend(self, depth: int, place: Place) -> None:
        """Count a node.

        Raises:
            Broken: over the number of nodes, or too deep.
        """
        self.left -= 1
        if depth > DEPTH:
            raise Broken(
                Flaw(place, f"nested deeper than {DEPTH}, or an alias that contains itself", "reduce the nesting")
            )
        if self.left < 0:
            raise Broken(Flaw(place, f"more than {NODES} values, aliases counted each time", "split the file"))

    def flaw(self, place: Place, message: str, fix: str) -> None:
        """Record a flaw after which reading continues.

        Raises:
            Broken: there are too many already.
        """
        self.flaws.append(Flaw(place, message, fix))
        if len(self.flaws) >= FLAWS:
            raise Broken(Flaw(place, f"{FLAWS} errors: the rest was not read", "fix those first"))

    def entries(self, found: "list[Entry]") -> tuple[Entry, ...]:
        """The entries of a mapping, each key once; the first one counts, the others are flaws."""
        seen: dict[str, Entry] = {}
        for entry in found:
            first = seen.setdefault(entry.key, entry)
            if first is not entry:
                said = f"{entry.key[:64]!r} is a duplicate key, first in line {first.place.line}"
                self.flaw(entry.place, said, "keep one of them")
        return tuple(seen.values())


class Broken(errors.Invalid):
    """Reading cannot continue. The readers turn this into a flaw."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.message, fix=flaw.fix)
        self.flaw = flaw


def plain(node: Node) -> Any:
    """The tree as JSON values."""
    if isinstance(node, Table):
        return {entry.key: plain(entry.node) for entry in node.entries}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value


def scalar(budget: Budget, place: Place, value: Any, source: str | None = None) -> Scalar:
    """A scalar that JSON can represent; otherwise a flaw and a replacement."""
    if isinstance(value, float) and not math.isfinite(value):
        budget.flaw(place, f"{value} is not a number in JSON", "put it in quotes")
        return Scalar(place, str(value))
    if isinstance(value, str) and _SURROGATE.search(value):
        budget.flaw(place, "half of a surrogate pair", "write the whole character")
        return Scalar(place, _SURROGATE.sub("\ufffd", value))
    return Scalar(place, value, None if isinstance(value, str) else source)
