"""Runs whose label names a Workflow that does not exist, is strict or not Ready: an Event on the run says so, once.

It is told ten seconds after the run appeared: what was applied together with it has been seen by then.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from avouch import errors, spelling
from avouch.kube import events, resources
from avouch.kube.cache import Key, Object
from avouch.reconcilers import conditions, specs
from avouch.reconcilers.context import Context
from avouch.tekton import labels, matching, outcome

log = logging.getLogger(__name__)

_TICK = 5.0  # seconds between looks
_WAIT = 10.0  # seconds from the first sight of a run
_EACH = 50  # runs of one namespace at a time: to find what was meant takes 20 ms each where names are hostile
_OVER = timedelta(minutes=1)  # a run that ended longer ago was seen by a controller before this one
_RESOURCES = {"PipelineRun": resources.PIPELINERUNS, "TaskRun": resources.TASKRUNS}


@dataclass(frozen=True, slots=True)
class _Workflow:
    """What matching reads."""

    name: str
    spec: dict[str, Any]


def event_of(kind: str, run: Object, workflow: Object | None, known: list[str]) -> events.Event | None:
    """What keeps a run from the Workflow that its label names, or None. `known`: the Workflows of its namespace."""
    name = labels.of(run).get(labels.WORKFLOW, "")
    label = f"label {labels.WORKFLOW}"
    if workflow is None:
        nearest = spelling.nearest(name, known)
        fix = f"write {nearest}" if nearest else "correct the label, or create the Workflow"
        return _event("WorkflowNotFound", f"{label} names Workflow {name}, which is not in this namespace (fix: {fix})")
    matches = matching.matches_pipelinerun if kind == "PipelineRun" else matching.matches_taskrun
    if not matches(_Workflow(name, dict(specs.declared(workflow))), run):
        why = "takes only what its resolvers name: the label alone makes no run of it"
        return _event("WorkflowIsStrict", f"{label} names Workflow {name}, which {why}")
    if specs.suspended(workflow):  # a run that was created before is taken; of any other NotAttested says why not
        return None
    ready = conditions.of(workflow.get("status") or {}, conditions.READY)
    if ready.get("status") == "False":
        return _event("WorkflowNotReady", f"{label} names Workflow {name}, which is not Ready: {ready.get('message')}")
    return None


def _event(reason: str, note: str) -> events.Event:
    return events.Event(reason, note, action="Match", warning=True, once=True)


@dataclass(slots=True)
class LabelledRuns:
    """Hears of every PipelineRun and TaskRun, and tells of those that no Workflow takes for their label.

    Of a namespace that has very many of them at once fifty are told of: the others say the same.
    """

    context: Context
    recorder: events.Recorder
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[Key, float]] = field(default_factory=dict)  # by uid: since when
    _waiting: Counter[str] = field(default_factory=Counter)  # of these by namespace

    def changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        """Remember a run that appeared with the label. Tekton copies a PipelineRun's labels to its TaskRuns."""
        if new is None or (old is not None and labels.uid_of(old) == labels.uid_of(new)):
            return
        now = self.context.clock.now()
        over = outcome.done(new) and outcome.finished_at(new, now) < now - _OVER
        own = labels.of(new).get(labels.WORKFLOW) and labels.controller(new, "PipelineRun") is None
        if own and not over and self._waiting[key.namespace] < _EACH:
            self._waiting[key.namespace] += labels.uid_of(new) not in self._seen
            self._seen[labels.uid_of(new)] = key, self.clock()

    async def run(self) -> None:
        """Look every five seconds."""
        while True:
            await asyncio.sleep(_TICK)
            await self.look()

    async def look(self) -> None:
        """Tell of each that was seen long enough ago, and forget it."""
        until = self.clock() - _WAIT
        for uid, (key, since) in list(self._seen.items()):
            if since <= until:
                del self._seen[uid]
                self._waiting -= Counter([key.namespace])  # which forgets a namespace that has none left
                try:
                    await self._tell(uid, key)
                except errors.Invalid as exc:  # the Workflow's own condition says what is wrong with it
                    log.warning("the label of %s %s/%s: %s", *key, exc)

    async def _tell(self, uid: str, key: Key) -> None:
        cache = self.context.cache
        obj = cache.get(key)
        if obj is None or labels.uid_of(obj) != uid:
            return
        workflow = cache.get(Key("Workflow", key.namespace, labels.of(obj).get(labels.WORKFLOW, "")))
        known = [each.name for each in cache.found("Workflow", f"namespace/{key.namespace}")]
        told = event_of(key.kind, obj, workflow, known)
        if told is not None:
            await self.recorder.record(events.reference(_RESOURCES[key.kind], key.namespace, key.name, uid), told)
