"""JSON with exactly one reading."""

import json
import time

import pytest

from avouch import errors
from avouch.attestation import strictjson


def loads(data: bytes) -> object:
    return strictjson.loads(data, max_bytes=10_000_000)


AMBIGUOUS = {
    "duplicate keys": b'{"a":1,"a":2}',
    "duplicate keys, one escaped": b'{"a":1,"\\u0061":2}',
    "duplicate keys deep inside": b'[{"x":{"a":1,"b":2,"a":1}}]',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "NaN": b'{"a":NaN}',
    "Infinity": b"[Infinity]",
    "minus Infinity": b"[-Infinity]",
    "a number that overflows to infinity": b"[1e999]",
    "a lone surrogate in a value": b'["\\ud800"]',
    "a lone surrogate in a key": b'{"\\uDFFF":1}',
    "surrogates in the wrong order": b'["\\udc00\\ud800"]',
    "a surrogate as raw bytes": b'["\xed\xa0\x80"]',
    "bytes that are not UTF-8": b'["\xff"]',
    "trailing data": b"{} {}",
    "a trailing comma": b"[1,]",
    "a comment": b"[1] // no",
    "a raw control character in a string": b'["\n"]',
    "single quotes": b"{'a':1}",
    "a leading zero": b"[01]",
    "nothing": b"",
    "an unclosed string": b'["abc',
    "an unclosed string that ends in a backslash": b'["abc\\',
}


@pytest.mark.parametrize("data", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_two_parsers_may_read_differently_is_refused(data: bytes) -> None:
    with pytest.raises(errors.Invalid):
        loads(data)


def test_sixty_four_levels_are_read_and_sixty_five_are_too_many() -> None:
    assert loads(b"[" * 64 + b"]" * 64)
    with pytest.raises(errors.TooLarge):
        loads(b"[" * 65 + b"]" * 65)


def test_a_million_open_brackets_are_refused_without_recursion() -> None:
    with pytest.raises(errors.TooLarge):
        loads(b'{"a":' * 1_000_000)


def test_brackets_inside_strings_are_not_nesting() -> None:
    assert loads(json.dumps(["[{" * 1000, '\\"[[' * 100]).encode()) == ["[{" * 1000, '\\"[[' * 100]


def test_many_siblings_are_not_nesting() -> None:
    assert loads(b"[" + b",".join([b"[]"] * 1000) + b"]") == [[]] * 1000


def test_an_unclosed_string_full_of_escaped_quotes_is_scanned_once() -> None:
    started = time.perf_counter()
    with pytest.raises(errors.Invalid):
        loads(b"[" * 65 + b'"' + b'\\"' * 500_000)
    assert time.perf_counter() - started < 5  # a scan per quote would take hours


@pytest.mark.parametrize("item", [b"0", b"[]", b"{}", b'""'])
def test_few_bytes_that_become_many_objects_are_refused(item: bytes) -> None:
    with pytest.raises(errors.TooLarge, match="items"):
        loads(b"[" + b",".join([item] * 260_000) + b"]")


def test_commas_inside_strings_are_not_items() -> None:
    assert loads(b'"' + b"," * 300_000 + b'"') == "," * 300_000


def test_too_many_bytes_are_refused_unread() -> None:
    with pytest.raises(errors.TooLarge, match="at most 10"):
        strictjson.loads(b" " * 11, max_bytes=10)


def test_the_caller_says_how_many_items_it_reads() -> None:
    document = b'[{"a":"b"},{"a":"b"}]'
    assert strictjson.loads(document, max_bytes=100, max_depth=2, max_items=4) == [{"a": "b"}, {"a": "b"}]
    for more in (document, b"[0,0,0,0,0]", b'{"a":"","b":"","c":"","d":"","e":""}', b'["' + b'","' * 1000 + b'"]'):
        with pytest.raises(errors.TooLarge, match="more than 3 items"):
            strictjson.loads(more, max_bytes=10_000, max_depth=2, max_items=3)


def test_400_digits_are_a_number_and_401_are_an_attack() -> None:
    assert loads(b"9" * 400) == int("9" * 400)
    with pytest.raises(errors.TooLarge):
        loads(b"9" * 401)
    with pytest.raises(errors.TooLarge):
        loads(b"0." + b"1" * 401)


def test_the_duplicate_key_is_named() -> None:
    with pytest.raises(errors.Invalid, match="'signatures'"):
        loads(b'{"signatures":[],"signatures":[]}')


def test_surrogate_pairs_are_characters() -> None:
    assert loads(b'["\\ud83d\\ude00"]') == ["\U0001f600"]


def test_canonical_form_sorts_keys_by_utf_16_units_as_rfc_8785_does() -> None:
    # The example of RFC 8785 3.2.3.
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = strictjson.dumps(dict.fromkeys(keys, 1))
    assert list(json.loads(written)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_canonical_form_uses_the_short_escapes_only() -> None:
    assert strictjson.dumps('\b\t\n\f\r"\\/\x01\x7fé\u2028') == '"\\b\\t\\n\\f\\r\\"\\\\/\\u0001\x7fé\u2028"'.encode()


NO_CANONICAL_FORM = {
    "a float": 1.5,
    "NaN": float("nan"),
    "an integer no double holds": 2**53,
    "bytes": b"x",
    "a set": {1},
    "a key that is not text": {1: 2},
    "a lone surrogate": "\ud800",
    "a lone surrogate as key": {"\ud800": 1},
}


@pytest.mark.parametrize("value", NO_CANONICAL_FORM.values(), ids=NO_CANONICAL_FORM.keys())
def test_what_has_no_single_spelling_is_not_written(value: object) -> None:
    with pytest.raises(errors.Invalid):
        strictjson.dumps(value)


def test_what_is_too_deep_to_read_is_not_written() -> None:
    deep: object = 1
    for _ in range(65):
        deep = [deep]
    with pytest.raises(errors.TooLarge):
        strictjson.dumps(deep)
