"""Detects the type of a file or value: each type is tried in Chainloop's order, and the first match wins.

Pure: no registry and no file is opened. A text is an image only if the caller's `resolves` finds it in a registry or
layout; without one it is a STRING.
"""

import codecs
from collections.abc import Callable, Iterator
from typing import NamedTuple

from avouch import errors, image_references
from avouch.materials import types as material_types
from avouch.materials import validation
from avouch.materials.readers import document

_BY_ITSELF = tuple(
    (kind, kind.detected)
    for kind in sorted(material_types.MATERIALS, key=lambda kind: kind.detected.place if kind.detected else 0)
    if kind.detected is not None
)
ORDER = tuple(kind.name for kind, _ in _BY_ITSELF)
_BEGINNING = 4096

Resolves = Callable[[str], bool]
Look = Callable[[str, bytes], document.Document]


class Detected(NamedTuple):
    """The type, what its reader found, and why the types before it that came near were not it."""

    type: str
    found: document.Document
    near: tuple[tuple[str, document.Flaw], ...] = ()

    def telling(self) -> tuple[tuple[str, document.Flaw], ...]:
        """What came near an ARTIFACT by a mark of its own or as an archive, as any text comes near a type of text."""
        marked = frozenset(kind.name for kind, looked in _BY_ITSELF if any(each.telling for each in looked.looks))
        return tuple(each for each in self.near if each[0] in marked) if self.type == "ARTIFACT" else ()


def file(content: bytes, look: Look = validation.read) -> Detected:
    """The type of a file; ARTIFACT if no reader matches.

    Args:
        content: all of its bytes.
        look: checks the content against one type: `validation.read`, or the cheaper `validation.sniff`.

    Raises:
        Invalid: the file is empty, which matches no type.
        TooLarge: more bytes than any type takes.
    """
    if not content:
        raise errors.Invalid(
            "the file is empty, so its type cannot be detected", fix="name the type, or write the file"
        )
    near: list[tuple[str, document.Flaw]] = []
    for name in _plausible(content):
        found = look(name, content)
        if not found.flaws:
            return Detected(name, found, tuple(near))
        near.append((name, found.flaws[0]))
    found = validation.read("ARTIFACT", content)
    if found.flaws:
        raise errors.TooLarge(found.flaws[0].message, fix=found.flaws[0].fix)
    return Detected("ARTIFACT", found, tuple(near))


def value(text: str, resolves: Resolves | None = None) -> Detected:
    """The type of a text that is not the name of a file.

    Args:
        text: the value.
        resolves: tells whether an image of this name exists; None: do not ask. It is not called for a text that
            cannot be an image reference.

    Raises:
        Invalid: the text is empty, too long or not text.
    """
    image = resolves is not None and image_references.is_reference(text) and resolves(text)
    name = material_types.IMAGE if image else material_types.STRING
    try:
        found = validation.read(name, text.encode())
    except UnicodeEncodeError as exc:
        raise errors.Invalid("the value is not text", fix="write it in UTF-8") from exc
    if found.flaws:
        raise errors.Invalid(found.flaws[0].message, fix=found.flaws[0].fix)
    return Detected(name, found)


def _plausible(content: bytes) -> Iterator[str]:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", "replace").encode("utf-8", "replace")  # as PowerShell redirects
    begins = _kind(content)
    for kind, detected in _BY_ITSELF:
        if len(content) <= kind.limit and any(_has(look, begins, content) for look in detected.looks):
            yield kind.name


def _has(look: material_types.Look, begins: str, content: bytes) -> bool:
    return look.kind == begins and (not look.marks or any(mark in content for mark in look.marks))


def _kind(content: bytes) -> str:
    if content.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        return "archive"
    beginning = content[:_BEGINNING].removeprefix(b"\xef\xbb\xbf").lstrip()
    return {b"<": "xml", b"{": "object", b"[": "list"}.get(beginning[:1], "text")
