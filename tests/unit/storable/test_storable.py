"""Text that a database refuses is replaced, wherever it stands, and every place is told."""

import pytest

from avouch import storable


@pytest.mark.parametrize(
    ("value", "cleaned", "places"),
    [
        ("a\0b", "a\N{REPLACEMENT CHARACTER}b", ("",)),
        ({"a": [1, "\ud800", {"b": "\udfff"}]}, {"a": [1, "\ufffd", {"b": "\ufffd"}]}, ("a[1]", "a[2].b")),
        ({"k\0": "v"}, {"k\ufffd": "v"}, ("k\ufffd",)),
        (("\0", None, True, 1.5), ["\ufffd", None, True, 1.5], ("[0]",)),
        (
            {"a": {"k\0": ["\0"], 1: "\0"}},
            {"a": {"k\ufffd": ["\ufffd"], 1: "\ufffd"}},
            ("a.k\ufffd", "a.k\ufffd[0]", "a.1"),
        ),
    ],
)
def test_what_cannot_be_recorded_is_replaced_and_its_place_told(
    value: object, cleaned: object, places: tuple[str, ...]
) -> None:
    assert storable.clean(value) == storable.Cleaned(cleaned, places)


def test_everything_else_stays_as_it_is() -> None:
    value = {"é": ["\N{CLINKING BEER MUGS}", "\x01", "\\u0000", ""], "n": [2**70, 1e308, None]}
    assert storable.clean(value) == storable.Cleaned(value, ())


def test_nesting_without_end_is_cut_off_and_told() -> None:
    value: object = "deep"
    for _ in range(900):
        value = [value]
    (place,) = storable.clean(value).places
    assert place == "[0]" * 100


def nested(depth: int, inner: object) -> object:
    for _ in range(depth):
        inner = [inner]
    return inner


def test_a_hundred_lists_inside_each_other_are_kept_and_one_more_is_not() -> None:
    assert storable.clean(nested(100, "deep")) == storable.Cleaned(nested(100, "deep"), ())
    assert storable.clean(nested(101, "deep")) == storable.Cleaned(nested(100, "(nested too deeply)"), ("[0]" * 100,))


def test_a_text_alone_is_cleaned_alike() -> None:
    assert storable.text("a\0b\ud800c") == "a\ufffdb\ufffdc"
