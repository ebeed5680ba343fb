"""The cluster's record of a build: its subject, all its TaskRuns by reference and UID, and what stood in their pods."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from avouch import errors
from avouch.controlplane.model import cluster
from avouch.controlplane.model import runs as run_model
from avouch.kube import resources
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.kube.client import Json
from avouch.reconcilers import departed, settling, specs, taskrunpods
from avouch.tekton import labels, outcome, pod

_FEW = 10  # pods that are read one by one; the API server goes through the whole namespace for a list of more


class ClusterApi(Protocol):
    """The verbs that a snapshot needs."""

    async def get(self, resource: resources.Resource, namespace: str, name: str) -> Json | None:
        """One object, or None."""
        ...

    async def list_all(self, resource: resources.Resource, namespace: str = "", **query: str) -> tuple[list[Json], str]:
        """Every object and the resource version of the list."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Puts records together, of what the watches showed and of what has to be read."""

    cache: ObjectCache
    api: ClusterApi
    pods: taskrunpods.TaskRunPods
    gone: departed.Departed
    clock: cluster.Clock

    async def of(self, key: Key, obj: Object) -> run_model.Snapshot:
        """The cluster's record of a Done subject.

        Raises:
            errors.Unavailable: a TaskRun of it is not Done yet, so the record would be half of one.
        """
        taskruns = (obj,) if key.kind == "TaskRun" else await self._taskruns(key.namespace, obj)
        return await self.with_taskruns(key, obj, taskruns)

    async def with_taskruns(self, key: Key, obj: Object, taskruns: Sequence[Object]) -> run_model.Snapshot:
        """The record with the pods that the TaskRuns themselves name, retried ones included.

        Read is only what the watches did not show: pods that were not seen, and sidecars of which no end was seen.
        """
        named = {attempt.pod: labels.uid_of(t) for t in taskruns for attempt in outcome.attempts(t) if attempt.pod}
        asked = [name for name, uid in named.items() if _open(self.pods.of(key.namespace, uid).get(name))]
        read = await self._read(key, labels.uid_of(obj), sorted(asked))
        there = {name: pod.seen(found) for name, found in read.items() if found is not None}
        found = [
            one
            for name, uid in named.items()
            if (one := self._seen((key.namespace, uid), name, there.get(name))) is not None
        ]
        return run_model.Snapshot(
            obj,
            tuple(taskruns),
            injected=tuple(sorted(one.uid for one in found if one.injected)),
            pods={one.name: one.uid for one in found if one.taskrun == named[one.name]},
            ended=tuple(sorted(one.uid for one in found if one.injected and one.ended)),
            said={one.uid: one.said for one in found if one.injected and one.said},
            cut=tuple(sorted(one.uid for one in found if one.cut)),
            unseen=tuple(sorted(named.keys() - {one.name for one in found})),
            crowded=self.pods.crowded(key.namespace),
        )

    def _seen(self, taskrun: taskrunpods.TaskRun, name: str, read: pod.Seen | None) -> pod.Seen | None:
        """What is known of a pod: from the watches, which may have shown its end meanwhile, and from reading it now."""
        known = self.pods.of(*taskrun).get(name)
        if known is None or (read is not None and (read.uid == known.uid or read.taskrun == taskrun[1])):
            return read if read is None else taskrunpods.newer(known, read)
        return replace(known, ended=True)  # it is gone (another may have its name), or was not asked for

    async def _read(self, key: Key, uid: str, names: Sequence[str]) -> Mapping[str, Object | None]:
        """Pods by name; many of them by their label, and those that do not carry it one by one."""
        found: dict[str, Object | None] = {}
        if len(names) > _FEW:
            selector = f"{labels.PIPELINERUN_UID if key.kind == 'PipelineRun' else labels.TASKRUN_UID}={uid}"
            listed = (await self.api.list_all(resources.PODS, key.namespace, labelSelector=selector))[0]
            found.update({labels.name_of(each): each for each in listed if labels.name_of(each) in names})
        rest = [name for name in names if name not in found]
        alone = await asyncio.gather(*(self.api.get(resources.PODS, key.namespace, name) for name in rest))
        return found | dict(zip(rest, alone, strict=True))

    async def _taskruns(self, namespace: str, pipelinerun: Object) -> Sequence[Object]:
        """Those that the PipelineRun lists, and others that name it as their owner: for these nobody waits."""
        listed, mine = await self._own(namespace, pipelinerun)
        late = [name for t in mine if not outcome.done(t) and (name := labels.name_of(t)) in listed]
        if late:
            raise errors.Unavailable(f"TaskRun {late[0]} is not Done yet although its PipelineRun is")
        return [*mine, *self._departed(namespace, pipelinerun, mine)]

    async def _own(self, namespace: str, pipelinerun: Object) -> tuple[Sequence[str], list[Object]]:
        """Names that a PipelineRun lists, and its TaskRuns that there are: listed, or naming it as their owner."""
        uid, listed = labels.uid_of(pipelinerun), outcome.children(pipelinerun)
        known = {labels.name_of(t): t for t in self.cached(namespace, uid)}
        names = sorted({*listed, *known})
        found = await asyncio.gather(*(self._fresh(namespace, name, known.get(name)) for name in names))
        return listed, [t for t in found if t is not None and _owned(t, uid)]

    async def last_known(self, namespace: str, pipelinerun: Object) -> Sequence[Object]:
        """The TaskRuns of a PipelineRun that was deleted: those that still are its own, and those that went with it.

        One that is listed and not Done is half of a record: it is missing.
        """
        listed, mine = await self._own(namespace, pipelinerun)
        found = [t for t in mine if outcome.done(t) or labels.name_of(t) not in listed]
        return [*found, *self._departed(namespace, pipelinerun, found)]

    def _departed(self, namespace: str, pipelinerun: Object, others: Sequence[Object]) -> list[Object]:
        """Listed TaskRuns that went after the PipelineRun was Done."""
        if not outcome.done(pipelinerun):
            return []
        listed = {*outcome.children(pipelinerun)} - {*map(labels.name_of, others)}
        at = outcome.finished_at(pipelinerun, self.clock.now())
        went = self.gone.of((namespace, labels.uid_of(pipelinerun)), at)
        return [taskrun for taskrun in went if labels.name_of(taskrun) in listed]

    async def _fresh(self, namespace: str, name: str, known: Object | None) -> Object | None:
        if known is not None and outcome.done(known) and not settling.settled(known):
            return known
        return await self.api.get(resources.TASKRUNS, namespace, name)

    def cached(self, namespace: str, owner_uid: str) -> list[Object]:
        """TaskRuns of one owner, as the watches showed them."""
        cache = self.cache
        found = cache.found("TaskRun", specs.owned_in(namespace, owner_uid))
        return [obj for key in found if (obj := cache.get(key)) is not None]


def _open(known: pod.Seen | None) -> bool:
    """Whether reading a pod can show more than the watches did."""
    return known is None or (known.injected and not known.ended)


def _owned(taskrun: Mapping[str, Any], pipelinerun_uid: str) -> bool:
    owner = labels.controller(taskrun, "PipelineRun")
    return owner is not None and owner.uid == pipelinerun_uid
