"""Checks that content matches its type. Hostile content yields a flaw, never a crash.

The readers are in `materials/readers`, one module for each family; the table in `materials.types` names them. A module
is imported for its first document, so that a process does not load parsers of formats that it never reads.
"""

import functools
import importlib
from collections.abc import Callable

from avouch import errors
from avouch.materials import mistaken
from avouch.materials import types as material_types
from avouch.materials.readers import document

Reader = Callable[[bytes], document.Document]
EXHAUSTING = "DocumentTooLarge"  # code of what is over a limit of its type, or needs more than a reader may have
INVALID = "DocumentInvalid"
MEMORY = "memory than is available"


def read(type_name: str, content: bytes) -> document.Document:
    """Check content against its type.

    Args:
        type_name: material type, such as JUNIT_XML.
        content: all of its bytes.

    Raises:
        Invalid: no such type.
    """
    kind = material_types.of(type_name)
    if not content and not kind.empty:
        return wrong("DocumentEmpty", f"the {type_name} is empty", "write the report before the step ends")
    if len(content) > kind.limit:
        return oversized(kind)
    if not kind.reader or len(content) > kind.readable:
        return document.Document()
    try:
        return reader(kind.reader)(content)
    except errors.TooLarge as exc:
        return wrong(EXHAUSTING, exc.args[0], exc.fix)
    except errors.Invalid as exc:
        form = mistaken.form(kind, content, exc.args[0])
        if form:
            return wrong(INVALID, f"{form.what} ({exc.args[0]})", form.fix)
        return wrong(INVALID, exc.args[0], exc.fix)
    except MemoryError:
        return exhausted(kind, MEMORY)


def sniff(type_name: str, content: bytes) -> document.Document:
    """As `read`, without the official schemas: enough to recognise a document and to extract from it.

    It takes a fraction of the time, for callers whose result is checked again: `read` may still refuse the content.

    Raises:
        Invalid: no such type.
    """
    token = document.SKIP_SCHEMAS.set(True)
    try:
        return read(type_name, content)
    except (LookupError, TypeError, ValueError, AttributeError):
        pass  # what the schema would have refused, so let it say why
    finally:
        document.SKIP_SCHEMAS.reset(token)
    return read(type_name, content)


def oversized(kind: material_types.MaterialType) -> document.Document:
    """The flaw of content over the limit, which is not read."""
    message = f"larger than {kind.limit} bytes, the limit of {kind.name}"
    return wrong(EXHAUSTING, message, "deliver a smaller report, or an ARTIFACT with skipUpload")


def exhausted(kind: material_types.MaterialType, limit: str) -> document.Document:
    """The flaw of content whose reader needs more of something than it may have.

    >>> exhausted(material_types.of("SARIF"), "time than 30 s").flaws[0].message
    'reading the SARIF needs more time than 30 s'
    """
    return wrong(EXHAUSTING, f"reading the {kind.name} needs more {limit}", "deliver a smaller report")


@functools.cache
def reader(name: str) -> Reader:
    """The reader that the table names, such as `sboms.spdx`."""
    module, _, function = name.rpartition(".")
    found: Reader = getattr(importlib.import_module(f"avouch.materials.readers.{module}"), function)
    return found


def wrong(code: str, message: str, fix: str) -> document.Document:
    """Parsers quote content in their errors, so the text is sanitized for status and logs."""
    plain = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in message[: document.SHOWN])
    return document.Document((document.Flaw(code, plain, fix),))
