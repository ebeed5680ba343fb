"""Coverage reports: JaCoCo's counters, and Cobertura's whole tree, with numbers where the report has texts.

A rate that is no number, as tools write it where nothing can be covered, is null.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from avouch import errors
from avouch.materials.projections import pieces
from avouch.materials.readers import document, xmls

_WHOLE = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_TRUE, _FALSE = (
    frozenset(("1", "t", "T", "TRUE", "true", "True")),
    frozenset(("", "0", "f", "F", "FALSE", "false", "False")),
)
_FIX = "write the report again with the tool's own writer, in the invariant culture, such as LC_ALL=C"

Read = Callable[[str], object]


def counters(content: bytes) -> bytes:
    """The counters of JaCoCo's root: those of the whole report."""
    counted = pieces.Counted()
    found: list[str] = []

    def see(element: xmls.Element) -> None:
        if element.depth == 2 and element.name == "counter":
            found.append(counted.piece(_fields(element, _COUNTER)))

    xmls.walk(content, ("counter",), see)
    return pieces.encoded(f'{{"counters":{pieces.array(found)}}}')


def cobertura(content: bytes) -> bytes:
    """Cobertura's report: rates, sources, packages, classes, methods and lines."""
    follower = _Follower(pieces.Counted())
    xmls.follow(content, follower)
    return pieces.encoded(follower.made)


def _whole(said: str) -> object:
    """An integer; a number with a fraction loses it."""
    plain = said.strip()
    if _WHOLE.fullmatch(plain):
        return int(plain)
    number = float(plain) if plain else 0.0
    if not abs(number) < 2**63:
        raise ValueError
    return int(number)


def _rate(said: str) -> object:
    number = float(said) if said.strip() else 0.0
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def _flag(said: str) -> object:
    if said not in _TRUE and said not in _FALSE:
        raise ValueError
    return said in _TRUE


_COUNTER: Mapping[str, Read] = {"type": str, "missed": _whole, "covered": _whole}
_RATES: Mapping[str, Read] = {"line-rate": _rate, "branch-rate": _rate, "complexity": _rate}
_CONDITION = "condition-coverage"


@dataclass(frozen=True, slots=True)
class _Kind:
    """An element: the list that it goes into, its fields, the lists that it has, and what may stand in it.

    One without fields is not shown itself: `packages` around each package.
    """

    into: str = ""
    fields: Mapping[str, Read] = field(default_factory=dict)
    lists: tuple[str, ...] = ()
    inside: Mapping[str, "_Kind"] = field(default_factory=dict)


def _within(name: str, kind: _Kind) -> Mapping[str, _Kind]:
    """A list around its elements."""
    return {name: _Kind(inside={kind.into: kind})}


_OTHER = _Kind()
_SOURCE = _Kind("source")
_LINE = _Kind("line", {"number": _whole, "hits": _whole, "branch": _flag})
_METHOD = _Kind("method", {"name": str, "signature": str, **_RATES}, ("lines",), _within("lines", _LINE))
_CLASS = _Kind(
    "class",
    {"name": str, "filename": str, **_RATES},
    ("methods", "lines"),
    {**_within("methods", _METHOD), **_within("lines", _LINE)},
)
_PACKAGE = _Kind("package", {"name": str, **_RATES}, ("classes",), _within("classes", _CLASS))
_COVERAGE = _Kind(
    "coverage",
    {
        **_RATES,
        **dict.fromkeys(("lines-covered", "lines-valid", "branches-covered", "branches-valid"), _whole),
        "version": str,
        "timestamp": _whole,
    },
    ("sources", "packages"),
    {**_within("sources", _SOURCE), **_within("packages", _PACKAGE)},
)
_LISTS = {"source": "sources", "package": "packages", "class": "classes", "method": "methods", "line": "lines"}


@dataclass(slots=True)
class _Open:
    """An element that is shown, and is open."""

    fields: dict[str, object]
    lists: dict[str, list[str]]


class _Follower:
    """Follows a report; `made` is the document."""

    def __init__(self, counted: pieces.Counted) -> None:
        self.made = "{}"
        self._counted = counted
        self._kinds = [_Kind(inside={"coverage": _COVERAGE})]
        self._open: list[_Open] = []
        self._source: list[str] = []

    def started(self, element: xmls.Element) -> None:
        kind = self._kinds[-1].inside.get(element.name, _OTHER)
        self._kinds.append(kind)
        if kind.lists:
            self._open.append(_Open(_fields(element, kind.fields), {name: [] for name in kind.lists}))
        elif kind is _LINE:
            self._add(kind, self._counted.piece(_line(element)))

    def ended(self) -> None:
        kind = self._kinds.pop()
        if kind is _SOURCE:
            self._add(kind, self._counted.piece("".join(self._source)))
            self._source = []
        elif kind.lists:
            shown = self._open.pop()
            self._add(kind, pieces.with_lists(self._counted.piece(shown.fields), **shown.lists))

    def text(self, text: str) -> None:
        if self._kinds[-1] is _SOURCE:
            self._source.append(text)

    def _add(self, kind: _Kind, made: str) -> None:
        if self._open:
            self._open[-1].lists[_LISTS[kind.into]].append(made)
        else:
            self.made = made


def _line(element: xmls.Element) -> dict[str, object]:
    """Only lines with branches tell how many of them were taken."""
    condition = element.attributes.get(_CONDITION)
    return {**_fields(element, _LINE.fields), **({_CONDITION: condition} if condition else {})}


def _fields(element: xmls.Element, wanted: Mapping[str, Read]) -> dict[str, object]:
    return {name: _read(element, name, read) for name, read in wanted.items()}


def _read(element: xmls.Element, name: str, read: Read) -> object:
    said = element.attributes.get(name, "")
    try:
        return read(said)
    except (ValueError, OverflowError) as exc:
        message = (
            f"the {name} of a {element.name} is {document.shown(said)}, which policies cannot be shown as a number"
        )
        raise errors.Invalid(message, fix=_FIX) from exc
