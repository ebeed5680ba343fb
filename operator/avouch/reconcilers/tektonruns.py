"""Runs from Tekton's own objects: opened when a PipelineRun or TaskRun appears, finished when it is Done.

At Done the cluster's record (`snapshots`) is stored, once every sidecar has ended or `runs.grace` is over; judging
starts from there. Nothing of Tekton's is ever written.
"""

import asyncio
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from avouch import errors, plan, rfc3339
from avouch.controlplane.intake import planning
from avouch.controlplane.model import history as history_model
from avouch.controlplane.model import runs as run_model
from avouch.kube import events, resources
from avouch.kube.cache import Key, Object
from avouch.reconcilers import conditions, departed, organizations, settling, snapshots, taskrunpods, uninjected
from avouch.reconcilers.context import Context
from avouch.tekton import labels, objects, outcome, pod

log = logging.getLogger(__name__)

_NEWS = timedelta(minutes=10)  # for which it is worth telling that a build that ended got no run
_JUST = timedelta(seconds=2)  # by which the status of a Workflow may tell late that it is open
_PAGE = 500
_TOLD = 3  # Workflows that one Event names: there is one of its reason on a build
_REFUSED = "fix: run it again once the Workflow is Ready and not suspended"

_CUT = (
    "the results of a task did not fit beside the sidecar, so Tekton recorded none of them; pods of this Workflow that"
    " have results get no sidecar until the Workflow is changed. Write large results to a workspace, or let Tekton read"
    " them from logs (results-from: sidecar-logs)"
)
KINDS = {"PipelineRun": resources.PIPELINERUNS, "TaskRun": resources.TASKRUNS}


def worth_a_look(old: Object | None, new: Object) -> bool:
    """First sight, the beginning and Done are what matters; everything between changes nothing for us."""
    if old is None or labels.uid_of(new) != labels.uid_of(old):
        return True
    return outcome.done(new) != outcome.done(old) or bool(outcome.began_at(new)) != bool(outcome.began_at(old))


