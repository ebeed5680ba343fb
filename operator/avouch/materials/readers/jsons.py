"""Safe JSON: UTF-8, bounded in values and depth, no duplicate names, no NaN.

The bounds are checked where they cost least: the number of values before parsing (a comma or bracket begins each of
them), names while parsing, depth level by level afterwards. What json cannot parse for depth is refused by its own
recursion limit.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

from avouch import errors

DEPTH = 200
VALUES = 3_000_000  # real reports have 26 to 60 bytes for each; one costs up to 250 bytes of memory: 750 MB at worst
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NO_SPACE = re.compile(r"[^ \t\n\r]")
FIX = "write JSON in UTF-8, each name once in its object"


def load(content: bytes, *, strict: bool = True) -> Any:
    """Parse.

    Args:
        content: the bytes; a byte order mark of UTF-8 is forgiven.
        strict: refuse raw control characters in strings, as the standard does.

    Raises:
        Invalid: not JSON, or a name twice in one object.
        TooLarge: more than `VALUES` values or deeper than `DEPTH`.
    """
    _check_count(content)
    try:
        found = json.loads(
            content.decode("utf-8-sig"), strict=strict, object_pairs_hook=_once, parse_constant=_no_number
        )
    except RecursionError as exc:
        raise errors.TooLarge(f"nested too deeply: more than {DEPTH} levels", fix="flatten the document") from exc
    except ValueError as exc:  # also UnicodeDecodeError, and numbers of too many digits
        raise errors.Invalid(f"not JSON in UTF-8: {exc}", fix=FIX) from exc
    _check_depth(found)
    if _SURROGATE.search(content):
        _check_text(found)
    return found


class Part(NamedTuple):
    """One of several documents: the line in which it begins, its value, and how it is written."""

    line: int
    value: Any
    text: str


def several(content: bytes) -> Iterator[Part]:
    """JSON documents one after the other, on lines of their own or not.

    Raises as `load`; the line is in the message.
    """
    _check_count(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise errors.Invalid(f"not JSON in UTF-8: {exc}", fix=FIX) from exc
    decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number)
    surrogates = bool(_SURROGATE.search(content))
    line = position = 0
    while begun := _NO_SPACE.search(text, position):
        start = begun.start()
        line += text.count("\n", position, start)
        try:
            found, position = decoder.raw_decode(text, start)
        except RecursionError as exc:
            raise errors.TooLarge(f"nested too deeply: more than {DEPTH} levels", fix="flatten the document") from exc
        except json.JSONDecodeError as exc:
            raise errors.Invalid(f"not JSON in UTF-8: line {exc.lineno}: {exc.msg}", fix=FIX) from exc
        except ValueError as exc:
            raise errors.Invalid(f"not JSON in UTF-8: line {line + 1}: {exc}", fix=FIX) from exc
        _check_depth(found)
        if surrogates:
            _check_text(found)
        yield Part(line + 1, found, text[start:position])
        line += text.count("\n", start, position)


def mapping(content: bytes, *, strict: bool = True) -> dict[str, Any]:
    """Parse an object. Raises as `load`, and Invalid for anything else than an object."""
    found = load(content, strict=strict)
    if not isinstance(found, dict):
        raise errors.Invalid(f"not a JSON object but {_kind(found)}", fix="deliver the tool's report as it was written")
    return found


def elements(content: bytes) -> list[Any]:
    """Parse a list. Raises as `load`, and Invalid for anything else than a list."""
    found = load(content)
    if not isinstance(found, list):
        raise errors.Invalid(f"not a JSON list but {_kind(found)}", fix="deliver the tool's report as it was written")
    return found


def at(value: Any, *path: str) -> Any:
    """The value at a path of names; None if it does not exist."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def text(value: Any, *path: str) -> str:
    """The string at a path; "" if there is none."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def mappings(value: Any, *path: str) -> Iterator[dict[str, Any]]:
    """The objects of the list at a path."""
    found = at(value, *path)
    return (each for each in found if isinstance(each, dict)) if isinstance(found, list) else iter(())


def compact(value: object) -> str:
    """JSON without spaces, readable characters kept."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _check_count(content: bytes) -> None:
    count = content.count(b",") + content.count(b"[") + content.count(b"{")
    if count > VALUES:
        raise errors.TooLarge(f"up to {count} JSON values, more than {VALUES}", fix="split the document")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice[:64]!r} is in one object twice")
    return found


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _check_text(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:
        raise errors.Invalid("a string holds half of a surrogate pair, which is not a character", fix=FIX) from exc


def _check_depth(value: Any) -> None:
    level, depth = [value], 1
    while level := [
        child
        for parent in level
        for child in (parent.values() if type(parent) is dict else parent if type(parent) is list else ())
        if type(child) is dict or type(child) is list
    ]:
        depth += 1
        if depth > DEPTH:
            raise errors.TooLarge(f"nested too deeply: more than {DEPTH} levels", fix="flatten the document")


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", dict: "an object", type(None): "null"}.get(
        type(value), "a number or boolean"
    )
