"""The workers of Tekton's objects: pods to the rescuer, the others to the keeper, and what fails once more."""

import asyncio

from avouch import errors
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.kube.queue import WorkQueue
from avouch.reconcilers import tektonwork

POD, TASKRUN = Key("Pod", "team", "p"), Key("TaskRun", "team", "t")


class Keeper:
    """Fails as often as it is told, and remembers what it was asked."""

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.asked = list(failures), [""]
        self.asked.clear()
        self.enough = asyncio.Event()

    async def reconcile(self, key: Key) -> None:
        self.asked.append(f"reconcile {key.name}")
        if self.failures:
            raise self.failures.pop(0)
        self.enough.set()

    async def vanished(self, key: Key, old: Object) -> None:
        self.asked.append(f"vanished {old['metadata']['uid']}")
        if self.failures:
            raise self.failures.pop(0)


class Rescuer:
    def __init__(self) -> None:
        self.asked: list[Key] = []
        self.twice = asyncio.Event()

    async def reconcile(self, key: Key) -> float | None:
        self.asked.append(key)
        if len(self.asked) == 2:
            self.twice.set()
            return None
        return 0.001


def work(keeper: Keeper, rescuer: Rescuer) -> tektonwork.TektonWork:
    queue: WorkQueue[Key] = WorkQueue(base=0.001)
    return tektonwork.TektonWork(ObjectCache(), None, keeper, rescuer, queue)  # type: ignore[arg-type]


async def test_a_failure_is_tried_again_and_a_fault_of_ours_stops_nobody() -> None:
    keeper = Keeper(errors.Unavailable("not now"), RuntimeError("a fault"))
    shop = work(keeper, Rescuer())
    shop.changed(TASKRUN, None, {"metadata": {"name": "t", "uid": "u"}})
    running = asyncio.create_task(shop.run(2))
    async with asyncio.timeout(5):
        await keeper.enough.wait()
        await shop.queue.drain()
        await running
    assert keeper.asked == ["reconcile t"] * 3


async def test_what_was_known_of_a_deleted_object_is_kept_until_it_was_used() -> None:
    keeper = Keeper(errors.Unavailable("not now"))
    shop = work(keeper, Rescuer())
    shop.changed(TASKRUN, {"metadata": {"name": "t", "uid": "gone"}}, None)
    running = asyncio.create_task(shop.run(2))
    async with asyncio.timeout(5):
        await keeper.enough.wait()
        await shop.queue.drain()
        await running
    assert keeper.asked == ["vanished gone", "vanished gone", "reconcile t"]


async def test_a_pod_is_the_rescuers_which_says_when_to_look_again() -> None:
    keeper, rescuer = Keeper(), Rescuer()
    shop = work(keeper, rescuer)
    shop.pod_changed(POD, None, None)
    running = asyncio.create_task(shop.run(2))
    async with asyncio.timeout(5):
        await rescuer.twice.wait()
        await shop.queue.drain()
        await running
    assert (rescuer.asked, keeper.asked) == ([POD, POD], [])
