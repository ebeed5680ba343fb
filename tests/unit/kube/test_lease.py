import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from avouch import errors
from avouch.kube.lease import Lease, Observation, Timing, claimed, may_take

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Server:
    """Keeps one Lease with optimistic concurrency, as the API server does."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.down = False
        self.asked = 0
        self._version = 0

    async def get(self, resource: Any, namespace: str, name: str) -> dict[str, Any] | None:
        self._check()
        self.asked += 1
        return self.lease

    async def create(self, resource: Any, body: dict[str, Any]) -> dict[str, Any]:
        self._check()
        if self.lease is not None:
            raise errors.Conflict("exists")
        return self._keep(body)

    async def replace(self, resource: Any, body: dict[str, Any]) -> dict[str, Any]:
        self._check()
        assert self.lease is not None
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise errors.Conflict("changed")
        return self._keep(body)

    def _keep(self, body: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}}
        return self.lease

    def _check(self) -> None:
        if self.down:
            raise errors.Unavailable("down")


FAST = Timing(duration=1.0, renew=0.05, retry=0.005)


def test_a_lease_of_another_is_taken_only_after_we_watched_it_stand_still_for_its_duration() -> None:
    spec = {"holderIdentity": "other", "leaseDurationSeconds": 15, "renewTime": "1999-01-01T00:00:00Z"}
    assert not may_take(spec, "me", Observation("1", at=100.0), now=114.9)
    assert may_take(spec, "me", Observation("1", at=100.0), now=115.0)


def test_a_released_lease_is_taken_at_once() -> None:
    assert may_take({"holderIdentity": "", "leaseDurationSeconds": 1}, "me", Observation("1", 0.0), now=0.0)


def test_the_epoch_grows_with_each_change_of_holder_and_not_with_renewals() -> None:
    first = claimed({}, "a", Timing(), NOW)
    renewed = claimed(first, "a", Timing(), NOW)
    taken = claimed(renewed, "b", Timing(), NOW)
    assert [s["leaseTransitions"] for s in (first, renewed, taken)] == [1, 1, 2]


async def test_a_second_one_waits_until_the_first_lets_go() -> None:
    server = Server()
    first, second = (Lease(server, "n", "l", name, FAST) for name in ("a", "b"))
    assert await first.acquire() == 1
    waiting = asyncio.ensure_future(second.acquire())
    while server.asked < 5:  # it keeps asking, and gets nothing
        await asyncio.sleep(0)
    assert not waiting.done()
    await first.release()
    assert await asyncio.wait_for(waiting, 5) == 2
    with pytest.raises(errors.Conflict):
        _ = first.epoch


async def test_a_lease_that_was_renewed_or_edited_meanwhile_is_released_all_the_same() -> None:
    server = Server()
    lease = Lease(server, "n", "l", "a", FAST)
    await lease.acquire()
    assert server.lease is not None
    server._keep({**server.lease, "metadata": {**server.lease["metadata"], "labels": {"by": "a user"}}})
    await lease.release()
    assert server.lease["spec"]["holderIdentity"] == ""
    assert server.lease["metadata"]["labels"] == {"by": "a user"}


async def test_a_lease_that_another_took_is_not_released_for_it() -> None:
    server = Server()
    lease = Lease(server, "n", "l", "a", FAST)
    await lease.acquire()
    assert server.lease is not None
    server._keep({**server.lease, "spec": {**server.lease["spec"], "holderIdentity": "b"}})
    await lease.release()
    assert server.lease["spec"]["holderIdentity"] == "b"


async def test_a_leader_that_cannot_renew_stops_before_its_lease_runs_out() -> None:
    server = Server()
    lease = Lease(server, "n", "l", "a", FAST)
    await lease.acquire()
    server.down = True
    lost: list[bool] = []
    await asyncio.wait_for(lease.hold(lambda: lost.append(True)), FAST.duration)
    assert lost == [True]
    assert not lease.leading


@pytest.mark.parametrize("holder", ["b", ""])  # taken; taken and released again
async def test_a_leader_whose_lease_was_taken_stops_at_once_and_does_not_take_it_back(holder: str) -> None:
    server = Server()
    lease = Lease(server, "n", "l", "a", FAST)
    await lease.acquire()
    assert server.lease is not None
    server._keep({**server.lease, "spec": {**server.lease["spec"], "holderIdentity": holder}})
    lost: list[bool] = []
    await asyncio.wait_for(lease.hold(lambda: lost.append(True)), 5)
    assert lost == [True]
    assert server.lease["spec"]["holderIdentity"] == holder


async def test_a_note_is_written_with_the_next_renewal_and_read_by_the_next_holder_whatever_else_stands_there() -> None:
    server = Server()
    first = Lease(server, "ns", "l", "first", FAST)
    await first.acquire()
    assert first.noted == ""
    assert server.lease is not None
    server.lease["metadata"]["annotations"] = {"somebody": "else"}
    first.note = "one"
    await first.acquire()
    assert first.noted == "one"
    assert server.lease["metadata"]["annotations"] == {"somebody": "else", "avouch.dev/database": "one"}
    first.note = "two"
    await first.release()
    second = Lease(server, "ns", "l", "second", FAST)
    await second.acquire()
    assert second.noted == "two"
