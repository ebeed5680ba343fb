# ruff: noqa: S311 - jitter needs no secrets
"""When a delivery is tried again and when it is given up; what is sent, and what never is."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
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
    """One Secret in the namespace of the Integration, one in that of the delivery."""

    async def read(self, namespace: str, name: str, key: str) -> bytes:
        if (namespace, name, key) == ("home", "signing", "hmac"):
            return b"secret"
        if (namespace, name, key) == ("shop", "own", "hmac"):
            return b"own"
        raise errors.Denied("not this one") if name == "denied" else errors.NotFound("no such Secret")


@pytest.mark.parametrize(
    ("reference", "outcome"),
    [
        ({"namespace": "home", "name": "signing", "key": "hmac"}, "delivered"),
        ({"name": "own", "key": "hmac"}, "delivered"),
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
    secret = b"own" if reference["name"] == "own" else b"secret"
    assert [one.secret for one in receiver.got] == ([secret] if outcome == "delivered" else [])


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


@pytest.mark.parametrize("left", [-1.0, 0.0])
async def test_a_delivery_whose_lease_came_too_late_is_not_sent(monkeypatch, left):
    monkeypatch.setattr(sending, "time", Monotonic())
    monkeypatch.setattr(sending, "PATIENCE", left)
    ledger, receiver = Ledger(to("hanging")), Receiver()
    use_case = fan_out(ledger, receiver)
    await use_case.begin()
    await use_case.finish(60)
    assert (ledger.outcomes, receiver.got) == ([], [])


class Monotonic:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


async def rounds(use_case: sending.Delivering, ledger: Ledger, *due: delivery_model.Delivery) -> None:
    """One delivery after the other."""
    for one in due:
        ledger.due.append(one)
        await use_case.begin()
        await use_case.finish(60)


async def test_a_breaker_is_forgotten_an_hour_after_it_could_have_let_something_through(monkeypatch):
    clock, ledger, receiver = Monotonic(), Ledger(), Receiver(broken=errors.Unavailable("answered 500"))
    monkeypatch.setattr(sending, "time", clock)
    use_case = fan_out(ledger, receiver)
    await rounds(use_case, ledger, *(to("broken") for _ in range(deliverybounds.THRESHOLD)))
    await use_case.begin()
    assert ledger.rooms[-1].attachments == {"broken-uid": 0}
    opened = clock.at + deliverybounds.FIRST
    for at, room in ((opened, {"broken-uid": 1}), (opened + 3599, {"broken-uid": 1}), (opened + 3600, {})):
        clock.at = at
        await use_case.begin()
        assert ledger.rooms[-1].attachments == room


@pytest.mark.parametrize(
    "answer", [errors.Denied("answered 400: given up"), None], ids=["refused for good", "delivered"]
)
async def test_only_failures_in_a_row_open_a_breaker(answer):
    ledger, receiver = Ledger(), Receiver()
    use_case = fan_out(ledger, receiver)
    fails = deliverybounds.THRESHOLD - 1
    for answers in ([errors.Unavailable("500")] * fails, [answer], [errors.Unavailable("500")] * fails):
        for one in answers:
            receiver.refused = {"chat": one} if one else {}
            await rounds(use_case, ledger, to("chat"))
    await use_case.begin()
    assert ledger.rooms[-1].attachments == {"chat-uid": use_case.bounds.attachment}


async def test_a_bug_in_a_plugin_counts_as_a_failure_of_its_receiver():
    ledger, receiver = Ledger(), Receiver(broken=KeyError("token"))
    use_case = fan_out(ledger, receiver)
    await rounds(use_case, ledger, *(to("broken") for _ in range(deliverybounds.THRESHOLD)))
    await use_case.begin()
    assert ledger.rooms[-1].attachments == {"broken-uid": 0}


async def test_a_receiver_that_asks_for_time_is_left_alone_at_once():
    ledger, receiver = Ledger(), Receiver(busy=errors.Overloaded("429", retry_after=30))
    use_case = fan_out(ledger, receiver)
    await rounds(use_case, ledger, to("busy"))
    await use_case.begin()
    assert ledger.rooms[-1].attachments == {"busy-uid": 0}


async def test_without_room_nothing_is_leased_and_a_place_that_becomes_free_is_filled_soon():
    ledger, receiver = Ledger(to("hanging"), to("chat")), Receiver()
    use_case = fan_out(ledger, receiver)
    use_case.bounds = deliverybounds.Bounds(total=1)
    assert (await use_case.begin(), await use_case.begin()) == (1, 0)
    assert len(ledger.rooms) == 1
    receiver.release.set()
    async with asyncio.timeout(20):
        await use_case.due.wait()
    assert (await use_case.begin(), len(ledger.due)) == (1, 0)
    await use_case.finish(60)


class Calls(asyncio.Event):
    """Counts how often it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def set(self) -> None:
        self.number += 1
        super().set()


async def test_places_that_become_free_together_are_filled_at_once_and_only_where_more_may_be_due():
    ledger, receiver = Ledger(*(to("hanging") for _ in range(3))), Receiver()
    use_case = fan_out(ledger, receiver)
    use_case.due, loop = Calls(), asyncio.get_running_loop()
    for more, calls in ((True, 1), (False, 1)):  # the second time nothing was leased any more
        ledger.due, receiver.release = [to("hanging") for _ in range(3)], asyncio.Event()
        assert await use_case.begin() == 3
        assert more or await use_case.begin() == 0
        receiver.release.set()
        await use_case.finish(60)
        later = asyncio.Event()
        loop.call_later(sending._GATHER, later.set)  # timers end in the order of their times
        await later.wait()
        assert use_case.due.number == calls


