"""What the use cases exchange: frozen values, free of I/O. Times are timezone-aware UTC."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from avouch import digests

RUN_NAMESPACE = uuid.UUID("5ad1c1d8-7c94-5ac1-9d0b-6f1a3d0f3a57")  # uuid5 namespace of run ids: never change it


EXTERNAL = "External"  # kind of subject of a run outside Tekton


class VerdictResult(StrEnum):
    """The closed list of verdicts. `PENDING` is the only one that a later judgement may replace."""

    PENDING = "Pending"
    PASSED = "Passed"
    FAILED = "Failed"  # the contract is not satisfied
    REJECTED = "Rejected"  # a claim contradicts another claim or the cluster's record
    ERROR = "Error"  # we could not judge: never passed
    UNOBSERVED = "Unobserved"  # the run ended without anyone seeing it
    EXPIRED = "Expired"
    CANCELED = "Canceled"


class Evidence(StrEnum):
    """Where the evidence came from; `MISSING` only where a sidecar was injected and never spoke."""

    SIDECAR = "sidecar"
    TASKRUN = "taskrun"
    CLI = "cli"  # crafted outside Tekton, by whoever the Workflow lets attest
    MISSING = "missing"
    NONE = ""


@dataclass(frozen=True, slots=True)
class ContractRevision:
    """One immutable revision of a Contract. `canonical` is the canonical form; `digest` its identity."""

    namespace: str
    namespace_uid: str
    name: str
    uid: str
    revision: int
    digest: digests.Digest
    canonical: bytes
    recorded_at: datetime
    source_digest: str = ""  # of the bytes that were applied: `contract.revisions.source_digest`


@dataclass(frozen=True, slots=True)
class WorkflowRecord:
    """A Workflow as the controller recorded it. `spec` is the Workflow's spec in camelCase, as JSON would hold it."""

    namespace: str
    namespace_uid: str
    name: str
    uid: str
    generation: int
    spec: dict[str, Any]
    labels: dict[str, str]
    contract_namespace: str = ""  # resolved: where the Contract lies ("" = unresolved)
    contract_name: str = ""


@dataclass(frozen=True, slots=True)
class AttachmentRecord:
    """An IntegrationAttachment with its Integration resolved. `secret` keeps the HMAC key out of repr."""

    namespace: str
    name: str
    uid: str
    integration: str
    type: str  # e.g. webhook
    config: dict[str, Any]
    secret: bytes = field(repr=False, default=b"")
    workflow: str = ""  # one Workflow by name, or
    selector: dict[str, str] = field(default_factory=dict)  # matchLabels over Workflows


@dataclass(frozen=True, slots=True)
class RunKey:
    """Identity of a run: the Workflow, and the PipelineRun, TaskRun or outside id it is about."""

    workflow_uid: str
    subject_uid: str
    outside: bool = False  # about no object of the cluster

    @property
    def id(self) -> uuid.UUID:
        """The workflowRunID: the same for whoever comes first, the watch or a push.

        Its version (RFC 9562) tells the two kinds apart without a look into the store: 5 in Tekton, 8 outside.
        """
        found = uuid.uuid5(RUN_NAMESPACE, f"{self.workflow_uid}/{self.subject_uid}")
        return uuid.UUID(int=found.int & ~(0xF << 76) | (8 << 76)) if self.outside else found

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
    result: VerdictResult = VerdictResult.PENDING
    evidence: Evidence = Evidence.NONE
    finished_at: datetime | None = None  # the subject was Done
    judged_at: datetime | None = None
    labels: dict[str, str] = field(default_factory=dict)
    resource_version: int = 0  # commit order of the store


@dataclass(frozen=True, slots=True)
class Backend:
    """Where the artifacts of a namespace go. `inline`: into the attestation itself."""

    id: str
    name: str
    max_bytes: int
    inline: bool = False
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Attested:
    """A run that somebody wants to attest, and the present spec of its Workflow; None where that is gone."""

    run: Run
    workflow_spec: dict[str, Any] | None


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
    image_ids: tuple[str, ...] = ()
    injected: bool = False  # the pod carries our sidecar: read from the pod itself


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose artifact it is: a namespace, and the run that it is uploaded for, where there is one."""

    namespace: str
    namespace_uid: str
    run_id: uuid.UUID | None = None


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
    explicit: bool = False  # pushed by a step of the user's, not by our injected container
    artifacts: tuple[digests.Digest, ...] = ()  # content that it refers to: kept as long as the run


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a push is answered: given only after COMMIT. `created` is False for a resend of the same digest."""

    id: uuid.UUID
    digest: digests.Digest
    created: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a run. `line` is the contract line that asked, `fix` the smallest change that mends it."""

    code: str  # stable CamelCase, e.g. MaterialMissing
    message: str
    line: str = ""
    fix: str = ""
    material: str = ""


@dataclass(frozen=True, slots=True)
class JudgedMaterial:
    """One material as the verdict saw it. `value` for STRING and image references; `origin` sidecar | taskrun."""

    name: str
    type: str
    digest: str = ""
    value: str = ""
    filename: str = ""
    size: int = 0
    origin: str = ""
    output: bool = False
    uploaded: bool = False
    annotations: dict[str, str] = field(default_factory=dict)
    extracted: dict[str, str] = field(default_factory=dict)  # read out of the content: `chainloop.material.*` keys


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of judging one run, before signing."""

    run_id: uuid.UUID
    result: VerdictResult
    evidence: Evidence
    findings: tuple[Finding, ...]
    materials: tuple[JudgedMaterial, ...]
    annotations: dict[str, str]
    env: dict[str, str]
    judged_at: datetime


@dataclass(frozen=True, slots=True)
class SignedVerdict:
    """A verdict with its signed documents: the run's own attestation and the verification summary (VSA)."""

    verdict: Verdict
    attestation: bytes  # Sigstore bundle over chainloop.dev/attestation/v0.2
    vsa: bytes  # Sigstore bundle over slsa.dev/verification_summary/v1
    statement: bytes  # the statement inside `attestation`


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster's own record of a Done PipelineRun or TaskRun, as the watch stored it.

    `subject` is the PipelineRun or TaskRun object; `taskruns` every TaskRun object of it; `injected` the pod UIDs in
    which our sidecar stands (from the pods themselves), `pods` pod name -> pod UID.
    """

    subject: dict[str, Any]
    taskruns: tuple[dict[str, Any], ...]
    injected: tuple[str, ...] = ()
    pods: dict[str, str] = field(default_factory=dict)


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # given up: the answer says that trying again is pointless, or the tries are used up


@dataclass(frozen=True, slots=True)
class Delivery:
    """One verdict on its way to one attachment. The id is stable over all tries."""

    id: uuid.UUID
    run_id: uuid.UUID
    attachment_uid: str
    attachment: str
    namespace: str
    type: str
    config: dict[str, Any]
    payload: bytes
    attempts: int
    secret: bytes = field(repr=False, default=b"")
