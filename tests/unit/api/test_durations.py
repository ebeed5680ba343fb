"""Durations: one reading."""

from datetime import timedelta

import pytest
from pydantic_core import PydanticCustomError

from avouch import errors
from avouch.api import durations


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h", 86400), ("1h30m", 5400), ("90s", 90), ("1h1m1s", 3661), ("0s", 0)]
)
def test_a_duration_is_read(text: str, seconds: int) -> None:
    assert durations.read(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "1d", "1.5h", "-1h", "1m1h", "1", "h", " 1h", "1h\n", "٣h", "9999999999h"])
def test_what_is_no_duration_is_refused_with_the_fix(text: str) -> None:
    with pytest.raises(errors.Invalid, match="write hours"):
        durations.read(text)


def test_a_span_includes_its_bounds_and_nothing_beyond() -> None:
    span = durations.Span("1m", "2h")
    assert [span.check(text) for text in ("60s", "1m", "2h", "120m")]
    for text in ("59s", "2h1s", "1d", ""):
        with pytest.raises(PydanticCustomError, match="from 1m to 2h"):
            span.check(text)
