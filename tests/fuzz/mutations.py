"""Changes that keep a document looking like one: values and names replaced, parts of other files spliced in."""

import random
import re

VALUES = (
    b"null", b"[]", b"{}", b"1e400", b"-1", b'""', b'"\\ud800"', b'"\\u0000"', b"true", b"9" * 50, b"9" * 400,
    b"9" * 5000, b"0.1", b"NaN",
)  # fmt: skip
_VALUE = re.compile(rb'"[^"]*"(?!\s*:)|\d+|null|\[\]|\{\}')
_NAME = re.compile(rb'"[^"]*"\s*:')
_LONGEST = 20_000  # bytes that patterns look through


def damaged(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """The content with one to three changes; `other` is a document to take parts from."""
    for _ in range(chance.randint(1, 3)):
        content = chance.choice((_overwritten, _cut, _doubled, _revalued, _renamed))(content, chance)
        if chance.random() < 0.2:
            content = _spliced(content, other, chance)
    return content


def _overwritten(content: bytes, chance: random.Random) -> bytes:
    place, length = chance.randrange(len(content) + 1), chance.randint(0, 16)
    return content[:place] + chance.randbytes(length) + content[place + length :]


def _cut(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + content[place + chance.randint(0, 16) :]


def _doubled(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + content[place : place + chance.randint(1, 200)] + content[place:]


def _revalued(content: bytes, chance: random.Random) -> bytes:
    return _replaced(content, _VALUE, chance.choice(VALUES), chance)


def _renamed(content: bytes, chance: random.Random) -> bytes:
    return _replaced(content, _NAME, b'"x":', chance)


def _spliced(content: bytes, other: bytes, chance: random.Random) -> bytes:
    place, start = chance.randrange(len(content) + 1), chance.randrange(len(other) + 1)
    return content[:place] + other[start : start + 100] + content[place:]


def _replaced(content: bytes, pattern: re.Pattern[bytes], new: bytes, chance: random.Random) -> bytes:
    found = list(pattern.finditer(content[:_LONGEST]))
    if not found:
        return content
    match = chance.choice(found)
    return content[: match.start()] + new + content[match.end() :]
