"""Runs: what is stored of one, what a pod or an attester claims of it, and the port that keeps both."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from avouch import digests
from avouch import plan as plans
from avouch.controlplane.model import verdicts, workflowspecs
from avouch.findings import Finding

GRACE = timedelta(seconds=60)  # after Done, in which an injected sidecar that still works is waited for at least
_BEYOND = timedelta(seconds=40)  # after the time that it has to deliver: it is told to stop, and its end is seen
RUN_NAMESPACE = uuid.UUID("5ad1c1d8-7c94-5ac1-9d0b-6f1a3d0f3a57")  # uuid5 namespace of run ids: never change it
_FIRST = uuid.UUID(int=0)  # comes before the id of every run
EXTERNAL = "External"  # kind of subject of an external run


def grace(attest_within: int) -> timedelta:
    """How long after Done an injected sidecar is waited for that has so many seconds to deliver.

    >>> grace(20), grace(300)
    (datetime.timedelta(seconds=60), datetime.timedelta(seconds=340))
    """
    return max(GRACE, timedelta(seconds=attest_within) + _BEYOND)


@dataclass(frozen=True, slots=True)
class RunKey:
    """Identity of a run: the Workflow, and the PipelineRun, the TaskRun or the external id it is about."""

    workflow_uid: str
    subject_uid: str
    external: bool = False  # about no object of the cluster

    @property
    def id(self) -> uuid.UUID:
        """The workflowRunID: the same for whoever comes first, the watch or a push.

        Its version (RFC 9562) tells the two kinds apart without a look into the store: 5 in Tekton, 8 external.
        """
        found = uuid.uuid5(RUN_NAMESPACE, f"{self.workflow_uid}/{self.subject_uid}")
        return uuid.UUID(int=found.int & ~(0xF << 76) | (8 << 76)) if self.external else found

    def name(self, workflow: str) -> str:
        """`<workflow>-<10 characters>`: the name that kubectl shows (at most 63 characters)."""
        return f"{workflow[:52]}-{digests.of_bytes(self.id.bytes).hex[:10]}"


@dataclass(frozen=True, slots=True)
class Run:
    """One run as stored."""

    id: uuid.UUID
    name: str
    key: RunKey
    namespace: str
    namespace_uid: str
    workflow: str
    subject_kind: str  # PipelineRun | TaskRun | EXTERNAL
    subject_name: str
    contract: str
    revision: int
    contract_digest: str
    plan: str  # plan.Plan.to_json(): pinned when the run was opened
    created_at: datetime
    result: verdicts.VerdictResult = verdicts.VerdictResult.PENDING
    evidence: verdicts.Evidence = verdicts.Evidence.NONE
    finished_at: datetime | None = None  # the subject was Done
    judged_at: datetime | None = None
    labels: dict[str, str] = field(default_factory=dict)  # the Workflow's
    resource_version: int = 0  # commit order of the store
    own_labels: dict[str, str] = field(default_factory=dict)  # the subject's, of keys that the Workflow names

    def pinned(self) -> plans.Plan:
        """The plan. Raises errors.Invalid where it cannot be read."""
        return plans.Plan.from_json(self.plan)


@dataclass(frozen=True, slots=True)
class Attested:
    """A run that somebody wants to attest, and the present rules of its Workflow; None where that is gone."""

    run: Run
    rules: workflowspecs.Rules | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is pushing, proven by TokenReview and the ownerReference chain, never by labels."""

    namespace: str
    namespace_uid: str
    service_account: str
    pod: str
    pod_uid: str
    taskrun: str
    taskrun_uid: str
    pipeline_task: str = ""
    pipelinerun: str = ""
    pipelinerun_uid: str = ""
    injected: bool = False  # the pod carries our sidecar: read from the pod itself


