"""JSON with exactly one reading."""

import json
import time
from enum import IntEnum
from typing import NamedTuple

import pytest

from avouch import errors
from avouch.attestation import strictjson


def loads(data: bytes) -> object:
    return strictjson.loads(data, max_bytes=10_000_000)


NOT_UNICODE = "JSON text is not Unicode"
AMBIGUOUS = {
    "duplicate keys": (b'{"a":1,"a":2}', "duplicate key 'a'"),
    "duplicate keys of one value": (b'{"b":1,"a":1,"a":1}', "duplicate key 'a'"),
    "duplicate keys, one escaped": (b'{"a":1,"\\u0061":2}', "duplicate key 'a'"),
    "duplicate keys deep inside": (b'[{"x":{"a":1,"b":2,"a":1}}]', "duplicate key 'a'"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "JSON starts with a byte order mark"),
    "UTF-16": ('{"a":1}'.encode("utf-16"), NOT_UNICODE),
    "NaN": (b'{"a":NaN}', "NaN is not JSON"),
    "Infinity": (b"[Infinity]", "Infinity is not JSON"),
    "minus Infinity": (b"[-Infinity]", "-Infinity is not JSON"),
    "a number that overflows to infinity": (b"[1e999]", "number 1e999 is too large"),
    "a lone surrogate in a value": (b'["\\ud800"]', NOT_UNICODE),
    "a lone surrogate in a key": (b'{"\\uDFFF":1}', NOT_UNICODE),
    "surrogates in the wrong order": (b'["\\udc00\\ud800"]', NOT_UNICODE),
    "a surrogate as raw bytes": (b'["\xed\xa0\x80"]', NOT_UNICODE),
    "bytes that are not UTF-8": (b'["\xff"]', NOT_UNICODE),
    "trailing data": (b"{} {}", "not JSON: Extra data at character 3"),
    "a trailing comma": (b"[1,]", "not JSON"),
    "a comment": (b"[1] // no", "not JSON"),
    "a raw control character in a string": (b'["\n"]', "not JSON"),
    "single quotes": (b"{'a':1}", "not JSON"),
    "a leading zero": (b"[01]", "not JSON"),
    "nothing": (b"", "not JSON"),
    "an unclosed string": (b'["abc', "not JSON"),
    "an unclosed string that ends in a backslash": (b'["abc\\', "not JSON"),
}


@pytest.mark.parametrize(("data", "told"), AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_two_parsers_may_read_differently_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(errors.Invalid, match=f"^{told}"):
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
    assert strictjson.loads(b'"12345678"', max_bytes=10) == "12345678"
    with pytest.raises(errors.TooLarge, match="at most 10"):
        strictjson.loads(b" " * 11, max_bytes=10)


def test_the_caller_says_how_many_items_it_reads() -> None:
    document = b'[{"a":"b"},{"a":"b"}]'
    assert strictjson.loads(document, max_bytes=100, max_depth=2, max_items=4) == [{"a": "b"}, {"a": "b"}]
    for more in (document, b"[0,0,0,0,0]", b'{"a":"","b":"","c":"","d":"","e":""}', b'["' + b'","' * 1000 + b'"]'):
        with pytest.raises(errors.TooLarge, match="more than 3 items"):
            strictjson.loads(more, max_bytes=10_000, max_depth=2, max_items=3)


def test_more_quotes_than_items_could_have_are_refused_before_anything_is_split() -> None:
    for quotes, told in ((16, "^not JSON"), (18, "^JSON of more than 3 items")):
        data = b'["[[["' + b'""' * (quotes // 2 - 1) + b"]"
        with pytest.raises(errors.Invalid, match=told):
            strictjson.loads(data, max_bytes=1000, max_depth=2, max_items=3)


def test_400_digits_are_a_number_and_401_are_an_attack() -> None:
    assert loads(b"9" * 400) == int("9" * 400)
    assert loads(b"0." + b"1" * 398) == pytest.approx(1 / 9)
    with pytest.raises(errors.TooLarge, match="a number of 401 digits, at most 400"):
        loads(b"9" * 401)
    with pytest.raises(errors.TooLarge, match="a number of 401 characters, at most 400"):
        loads(b"0." + b"1" * 399)


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
    "a float": (1.5, "float has no canonical JSON form"),
    "NaN": (float("nan"), "float has no canonical JSON form"),
    "an integer no double holds": (2**53, "an integer beyond 2\\^53-1 has no canonical form"),
    "a negative integer no double holds": ([-(2**53)], "an integer beyond 2\\^53-1 has no canonical form"),
    "bytes": ([b"x"], "bytes has no canonical JSON form"),
    "a set": ({"a": {1}}, "set has no canonical JSON form"),
    "a key that is not text": ({1: 2}, "a JSON key must be text, not int"),
    "a lone surrogate": ("\ud800", "a lone surrogate"),
    "a lone surrogate as key": ({"\ud800": 1}, "a lone surrogate"),
}


@pytest.mark.parametrize(("value", "told"), NO_CANONICAL_FORM.values(), ids=NO_CANONICAL_FORM.keys())
def test_what_has_no_single_spelling_is_not_written(value: object, told: str) -> None:
    with pytest.raises(errors.Invalid, match=f"^{told}"):
        strictjson.dumps(value)


def test_the_largest_integers_that_a_double_holds_are_written() -> None:
    for value in (2**53 - 1, -(2**53) + 1):
        assert strictjson.dumps([value]) == f"[{value}]".encode()
        assert strictjson.dumps({"é": value}) == f'{{"é":{value}}}'.encode()


def test_what_claims_are_made_of_is_written_without_a_copy_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strictjson, "_ordered", None)
    deep: object = {"a": 1}
    for _ in range(63):
        deep = [deep]
    mixed = {"b": [None, True, "é", 0, (1, "x"), {"d": [], "c": {}}], "a": "x"}
    for value in (None, "é", False, 2**53 - 1, -(2**53) + 1, [], deep, mixed):
        assert (
            strictjson.dumps(value)
            == json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        )


def test_values_of_kinds_derived_from_those_of_json_are_written_as_those() -> None:
    class Named(str):
        pass

    class Numbered(IntEnum):
        ONE = 1

    class Kept(dict[str, object]):
        pass

    class Row(NamedTuple):
        first: int
        second: str

    whole = {"é": [Named("x"), Numbered.ONE, Kept(b=1, a=None), Row(1, "y"), True, ()]}
    assert strictjson.dumps(whole) == '{"é":["x",1,{"a":null,"b":1},[1,"y"],true,[]]}'.encode()


@pytest.mark.parametrize("inside", [1, "é", [], {"é": 1}])
def test_what_is_too_deep_to_read_is_not_written(inside: object) -> None:
    levels = 63 if isinstance(inside, (list, dict)) else 64
    deep = inside
    for _ in range(levels):
        deep = [deep]
    assert loads(strictjson.dumps(deep)) == deep
    with pytest.raises(errors.TooLarge, match="nested deeper than 64"):
        strictjson.dumps([deep])
    with pytest.raises(errors.TooLarge, match="nested deeper than 64"):
        strictjson.dumps({"a": deep})
