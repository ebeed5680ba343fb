"""Verdicts brought back to where users look: an Event on the PipelineRun, and the Workflow's status, at leisure.

A busy Workflow is judged many times a minute; its status changes at most once in 30 seconds, with the newest run.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from avouch import errors, findings
from avouch.controlplane.model import runs as run_model
from avouch.controlplane.model import verdicts
from avouch.kube import events, resources
from avouch.kube.cache import Key
from avouch.kube.queue import WorkQueue
from avouch.reconcilers import looking, specs
from avouch.reconcilers.context import Context

TICK = 2.0  # seconds between looks at the database
QUIET = 30.0  # seconds between two status writes of one Workflow
_PAGE = 500  # verdicts read at once
_AT_ONCE = 16  # Events on their way to the API server
_FOR = timedelta(days=1)  # since it was opened, for which a run counts as one whose verdict is awaited
_TEXT = 500  # bytes of a finding: an Event takes 1,024, and the command that shows all must fit in
_LAST = uuid.UUID(int=(1 << 128) - 1)  # comes after every run

REEVALUATED = "VerdictReevaluated"
_REASONS = {
    verdicts.VerdictResult.PASSED: "AttestationPassed",
    verdicts.VerdictResult.FAILED: "AttestationFailed",
    verdicts.VerdictResult.REJECTED: "AttestationRejected",
}


def event_of(run: run_model.Run, judged: run_model.Judged, *, warns: bool = True) -> events.Event:
    """The Event that tells of a verdict and why it is no better one; its reason is one of a closed list.

    `warns`: whether it is a warning where the verdict is not Passed.
    """
    revision = judged.reevaluated or run.revision
    note = (
        f"{run.result} against Contract {run.contract} revision {revision}: {_why(judged)}"
        f"kubectl describe workflowrun -n {run.namespace} {run.name}"
    )
    reason = REEVALUATED if judged.reevaluated else _REASONS.get(run.result, "AttestationIncomplete")
    warning = warns and run.result is not verdicts.VerdictResult.PASSED
    return events.Event(reason, note, action="Judge", warning=warning)


def _why(judged: run_model.Judged) -> str:
    """The first finding, its fix, and how many more there are."""
    first, more = judged.first, judged.findings - 1
    if first is None:
        return ""
    others = f", and {more} more finding{'s' if more > 1 else ''}" if more > 0 else ""
    said = findings.sentence(first.code, first.message, first.fix).encode()
    short = said if len(said) <= _TEXT else said[: _TEXT - 3] + b"..."
    return f"{short.decode(errors='ignore')}{others}; "


@dataclass(slots=True)
class VerdictWatch:
    """Reads new verdicts in the order of COMMIT and passes them on. `awaited` loses those that came."""

    context: Context
    runs: run_model.Runs
    queue: WorkQueue[Key]
    recorder: events.Recorder
    awaited: dict[uuid.UUID, run_model.Run]
    clock: Callable[[], float] = time.monotonic
    since: run_model.Judged | None = None
    _told: dict[Key, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Look every two seconds; a database that does not answer is asked again."""
        await looking.regularly(TICK, self.look, "verdicts")

    async def begin(self) -> None:
        """Learn the newest verdict of each Workflow: statuses that say it already stay as they are.

        Raises:
            errors.Unavailable: the database cannot answer now.
        """
        newest = 0
        for namespace, workflow, run in await self.runs.summaries(0):
            newest = max(newest, run.resource_version)
            self.context.last_runs[namespace, workflow] = run
        self.since = run_model.Judged(newest, _LAST)

    async def look(self) -> None:
        """Pass on every verdict that came since the last look."""
        if self.since is None:
            await self.begin()
        while self.since is not None and (page := await self.runs.judged(self.since, _PAGE)):
            judged = [(one.run, one) for one in page if one.run is not None]
            self._ask_all(run for run, _ in judged)
            for start in range(0, len(judged), _AT_ONCE):
                await asyncio.gather(*(self._tell(*one) for one in judged[start : start + _AT_ONCE]))
            self.since = page[-1]
        self._give_up()
        now = self.clock()
        self._told = {key: at for key, at in self._told.items() if at + QUIET > now}  # as if they had not been asked

    def _ask_all(self, judged: Iterable[run_model.Run]) -> None:
        asked: set[Key] = set()
        for run in judged:
            known = self.context.last_runs.get((run.namespace, run.workflow))
            if known is None or known.id == run.id or not _before(run, known):
                self.context.last_runs[run.namespace, run.workflow] = run
            asked.add(Key("Workflow", run.namespace, run.workflow))
        for namespace in {key.namespace for key in asked}:
            asked.update(self.context.cache.found("IntegrationAttachment", f"namespace/{namespace}"))
        for key in sorted(asked):
            self._ask(key)

    def _ask(self, key: Key) -> None:
        """Reconcile at once where the last time is long ago, else when it will be."""
        now = self.clock()
        last = self._told.get(key)
        if last is not None and last > now:
            return  # it is going to be, and will find this verdict
        wait = 0.0 if last is None else max(0.0, last + QUIET - now)
        self._told[key] = now + wait
        if wait:
            self.queue.add_after(key, wait)
        else:
            self.queue.add(key)

    async def _tell(self, run: run_model.Run, judged: run_model.Judged) -> None:
        self.awaited.pop(run.id, None)
        if judged.reevaluated:  # its build ended long ago, and may be gone
            subject = events.reference(resources.WORKFLOWRUNS, run.namespace, run.name, str(run.id))
            await self.recorder.record(subject, event_of(run, judged, warns=self._warns(run)))
            return
        if run.subject_kind == run_model.EXTERNAL:
            return
        resource = resources.PIPELINERUNS if run.subject_kind == "PipelineRun" else resources.TASKRUNS
        subject = events.reference(resource, run.namespace, run.subject_name, run.key.subject_uid)
        await self.recorder.record(subject, event_of(run, judged, warns=self._warns(run)))

    def _warns(self, run: run_model.Run) -> bool:
        """Whether the Workflow says so; one that is gone, or cannot be read, does."""
        workflow = self.context.cache.get(Key("Workflow", run.namespace, run.workflow))
        try:
            return workflow is None or specs.spec_of(workflow, specs.Enforced).warns
        except errors.Invalid:
            return True

    def _give_up(self) -> None:
        """Runs are awaited in the order in which they ended; those that stay without a verdict are forgotten."""
        limit = self.context.clock.now() - _FOR
        while self.awaited and (oldest := next(iter(self.awaited.values()))).created_at < limit:
            del self.awaited[oldest.id]


def _before(run: run_model.Run, other: run_model.Run) -> bool:
    """Whether a run got its first verdict before another one did: that it was judged again makes it no newer."""
    return run.judged_at is not None and other.judged_at is not None and run.judged_at < other.judged_at