@dataclass(frozen=True, slots=True)
class RunReconciler:
    """Opens and finishes runs. `awaited` collects runs whose verdict is awaited, `opened` those that are not Done."""

    context: Context
    runs: run_model.Runs
    api: snapshots.ClusterApi
    awaited: dict[uuid.UUID, run_model.Run]
    recorder: events.Recorder
    opened: dict[uuid.UUID, run_model.Run] = field(default_factory=dict)
    pods: taskrunpods.TaskRunPods = field(default_factory=taskrunpods.TaskRunPods)
    gone: departed.Departed = field(default_factory=departed.Departed)
    history: history_model.Begins = lambda: None

    async def reconcile(self, key: Key) -> float | None:
        """One PipelineRun or TaskRun. Returns in how many seconds to look again, at the latest, where a sidecar works.

        Raises errors.AvouchError to be tried again.
        """
        obj = self.context.cache.get(key)
        if obj is None or settling.settled(obj):
            return None
        opened = await self._open(key, obj)
        if outcome.done(obj):
            if waiting := await self._waiting(obj, opened):
                at = outcome.finished_at(obj, self.context.clock.now())
                record = await self._snapshots.of(key, obj)
                if left := self._left(waiting, record, at):
                    self.pods.wait(map(labels.uid_of, record.taskruns), key)
                    return left
                await self._finish(waiting, record, at)
            self._put_aside(key, labels.uid_of(obj))
        return None

    async def _open(self, key: Key, obj: Object) -> Sequence[run_model.Run]:
        """The runs that are owed for this object, opened where they are not."""
        if not self.context.cache.holds("Workflow", f"namespace/{key.namespace}") or self._of_before(obj):
            return ()
        covered = await planning.covered(key.namespace, *self._pair(key, obj), self.context.workflows)
        opened = await self._opened(key, obj, await self._owed(key, obj, covered))
        await self._tell_refused(key, obj, covered)
        return opened

    def _put_aside(self, key: Key, uid: str) -> None:
        self.pods.forget(key.namespace, settling.put_aside(self.context.cache, key, uid))
        self.gone.forget((key.namespace, uid))

    def _of_before(self, obj: Object) -> bool:
        """Whether it ended before the history of this database begins: it was judged elsewhere, if at all."""
        known, now = self.history(), self.context.clock.now()
        return known is not None and outcome.done(obj) and outcome.finished_at(obj, now) < known.begins

    def _interrupted(self, snapshot: run_model.Snapshot) -> str:
        """Why claims about the run may be lost, or ""."""
        known, created = self.history(), objects.text(snapshot.subject, "metadata", "creationTimestamp")
        if known is None or not created or rfc3339.read(created, "metadata.creationTimestamp") >= known.begins:
            return ""
        return known.why

    def _left(self, waiting: Sequence[run_model.Run], record: run_model.Snapshot, at: datetime) -> float:
        """Seconds in which a sidecar may still say something; of a run that was stopped none is waited for."""
        if not record.working or outcome.of(record.subject).state is outcome.State.CANCELED:
            return 0.0
        grace = max(map(_grace, waiting))
        return max(0.0, (at + grace - self.context.clock.now()).total_seconds())

    async def _waiting(self, obj: Object, opened: Sequence[run_model.Run]) -> Sequence[run_model.Run]:
        """Every open run about this object: also of a Workflow that was suspended, edited or deleted meanwhile."""
        known = {run.id: run for run in (*opened, *await self.runs.of_subject(labels.uid_of(obj)))}
        return [run for run in known.values() if run.finished_at is None]

    async def vanished(self, key: Key, old: Object) -> None:
        """The object was deleted: a run that never saw its end is finished with what was last known.

        It may have been deleted before its run could be opened: what was seen has a run, too.
        """
        uid, now = labels.uid_of(old), self.context.clock.now()
        whole = key.kind == "PipelineRun" or labels.controller(old, "PipelineRun") is None
        if whole and not settling.settled(old):
            await self._open(key, old)
        waiting = [r for r in await self.runs.of_subject(uid) if r.finished_at is None]
        taskruns = (
            (old,) if key.kind == "TaskRun" else await self._snapshots.last_known(key.namespace, old) if waiting else ()
        )
        if waiting:
            known = (
                run_model.Snapshot({}, ())
                if settling.settled(old)
                else await self._snapshots.with_taskruns(key, old, taskruns)
            )
            await self._finish(waiting, known, outcome.finished_at(old, now) if outcome.done(old) else now)
        if whole:
            left = (*taskruns, *self._snapshots.cached(key.namespace, uid))
            self.pods.forget(key.namespace, map(labels.uid_of, left))  # of others when their PipelineRun goes
            self.gone.forget((key.namespace, uid))

    def departed(self, taskrun: Object) -> None:
        """Keep the last state of a TaskRun that is Done, for the record of its PipelineRun if that is still to come."""
        owner, namespace = labels.controller(taskrun, "PipelineRun"), taskrun["metadata"].get("namespace", "")
        if owner is None or settling.settled(taskrun) or not outcome.done(taskrun):
            return
        pipelinerun = self.context.cache.get(Key("PipelineRun", namespace, owner.name))
        if pipelinerun is None or not settling.settled(pipelinerun):
            self.gone.keep((namespace, owner.uid), taskrun, self.context.clock.now())

    async def look_up_unfinished(self, limit: int = _PAGE) -> None:
        """Runs whose subject went away, or ended, while nobody watched. Others the watch takes care of."""
        last: run_model.Run | None = None
        while page := await self.runs.unfinished(limit, last):
            last = page[-1]
            for run in page:
                try:
                    await self._look_up(run)
                except errors.AvouchError as exc:  # one that cannot be finished now must not keep the others waiting
                    log.warning("run %s is looked up again later: %s", run.name, exc)

    async def _look_up(self, run: run_model.Run) -> None:
        """Finish the run if its subject is gone or Done, whatever became of its Workflow meanwhile."""
        resource = KINDS.get(run.subject_kind)
        key = Key(run.subject_kind, run.namespace, run.subject_name)
        known = self.context.cache.get(key)
        if resource is None or (known and labels.uid_of(known) == run.key.subject_uid and not settling.settled(known)):
            return
        found, now = await self.api.get(resource, run.namespace, run.subject_name), self.context.clock.now()
        if found is None or labels.uid_of(found) != run.key.subject_uid:
            log.warning("run %s: its %s was deleted before avouch saw it finish", run.name, run.subject_kind)
            await self._finish([run], run_model.Snapshot({}, ()), now)
        elif outcome.done(found):
            await self._finish([run], await self._snapshots.of(key, found), outcome.finished_at(found, now))

    async def _owed(self, key: Key, obj: Object, covered: planning.Covered) -> Sequence[planning.Owed]:
        """What this object itself is the subject of; a TaskRun's debts to its PipelineRun's runs are not its own."""
        owed = await planning.owed_by(covered, self.context.contracts)
        return [one for one in owed if one.subject.kind == key.kind and not self._expired(one, obj)]

    def _expired(self, owed: planning.Owed, obj: Object) -> bool:
        """Whether its run would be older than runs are kept: it had one, most likely, which was deleted since."""
        kept = organizations.kept_for(self.context.cache, Key("Workflow", owed.workflow.namespace, owed.workflow.name))
        now = self.context.clock.now()
        return kept is not None and outcome.finished_at(obj, now) + kept < now

    def _pair(self, key: Key, obj: Object) -> tuple[Object | None, Object | None]:
        """The TaskRun, if it is one, and its PipelineRun."""
        if key.kind == "PipelineRun":
            return None, obj
        owner = labels.controller(obj, "PipelineRun")
        return obj, self.context.cache.get(Key("PipelineRun", key.namespace, owner.name)) if owner else None

    async def _tell_refused(self, key: Key, obj: Object, covered: planning.Covered) -> None:
        """Say on a build that a Workflow covers it and takes no run of it; not on one that ended a while ago."""
        now = self.context.clock.now()
        if outcome.done(obj) and outcome.finished_at(obj, now) < now - _NEWS:
            return
        refused = planning.refused_by(covered)
        if not refused:
            return
        has = {run.workflow for run in await self.runs.of_subject(labels.uid_of(obj))}
        if whys := [one.why for one in refused if one.subject.kind == key.kind and one.workflow not in has]:
            about = events.reference(KINDS[key.kind], key.namespace, key.name, labels.uid_of(obj))
            note = f"no run was opened: {conditions.several(whys, _TOLD)} ({_REFUSED})"
            await self.recorder.record(about, events.Event("NotAttested", note, action="Open", once=True))

    async def _opened(self, key: Key, obj: Object, owed: Sequence[planning.Owed]) -> Sequence[run_model.Run]:
        """The run of each debt: remembered, or stored by somebody, or new."""
        now = self.context.clock.now()
        asked = {one.run_id: one for one in owed}
        known = {run_id: self.opened[run_id] for run_id in asked if run_id in self.opened}
        unknown = [one for run_id, one in asked.items() if run_id not in known]
        stored = await asyncio.gather(*(self.runs.open(one.run(now)) for one in unknown))
        known |= {one.run_id: run for one, run in zip(unknown, stored, strict=True)}  # or of a Workflow before this one
        self.opened.update({run.id: run for run in stored if run.finished_at is None})
        if any(run.created_at == now for run in stored):
            await self._warn(key, obj, owed)
        return [known[run_id] for run_id in asked]

    @property
    def _snapshots(self) -> snapshots.Snapshots:
        return snapshots.Snapshots(self.context.cache, self.api, self.pods, self.gone, self.context.clock)

    @property
    def _uninjected(self) -> uninjected.Uninjected:
        return uninjected.Uninjected(self.context.cache, self.api)

    async def _warn(self, key: Key, obj: Object, owed: Sequence[planning.Owed]) -> None:
        """Say at the start, where users look first, that a ResourceQuota or a LimitRange keeps the sidecar out."""
        plans = [one.plan for one in owed]
        if not self._uninjected.labelled(key.namespace) or not uninjected.wants_sidecar(plans):
            return
        refused = await self._uninjected.refusal(key.namespace, plans)
        if refused is not None:
            await self._not_injected(key, obj, refused)

    async def _not_injected(self, key: Key, obj: Object, refused: pod.Refusal) -> None:
        subject = events.reference(KINDS[key.kind], key.namespace, key.name, labels.uid_of(obj))
        told = events.Event("SidecarNotInjected", refused.message, action="Inject", warning=True)
        await self.recorder.record(subject, told)

    async def _finish(self, waiting: Sequence[run_model.Run], snapshot: run_model.Snapshot, at: datetime) -> None:
        epoch, snapshot = self.context.epoch(), replace(snapshot, interrupted=self._interrupted(snapshot))
        if set(snapshot.pods.values()).difference(snapshot.injected):
            snapshot = replace(snapshot, uninjected=await self._why_none(waiting, snapshot.subject))
        if snapshot.cut:
            await self._remember_cut(waiting, epoch)  # before: a run that is finished is not looked at again
        self.awaited.update({run.id: run for run in waiting})  # before: the verdict may be there before we are told
        for run in waiting:
            self.opened.pop(run.id, None)  # whether or not it can be finished now: the next try asks the store
        await asyncio.gather(*(self.runs.finish(run.id, snapshot, at, epoch=epoch) for run in waiting))
        if snapshot.cut:
            await self._tell_cut(waiting[0])

    async def _remember_cut(self, waiting: Sequence[run_model.Run], epoch: int) -> None:
        """Have no sidecar cost these Workflows results again, unless they were changed since the runs were planned."""
        for run in waiting:
            pinned = _pinned(run)
            if generation := (pinned.generation if pinned else 0) or self._generation(run):
                await self.runs.results_cut(run.key.workflow_uid, generation, epoch=epoch)

    def _generation(self, run: run_model.Run) -> int:
        """That of its Workflow now, for plans that do not say it; 0 where the Workflow is gone or was made anew."""
        workflow = self.context.cache.get(Key("Workflow", run.namespace, run.workflow)) or {}
        same = labels.uid_of(workflow) == run.key.workflow_uid
        return int(workflow["metadata"].get("generation", 1)) if same else 0

    async def _tell_cut(self, run: run_model.Run) -> None:
        """Say where the author of a build looks that our sidecar cost it its results."""
        subject = events.reference(KINDS[run.subject_kind], run.namespace, run.subject_name, run.key.subject_uid)
        await self.recorder.record(subject, events.Event("ResultsCut", _CUT, action="Inject", warning=True))

    async def _why_none(self, waiting: Sequence[run_model.Run], subject: Object) -> str:
        try:
            plans = [pinned for run in waiting if (pinned := _pinned(run)) is not None]
            return await self._uninjected.why(waiting[0].namespace, plans, self._opened_late(waiting, subject))
        except errors.AvouchError as exc:  # a run is judged without a reason rather than not at all
            log.warning("run %s: why it has no sidecar cannot be told: %s", waiting[0].name, exc)
            return ""

    def _opened_late(self, waiting: Sequence[run_model.Run], subject: Object) -> str:
        """That a Workflow became Ready just when the build began: a pod may be older than the news of it."""
        created = objects.text(subject, "metadata", "creationTimestamp")
        for run in waiting:
            workflow = self.context.cache.get(Key("Workflow", run.namespace, run.workflow)) or {}
            since = objects.text(workflow, "status", "openSince")
            if created and since and abs(_read(created) - _read(since)) <= _JUST:
                return f"Workflow {run.workflow} became Ready at {since}, and the build was created at {created}"
        return ""


def _read(time: str) -> datetime:
    return rfc3339.read(time, "time")


def _grace(run: run_model.Run) -> timedelta:
    pinned = _pinned(run)
    return run_model.GRACE if pinned is None else run_model.grace(pinned.attest_within)


def _pinned(run: run_model.Run) -> plan.Plan | None:
    """The plan of a run; None where it cannot be read: it is judged, and told there."""
    try:
        return run.pinned()
    except errors.Invalid:
        return None
