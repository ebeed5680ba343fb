"""Two ways to read strict JSON: whatever the bytes, they give the same value, or the same error."""

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from avouch import errors
from avouch.attestation import canonicaljson, strictjson
from tests.unit.attestation import builders

MOST = 10_000_000
TEXT = st.text(max_size=20)
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
SPELLINGS: tuple[dict[str, Any], ...] = (
    {"ensure_ascii": False, "separators": (",", ":"), "sort_keys": True},
    {"ensure_ascii": False, "separators": (",", ":")},
    {"ensure_ascii": True, "separators": (",", ":"), "sort_keys": True},
    {"indent": 1},
)
BUNDLE = builders.pki().bundle()
# Pieces out of which hostile documents are put together: most of what comes out is not JSON at all.
PIECES = st.sampled_from(
    [
        b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b" ", b"\n", b'"a"', b'"a":', b'"b":', b"1", b"-0", b"0",
        b"1.0", b"1e5", b"1E400", b"-1e-400", b"9" * 18, b"18446744073709551616", b"9" * 5000, b"NaN", b"Infinity",
        b"null", b"true", b"false", b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\xf0\x9f\x98\x80"',
        b'"\xed\xa0\x80"', b'"\xff"',
        b'"\\u0000"', b'"\x00"', b'"\x7f"', b'"\\/"', b'"\xc0\x80"', b"\xef\xbb\xbf", b'"\xe2\x80\xa8"', b"//", b"01",
    ]
)  # fmt: skip


def outcome(read: strictjson.Reader, data: bytes, **limits: int) -> object:
    """What reading gives, in a form in which NaN equals itself and 1 differs from 1.0 and from True."""
    try:
        return _told_apart(read(data, max_bytes=limits.pop("max_bytes", MOST), **limits))
    except errors.Invalid as exc:
        return type(exc), str(exc)


def _told_apart(value: object) -> object:
    if isinstance(value, dict):
        return "object", [(key, _told_apart(item)) for key, item in value.items()]
    if isinstance(value, list):
        return "array", [_told_apart(item) for item in value]
    if isinstance(value, float):
        return "float", value.hex(), math.copysign(1.0, value)
    return type(value), value


def same(data: bytes, **limits: int) -> None:
    assert outcome(canonicaljson.loads, data, **limits) == outcome(strictjson.loads, data, **limits)


@given(JSON, st.sampled_from(SPELLINGS))
@settings(max_examples=300)
def test_values_in_any_spelling_are_read_alike(value: object, spelling: dict[str, Any]) -> None:
    same(json.dumps(value, **spelling).encode("utf-8", "surrogatepass"))


@given(st.lists(PIECES, max_size=12).map(b"".join))
@settings(max_examples=800)
def test_hostile_documents_are_read_alike(data: bytes) -> None:
    same(data)
    same(b"[" + data + b"]")
    same(b'{"a":' + data + b"}")


@given(st.binary(max_size=40))
@settings(max_examples=300)
def test_any_bytes_are_read_alike(data: bytes) -> None:
    same(data)
    same(b'"' + data + b'"')


@given(st.integers(0, len(BUNDLE) - 1), st.binary(min_size=0, max_size=3), st.integers(0, 3))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@example(0, b"", 0)
def test_a_bundle_with_anything_changed_is_read_alike(place: int, instead: bytes, dropped: int) -> None:
    same(BUNDLE[:place] + instead + BUNDLE[place + dropped :])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_with_a_point_are_the_same_double(number: float) -> None:
    for text in (repr(number), f"{number:.17g}", f"{number:.25e}"):
        same(f"[{text}]".encode())


