# ruff: noqa: S311 - jitter needs no secrets
"""When a delivery is tried again and when it is given up; what is sent, and what never is."""

import random
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from avouch import errors
from avouch.controlplane import deliveries
from avouch.controlplane.model import deliveries as delivery_model

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


class Ledger:
    """One delivery that is due; remembers what became of it."""

    def __init__(self, config: dict[str, object], attempts: int = 1) -> None:
        self.due = [
            delivery_model.Delivery(
                uuid.uuid4(), uuid.uuid4(), "uid", "chat", "shop", "webhook", config, b"{}", attempts
            )
        ]
        self.outcome: tuple[str, datetime | None] = ("", None)

    async def lease(self, limit: int, seconds: int) -> Sequence[delivery_model.Delivery]:
        due, self.due = self.due[:limit], []
        return due

    async def delivered(self, delivery_id: uuid.UUID, at: datetime) -> None:
        self.outcome = ("delivered", at)

    async def failed(self, delivery_id: uuid.UUID, error: str, *, next_try: datetime | None) -> None:
        self.outcome = (error, next_try)


class Receiver:
    def __init__(self) -> None:
        self.got: list[delivery_model.Delivery] = []

    async def deliver(self, delivery: delivery_model.Delivery) -> None:
        self.got.append(delivery)


class Clock:
    def now(self) -> datetime:
        return NOW


async def deliver(ledger: Ledger) -> tuple[str, datetime | None, list[delivery_model.Delivery]]:
    receiver = Receiver()
    use_case = deliveries.Delivering(ledger, None, Clock(), {"webhook": receiver}, random.Random(1))
    assert await use_case.run() == 1
    return *ledger.outcome, receiver.got


async def test_what_the_ledger_leases_is_sent_as_it_is_configured_now():
    said, _, got = await deliver(Ledger({"url": "https://new.example", "suspend": False}))
    assert said == "delivered"
    assert got[0].config["url"] == "https://new.example"


async def test_a_suspended_one_whose_attachment_is_gone_is_never_sent_and_given_up_in_the_end():
    said, again, got = await deliver(Ledger({"suspend": True}))
    assert (got, again is not None and again > NOW) == ([], True)
    assert "the attachment is gone" in said
    said, again, got = await deliver(Ledger({"suspend": True}, attempts=deliveries.MAX_ATTEMPTS))
    assert (got, again) == ([], None)
