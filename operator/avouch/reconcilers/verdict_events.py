"""Verdicts brought back to where users look: an Event on the PipelineRun, and the Workflow's status, at leisure.

A busy Workflow is judged many times a minute; its status changes at most once in 30 seconds, with the newest run.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from avouch import errors
from avouch.controlplane.model import runs as run_model
from avouch.controlplane.model import verdicts
from avouch.kube import events, resources
from avouch.kube.cache import Key
from avouch.kube.queue import WorkQueue
from avouch.reconcilers.context import Context

log = logging.getLogger(__name__)

TICK = 2.0  # seconds between looks at the database
QUIET = 30.0  # seconds between two status writes of one Workflow
_AT_ONCE = 200  # awaited runs looked at in one tick
_FOR = 86400.0  # seconds after which nobody waits for a verdict any more

_REASONS = {
    verdicts.VerdictResult.PASSED: "AttestationPassed",
    verdicts.VerdictResult.FAILED: "AttestationFailed",
    verdicts.VerdictResult.REJECTED: "AttestationRejected",
}


def happening(run: run_model.Run) -> events.Happening:
    """The Event that tells of a verdict; its reason is one of a closed list."""
    note = (
        f"{run.result} against Contract {run.contract} revision {run.revision}: "
        f"kubectl get workflowruns -n {run.namespace} {run.name} -o yaml"
    )
    reason = _REASONS.get(run.result, "AttestationIncomplete")
    return events.Happening(reason, note, action="Judge", warning=run.result is not verdicts.VerdictResult.PASSED)


@dataclass(slots=True)
class VerdictWatch:
    """Looks for new verdicts in the database and passes them on."""

    world: Context
    runs: run_model.Runs
    queue: WorkQueue[Key]
    recorder: events.Recorder
    awaited: dict[uuid.UUID, run_model.Run]
    clock: Callable[[], float] = time.monotonic
    since: int = 0
    _told: dict[Key, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Look every two seconds; a database that does not answer is asked again."""
        while True:
            await asyncio.sleep(TICK)
            try:
                await self.look()
            except errors.Unavailable as exc:
                log.warning("verdicts were not read: %s", exc)

    async def look(self) -> None:
        """One look."""
        for namespace, workflow, run in await self.runs.summaries(self.since):
            self.since = max(self.since, run.resource_version)
            self.world.last_runs[namespace, workflow] = run
            self._ask(Key("Workflow", namespace, workflow))
            for key in self.world.cache.found("IntegrationAttachment", f"namespace/{namespace}"):
                self._ask(key)
        for run_id in list(self.awaited)[:_AT_ONCE]:
            await self._tell(run_id)

    def _ask(self, key: Key) -> None:
        """Reconcile at once where the last time is long ago, else when it will be."""
        now = self.clock()
        last = self._told.get(key)
        wait = 0.0 if last is None else max(0.0, last + QUIET - now)
        self._told[key] = now + wait
        if wait:
            self.queue.add_after(key, wait)
        else:
            self.queue.add(key)

    async def _tell(self, run_id: uuid.UUID) -> None:
        run = await self.runs.get(run_id)
        waited = self.awaited.pop(run_id)
        if run is None or (self.world.clock.now() - waited.created_at).total_seconds() > _FOR:
            return
        if run.judged_at is None:
            self.awaited[run_id] = waited  # to the end of the line
            return
        resource = resources.PIPELINERUNS if run.subject_kind == "PipelineRun" else resources.TASKRUNS
        subject = events.reference(resource, run.namespace, run.subject_name, run.key.subject_uid)
        await self.recorder.tell(subject, happening(run))
