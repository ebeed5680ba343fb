"""JSON with exactly one interpretation, and one canonical form to digest and sign.

Reading refuses what two parsers could understand differently: duplicate keys, a byte order mark, NaN and Infinity, lone
surrogates, trailing data, overlong numbers, deep nesting (RFC 8259 4 and 8, RFC 7493).

Writing is RFC 8785 (JSON Canonicalization Scheme) restricted to str, int, bool, None, list and dict: keys sorted by
UTF-16 code units, no spaces, UTF-8, the short escapes. Numbers are integers that a double holds exactly (RFC 7493
2.2), so every RFC 8785 implementation writes the same bytes; a float or a larger integer is refused: write a string.

>>> dumps({"b": [1, True, None], "a": "é"}).decode()
'{"a":"é","b":[1,true,null]}'
"""

import itertools
import json
import math
import re
from collections.abc import Iterable
from typing import NoReturn, Protocol, cast

from avouch import errors

MAX_DEPTH = 64  # far above any real statement (under 12), far below the interpreter's recursion limit (1000)
MAX_ITEMS = 250_000  # commas and open brackets; 4 MiB of "[],[]" would become 100 MB of Python objects
# Reading an integer takes the square of its digits (CVE-2020-10735). The largest double has 309, the smallest 324.
MAX_DIGITS = 400
MAX_EXACT_INT = 2**53 - 1  # the largest integer whose neighbours a double still tells apart (RFC 7493 2.2)

_BOM = b"\xef\xbb\xbf"
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = tuple(1 if byte in b"[{" else -1 for byte in range(256))
_SORTING = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
_KEEPING = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


class Reader(Protocol):
    """Reads JSON as `loads` does: the same values, and the same errors for the same bytes."""

    def __call__(self, data: bytes, *, max_bytes: int) -> object:
        """One document of at most so many bytes."""
        ...


def loads(data: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH, max_items: int = MAX_ITEMS) -> object:
    """Read one JSON document that every conforming parser reads alike.

    Args:
        data: the document, UTF-8 without a byte order mark.
        max_bytes: refuse more bytes than this before parsing them.
        max_depth: how many arrays and objects may be open at once.
        max_items: how many commas and open brackets there may be.

    Raises:
        TooLarge: over `max_bytes`, `max_depth`, `max_items` or 400 digits in a number.
        Invalid: not JSON, or JSON with more than one reading.
    """
    check_size(data, max_bytes=max_bytes, max_depth=max_depth, max_items=max_items)
    if data.startswith(_BOM):
        raise errors.Invalid("JSON starts with a byte order mark", fix="write UTF-8 without one")
    try:
        value: object = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
        if _SURROGATE_ESCAPE.search(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # only a lone surrogate has no UTF-8
    except UnicodeError as exc:
        raise errors.Invalid("JSON text is not Unicode (bad UTF-8 or a lone surrogate)") from exc
    except json.JSONDecodeError as exc:
        raise errors.Invalid(f"not JSON: {exc.msg} at character {exc.pos}") from exc
    return value


def dumps(value: object) -> bytes:
    """Canonical bytes of a value: equal values give equal bytes on every machine and in every release.

    Raises:
        Invalid: a float, an integer beyond 2^53-1, a key that is not text, a lone surrogate, or any other type.
        TooLarge: nested deeper than 64.
    """
    plain = _plain(value, MAX_DEPTH)
    try:
        text = _SORTING.encode(value) if plain else _KEEPING.encode(_ordered(value, MAX_DEPTH))
        return text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise errors.Invalid("a lone surrogate cannot be written as UTF-8") from exc


def check_size(data: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH, max_items: int = MAX_ITEMS) -> None:
    """Refuse what `loads` would not read for its size, before anything is parsed.

    Raises:
        TooLarge: over `max_bytes`, `max_depth` or `max_items`.
    """
    if len(data) > max_bytes:
        raise errors.TooLarge(f"{len(data)} bytes of JSON, at most {max_bytes} are read")
    _check_shape(data, max_depth, max_items)


def _check_shape(data: bytes, max_depth: int, max_items: int) -> None:
    """Count items and nesting outside strings, in linear time and constant stack, before the recursive parser runs.

    Without escaped backslashes and then escaped quotes, every second piece between quotes lies outside strings. That
    holds as far as the text is JSON, and the parser goes no further.
    """
    opened = data.count(b"[") + data.count(b"{")
    if opened <= max_depth and data.count(b",") <= max_items:
        return
    plain = data.replace(rb"\\", b"").replace(rb"\"", b"")
    if plain.count(b'"') > 4 * (max_items + 1):  # an item has at most a key and a value: nothing is split for more
        raise errors.TooLarge(f"JSON of more than {max_items} items")
    outside = b"".join(plain.split(b'"')[::2])
    if outside.count(b",") + outside.count(b"[") + outside.count(b"{") > max_items:
        raise errors.TooLarge(f"JSON of more than {max_items} items")
    depths = itertools.accumulate(map(_STEPS.__getitem__, outside.translate(None, _NOT_BRACKETS)))
    if max(depths, default=0) > max_depth:
        raise errors.TooLarge(f"JSON nested deeper than {max_depth}")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # add is None
        raise errors.Invalid(f"duplicate key {twice[:80]!r} in a JSON object", fix="keep one of them")
    return found


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise errors.TooLarge(f"a number of {len(text)} digits, at most {MAX_DIGITS} are read")
    return int(text)


def _float(text: str) -> float:
    if len(text) > MAX_DIGITS:
        raise errors.TooLarge(f"a number of {len(text)} characters, at most {MAX_DIGITS} are read")
    number = float(text)
    if not math.isfinite(number):
        raise errors.Invalid(f"number {text[:40]} is too large for a double")
    return number


def _constant(text: str) -> NoReturn:
    raise errors.Invalid(f"{text} is not JSON (RFC 8259 6)")


def _plain(value: object, room: int) -> bool:
    """Whether the encoder alone writes the canonical bytes: exact types, small integers and keys of ASCII.

    ASCII sorts by code points as it does by UTF-16 code units. Everything else is `_ordered`'s to write or refuse.
    """
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return True
    if kind is int:
        return -MAX_EXACT_INT <= cast(int, value) <= MAX_EXACT_INT
    if room == 0 or kind not in (dict, list, tuple):
        return False
    items = cast(Iterable[object], value)
    if kind is dict:
        if not all(type(key) is str and key.isascii() for key in cast(dict[object, object], value)):
            return False
        items = cast(dict[object, object], value).values()
    return all(type(item) is str or _plain(item, room - 1) for item in items)


def _ordered(value: object, room: int) -> object:
    """The same value with keys in canonical order; refuses values without a canonical form."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_EXACT_INT:
            raise errors.Invalid("an integer beyond 2^53-1 has no canonical form", fix="write it as a string")
        return int(value)
    if room == 0:
        raise errors.TooLarge(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, (list, tuple)):
        return [_ordered(item, room - 1) for item in value]
    if isinstance(value, dict):
        return {key: _ordered(value[key], room - 1) for key in sorted(value, key=_utf16)}
    raise errors.Invalid(f"{type(value).__name__} has no canonical JSON form", fix="use text, integers, lists and maps")


def _utf16(key: object) -> bytes:
    """Sort key of RFC 8785 3.2.3: UTF-16 code units, which differ from code points above U+FFFF."""
    if not isinstance(key, str):
        raise errors.Invalid(f"a JSON key must be text, not {type(key).__name__}")
    return key.encode("utf-16-be", "surrogatepass")
