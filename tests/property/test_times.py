"""Moments are spelt in three ways, all of them UTC, and read back by one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avouch import errors, rfc3339

ZONES = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
MOMENTS = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=ZONES)


@given(MOMENTS)
def test_every_spelling_is_read_as_the_same_moment(moment: datetime) -> None:
    assert rfc3339.read(rfc3339.write(moment), "x") == moment
    assert rfc3339.read(rfc3339.to_microseconds(moment), "x") == moment
    assert rfc3339.read(rfc3339.to_seconds(moment), "x") == moment.replace(microsecond=0)


@given(MOMENTS)
def test_kubernetes_gets_its_own_two_forms(moment: datetime) -> None:
    utc = moment.astimezone(UTC)
    assert rfc3339.to_seconds(moment) == f"{utc:%Y-%m-%dT%H:%M:%SZ}"
    assert rfc3339.to_microseconds(moment) == f"{utc:%Y-%m-%dT%H:%M:%S.%fZ}"


@pytest.mark.parametrize("spell", [rfc3339.write, rfc3339.to_seconds, rfc3339.to_microseconds])
def test_a_time_without_a_zone_is_refused(spell) -> None:
    with pytest.raises(errors.Invalid):
        spell(datetime(2026, 1, 1))  # naive on purpose
