"""Runs from Tekton's own objects: opened when a PipelineRun or TaskRun appears, finished when it is Done.

At Done the cluster's record is put together afresh (the subject, all its TaskRuns by reference and UID, which of their
pods carry our sidecar) and stored; judging starts from there. Nothing of Tekton's is ever written.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from avouch import errors
from avouch.controlplane.intake import planning
from avouch.controlplane.model import runs as run_model
from avouch.kube import events, resources
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.kube.client import Json
from avouch.reconcilers.context import Context
from avouch.tekton import decision, labels, outcome, pod

log = logging.getLogger(__name__)

_PIPELINERUN_UID = "tekton.dev/pipelineRunUID"

KINDS = {"PipelineRun": resources.PIPELINERUNS, "TaskRun": resources.TASKRUNS}


class ClusterApi(Protocol):
    """The verbs that a snapshot needs."""

    async def get(self, resource: resources.Resource, namespace: str, name: str) -> Json | None:
        """One object, or None."""
        ...

    async def list_all(self, resource: resources.Resource, namespace: str = "", **query: str) -> tuple[list[Json], str]:
        """Every object and the resource version of the list."""
        ...


def worth_a_look(old: Object | None, new: Object) -> bool:
    """First sight and Done are what matters; everything between changes nothing for us."""
    return old is None or outcome.done(new) != outcome.done(old)


def held_back(owed: Sequence[planning.Owed]) -> pod.Refusal | None:
    """Why a ResourceQuota, and nothing else, keeps the sidecar out of these runs' pods."""
    asked = [decision.Owed(one.plan, one.plan.materials) for one in owed]
    without, refused = decision.decide(asked, quota=False), decision.decide(asked, quota=True)
    return refused if isinstance(refused, pod.Refusal) and not isinstance(without, pod.Refusal) else None


