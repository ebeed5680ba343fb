"""Ports: what the use cases need from the world. The consumer owns the Protocol; adapters implement it.

Every method that writes is one transaction, and a return means COMMIT. `epoch` is the Lease's `leaseTransitions`: a
write with an epoch lower than the newest one seen raises `errors.Conflict` and changes nothing.
"""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from avouch import digests
from avouch.controlplane import outsidevalues, values, weighing


class Clock(Protocol):
    """The wall clock, in UTC."""

    def now(self) -> datetime:
        """The present, timezone-aware."""
        ...


class Contracts(Protocol):
    """Revisions of Contracts: append-only."""

    async def record(self, revision: values.ContractRevision, *, epoch: int) -> values.ContractRevision:
        """Keep a revision. The newest one with the same digest is returned unchanged; else the number is newest + 1."""
        ...

    async def newest(
        self, namespace: str, name: str, *, before: datetime | None = None
    ) -> values.ContractRevision | None:
        """The newest revision, or the newest recorded not after `before` (the first one where none is that old)."""
        ...

    async def get(self, namespace: str, name: str, revision: int) -> values.ContractRevision | None:
        """One revision by its number."""
        ...

    async def list(self, namespace: str, name: str) -> Sequence[values.ContractRevision]:
        """Every revision, newest first; also of a Contract that was deleted."""
        ...


class Workflows(Protocol):
    """Workflows and attachments as the controller recorded them."""

    async def upsert(self, workflow: values.WorkflowRecord, *, epoch: int) -> None:
        """Record a Workflow; an older generation never replaces a newer one."""
        ...

    async def remove(self, namespace: str, name: str, *, uid: str, epoch: int) -> None:
        """Forget a Workflow; its runs stay."""
        ...

    async def get(self, namespace: str, name: str) -> values.WorkflowRecord | None:
        """One Workflow."""
        ...

    async def in_namespace(self, namespace: str) -> Sequence[values.WorkflowRecord]:
        """All Workflows of a namespace."""
        ...

    async def keys(self) -> Sequence[tuple[str, str, str]]:
        """(namespace, name, uid) of every recorded Workflow, for the resync's diff."""
        ...

    async def upsert_attachment(self, attachment: values.AttachmentRecord, *, epoch: int) -> None:
        """Record an attachment with its Integration resolved."""
        ...

    async def remove_attachment(self, namespace: str, name: str, *, epoch: int) -> None:
        """Forget an attachment; deliveries already written go on."""
        ...

    async def attachments(self, namespace: str) -> Sequence[values.AttachmentRecord]:
        """All attachments of a namespace."""
        ...


class Runs(Protocol):
    """Runs, claims and verdicts."""

    async def open(self, run: values.Run) -> values.Run:
        """Create a run, idempotently by id; the stored one wins."""
        ...

    async def get(self, run_id: uuid.UUID) -> values.Run | None:
        """One run."""
        ...

    async def attested(self, run_id: uuid.UUID) -> values.Attested | None:
        """One run and what its Workflow says now."""
        ...

    async def of_subject(self, subject_uid: str) -> Sequence[values.Run]:
        """Every run about one PipelineRun or TaskRun."""
        ...

    async def accept(self, claim: values.Claim) -> values.Receipt:
        """Store a claim and its judging job in one group-committed transaction.

        Raises:
            errors.Overloaded: the bounded queue is full.
            errors.NotFound: no such run.
        """
        ...

    async def finish(self, run_id: uuid.UUID, snapshot: values.Snapshot, at: datetime, *, epoch: int) -> None:
        """Store the Done snapshot and enqueue the judging job; a second snapshot of the same run changes nothing."""
        ...

    async def case(self, run_id: uuid.UUID) -> "tuple[values.Run, values.Snapshot | None, Sequence[values.Claim]]":
        """All that judging needs. Raises errors.NotFound."""
        ...

    async def decide(self, signed: values.SignedVerdict, deliveries: Sequence[values.Delivery]) -> bool:
        """Commit the verdict and its deliveries together. False: judged before, nothing changed."""
        ...

    async def unfinished(self, limit: int) -> Sequence[values.Run]:
        """Runs without a Done snapshot, oldest first: what the resync looks up in the cluster."""
        ...

    async def summaries(self, since: int) -> "Sequence[tuple[str, str, values.Run]]":
        """(namespace, workflow, newest judged run) of Workflows with a run judged after resource version `since`."""
        ...