@given(st.integers() | st.integers(-(2**70), 2**70))
@example(2**63)
@example(2**64)
@example(-(2**63) - 1)
@example(2**53 + 1)
def test_whole_numbers_are_the_same_however_large(number: int) -> None:
    same(f"[{number}]".encode())
    same(f'{{"n":{number}}}'.encode())


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}', b'{"a":1,"a":2}', b'{"a":{"b":1,"b":1}}', b'{"a":1,"\\u0061":2}', b"1", b'"a"', b"null", b"",
        b" ", b"[] ", b"[]x", b"[1,]", b'{"a":1,}', b"[" * 65 + b"]" * 65, b"[" * 64 + b"]" * 64, b"[" * 100_000,
        b'{"a":' * 65 + b"1" + b"}" * 65, b'{"a":' * 64 + b"1" + b"}" * 64, b"[" * 5000 + b"]" * 5000,
        b"[" + b"[]," * 100 + b"[]]", b'["' + b"[" * 100 + b'"]', b"[" + b"0," * 250_000 + b"0]",
        b"[" + b"0," * 249_990 + b"0]", b"[" + b"0," * 250_001 + b"0]", b"[" + b"[]," * 150_000 + b"[]]",
        b'["' + b"," * 250_001 + b'"]', b"[" + b"9" * 400 + b"]", b"[" + b"9" * 401 + b"]", b"0." + b"3" * 500,
        b"[" + b"9" * 4301 + b"]", b"[1e400]", b"[-0]", b"[-0.0]", b"[0.0]", b"[1.0]", b"[1e1]", b"[10.0]", b"[NaN]",
        b'["\\ud800"]', b'["\\udc00\\ud800"]', b'["\xed\xa0\x80"]', b'{"\\ud800":1}', b'["\x1f"]', b'["\\u001f"]',
        b'["\\u007f"]', b'["\x7f"]', b'{"\xef\xbf\xbf":1,"\xf0\x90\x80\x80":2}',
        b'{"\xf0\x90\x80\x80":1,"\xef\xbf\xbf":2}', b"\xef\xbb\xbf[]", b"\xff\xfe[\x00]\x00",
    ],
)  # fmt: skip
def test_what_is_known_to_divide_readers_divides_ours_not(data: bytes) -> None:
    same(data)
    same(data, max_depth=3)
    same(data, max_bytes=5)


@pytest.mark.parametrize("levels", [1, 3, 4, 5])
def test_depth_is_bounded_alike_in_objects_and_arrays(levels: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")):
        inner = '[1,{"b":["[[["]}]'
        same((opening * levels + inner + closing * levels).encode(), max_depth=4)


def test_our_own_bundles_take_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strictjson, "loads", None)
    assert isinstance(canonicaljson.loads(BUNDLE, max_bytes=MOST), dict)


@pytest.mark.parametrize(
    "data",
    [
        b"null", b"7", b'"a"', b"[]", b'{"a":{"b":[1,"x",null,true]},"c":2}', b"[" * 64 + b"]" * 64,
        b'{"a":' * 63 + b'["[[["]' + b"}" * 63, b'["' + b"0" * 400 + b'"]', b'["' + b"[," * 1000 + b'"]',
        b"[" + b"0," * 249_999 + b"0]", b'["' + b"a" * 300_000 + b'"]',
    ],
    ids=lambda data: data[:12].decode(),
)  # fmt: skip
def test_what_has_one_spelling_and_is_within_all_limits_takes_the_fast_way(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = json.loads(data)
    monkeypatch.setattr(strictjson, "loads", None)
    assert canonicaljson.loads(data, max_bytes=len(data)) == read


def test_the_limits_of_items_and_depth_are_reached_on_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b'[1,[2,{"a":3}]]'
    monkeypatch.setattr(strictjson, "loads", None)
    assert canonicaljson.loads(data, max_bytes=100, max_depth=3, max_items=5) == [1, [2, {"a": 3}]]
    for limits in ({"max_depth": 2}, {"max_items": 4}, {"max_bytes": len(data) - 1}):
        with pytest.raises(TypeError):  # the other way is not there
            canonicaljson.loads(data, **{"max_bytes": 100, **limits})
