"""Materials that are values: texts, and references to container images."""

from avouch import errors, image_references
from avouch.materials.readers import document, texts


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
    """A reference to an image. The reader does not check whether it exists."""
    found = texts.decode(content).strip()
    if not image_references.is_reference(found):
        raise errors.Invalid(f"{document.shown(found)} is not an image reference", fix=image_references.FIX)
    return document.understood()