@dataclass(frozen=True, slots=True)
class Claim:
    """What one pod, or one attester outside Tekton, said about one run: a verified bundle.

    Outside Tekton the fields that name pod, TaskRun and account are empty.
    """

    run_id: uuid.UUID
    digest: digests.Digest  # of the bundle bytes
    bundle: bytes
    pod_uid: str
    taskrun_uid: str
    taskrun: str
    pipeline_task: str
    service_account: str
    received_at: datetime
    explicit: bool = False  # it says that it is a step's: nobody's word for anything but that no sidecar spoke
    pod: str = ""  # name of the pod that has `pod_uid`
    artifacts: tuple[digests.Digest, ...] = ()  # content that it refers to: kept as long as the run


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a push is answered: given only after COMMIT.

    `created` is False for a resend of the same digest; `late`: the run had its verdict when the claim was stored.
    """

    id: uuid.UUID
    digest: digests.Digest
    created: bool
    late: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A run that was judged, in the order of COMMIT by (`version`, `run_id`), and the first of its findings.

    `reevaluated`: the revision that judged, where somebody had a run judged again that had its verdict; 0: nobody.
    """

    version: int = 0
    run_id: uuid.UUID = _FIRST
    run: Run | None = None
    first: Finding | None = None
    findings: int = 0
    reevaluated: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster's own record of a Done PipelineRun or TaskRun, as the watch stored it.

    `subject` is the PipelineRun or TaskRun object; `taskruns` every TaskRun that names it as its owner; `pods` are pod
    name -> UID of the pods that these name; `injected` the UIDs of those in which our sidecar stands (from the pods
    themselves), `ended` of those whose sidecar can say nothing more, `said` UID -> last word of a sidecar, `cut` the
    UIDs of those that lost results for want of room (`avouch.tekton.termination`). `uninjected` says why the pods
    without a sidecar have none, where one was wanted and that is known, with a fix as `errors.parted` takes it apart.
    `cleaned` are places whose text could not be stored as it was (`avouch.storable`); `refused` says why nothing of the
    record could be stored. `unseen` are names of pods that were gone before any controller saw them, `crowded` that it
    saw more pods of that namespace than it remembers; `interrupted` says why claims about the run may be lost.
    """

    subject: dict[str, Any]
    taskruns: tuple[dict[str, Any], ...]
    injected: tuple[str, ...] = ()
    pods: dict[str, str] = field(default_factory=dict)
    cleaned: tuple[str, ...] = ()
    refused: str = ""
    ended: tuple[str, ...] = ()
    said: dict[str, str] = field(default_factory=dict)
    uninjected: str = ""
    cut: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    crowded: bool = False
    interrupted: str = ""

    @property
    def working(self) -> tuple[str, ...]:
        """UIDs of the pods whose sidecar may still say something."""
        return tuple(sorted(set(self.injected) - set(self.ended)))


class Runs(Protocol):
    """Runs, claims and verdicts."""

    async def open(self, run: Run) -> Run:
        """Create a run, idempotently by id; the stored one wins.

        So does one about the same object of the cluster under the same Workflow, of which it may be a predecessor.
        """
        ...

    async def get(self, run_id: uuid.UUID) -> Run | None:
        """One run."""
        ...

    async def attested(self, run_id: uuid.UUID) -> Attested | None:
        """One run and what its Workflow says now."""
        ...

    async def of_subject(self, subject_uid: str) -> Sequence[Run]:
        """Every run about one PipelineRun or TaskRun."""
        ...

    async def accept(self, claim: Claim) -> Receipt:
        """Store a claim and its judging job in one group-committed transaction.

        Raises:
            errors.Overloaded: the bounded queue is full.
            errors.NotFound: no such run.
        """
        ...

    async def finish(self, run_id: uuid.UUID, snapshot: Snapshot, at: datetime, *, epoch: int) -> None:
        """Store the Done snapshot and enqueue the judging job; a second snapshot of the same run changes nothing.

        A snapshot that cannot be stored for what it holds ends the run, too: with one that says why (`refused`).
        """
        ...

    async def results_cut(self, workflow_uid: str, generation: int, *, epoch: int) -> None:
        """Remember that results of a run were lost beside the sidecar, at this generation of its Workflow."""
        ...

    async def cut_generations(self, workflow_uids: Sequence[str]) -> Mapping[str, int]:
        """The generation at which that happened last, by the UID of the Workflow."""
        ...

    async def unfinished(self, limit: int, after: Run | None = None) -> Sequence[Run]:
        """Runs without a Done snapshot, oldest first, that come after this one: the resync looks for their subjects."""
        ...

    async def ended(self, subject_uids: Sequence[str]) -> frozenset[str]:
        """Those of these PipelineRuns and TaskRuns that have runs, all of them finished."""
        ...

    async def judged(self, since: Judged, limit: int) -> Sequence[Judged]:
        """Runs judged after this one, in the order of COMMIT."""
        ...

    async def summaries(self, since: int) -> "Sequence[tuple[str, str, Run]]":
        """(namespace, workflow, newest judged run) of Workflows with a run judged after resource version `since`."""
        ...