@pytest.mark.parametrize("bounds", [deliverybounds.Bounds(attachment=1), deliverybounds.Bounds(namespace=1)])
async def test_what_one_receiver_or_namespace_has_no_room_for_is_begun_soon_after_a_place_becomes_free(bounds):
    ledger, receiver = Ledger(to("hanging")), Receiver()
    use_case = fan_out(ledger, receiver)
    use_case.bounds = bounds
    assert (await use_case.begin(), await use_case.begin()) == (1, 0)
    assert (ledger.rooms[1].namespaces, ledger.rooms[1].attachments) == (
        {"shop": bounds.namespace - 1}, {"hanging-uid": bounds.attachment - 1})  # fmt: skip
    receiver.release.set()
    async with asyncio.timeout(20):
        await use_case.due.wait()
    await use_case.finish(60)


async def test_what_is_delivered_and_cannot_be_marked_is_said_and_every_try_is_told(caplog):
    class Away(Ledger):
        async def delivered(self, delivery_id: uuid.UUID, at: datetime) -> None:
            raise errors.Unavailable("the database is away")

    tried: list[None] = []
    for ledger, said in ((Away(to("chat")), True), (Ledger(to("chat")), False)):
        caplog.clear()
        use_case = fan_out(ledger, Receiver())
        use_case.tried = lambda: tried.append(None)
        await use_case.begin()
        await use_case.finish(60)
        assert ("could not be marked and is sent again" in caplog.text) is said
    assert len(tried) == 2


async def test_what_hangs_when_the_worker_ends_is_broken_off_without_an_outcome(caplog):
    class Slow(Receiver):
        ended = False

        async def deliver(self, delivery: delivery_model.Delivery) -> None:
            try:
                await super().deliver(delivery)
            finally:
                self.ended = True

    hanging, ledger = Slow(), Ledger(to("hanging"), replace(to("chat"), type="other"))
    use_case = fan_out(ledger, hanging)
    use_case.integrations = {"webhook": hanging, "other": Receiver()}
    await use_case.begin()
    await use_case.finish(0.01)
    assert hanging.ended, "nothing is left running when the process ends"
    assert [said for _, said, _ in ledger.outcomes] == ["delivered"]
    assert not caplog.records


class Away(Ledger):
    """Does not answer at first."""

    failures = 2

    async def lease(self, capacity: deliverybounds.Capacity, seconds: int) -> Sequence[delivery_model.Delivery]:
        if self.failures:
            self.failures -= 1
            raise errors.Unavailable("the database is away")
        return await super().lease(capacity, seconds)


async def test_deliveries_wait_for_a_database_that_is_away_and_go_on(monkeypatch):
    monkeypatch.setattr(sending, "_PAUSE", 0.0)
    ledger = Away(to("chat"))
    use_case = fan_out(ledger, Receiver())
    running = asyncio.create_task(use_case.run())
    await until(lambda: len(ledger.outcomes) == 1)
    running.cancel()
    await use_case.finish(60)


async def test_a_database_that_is_away_is_left_alone_for_a_pause(monkeypatch):
    monkeypatch.setattr(sending, "_PAUSE", 3600.0)
    ledger = Away(to("chat"))
    use_case = fan_out(ledger, Receiver())
    running = asyncio.create_task(use_case.run())
    await until(lambda: ledger.failures == 1)
    use_case.due.set()  # that more is due ends no pause
    for _ in range(50):
        await asyncio.sleep(0)
    running.cancel()
    assert (ledger.failures, ledger.rooms) == (1, [])


async def test_a_delivery_of_a_type_that_nobody_serves_is_given_up():
    ledger = Ledger(replace(to("chat"), type="pigeon"))
    use_case = fan_out(ledger, Receiver())
    await use_case.begin()
    await use_case.finish(60)
    ((_, said, again),) = ledger.outcomes
    assert ("no integration of type 'pigeon'" in said, again) == (True, None)


@pytest.mark.parametrize(
    ("attempts", "least", "most"),
    [(0, 15, 30), (1, 15, 30), (2, 30, 60), (14, 43_200, 86_400), (15, None, None), (16, None, None)],
)
def test_the_next_try_is_twice_as_late_each_time_and_there_is_none_after_the_last(attempts, least, most):
    for seed in range(20):
        found = sending.next_try(attempts, NOW, random.Random(seed))
        assert (found is None) is (least is None)
        assert found is None or timedelta(seconds=least) <= found - NOW <= timedelta(seconds=most)


@pytest.mark.parametrize(("asked", "wait"), [(0, 15), (20, 20), (3600, 3600), (10**9, 86_400)])
def test_what_a_receiver_asks_for_is_at_least_what_it_would_get_and_at_most_a_day(asked, wait):
    class Least(random.Random):
        def random(self) -> float:
            return 0.0

    found = sending.next_after(errors.Overloaded("429", retry_after=asked), 1, NOW, Least())
    assert found == NOW + timedelta(seconds=wait)
    assert sending.next_after(errors.Overloaded("429", retry_after=asked), 15, NOW, Least()) is None


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
