"""The work that Tekton's objects and pods ask for: a queue, its workers, and what was known of deleted objects."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from avouch.controlplane.model import runs
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.kube.queue import WorkQueue
from avouch.reconcilers import settling, taskrunpods, tektonruns, workers
from avouch.tekton import labels, outcome, pod

_WORKERS = 64  # that many runs may share one commit
_PAGE = 1000  # objects that one query asks about


class RunReconciler(Protocol):
    """Opens and finishes runs."""

    async def reconcile(self, key: Key) -> float | None:
        """One PipelineRun or TaskRun. Returns after how many seconds to look again, or None."""
        ...

    async def vanished(self, key: Key, old: Object) -> None:
        """It was deleted."""
        ...

    def departed(self, taskrun: Object) -> None:
        """A TaskRun was deleted, or taken from its PipelineRun; called as soon as that is known."""
        ...


class Rescuer(Protocol):
    """Lets pods start that wait for the sidecar's image."""

    async def reconcile(self, key: Key) -> float | None:
        """One pod. Returns after how many seconds to look again, or None."""
        ...


@dataclass(frozen=True, slots=True)
class TektonWork:
    """Hears of every change of PipelineRuns, TaskRuns and pods, and works on those that matter."""

    cache: ObjectCache
    store: runs.Runs
    run_reconciler: RunReconciler
    rescuer: Rescuer
    queue: WorkQueue[Key] = field(default_factory=WorkQueue)
    pods: taskrunpods.TaskRunPods = field(default_factory=taskrunpods.TaskRunPods)  # the run reconciler's
    _vanished: dict[Key, dict[str, Object]] = field(default_factory=dict)  # by uid: one name may be made anew often

    def changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        """A PipelineRun or TaskRun appeared, changed or was deleted.

        A watch that was lost tells of one that was made anew under the same name only as another uid.
        """
        if old is not None and _left(old, new):
            self.run_reconciler.departed(old)
        if old is not None and (new is None or labels.uid_of(old) != labels.uid_of(new)):
            self._vanished.setdefault(key, {})[labels.uid_of(old)] = old
            self.queue.add(key)
        elif new is not None and old is not None and settling.settled(old) and outcome.done(new):
            self.cache.put(key, settling.settle(new))
        elif new is not None and tektonruns.worth_a_look(old, new):
            self.queue.add(key)

    def pod_changed(self, key: Key, _old: Object | None, new: Object | None) -> None:
        """A pod that waits to start appeared, changed or went away."""
        self.pod_seen(key, None, new)
        self.queue.add(key)

    def pod_seen(self, key: Key, _old: Object | None, new: Object | None) -> None:
        """A pod is about to start, or ended: a run may wait for that."""
        waiting = self.pods.see(key.namespace, pod.seen(new)) if new is not None else None
        if waiting is not None:
            self.queue.add(waiting)

    async def settle(self) -> None:
        """Put aside what was finished before this process started: it is not planned, opened or stored again.

        Raises:
            errors.Unavailable: the database cannot answer now.
        """
        over = dict(self._over())
        uids = list(over)
        for start in range(0, len(uids), _PAGE):
            for uid in await self.store.ended(uids[start : start + _PAGE]):
                self.pods.forget(over[uid].namespace, settling.put_aside(self.cache, over[uid], uid))

    async def run(self, number: int = _WORKERS) -> None:
        """Work until the queue drains."""
        await workers.Workers(self.queue, self._one).run(number)

    def _over(self) -> Iterator[tuple[str, Key]]:
        for kind in tektonruns.KINDS:
            for key in self.cache.keys(kind):
                obj = self.cache.get(key)
                if obj is not None and outcome.done(obj):
                    yield labels.uid_of(obj), key

    async def _one(self, key: Key) -> float | None:
        if key.kind == "Pod":
            return await self.rescuer.reconcile(key)
        for uid, old in list(self._vanished.get(key, {}).items()):
            await self.run_reconciler.vanished(key, old)
            del self._vanished[key][uid]  # not the whole entry: another may have been deleted meanwhile
        if not self._vanished.get(key):
            self._vanished.pop(key, None)
        return await self.run_reconciler.reconcile(key)


def _left(old: Object, new: Object | None) -> bool:
    """Whether a TaskRun is no longer what a PipelineRun can count as its own."""
    owner = labels.controller(old, "PipelineRun")
    same = new is not None and labels.uid_of(old) == labels.uid_of(new)
    return owner is not None and not (same and labels.controller(new or {}, "PipelineRun") == owner)
