"""JSON with lines and columns. The standard library reads scalars; this adds positions and limits."""

import bisect
import json
import re
from json import JSONDecodeError

from avouch.contract.text import nodes

_SPACE = re.compile(r"[ \t\n\r]*")
_NO_SCALAR = frozenset(["", *"{}[],:"])


def read(text: str) -> nodes.Text:
    """Read one JSON document; what is wrong with it comes back as flaws."""
    reader = _Reader(text)
    try:
        document = reader.document()
    except nodes.Broken as broken:
        return nodes.Text((), (*reader.budget.flaws, broken.flaw))
    return nodes.Text((document,), tuple(reader.budget.flaws))


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


class _Reader:
    def __init__(self, text: str) -> None:
        self.budget = nodes.Budget()
        self._text = text
        self._at = 0
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self._scalars = json.JSONDecoder(parse_constant=_no_number)

    def document(self) -> nodes.Node:
        """The whole text as one value.

        Raises:
            Broken: it is not JSON, or too deep or large.
        """
        found = self._value(0)
        if self._peek():
            raise self._broken("text after the end of the document", "put one document in a JSON file")
        return found

    def _value(self, depth: int) -> nodes.Node:
        first, place = self._peek(), self._place()
        self.budget.spend(depth, place)
        if first == "{":
            return self._table(depth, place)
        if first == "[":
            return self._sequence(depth, place)
        return self._scalar(place)

    def _table(self, depth: int, place: nodes.Place) -> nodes.Table:
        found: list[nodes.Entry] = []
        self._at += 1
        while self._more("}", bool(found)):
            key_place = self._place()
            key = self._scalar(key_place).value
            if not isinstance(key, str):
                raise nodes.Broken(nodes.Flaw(key_place, "not JSON: a key is not a string", "put it in double quotes"))
            self._expect(":")
            found.append(nodes.Entry(key, key_place, self._value(depth + 1)))
        return nodes.Table(place, self.budget.entries(found))

    def _sequence(self, depth: int, place: nodes.Place) -> nodes.Sequence:
        found: list[nodes.Node] = []
        self._at += 1
        while self._more("]", bool(found)):
            found.append(self._value(depth + 1))
        return nodes.Sequence(place, tuple(found))

    def _scalar(self, place: nodes.Place) -> nodes.Scalar:
        if self._peek() in _NO_SCALAR:
            raise self._broken("a value is missing", "write it, or remove the comma")
        try:
            value, self._at = self._scalars.raw_decode(self._text, self._at)
        except JSONDecodeError as exc:
            self._at = exc.pos
            raise self._broken(exc.msg, "write JSON, or YAML") from exc
        except ValueError as exc:
            raise self._broken(str(exc), "write another number") from exc
        return nodes.scalar(self.budget, place, value)

    def _more(self, end: str, after_first: bool) -> bool:
        """Step over a comma, or over the end."""
        if self._peek() == end:
            self._at += 1
            return False
        if after_first:
            self._expect(",")
            self._peek()
        return True

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise self._broken(f"expected {character!r}", "write JSON, or YAML")
        self._at += 1

    def _peek(self) -> str:
        """The next character that is not a space; empty at the end."""
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._text[self._at : self._at + 1]

    def _place(self) -> nodes.Place:
        line = bisect.bisect_right(self._lines, self._at)
        return nodes.Place(line, self._at - self._lines[line - 1] + 1)

    def _broken(self, message: str, fix: str) -> nodes.Broken:
        return nodes.Broken(nodes.Flaw(self._place(), f"not JSON: {message}", fix))
