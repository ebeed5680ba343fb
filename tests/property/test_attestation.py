"""Properties of the bytes we sign."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avouch import errors, rfc3339
from avouch.attestation import dsse, statement, strictbase64, strictjson, verification
from tests.unit.attestation import builders

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LEAF = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT
JSON = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
WORLD = builders.pki()
BUNDLE = WORLD.bundle()


def loads(data: bytes) -> object:
    return strictjson.loads(data, max_bytes=10_000_000)


@given(TEXT, st.binary(max_size=60), TEXT, st.binary(max_size=60))
def test_two_different_payloads_or_types_never_encode_alike(type1: str, body1: bytes, type2: str, body2: bytes) -> None:
    assert (dsse.pae(type1, body1) == dsse.pae(type2, body2)) == ((type1, body1) == (type2, body2))


@given(TEXT, st.binary(max_size=60), st.integers(0, 60))
def test_moving_bytes_between_type_and_payload_changes_the_encoding(kind: str, body: bytes, cut: int) -> None:
    whole = kind.encode() + body
    try:
        other = whole[:cut].decode()
    except UnicodeDecodeError:
        return
    moved = (other, whole[cut:])
    assert (dsse.pae(*moved) == dsse.pae(kind, body)) == (moved == (kind, body))


@given(JSON)
def test_canonical_json_reads_back_and_writes_the_same(value: object) -> None:
    written = strictjson.dumps(value)
    assert loads(written) == value
    assert strictjson.dumps(loads(written)) == written


KEYS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["a", "\ue000", "\U00010000", "\uffff", "B"])
NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**54), 2**54) | TEXT | st.floats() | st.binary(max_size=2),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(NESTED)
def test_the_short_way_to_canonical_json_writes_the_bytes_of_the_long_way_or_leaves_it_to_it(value: object) -> None:
    def long_way() -> bytes | str:
        try:
            ordered = strictjson._ordered(value, strictjson.MAX_DEPTH)
            return json.dumps(ordered, ensure_ascii=False, separators=(",", ":")).encode()
        except errors.Invalid as exc:
            return str(exc)

    try:
        written: bytes | str = strictjson.dumps(value)
    except errors.Invalid as exc:
        written = str(exc)
    assert written == long_way()


DESCRIPTORS = st.builds(
    statement.ResourceDescriptor,
    name=TEXT,
    digest=st.dictionaries(
        st.sampled_from(["sha256", "sha1", "dirHash", ""]), st.sampled_from(["a" * 64, "b" * 40, ""])
    ),
    content=st.none() | st.binary(max_size=4),
    annotations=st.dictionaries(TEXT, JSON, max_size=2),
)


@given(
    st.lists(DESCRIPTORS, max_size=3), st.sampled_from(["https://example.com/type/v1", ""]), st.dictionaries(TEXT, JSON)
)
def test_a_statement_is_written_where_it_can_be_read_and_nowhere_else(
    subjects: list[statement.ResourceDescriptor], kind: str, body: dict[str, object]
) -> None:
    made = statement.Statement(tuple(subjects), kind, body)
    whole = {
        "_type": statement.TYPE, "subject": [statement.to_dict(one) for one in subjects], "predicateType": kind,
        "predicate": body,
    }  # fmt: skip
    expected = strictjson.dumps(whole)
    try:
        statement.parse(expected)
    except errors.Invalid:
        with pytest.raises(errors.Invalid):
            statement.to_bytes(made)
    else:
        assert statement.to_bytes(made) == expected


DEEP = st.recursive(st.text('[]{}\\"u', max_size=8), lambda inner: st.lists(inner, max_size=3), max_leaves=40)


@given(DEEP, st.integers(1, 5))
def test_depth_is_counted_outside_strings_only(value: object, limit: int) -> None:
    def depth(item: object) -> int:
        return 1 + max(map(depth, item), default=0) if isinstance(item, list) else 0

    data = json.dumps(value).encode()
    if depth(value) > limit:
        with pytest.raises(errors.TooLarge):
            strictjson.loads(data, max_bytes=10_000_000, max_depth=limit)
    else:
        assert strictjson.loads(data, max_bytes=10_000_000, max_depth=limit) == value


@given(JSON)
def test_spacing_and_escapes_do_not_change_the_canonical_form(value: object) -> None:
    assert strictjson.dumps(loads(json.dumps(value, indent=2).encode())) == strictjson.dumps(value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    try:
        value = loads(data)
    except errors.Invalid:
        return
    assert json.loads(data) == value


@given(st.text(alphabet='[]{}",:\\ue\n0a1-.EdD8 ', max_size=60))
def test_json_like_text_is_read_as_the_standard_library_does_or_refused(text: str) -> None:
    try:
        value = loads(text.encode())
    except errors.Invalid:
        return
    assert json.loads(text) == value


@given(st.text(alphabet="ABab01+/=-_ \n", max_size=16))
def test_each_base64_text_that_is_read_is_the_one_we_would_write(text: str) -> None:
    try:
        content = strictbase64.decode(text, "x")
    except errors.Invalid:
        return
    assert strictbase64.encode(content) == text


@given(st.binary(max_size=100))
def test_base64_reads_back(content: bytes) -> None:
    assert strictbase64.decode(strictbase64.encode(content), "x") == content


@given(st.datetimes(timezones=st.timezones()).filter(lambda moment: 2 < moment.year < 9998))
def test_times_read_back_as_the_same_moment(moment: datetime) -> None:
    assert rfc3339.read(rfc3339.write(moment), "x") == moment.astimezone(UTC)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(TEXT, TEXT, max_size=4), st.binary(min_size=1, max_size=40))
def test_whatever_is_signed_verifies(env: dict[str, str], content: bytes) -> None:
    facts = builders.facts(env=env, materials=(builders.text_material(text=content),))
    data = WORLD.bundle(builders.predicate.build(facts))
    assert verification.verify(data, WORLD.trust, builders.POD, builders.NOW).pod == builders.POD


@settings(deadline=None, max_examples=500)
@given(st.integers(0, len(BUNDLE) - 1), st.integers(1, 255))
def test_a_bundle_with_any_one_byte_changed_is_never_believed(position: int, flip: int) -> None:
    changed = bytearray(BUNDLE)
    changed[position] ^= flip
    with pytest.raises(errors.NotVerified):
        verification.verify(bytes(changed), WORLD.trust, builders.POD, builders.NOW)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_at_all_end_in_not_verified(data: bytes) -> None:
    with pytest.raises(errors.NotVerified):
        verification.verify(data, WORLD.trust, builders.POD, builders.NOW)
