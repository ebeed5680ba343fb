"""The workers of Tekton's objects: pods to the rescuer, the others to the run reconciler, and failed keys again."""

import asyncio

from avouch import errors
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.kube.queue import WorkQueue
from avouch.reconcilers import settling, tektonwork

POD, TASKRUN = Key("Pod", "team", "p"), Key("TaskRun", "team", "t")


class RunReconciler:
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

    def departed(self, taskrun: Object) -> None:
        self.asked.append(f"departed {taskrun['metadata']['uid']}")


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


def work(run_reconciler: RunReconciler, rescuer: Rescuer) -> tektonwork.TektonWork:
    queue: WorkQueue[Key] = WorkQueue(base=0.001)
    return tektonwork.TektonWork(ObjectCache(), None, run_reconciler, rescuer, queue)  # type: ignore[arg-type]


async def test_a_failure_is_tried_again_and_a_fault_of_ours_stops_nobody() -> None:
    run_reconciler = RunReconciler(errors.Unavailable("not now"), RuntimeError("a fault"))
    reconciling = work(run_reconciler, Rescuer())
    reconciling.changed(TASKRUN, None, {"metadata": {"name": "t", "uid": "u"}})
    running = asyncio.create_task(reconciling.run(2))
    async with asyncio.timeout(5):
        await run_reconciler.enough.wait()
        await reconciling.queue.drain()
        await running
    assert run_reconciler.asked == ["reconcile t"] * 3


async def test_what_was_known_of_a_deleted_object_is_kept_until_it_was_used() -> None:
    run_reconciler = RunReconciler(errors.Unavailable("not now"))
    reconciling = work(run_reconciler, Rescuer())
    reconciling.changed(TASKRUN, {"metadata": {"name": "t", "uid": "gone"}}, None)
    running = asyncio.create_task(reconciling.run(2))
    async with asyncio.timeout(5):
        await run_reconciler.enough.wait()
        await reconciling.queue.drain()
        await running
    assert run_reconciler.asked == ["vanished gone", "vanished gone", "reconcile t"]
    assert not reconciling._vanished


async def test_what_is_deleted_while_its_predecessor_is_finished_is_finished_too() -> None:
    reconciler = RunReconciler()
    shop = work(reconciler, Rescuer())
    finish = reconciler.vanished

    async def slow(key: Key, old: Object) -> None:
        await finish(key, old)
        if old["metadata"]["uid"] == "first":  # its successor came and went within one COMMIT
            shop.changed(key, None, {"metadata": {"name": "t", "uid": "second"}})
            shop.changed(key, {"metadata": {"name": "t", "uid": "second"}}, None)

    reconciler.vanished = slow  # type: ignore[method-assign]
    shop.changed(TASKRUN, {"metadata": {"name": "t", "uid": "first"}}, None)
    running = asyncio.create_task(shop.run(2))
    async with asyncio.timeout(5):
        await reconciler.enough.wait()
        await shop.queue.drain()
        await running
    assert reconciler.asked == ["vanished first", "reconcile t", "vanished second", "reconcile t"]


async def test_what_was_made_anew_while_the_watch_was_lost_is_finished_and_its_successor_looked_at() -> None:
    reconciler = RunReconciler()
    shop = work(reconciler, Rescuer())
    for old, new in (("first", "second"), ("second", "third")):
        shop.changed(TASKRUN, {"metadata": {"name": "t", "uid": old}}, {"metadata": {"name": "t", "uid": new}})
    running = asyncio.create_task(shop.run(2))
    async with asyncio.timeout(5):
        await reconciler.enough.wait()
        await shop.queue.drain()
        await running
    assert reconciler.asked == ["vanished first", "vanished second", "reconcile t"]


async def test_a_pod_is_the_rescuers_which_says_when_to_look_again() -> None:
    run_reconciler, rescuer = RunReconciler(), Rescuer()
    reconciling = work(run_reconciler, rescuer)
    reconciling.pod_changed(POD, None, None)
    running = asyncio.create_task(reconciling.run(2))
    async with asyncio.timeout(5):
        await rescuer.twice.wait()
        await reconciling.queue.drain()
        await running
    assert (rescuer.asked, run_reconciler.asked) == ([POD, POD], [])


def owned(uid: str, owner: str = "p") -> Object:
    reference = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "name": owner, "uid": owner, "controller": True}
    return {"metadata": {"name": "t", "uid": uid, "ownerReferences": [reference]}}


def test_a_taskrun_departs_when_it_is_deleted_made_anew_or_taken_away_and_by_no_other_change() -> None:
    run_reconciler = RunReconciler()
    shop = work(run_reconciler, Rescuer())
    shop.changed(TASKRUN, owned("u"), owned("u"))
    assert run_reconciler.asked == []
    for new in (None, owned("another"), owned("u", "q"), {"metadata": {"name": "t", "uid": "u"}}):
        shop.changed(TASKRUN, owned("u"), new)
    assert run_reconciler.asked == ["departed u"] * 4


def test_what_is_no_longer_done_is_looked_at_again_whole() -> None:
    shop = work(RunReconciler(), Rescuer())
    done = {"conditions": [{"type": "Succeeded", "status": "True"}]}
    new = {"metadata": {"name": "t", "uid": "u"}, "status": {}}
    shop.changed(TASKRUN, settling.settle({**new, "status": done}), new)
    assert (len(shop.queue), shop.cache.get(TASKRUN)) == (1, None)


def test_the_end_of_a_pod_that_waited_to_start_is_told_too() -> None:
    shop, subject = work(RunReconciler(), Rescuer()), Key("PipelineRun", "team", "release")
    shop.pods.wait(["t"], subject)
    owner = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": "t", "uid": "t", "controller": True}
    pod = {"metadata": {"name": "p", "uid": "p", "ownerReferences": [owner]}, "status": {"phase": "Failed"}}
    shop.pod_changed(POD, None, pod)
    assert len(shop.queue) == 2