class OutsideReader(Protocol):
    """What only runs outside Tekton have."""

    async def of(self, run_id: uuid.UUID) -> outsidevalues.Outside | None:
        """That of one run, or None where it is none of them."""
        ...


class Jobs(Protocol):
    """Re-queues work; first enqueued inside the transactions above."""

    async def judge_later(self, run_id: uuid.UUID, at: datetime) -> None:
        """Judge this run again not before `at` (e.g. the sidecar's grace has not run out)."""
        ...


class Deliveries(Protocol):
    """The fan-out ledger."""

    async def lease(self, limit: int, seconds: int) -> Sequence[values.Delivery]:
        """Take due deliveries; each is ours for `seconds`, then another worker may take it.

        Each with its attachment's configuration of now; one whose attachment is suspended stays, and no try is counted.
        """
        ...

    async def delivered(self, delivery_id: uuid.UUID, at: datetime) -> None:
        """It arrived."""
        ...

    async def failed(self, delivery_id: uuid.UUID, error: str, *, next_try: datetime | None) -> None:
        """It did not; None gives up."""
        ...

    async def counts(self, attachment_uid: str) -> "tuple[int, int, int, str]":
        """(pending, delivered, failed, last error) of one attachment."""
        ...


class Integration(Protocol):
    """One kind of receiver."""

    async def deliver(self, delivery: values.Delivery) -> None:
        """Send it.

        Raises:
            errors.Unavailable: not now; `errors.Overloaded` says when.
            errors.AvouchError: trying again is pointless.
        """
        ...


class Blobs(Protocol):
    """Bytes by digest."""

    async def put(
        self, content: AsyncIterator[bytes], *, expected: digests.Digest | None, limit: int
    ) -> tuple[digests.Digest, int]:
        """Store content while hashing it; memory stays flat. Returns digest and size in bytes.

        Raises:
            errors.TooLarge: more than `limit` bytes. Nothing is kept.
            errors.Invalid: the digest differs from `expected`. Nothing is kept.
        """
        ...

    def get(self, digest: digests.Digest) -> AsyncIterator[bytes]:
        """Content in pieces, re-hashed while read.

        Raises:
            errors.NotFound: no such content.
            errors.Corrupt: the stored bytes no longer match; raised before the last piece is handed out.
        """
        ...

    async def has(self, digest: digests.Digest) -> bool:
        """Whether the content is stored."""
        ...


class Content(Protocol):
    """Reading bytes by digest: the part of `Blobs` that a worker needs."""

    def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        """Content in pieces, re-hashed while read; with a namespace, only what that one stored.

        Raises errors.NotFound, errors.Corrupt or errors.Unavailable.
        """
        ...


class Artifacts(Protocol):
    """Looks at documents: whether their bytes are stored, and whether they are what they are called."""

    async def check(
        self, digest: digests.Digest, type_: str, size: int | None, *, namespace_uid: str = ""
    ) -> weighing.Checked:
        """What the bytes show that this namespace stored. Raises errors.Unavailable: no answer now."""
        ...

    async def read(self, content: bytes, type_: str) -> weighing.Checked:
        """The same for bytes that the attestation itself holds."""
        ...


class Secrets(Protocol):
    """Secrets of integrations, read when they are needed and never stored."""

    async def read(self, namespace: str, name: str, key: str) -> bytes:
        """One value. Raises errors.NotFound, errors.Denied or errors.Unavailable."""
        ...


class ClusterReader(Protocol):
    """The cluster's own record. Objects are plain Kubernetes JSON; None where the object is gone."""

    async def review_token(self, token: str, audience: str) -> Mapping[str, Any]:
        """TokenReview. Returns `status.user` (username, uid, groups, extra). Raises errors.Unauthenticated."""
        ...

    async def pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One pod."""
        ...

    async def taskrun(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One TaskRun."""
        ...

    async def pipelinerun(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One PipelineRun."""
        ...

    async def namespace(self, name: str) -> dict[str, Any] | None:
        """One namespace: its uid tells it from a predecessor of the same name."""
        ...

    async def resource_quotas(self, namespace: str) -> Sequence[dict[str, Any]]:
        """Every ResourceQuota of a namespace: `auto` does not inject where one could refuse the pod."""
        ...

    async def volume_claim(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One PersistentVolumeClaim: a block or ReadWriteOncePod volume is never mounted a second time."""
        ...
