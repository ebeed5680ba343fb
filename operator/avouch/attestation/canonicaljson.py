"""Strict JSON read fast, where it is written as our own tools write it: `strictjson.loads` by another way.

A document is decoded by msgspec and written again, keys sorted, without a space. Where that gives the same bytes, they
are the one spelling of this value: no key stands twice, every number and every string has been read exactly, and
nothing was skipped, so there is no second reading. Whatever is spelled in any other way is read by `strictjson`.

The process that wants this hands `loads` to `verification.verify`. The sidecar does without: msgspec is not in its
image.
"""

import msgspec

from avouch.attestation import strictjson

_DECODER = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder(order="sorted")
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_TOO_LONG = b"0" * (strictjson.MAX_DIGITS + 1)
_LONG = b"0" * 33  # our own tools write 16 digits at most, and hardly any text has so many in a row
_FEW = 64 * 1024  # bytes, in which long numbers cost little, and looking for `_LONG` a fifth of all reading
_OTHER = object()  # not the canonical spelling


def loads(
    data: bytes, *, max_bytes: int, max_depth: int = strictjson.MAX_DEPTH, max_items: int = strictjson.MAX_ITEMS
) -> object:
    """Read one JSON document. Accepts, refuses and answers exactly what `strictjson.loads` does, error for error."""
    found = _canonical(data, max_depth, max_items) if len(data) <= max_bytes else _OTHER
    if found is _OTHER:
        return strictjson.loads(data, max_bytes=max_bytes, max_depth=max_depth, max_items=max_items)
    return found


def _canonical(data: bytes, max_depth: int, max_items: int) -> object:
    """The value, where these bytes are its only spelling and within all limits."""
    if len(data) > max_items and _items(data) > max_items:
        return _OTHER  # fewer bytes hold fewer items
    if (_LONG if len(data) > _FEW else _TOO_LONG) in data.translate(_DIGITS):
        return _OTHER  # msgspec takes the square of its digits for a number, too
    try:
        value = _DECODER.decode(data)
        if _ENCODER.encode(value) != data or _deeper(value, max_depth):
            return _OTHER
    except (msgspec.MsgspecError, UnicodeError, OverflowError, RecursionError):
        return _OTHER  # strictjson says what is wrong with it, or that nothing is
    return value


def _items(data: bytes) -> int:
    """At least as many commas and open brackets as strictjson counts: those inside strings are here, too."""
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def _deeper(value: object, room: int) -> bool:
    """Whether more than `room` arrays and objects are open at once, level by level; msgspec makes no other types."""
    level = [value] if type(value) is dict or type(value) is list else []
    while level:
        if room == 0:
            return True
        room -= 1
        inner = []
        for one in level:
            for item in one.values() if type(one) is dict else one:
                kind = type(item)
                if kind is dict or kind is list:
                    inner.append(item)
        level = inner
    return False