@dataclass(frozen=True, slots=True)
class RunKeeper:
    """Opens and finishes runs. `awaited` collects runs whose verdict is awaited."""

    world: Context
    runs: run_model.Runs
    api: ClusterApi
    awaited: dict[Any, run_model.Run]
    recorder: events.Recorder

    async def reconcile(self, key: Key) -> None:
        """One PipelineRun or TaskRun. Raises errors.AvouchError to be tried again."""
        obj = self.world.cache.get(key)
        if obj is None or not self.world.cache.found("Workflow", f"namespace/{key.namespace}"):
            return
        owed = await self._owed(key, obj)
        known = [await self.runs.get(one.run_id) for one in owed]
        opened = [run or await self._open(one) for run, one in zip(known, owed, strict=True)]
        if None in known:
            await self._warn(key, obj, owed)
        if not outcome.done(obj):
            return
        waiting = [run for run in opened if run.finished_at is None]
        if not waiting:
            return
        snapshot = await self.snapshot(key, obj)
        for run in waiting:
            await self._finish(run, snapshot, outcome.finished_at(obj, self.world.clock.now()))

    async def vanished(self, key: Key, old: Object) -> None:
        """The object was deleted: a run that never saw its end is finished with what was last known."""
        waiting = [r for r in await self.runs.of_subject(labels.uid_of(old)) if r.finished_at is None]
        for run in waiting:
            taskruns = (old,) if key.kind == "TaskRun" else self._cached(labels.uid_of(old))
            await self._finish(run, run_model.Snapshot(old, tuple(taskruns)), self.world.clock.now())

    async def look_up_unfinished(self, limit: int = 500) -> None:
        """Runs whose subject went away while nobody watched. Those that are still there the watch takes care of."""
        for run in await self.runs.unfinished(limit):
            resource = KINDS.get(run.subject_kind)
            if resource is None:
                continue
            found = await self.api.get(resource, run.namespace, run.subject_name)
            if found is None or found["metadata"]["uid"] != run.key.subject_uid:
                log.warning("run %s: its %s is gone and nobody saw it end", run.name, run.subject_kind)
                await self._finish(run, run_model.Snapshot({}, ()), self.world.clock.now())

    async def snapshot(self, key: Key, obj: Object) -> run_model.Snapshot:
        """The cluster's record of a Done subject.

        Raises:
            errors.Unavailable: a TaskRun of it is not Done yet, so the record would be half of one.
        """
        uid = labels.uid_of(obj)
        taskruns = (obj,) if key.kind == "TaskRun" else await self._taskruns(key.namespace, obj)
        selector = f"{_PIPELINERUN_UID if key.kind == 'PipelineRun' else labels.TASKRUN_UID}={uid}"
        pods, _ = await self.api.list_all(resources.PODS, key.namespace, labelSelector=selector)
        names, ours = pod.injected(pods, taskruns)
        return run_model.Snapshot(obj, tuple(taskruns), ours, names)

    async def _taskruns(self, namespace: str, pipelinerun: Object) -> Sequence[Object]:
        uid = labels.uid_of(pipelinerun)
        known = {labels.name_of(t): t for t in self._cached(uid)}
        names = sorted({*outcome.children(pipelinerun), *known})
        found = await asyncio.gather(*(self._fresh(namespace, name, known.get(name)) for name in names))
        mine = [t for t in found if t is not None and _owned(t, uid)]
        late = [labels.name_of(t) for t in mine if not outcome.done(t)]
        if late:
            raise errors.Unavailable(f"TaskRun {late[0]} is not Done yet although its PipelineRun is")
        return mine

    async def _fresh(self, namespace: str, name: str, known: Object | None) -> Object | None:
        if known is not None and outcome.done(known):
            return known
        return await self.api.get(resources.TASKRUNS, namespace, name)

    def _cached(self, owner_uid: str) -> list[Object]:
        cache: ObjectCache = self.world.cache
        return [obj for key in cache.found("TaskRun", owner_uid) if (obj := cache.get(key)) is not None]

    async def _owed(self, key: Key, obj: Object) -> Sequence[planning.Owed]:
        """What this object itself is the subject of; a TaskRun's debts to its PipelineRun's runs are not its own."""
        world = self.world
        if key.kind == "PipelineRun":
            return await planning.owed_by(key.namespace, None, obj, world.workflows, world.contracts)
        owner = labels.controller(obj, "PipelineRun")
        pipelinerun = world.cache.get(Key("PipelineRun", key.namespace, owner.name)) if owner else None
        owed = await planning.owed_by(key.namespace, obj, pipelinerun, world.workflows, world.contracts)
        return [one for one in owed if one.subject.kind == "TaskRun"]

    async def _open(self, owed: planning.Owed) -> run_model.Run:
        return await self.runs.open(owed.run(self.world.clock.now()))

    async def _warn(self, key: Key, obj: Object, owed: Sequence[planning.Owed]) -> None:
        """Say at the start, where users look first, that the sidecar is kept out by a ResourceQuota."""
        namespace = self.world.cache.get(Key("Namespace", "", key.namespace)) or {}
        refused = held_back(owed)
        if refused is None or labels.of(namespace).get(labels.INJECT) != "enabled":
            return
        if (await self.api.list_all(resources.RESOURCE_QUOTAS, key.namespace))[0]:
            subject = events.reference(KINDS[key.kind], key.namespace, key.name, labels.uid_of(obj))
            told = events.Happening("SidecarNotInjected", refused.message, action="Inject", warning=True)
            await self.recorder.tell(subject, told)

    async def _finish(self, run: run_model.Run, snapshot: run_model.Snapshot, at: datetime) -> None:
        await self.runs.finish(run.id, snapshot, at, epoch=self.world.epoch())
        self.awaited[run.id] = run


def _owned(taskrun: Mapping[str, Any], pipelinerun_uid: str) -> bool:
    owner = labels.controller(taskrun, "PipelineRun")
    return owner is not None and owner.uid == pipelinerun_uid
