# ruff: noqa: S311 - jitter needs no secrets
"""Back-off arithmetic: when a delivery is tried again, and when it is given up."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from avouch import errors
from avouch.controlplane import deliveries

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_tries_spread_over_more_than_a_day_and_end_after_fifteen():
    waits = [deliveries.next_try(n, NOW, random.Random(n)) for n in range(1, deliveries.MAX_ATTEMPTS)]
    assert all(wait is not None and NOW < wait <= NOW + deliveries.LONGEST for wait in waits)
    assert sum((wait - NOW for wait in waits), timedelta()) > timedelta(days=1)
    assert deliveries.next_try(deliveries.MAX_ATTEMPTS, NOW, random.Random(1)) is None


@pytest.mark.parametrize("exc", [errors.Denied("410"), errors.Invalid("url")])
def test_what_is_pointless_is_given_up(exc):
    assert deliveries.next_after(exc, 1, NOW, random.Random(1)) is None


def test_a_receiver_may_ask_for_more_time():
    asked = errors.Overloaded("429", retry_after=3600)
    assert deliveries.next_after(asked, 1, NOW, random.Random(1)) == NOW + timedelta(hours=1)
