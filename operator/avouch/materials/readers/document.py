"""The result of a reader; it cleans annotations, because they go into statements, logs and a database.

A report whose name cannot be recorded is still a report: the value is cleaned or left out, and a note says so.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import NamedTuple

SHOWN = 300  # characters of a parser's words that go into a message
LONGEST = 1024  # characters of one annotation
MOST = 16 * 1024  # characters of a list of tools
PREFIX = "chainloop.material."
TOOL = f"{PREFIX}tool.name"
TOOL_VERSION = f"{PREFIX}tool.version"
TOOLS = f"{PREFIX}tools"
_BREAKS = "\t\n\v\f\r\x85"
_JOINERS = "\u200c\u200d"  # Persian and Indic names are not written without them
SKIP_SCHEMAS = ContextVar("SKIP_SCHEMAS", default=False)  # set by documents.sniff alone


class Flaw(NamedTuple):
    """Why the bytes are not what their type says."""

    code: str
    message: str
    fix: str


class Document(NamedTuple):
    """What a reader found.

    Attributes:
        flaws: why it is not of its type; none if it is.
        annotations: Chainloop's own keys.
        parsed: the content was understood.
        notes: what was forgiven, or could not be recorded as it stands, for people.
    """

    flaws: tuple[Flaw, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    parsed: bool = False
    notes: tuple[str, ...] = ()


def understood(annotations: Iterable[tuple[str, object]] = (), notes: Iterable[str] = ()) -> Document:
    """A document that matches its type. Empty values are left out."""
    kept: list[tuple[str, str]] = []
    said = list(notes)
    for key, value in ((key, str(value)) for key, value in annotations if value):
        made = plain(value)
        if len(made) > (MOST if key == TOOLS else LONGEST):
            said.append(f"{key} is not recorded: it would have {len(made)} characters")
            continue
        if made != value:
            said.append(f"{key} is recorded without the characters that are no text: {made[:64]!r}")
        kept += [(key, made)] if made else []
    return Document((), tuple(kept), True, tuple(said))


def plain(value: str) -> str:
    r"""One line of text: line ends and tabs are spaces, control and format characters are left out.

    >>> plain("Pets\nAPI\x00\u200b "), plain("My\tApp")
    ('Pets API', 'My App')
    """
    if value.isprintable() and value == value.strip():
        return value
    return "".join(_characters(value)).strip()


def _characters(value: str) -> Iterator[str]:
    for each in value:
        category = unicodedata.category(each)
        if each in _BREAKS or category in ("Zl", "Zp"):
            yield " "
        elif category not in ("Cc", "Cf", "Cs") or each in _JOINERS:
            yield each


def shown(value: object) -> str:
    """A value of a document for a message: short, without raw control characters."""
    return repr(str(value)[:64])
