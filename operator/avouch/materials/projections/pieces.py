"""JSON that is made piece by piece: what is counted before it is put together, and what JSON cannot say."""

import json
from collections.abc import Iterable

from avouch import errors

MIB = 1024 * 1024
MOST = 64 * MIB  # bytes of a document that policies are shown
FIX = "make the report smaller"
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def too_large() -> errors.TooLarge:
    """What is said of a document that would have more than `MOST`."""
    return errors.TooLarge(f"policies are shown documents of at most {MOST // MIB} MiB", fix=FIX)


def text(value: object) -> str:
    """A value as JSON, without spaces, readable characters kept.

    Raises:
        errors.Invalid: it holds a number that JSON does not have.
        errors.TooLarge: it is nested more deeply than can be written.
    """
    try:
        return _ENCODER.encode(value)
    except RecursionError as exc:
        raise errors.TooLarge("nested too deeply for policies", fix="flatten the document") from exc
    except ValueError as exc:  # infinity, not a number, an integer of thousands of digits
        message = "it holds a number that JSON does not have"
        raise errors.Invalid(f"{message}, so policies cannot be shown it", fix="write finite numbers") from exc


def encoded(made: str) -> bytes:
    """The bytes of a document; half of a surrogate pair, which is no character, becomes a question mark."""
    return made.encode("utf-8", "replace")


class Counted:
    """Makes pieces until there are too many of them."""

    def __init__(self) -> None:
        self._left = MOST

    def piece(self, value: object) -> str:
        """A value as JSON. Raises as `text`, and errors.TooLarge where all pieces have more than `MOST` characters."""
        made = text(value)
        self._left -= len(made)
        if self._left < 0:
            raise too_large()
        return made


def array(made: Iterable[str]) -> str:
    """A list of pieces."""
    return f"[{','.join(made)}]"


def with_lists(fields: str, **lists: Iterable[str]) -> str:
    """An object with more fields, each of which is a list of pieces.

    >>> with_lists('{"name":"a"}', tests=['{"name":"t"}'], suites=[])
    '{"name":"a","tests":[{"name":"t"}],"suites":[]}'
    """
    return "".join((fields[:-1], *(f',"{name}":{array(made)}' for name, made in lists.items()), "}"))
