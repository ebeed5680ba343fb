# ruff: noqa: S311 - jitter needs no secrets
"""When a delivery is tried again and when it is given up; what is sent, and what never is."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from avouch import errors
from avouch.controlplane.deliveries import sending
from avouch.controlplane.model import deliveries as delivery_model
from avouch.controlplane.model import deliverybounds
from avouch.integrations import webhook

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_tries_spread_over_more_than_a_day_and_end_after_fifteen():
    waits = [sending.next_try(n, NOW, random.Random(n)) for n in range(1, sending.MAX_ATTEMPTS)]
    assert all(wait is not None and NOW < wait <= NOW + sending.LONGEST for wait in waits)
    assert sum((wait - NOW for wait in waits), timedelta()) > timedelta(days=1)
    assert sending.next_try(sending.MAX_ATTEMPTS, NOW, random.Random(1)) is None


@pytest.mark.parametrize("exc", [errors.Denied("410"), errors.Invalid("url")])
def test_what_is_pointless_is_given_up(exc):
    assert sending.next_after(exc, 1, NOW, random.Random(1)) is None


def test_a_receiver_may_ask_for_more_time():
    asked = errors.Overloaded("429", retry_after=3600)
    assert sending.next_after(asked, 1, NOW, random.Random(1)) == NOW + timedelta(hours=1)


class Ledger:
    """Deliveries that are due; holds to the room that it is given, remembers what became of each."""

    def __init__(self, *due: delivery_model.Delivery) -> None:
        self.due = list(due)
        self.outcomes: list[tuple[str, str, datetime | None]] = []
        self.rooms: list[deliverybounds.Capacity] = []

    async def lease(self, capacity: deliverybounds.Capacity, seconds: int) -> Sequence[delivery_model.Delivery]:
        self.rooms.append(capacity)
        taken: list[delivery_model.Delivery] = []
        for one in list(self.due):
            mine = sum(other.attachment_uid == one.attachment_uid for other in taken)
            if len(taken) < capacity.total and mine < capacity.attachments.get(one.attachment_uid, capacity.attachment):
                taken.append(one)
                self.due.remove(one)
        return taken

    async def delivered(self, delivery_id: uuid.UUID, at: datetime) -> None:
        self.outcomes.append((str(delivery_id), "delivered", at))

    async def failed(self, delivery_id: uuid.UUID, error: str, *, next_try: datetime | None) -> None:
        self.outcomes.append((str(delivery_id), error, next_try))

    def delivered_to(self, name: str, made: Sequence[delivery_model.Delivery]) -> int:
        mine = {str(one.id) for one in made if one.attachment == name}
        return sum(said == "delivered" and key in mine for key, said, _ in self.outcomes)


class Receiver:
    """Answers, refuses (by the attachment's name), or hangs until `release`."""

    def __init__(self, **refused: Exception) -> None:
        self.got: list[delivery_model.Delivery] = []
        self.refused = refused
        self.release = asyncio.Event()
        self.flying: Counter[str] = Counter()
        self.most = 0

    async def deliver(self, delivery: delivery_model.Delivery) -> None:
        self.got.append(delivery)
        if delivery.attachment in self.refused:
            raise self.refused[delivery.attachment]
        if delivery.attachment == "hanging":
            self.flying[delivery.attachment] += 1
            self.most = max(self.most, self.flying["hanging"])
            await self.release.wait()
            self.flying[delivery.attachment] -= 1


class Clock:
    def now(self) -> datetime:
        return NOW


def to(name: str, config: dict[str, object] | None = None, attempts: int = 1) -> delivery_model.Delivery:
    return delivery_model.Delivery(
        uuid.uuid4(), uuid.uuid4(), f"{name}-uid", name, "shop", "webhook", config or {}, b"{}", attempts
    )


def fan_out(ledger: Ledger, receiver: Receiver, secrets: object = None) -> sending.Delivering:
    return sending.Delivering(ledger, secrets, Clock(), {"webhook": receiver}, random.Random(1))  # type: ignore[arg-type]


async def deliver(one: delivery_model.Delivery) -> tuple[str, datetime | None, list[delivery_model.Delivery]]:
    ledger, receiver = Ledger(one), Receiver()
    use_case = fan_out(ledger, receiver)
    assert await use_case.begin() == 1
    await use_case.finish(60)
    ((_, said, again),) = ledger.outcomes
    return said, again, receiver.got


async def test_what_the_ledger_leases_is_sent_as_it_is_configured_now():
    said, _, got = await deliver(to("chat", {"url": "https://new.example", "suspend": False}))
    assert said == "delivered"
    assert got[0].config["url"] == "https://new.example"


async def test_a_suspended_one_whose_attachment_is_gone_is_never_sent_and_given_up_in_the_end():
    said, again, got = await deliver(to("chat", {"suspend": True}))
    assert (got, again is not None and again > NOW) == ([], True)
    assert "the attachment was suspended at the verdict" in said
    said, again, got = await deliver(to("chat", {"suspend": True}, attempts=sending.MAX_ATTEMPTS))
    assert (got, again) == ([], None)


class Secrets:
    """One Secret, in the namespace of the Integration."""

    async def read(self, namespace: str, name: str, key: str) -> bytes:
        if (namespace, name, key) == ("home", "signing", "hmac"):
            return b"secret"
        raise errors.Denied("not this one") if name == "denied" else errors.NotFound("no such Secret")


@pytest.mark.parametrize(
    ("reference", "outcome"),
    [
        ({"namespace": "home", "name": "signing", "key": "hmac"}, "delivered"),
        ({"name": "signing", "key": "hmac"}, "no such Secret"),
        ({"namespace": "home", "name": "denied", "key": "hmac"}, "not this one"),
    ],
)
async def test_a_secret_is_the_integrations_own_and_one_that_is_not_there_yet_is_waited_for(reference, outcome):
    ledger, receiver = Ledger(to("chat", {"secretRef": reference})), Receiver()
    use_case = fan_out(ledger, receiver, Secrets())
    await use_case.begin()
    await use_case.finish(60)
    ((_, said, again),) = ledger.outcomes
    assert (said, again is not None) == (outcome, True)
    assert [one.secret for one in receiver.got] == ([b"secret"] if outcome == "delivered" else [])


async def test_a_bug_in_a_plugin_is_one_failed_delivery_that_is_tried_again():
    ledger, receiver = Ledger(to("broken"), to("chat")), Receiver(broken=KeyError("token"))
    use_case = fan_out(ledger, receiver)
    await use_case.begin()
    await use_case.finish(60)
    assert [said for _, said, _ in ledger.outcomes] == ["internal error: KeyError", "delivered"]
    assert all(again is not None and again >= NOW for _, _, again in ledger.outcomes)


async def test_a_delivery_ends_well_before_its_lease_does(monkeypatch):
    monkeypatch.setattr(sending, "PATIENCE", 0.05)
    ledger = Ledger(to("hanging"))
    use_case = fan_out(ledger, Receiver())
    await use_case.begin()
    await use_case.finish(60)
    ((_, said, again),) = ledger.outcomes
    assert said.startswith("not delivered within")
    assert again is not None


def test_the_slowest_receiver_answers_within_the_lease_of_its_delivery():
    assert webhook.LONGEST < sending.PATIENCE < sending.LEASE


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def test_a_receiver_that_hangs_holds_up_nobody_and_gets_no_more_than_its_bound_at_once():
    made = [*(to("hanging") for _ in range(50)), *(to("healthy") for _ in range(50))]
    ledger, receiver = Ledger(*made), Receiver()
    use_case = fan_out(ledger, receiver)
    running = asyncio.create_task(use_case.run())
    await until(lambda: ledger.delivered_to("healthy", made) == 50)
    assert ledger.delivered_to("hanging", made) == 0
    assert receiver.most == use_case.bounds.attachment
    assert len(ledger.due) == 50 - use_case.bounds.attachment, "what is not sent yet is not leased either"
    receiver.release.set()
    await until(lambda: ledger.delivered_to("hanging", made) == 50)
    running.cancel()
    await use_case.finish(60)
    assert receiver.most == use_case.bounds.attachment


async def test_a_receiver_that_fails_again_and_again_is_left_alone_and_nobody_else_is():
    made = [*(to("broken") for _ in range(60)), *(to("healthy") for _ in range(60))]
    ledger, receiver = Ledger(*made), Receiver(broken=errors.Unavailable("answered 500"))
    use_case = fan_out(ledger, receiver)
    running = asyncio.create_task(use_case.run())
    await until(lambda: ledger.delivered_to("healthy", made) == 60)
    running.cancel()
    await use_case.finish(60)
    tried = sum(one.attachment == "broken" for one in receiver.got)
    assert deliverybounds.THRESHOLD <= tried <= 2 * use_case.bounds.attachment
    assert ledger.rooms[-1].attachments["broken-uid"] == 0


async def test_a_refusal_for_good_opens_no_breaker_for_the_receiver_answers():
    made = [to("strict") for _ in range(40)]
    ledger, receiver = Ledger(*made), Receiver(strict=errors.Denied("answered 400: given up"))
    use_case = fan_out(ledger, receiver)
    running = asyncio.create_task(use_case.run())
    await until(lambda: len(ledger.outcomes) == 40)
    running.cancel()
    assert {again for _, _, again in ledger.outcomes} == {None}


async def test_a_delivery_whose_lease_came_too_late_is_not_sent(monkeypatch):
    monkeypatch.setattr(sending, "PATIENCE", -1.0)
    ledger, receiver = Ledger(to("hanging")), Receiver()
    use_case = fan_out(ledger, receiver)
    await use_case.begin()
    await use_case.finish(60)
    assert (ledger.outcomes, receiver.got) == ([], [])


def test_a_breaker_opens_after_failures_in_a_row_lets_one_probe_through_and_waits_longer_each_time():
    breaker, moment = deliverybounds.Breaker(), 100.0
    for _ in range(deliverybounds.THRESHOLD - 1):
        breaker = breaker.failed(moment)
    assert breaker.allows(moment, 8) == 8
    waits = []
    for _ in range(5):
        breaker = breaker.failed(moment)
        assert breaker.allows(moment, 8) == 0
        assert breaker.allows(breaker.until, 8) == 1
        waits.append(breaker.until - moment)
        moment = breaker.until
    assert waits == [10, 20, 40, 60, 60]


def test_a_receiver_that_asks_for_time_gets_it_at_once_but_not_for_ever():
    assert deliverybounds.Breaker().failed(0.0, asked=30).allows(29.0, 8) == 0
    assert deliverybounds.Breaker().failed(0.0, asked=86_400).allows(deliverybounds.LONGEST, 8) == 1
