"""YAML with places: PyYAML's own composer with avouch's limits and the boolean words of Kubernetes' reader."""

import math
import re
from typing import Any

import yaml

from avouch.contract.text import nodes

_CORE = "tag:yaml.org,2002:"
_MERGE = f"{_CORE}merge"
# What Kubernetes' reader (go.yaml.in/yaml/v2, resolve.go) takes unquoted words for.
_WORDS = {
    word: flag
    for flag, words in ((True, "y yes true on"), (False, "n no false off"))
    for each in words.split()
    for word in (each, each.title(), each.upper())
}
_NULLS = frozenset(["", "~", "null", "Null", "NULL"])
_INTEGER = re.compile(r"[-+]?(?:0[bB][01]+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_SCALARS = frozenset(f"{_CORE}{kind}" for kind in ("str", "null", "bool", "int", "float"))


class _Composer(yaml.SafeLoader):
    """Counts nodes and depth while it composes, so that it never builds a document that is too large."""

    budget: nodes.Budget
    depth = 0

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """The tag of a node that has none: words without quotes are read as Kubernetes' reader does."""
        if kind is yaml.ScalarNode and implicit[0]:
            return f"{_CORE}{_kind(value)}"
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]  # the stubs lack it

    def compose_node(self, parent: Any, index: Any) -> Any:
        """One node, counted."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs lack it
        self.budget.spend(self.depth, _place(event.start_mark))
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read(text: str) -> nodes.Text:
    """Read all YAML documents of a text; what is wrong with it comes back as flaws."""
    budget = nodes.Budget()
    documents: list[nodes.Node] = []
    try:
        loader = _Composer(text)
    except yaml.reader.ReaderError as exc:
        return nodes.Text((), (_unreadable(text, exc),))
    loader.budget = budget
    tree = _Tree(nodes.Budget(flaws=budget.flaws))  # one for all documents: each may use the aliases of its own
    try:
        while loader.check_node():
            _add(documents, tree.node(loader.get_node(), 0))
    except nodes.Broken as broken:
        return nodes.Text(tuple(documents), (*budget.flaws, broken.flaw))
    except yaml.MarkedYAMLError as exc:
        return nodes.Text(tuple(documents), (*budget.flaws, _syntax(exc)))
    except (ValueError, OverflowError):
        message = "not YAML: an escape that is not a character"
        flaw = nodes.Flaw(_place(loader.get_mark()), message, "write the character itself")
        return nodes.Text(tuple(documents), (*budget.flaws, flaw))
    finally:
        loader.dispose()
    return nodes.Text(tuple(documents), tuple(budget.flaws))


def is_text(word: str) -> bool:
    """Whether Kubernetes' reader takes a word without quotes for a string.

    >>> is_text("1.2.0"), is_text("y"), is_text("1e3")
    (True, False, False)
    """
    return _kind(word) == "str"


def _add(documents: list[nodes.Node], node: nodes.Node) -> None:
    if isinstance(node, nodes.Scalar) and node.value is None:
        return  # between two lines of ---, or comments only
    if len(documents) == nodes.DOCUMENTS:
        raise nodes.Broken(nodes.Flaw(node.place, f"more than {nodes.DOCUMENTS} documents", "use several files"))
    documents.append(node)


class _Tree:
    """From PyYAML's graph, in which aliases share nodes, to a tree."""

    def __init__(self, budget: nodes.Budget) -> None:
        self._budget = budget

    def node(self, node: Any, depth: int) -> nodes.Node:
        """One node and all below it."""
        place = _place(node.start_mark)
        self._budget.spend(depth, place)
        if isinstance(node, yaml.MappingNode):
            self._core(node, place, "map")
            return nodes.Table(place, self._budget.entries(self._entries(node, depth)))
        if isinstance(node, yaml.SequenceNode):
            self._core(node, place, "seq")
            return nodes.Sequence(place, tuple(self.node(child, depth + 1) for child in node.value))
        return nodes.scalar(self._budget, place, self._value(node, place), str(node.value))

    def _entries(self, node: Any, depth: int) -> list[nodes.Entry]:
        found: list[nodes.Entry] = []
        merged: list[nodes.Entry] = []
        for key, value in node.value:
            place = _place(key.start_mark)
            if key.tag == _MERGE:
                merged += self._merged(value, place, depth + 1)
            elif isinstance(key, yaml.ScalarNode):
                self._budget.spend(0, place)
                kind = "" if key.tag == f"{_CORE}str" else key.tag.removeprefix(_CORE)
                found.append(nodes.Entry(str(key.value), place, self.node(value, depth + 1), kind))
            else:
                self._budget.flaw(place, "a key is a list or a mapping", "write a string")
        own = {entry.key for entry in found}
        return found + list({entry.key: entry for entry in reversed(merged) if entry.key not in own}.values())[::-1]

    def _merged(self, value: Any, place: nodes.Place, depth: int) -> list[nodes.Entry]:
        """Entries of `<<`: the first of several mappings counts."""
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        found: list[nodes.Entry] = []
        for source in sources:
            self._budget.spend(depth, place)
            if isinstance(source, yaml.MappingNode):
                found += self._entries(source, depth)
            else:
                self._budget.flaw(place, "<< needs a mapping", "refer to an anchor of a mapping")
        return found

    def _value(self, node: Any, place: nodes.Place) -> str | int | float | bool | None:
        text = str(node.value)
        if node.tag == _MERGE:
            return text  # as a value it is a word like others
        if node.tag not in _SCALARS:
            self._unknown(node.tag, place)
            return text
        try:
            return _scalar(node.tag, text)
        except (ValueError, OverflowError):
            kind = node.tag.removeprefix(_CORE)
            self._budget.flaw(place, f"{text[:64]!r} cannot be read as {kind}", "put it in quotes")
        return text

    def _core(self, node: Any, place: nodes.Place, kind: str) -> None:
        if node.tag != f"{_CORE}{kind}":
            self._unknown(node.tag, place)

    def _unknown(self, tag: str, place: nodes.Place) -> None:
        self._budget.flaw(place, f"the tag {tag[:64]} is not supported", "remove it")


