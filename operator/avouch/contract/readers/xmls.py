"""XML as a stream of elements: no tree, no entities, no internal document type, bounded depth and count.

Reports with a plain document type (JaCoCo, Cobertura write one) are read; what it names is never fetched. Entities
are where bombs are, and an internal subset can add default attributes to each element, so both are refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn
from xml.parsers import expat

from avouch import errors

DEPTH = 256
ELEMENTS = 8_000_000
_CHUNK = 256 * 1024
FIX = "deliver the XML report as the tool wrote it"


@dataclass(frozen=True, slots=True)
class Element:
    """The start of an element: its name without namespace, its depth (the root is 1) and attributes."""

    name: str
    depth: int
    attributes: Mapping[str, str]


def walk(content: bytes, see: Callable[[Element], None]) -> None:
    """Show each element to `see`, in the order of the document.

    Raises:
        Invalid: not XML, or it declares entities or an internal document type; and what `see` raises.
        TooLarge: deeper than `DEPTH` or more than `ELEMENTS`.
    """
    stream = _Stream(see)
    parser = expat.ParserCreate()
    parser.StartElementHandler = stream.start
    parser.EndElementHandler = stream.end
    parser.StartDoctypeDeclHandler = _doctype
    parser.EntityDeclHandler = _refused
    parser.ExternalEntityRefHandler = _refused
    try:
        for start in range(0, len(content), _CHUNK):
            parser.Parse(content[start : start + _CHUNK], False)
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError) as exc:
        raise errors.Invalid(f"not XML: {exc}", fix=FIX) from exc


class _Stream:
    """Counts while elements pass."""

    def __init__(self, see: Callable[[Element], None]) -> None:
        self.see = see
        self.depth = 0
        self.count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.count += 1
        if self.depth > DEPTH:
            raise errors.TooLarge(f"nested too deeply: more than {DEPTH} levels", fix=FIX)
        if self.count > ELEMENTS:
            raise errors.TooLarge(f"more than {ELEMENTS} elements", fix="split the report")
        self.see(Element(name.rpartition(":")[2], self.depth, attributes))

    def end(self, _: str) -> None:
        self.depth -= 1


def _doctype(_: str, _system: str | None, _public: str | None, internal: int) -> None:
    if internal:
        _refused()


def _refused(*_: object) -> NoReturn:
    raise errors.Invalid("it declares entities or an internal document type, which are never expanded", fix=FIX)
