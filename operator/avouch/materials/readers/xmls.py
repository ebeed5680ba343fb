"""XML as a stream of elements: no tree, no entities, no internal document type, bounded depth and count.

Reports with a plain document type (JaCoCo, Cobertura write one) are read; what it names is never fetched. Entities
are where bombs are, and an internal subset can add default attributes to each element, so both are refused.
"""

from collections.abc import Callable, Collection, Mapping
from typing import NoReturn, Protocol
from xml.parsers import expat

from avouch import errors
from avouch.values import dataclass

DEPTH = 256
ELEMENTS = 3_000_000  # real reports have 30 bytes and more for each; one costs up to 2 microseconds
TAG = 1024 * 1024  # bytes of one tag with its attributes, or of one comment
_CHUNK = 256 * 1024
FIX = "deliver the XML report as the tool wrote it"


@dataclass(frozen=True, slots=True)
class Element:
    """The start of an element: its name without namespace, its depth (the root is 1) and attributes."""

    name: str
    depth: int
    attributes: Mapping[str, str]


def walk(content: bytes, wanted: Collection[str], see: Callable[[Element], None]) -> None:
    """Pass the root and each wanted element to `see`, in the order of the document.

    Args:
        content: the bytes.
        wanted: names of elements; of the others only depth and number count.
        see: called with an element.

    Raises:
        Invalid: not XML, or it declares entities or an internal document type; and what `see` raises.
        TooLarge: deeper than `DEPTH`, more than `ELEMENTS`, or a tag longer than `TAG`.
    """
    _parse(content, _Stream(wanted, see))


class Follower(Protocol):
    """What is told of every element, and of every text."""

    def started(self, element: Element) -> None:
        """An element begins."""
        ...

    def ended(self) -> None:
        """The last element that is open ends."""
        ...

    def text(self, text: str) -> None:
        """Text of the last element that is open, in pieces; sections of CDATA, too."""
        ...


def follow(content: bytes, follower: Follower) -> None:
    """Tell of the whole document, in its order. Raises as `walk`."""
    _parse(content, _Followed(follower))


def _parse(content: bytes, stream: "_Stream") -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = stream.start
    parser.EndElementHandler = stream.end
    parser.CharacterDataHandler = stream.text
    parser.StartDoctypeDeclHandler = _doctype
    parser.EntityDeclHandler = _refused
    parser.ExternalEntityRefHandler = _refused
    try:
        for start in range(0, len(content), _CHUNK):
            parser.Parse(content[start : start + _CHUNK], False)
            if start - parser.CurrentByteIndex > TAG:  # the rest is one unfinished tag or comment
                raise errors.TooLarge(f"a tag of more than {TAG} bytes", fix=FIX)
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError) as exc:
        raise errors.Invalid(f"not XML: {exc}", fix=FIX) from exc


class _Stream:
    """Counts while elements pass."""

    text: Callable[[str], None] | None = None

    def __init__(self, wanted: Collection[str], see: Callable[[Element], None]) -> None:
        self.wanted = wanted
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
        if ":" in name:
            name = name.rpartition(":")[2]
        if self.depth == 1 or name in self.wanted:
            self.see(Element(name, self.depth, attributes))

    def end(self, _: str) -> None:
        self.depth -= 1


class _Followed(_Stream):
    """Tells of everything that passes."""

    def __init__(self, follower: Follower) -> None:
        super().__init__((), follower.started)
        self.follower = follower
        self.text = follower.text

    def start(self, name: str, attributes: dict[str, str]) -> None:
        super().start(name, attributes)
        if self.depth > 1:  # the root is seen anyway
            self.see(Element(name.rpartition(":")[2], self.depth, attributes))

    def end(self, name: str) -> None:
        super().end(name)
        self.follower.ended()


def _doctype(_: str, _system: str | None, _public: str | None, internal: int) -> None:
    if internal:
        _refused()


def _refused(*_: object) -> NoReturn:
    raise errors.Invalid("it declares entities or an internal document type, which are never expanded", fix=FIX)
