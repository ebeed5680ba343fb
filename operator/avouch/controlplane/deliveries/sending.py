"""Sending deliveries: lease, send, mark. At least once, with a stable id; one slow receiver never holds up another.

1. What may begin is bounded in all, by namespace and by attachment; nothing waits for the rest of what was leased.
2. A delivery is leased just before it is sent and given up well before its lease ends, so it is never in flight twice.
3. A receiver that fails several times in a row is left alone for a while (`deliverybounds.Breaker`); what waits for it
   is not leased, so none of its tries are used up.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from avouch import errors
from avouch.controlplane.model import cluster, deliverybounds
from avouch.controlplane.model import deliveries as delivery_model

_log = logging.getLogger(__name__)
MAX_ATTEMPTS = 15
FIRST = timedelta(seconds=30)  # 30 s, 60 s ... 17 h, 24 h, 24 h: fifteen tries span 1.7 to 3.4 days
LONGEST = timedelta(hours=24)
LEASE = 90  # seconds
PATIENCE = 75.0  # seconds from the request for a lease to the end of its delivery; the rest is for marking it
_POLL = 5.0  # seconds between looks for deliveries that become due, or that another worker left behind
_FORGOTTEN = 3600.0  # seconds after which a breaker that nothing was sent through any more is dropped
_GATHER = 0.01  # seconds in which places become free before they are filled by one lease
_PAUSE = 2.0  # seconds before another try to reach the ledger


@dataclass(slots=True)
class Delivering:
    """The use case, with its ports and the table of integrations by type. Owned by one event loop."""

    ledger: delivery_model.Deliveries
    secrets: cluster.Secrets
    clock: cluster.Clock
    integrations: Mapping[str, delivery_model.Integration]
    rng: random.Random = field(default_factory=random.SystemRandom)
    bounds: deliverybounds.Bounds = field(default_factory=deliverybounds.Bounds)
    tried: Callable[[], None] = lambda: None  # called after each try
    due: asyncio.Event = field(default_factory=asyncio.Event)  # set by whoever knows that something may be due
    _flying: dict[asyncio.Task[None], delivery_model.Delivery] = field(default_factory=dict)
    _breakers: dict[str, deliverybounds.Breaker] = field(default_factory=dict)
    _more: bool = False  # more may be due than there was room for: a place that becomes free is filled soon
    _gathering: bool = False

    async def run(self) -> None:
        """Deliver what is due until cancelled; what is in flight then is left to `finish`."""
        while True:
            self.due.clear()
            try:
                await self.begin()
            except errors.AvouchError as exc:
                _log.warning("deliveries wait for the database: %s", exc)
                await asyncio.sleep(_PAUSE)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL):
                    await self.due.wait()

    async def begin(self) -> int:
        """Lease what there is room for and begin to send it. Returns how many deliveries began."""
        capacity = self._capacity()
        if capacity.total <= 0:
            self._more = True
            return 0
        asked = time.monotonic()
        taken = await self.ledger.lease(capacity, LEASE)
        for delivery in taken:
            task = asyncio.create_task(self._one(delivery, asked + PATIENCE))
            self._flying[task] = delivery
            task.add_done_callback(self._landed)
        self._more = bool(taken) or 0 in (*capacity.attachments.values(), *capacity.namespaces.values())
        return len(taken)

    async def finish(self, seconds: float) -> None:
        """Wait so long for what is in flight. What is broken off then is sent again once its lease has ended."""
        if self._flying:
            await asyncio.wait(list(self._flying), timeout=seconds)
        for task in list(self._flying):
            task.cancel()
        if self._flying:
            await asyncio.wait(list(self._flying))

    def _landed(self, task: asyncio.Task[None]) -> None:
        del self._flying[task]
        if self._more and not self._gathering:
            self._gathering = True
            asyncio.get_running_loop().call_later(_GATHER, self._again)
        self.tried()
        if not task.cancelled() and (exc := task.exception()) is not None:
            _log.warning("a delivery could not be marked and is sent again when its lease ends: %s", exc)

    def _again(self) -> None:
        self._gathering = False
        self.due.set()

    def _capacity(self) -> deliverybounds.Capacity:
        now, bounds = time.monotonic(), self.bounds
        self._breakers = {uid: one for uid, one in self._breakers.items() if now - one.until < _FORGOTTEN}
        attachments = Counter(one.attachment_uid for one in self._flying.values())
        namespaces = Counter(one.namespace for one in self._flying.values())
        allowed = {uid: breaker.allows(now, bounds.attachment) for uid, breaker in self._breakers.items()}
        return deliverybounds.Capacity(
            total=bounds.total - len(self._flying),
            namespace=bounds.namespace,
            attachment=bounds.attachment,
            namespaces={name: bounds.namespace - count for name, count in namespaces.items()},
            attachments={
                uid: max(allowed.get(uid, bounds.attachment) - attachments[uid], 0)
                for uid in attachments.keys() | allowed.keys()
            },
        )

    async def _one(self, delivery: delivery_model.Delivery, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            _log.warning("the lease of delivery %s came too late: it is sent when the lease has ended", delivery.id)
            return
        try:
            await self._within(left, delivery)
        except errors.AvouchError as exc:
            self._answered(delivery, exc)
            again = next_after(exc, delivery.attempts, self.clock.now(), self.rng)
            await self.ledger.failed(delivery.id, str(exc)[:500], next_try=again)
        except Exception as exc:  # a bug in a plugin is this delivery's failure, not its neighbours'
            self._answered(delivery, exc)
            again = next_try(delivery.attempts, self.clock.now(), self.rng)
            await self.ledger.failed(delivery.id, f"internal error: {type(exc).__name__}", next_try=again)
        else:
            self._breakers.pop(delivery.attachment_uid, None)
            await self.ledger.delivered(delivery.id, self.clock.now())

    async def _within(self, seconds: float, delivery: delivery_model.Delivery) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._send(delivery)
        except TimeoutError as exc:
            raise errors.Unavailable(f"not delivered within {seconds:.0f} s") from exc

    def _answered(self, delivery: delivery_model.Delivery, exc: Exception) -> None:
        """An answer that refuses one delivery for good says that the receiver is there."""
        if isinstance(exc, errors.AvouchError) and not exc.retry:
            self._breakers.pop(delivery.attachment_uid, None)
            return
        asked = float(exc.retry_after) if isinstance(exc, errors.Overloaded) else 0.0
        before = self._breakers.get(delivery.attachment_uid, deliverybounds.Breaker())
        self._breakers[delivery.attachment_uid] = before.failed(time.monotonic(), asked)

    async def _send(self, delivery: delivery_model.Delivery) -> None:
        integration = self.integrations.get(delivery.type)
        if integration is None:
            raise errors.Invalid(f"no integration of type {delivery.type[:40]!r}", field="spec.type")
        route = delivery_model.route_of(delivery.config, delivery.attachment)
        if route.suspend:  # the ledger holds these back while their attachment exists
            raise errors.Unavailable("the attachment was suspended at the verdict, and was deleted since")
        if reference := route.secret_ref:
            delivery = replace(delivery, secret=await self._secret(reference, delivery.namespace))
        await integration.deliver(delivery)

    async def _secret(self, reference: delivery_model.Secret, namespace: str) -> bytes:
        """A Secret that is not there yet may come: GitOps applies in any order. The port's errors name none."""
        try:
            return await self.secrets.read(reference.namespace or namespace, reference.name, reference.key)
        except (errors.NotFound, errors.Denied) as exc:
            raise errors.Unavailable(str(exc)) from exc


def next_after(exc: errors.AvouchError, attempts: int, now: datetime, rng: random.Random) -> datetime | None:
    """When to try again after this failure; None gives up."""
    if not exc.retry:
        return None
    later = next_try(attempts, now, rng)
    if later is None or not isinstance(exc, errors.Overloaded):
        return later
    asked = now + min(timedelta(seconds=max(exc.retry_after, 1)), LONGEST)
    return max(later, asked)


def next_try(attempts: int, now: datetime, rng: random.Random) -> datetime | None:
    """Exponential with full half-jitter, so that receivers that come back are not hit at once; None after the last.

    `attempts` counts the try that just failed.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    whole = min(FIRST * (1 << max(attempts - 1, 0)), LONGEST)
    return now + whole * (0.5 + rng.random() / 2)
