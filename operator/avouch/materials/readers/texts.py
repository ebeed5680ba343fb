"""Plain text as Windows tools write it: UTF-8, or UTF-16 with its mark; and its lines, without copying them all."""

import io
from collections.abc import Iterator

from avouch import errors

FIX = "write the report as UTF-8 text"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def decode(content: bytes) -> str:
    """The text.

    Raises:
        Invalid: neither encoding, or a NUL, which no text has.
    """
    try:
        text = content.decode("utf-16" if content.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError as exc:
        raise errors.Invalid(f"not text in UTF-8 or UTF-16: {exc.reason} at byte {exc.start}", fix=FIX) from exc
    if "\0" in text:
        raise errors.Invalid("not text: it holds a NUL character", fix=FIX)
    return text


def lines(text: str) -> Iterator[str]:
    """Each line without its end."""
    return (line.rstrip("\r\n") for line in io.StringIO(text))
