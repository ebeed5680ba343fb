r"""Text that can be recorded: PostgreSQL holds no U+0000, and no UTF-8 has a lone surrogate; JSON may spell both.

What others wrote and we only keep is cleaned, and the places are told; what a caller sends is refused with its place.

>>> clean({"a": ["x", "y\x00"]})
Cleaned(value={'a': ['x', 'y\ufffd']}, places=('a[1]',))
"""

import re

from avouch.values import dataclass

INSTEAD = "\N{REPLACEMENT CHARACTER}"
ESCAPED = rb"\u0000"  # JSON has no other spelling of U+0000: bytes without it need no further look
FIX = "leave out the character U+0000"

_REFUSED = re.compile("[\0\ud800-\udfff]")
_DEEPEST = 100  # objects and lists inside each other; what is deeper is left out
_LEFT_OUT = "(nested too deeply)"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A JSON value that can be recorded, and the places at which it differs from the one that was given."""

    value: object
    places: tuple[str, ...]


def text(value: str) -> str:
    """The text with U+FFFD for each character that cannot be recorded."""
    return _REFUSED.sub(INSTEAD, value)


def clean(value: object) -> Cleaned:
    """The value with U+FFFD for each character that cannot be recorded, in keys, too."""
    places: list[str] = []
    return Cleaned(_cleaned(value, "", _DEEPEST, places), tuple(places))


def _cleaned(value: object, where: str, room: int, places: list[str]) -> object:
    if isinstance(value, str):
        made = text(value)
        if made != value:
            places.append(where)
        return made
    if not isinstance(value, (dict, list, tuple)):
        return value
    if room == 0:
        places.append(where)
        return _LEFT_OUT
    if not isinstance(value, dict):
        return [_cleaned(item, f"{where}[{i}]", room - 1, places) for i, item in enumerate(value)]
    found: dict[object, object] = {}
    for key, item in value.items():
        name = text(key) if isinstance(key, str) else key
        place = f"{where}.{name}" if where else f"{name}"
        if name != key:
            places.append(place)
        found[name] = _cleaned(item, place, room - 1, places)
    return found
