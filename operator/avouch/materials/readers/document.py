"""The result of a reader; it limits annotations, because they go into statements, logs and a database."""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import NamedTuple

from avouch import errors

SHOWN = 300  # characters of a parser's words that go into a message
LONGEST = 1024  # characters of one annotation
MOST = 16 * 1024  # characters of a list of tools
PREFIX = "chainloop.material."
TOOL = f"{PREFIX}tool.name"
TOOL_VERSION = f"{PREFIX}tool.version"
TOOLS = f"{PREFIX}tools"
SKIP_SCHEMAS = ContextVar("SKIP_SCHEMAS", default=False)  # set by documents.sniff alone


class Flaw(NamedTuple):
    """Why the bytes are not what their type says."""

    code: str
    message: str
    fix: str


class Document(NamedTuple):
    """What a reader found. `annotations` are Chainloop's own keys; `parsed`: the content was understood."""

    flaws: tuple[Flaw, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    parsed: bool = False


def understood(annotations: Iterable[tuple[str, object]] = ()) -> Document:
    """A document that matches its type. Empty values are left out.

    Raises:
        Invalid: a value that cannot be recorded: too long, or with characters that are not text.
    """
    return Document((), tuple((key, _recorded(key, str(value))) for key, value in annotations if value), parsed=True)


def _recorded(key: str, value: str) -> str:
    longest = MOST if key == TOOLS else LONGEST
    if len(value) > longest:
        raise errors.Invalid(f"{key} would have {len(value)} characters, more than {longest}", fix="shorten it")
    if not value.isprintable():
        raise errors.Invalid(f"{key} would hold control characters: {value[:64]!r}", fix="write plain text")
    return value


def shown(value: object) -> str:
    """A value of a document for a message: short, without raw control characters."""
    return repr(str(value)[:64])
