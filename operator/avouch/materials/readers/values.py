"""Materials that are values: texts, and references to container images."""

import re

from avouch import errors
from avouch.materials.readers import document, texts

# Registry and path, tag, digest: the grammar of distribution/reference.
_REFERENCE = re.compile(
    r"(?:(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    re.ASCII,
)
_LONGEST = 4096  # characters of a reference that are looked at


def string(content: bytes) -> document.Document:
    """Any text in UTF-8 without NUL, which neither statements nor databases can hold."""
    try:
        found = content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise errors.Invalid(f"not text in UTF-8: {exc.reason} at byte {exc.start}", fix=texts.FIX) from exc
    if "\0" in found:
        raise errors.Invalid("not text: it holds a NUL character", fix=texts.FIX)
    return document.understood()


def image(content: bytes) -> document.Document:
    """A reference to an image. Whether it exists is for a registry to say, which no reader asks."""
    found = texts.decode(content).strip()
    if not is_reference(found):
        raise errors.Invalid(
            f"{document.shown(found)} is no image reference", fix="write <repository>[:<tag>][@sha256:<digest>]"
        )
    return document.understood()


def is_reference(text: str) -> bool:
    """Whether a text could name an image."""
    return len(text) <= _LONGEST and _REFERENCE.fullmatch(text) is not None