def _kind(word: str) -> str:
    """The type of a word without quotes."""
    if word in _WORDS:
        return "bool"
    if word in _NULLS:
        return "null"
    if word == "<<":
        return "merge"
    plain = word.replace("_", "") if word[0] in "+-.0123456789" else ""
    return "int" if _INTEGER.fullmatch(plain) else "float" if _number(plain) else "str"


def _number(word: str) -> bool:
    """A number with a point or exponent; one that is too large for Go is a string."""
    return bool(_NO_NUMBER.fullmatch(word) or (_FLOAT.fullmatch(word) and math.isfinite(float(word))))


def _scalar(tag: str, text: str) -> str | int | float | bool | None:
    """A scalar of one of the core tags.

    Raises:
        ValueError: it does not match its tag.
    """
    match tag.removeprefix(_CORE):
        case "str":
            return text
        case "null":
            return None
        case "bool":
            if text not in _WORDS:
                raise ValueError(text)
            return _WORDS[text]
        case "int":
            return _integer(text)
    return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


def _integer(text: str) -> int | float:
    """A whole number; 010 is octal, as in YAML 1.1 and Go, and more than 64 bits lose their last digits."""
    bare = text.replace("_", "")
    sign, digits = (-1, bare[1:]) if bare.startswith("-") else (1, bare.removeprefix("+"))
    octal = digits.startswith("0") and digits.isdigit() and digits != "0"
    found = sign * int(digits, 8 if octal else 0)
    return found if -(2**63) <= found < 2**64 else float(found)


def _place(mark: Any) -> nodes.Place:
    return nodes.Place(mark.line + 1, mark.column + 1)


def _syntax(exc: yaml.MarkedYAMLError) -> nodes.Flaw:
    mark = exc.problem_mark or exc.context_mark
    said = " ".join(filter(None, (exc.context, exc.problem)))
    return nodes.Flaw(_place(mark) if mark else nodes.Place(), f"not YAML: {said[:300]}", "fix the syntax")


def _unreadable(text: str, exc: yaml.reader.ReaderError) -> nodes.Flaw:
    before = text[: exc.position]
    line = before.count("\n")
    column = exc.position - (before.rfind("\n") + 1)
    message = f"a character that YAML does not allow: U+{ord(text[exc.position]):04X}"
    return nodes.Flaw(nodes.Place(line + 1, column + 1), message, "remove it")
