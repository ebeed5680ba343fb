"""The push path: open runs, take material, certify a pod's key, accept its claim.

Every step begins with a `callers.Subject`, read from the cluster for this very request. A run of another namespace does
not exist for the caller; a run of another PipelineRun in its own namespace does, but is not its to speak about.
"""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from avouch import digests, errors, plan
from avouch.attestation import authority, bundle, identity, predicate, trust, verification
from avouch.controlplane.intake import authorization, planning
from avouch.controlplane.intake import pod_identity as callers
from avouch.controlplane.model import artifacts
from avouch.controlplane.model import cluster as cluster_model
from avouch.controlplane.model import runs as run_model

MAX_BUNDLE = bundle.MAX_BUNDLE
MAX_MATERIAL = 1024 * 1024 * 1024  # 1 GiB of one file, unless the server is told otherwise


class Keys(Protocol):
    """Our authority for pod certificates, as it stands now: it is rotated under us."""

    def authority(self) -> authority.Authority:
        """Who issues leaves."""
        ...

    def trust(self) -> trust.TrustRoot:
        """Whose leaves are believed: the new authority and, for a while, the old one."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A run with the plan it is pinned to. `created` is False where somebody else came first."""

    run: run_model.Run
    plan: plan.Plan
    created: bool


@dataclass(frozen=True, slots=True)
class Certified:
    """A leaf and the authorities it chains to, PEM."""

    certificate: str
    chain: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Intake:
    """The use cases of the push path over their ports."""

    runs: run_model.Runs
    workflows: planning.Workflows
    contracts: planning.Contracts
    blobs: artifacts.ArtifactStore
    cluster: cluster_model.ClusterReader
    clock: cluster_model.Clock
    keys: Keys
    max_material: int = field(default=MAX_MATERIAL)

    async def identify(self, token: str) -> callers.Subject:
        """Who holds this token. Raises errors.Unauthenticated."""
        return await callers.identify(token, self.cluster)

    async def open(self, subject: callers.Subject) -> Sequence[Opened]:
        """A run for each Workflow that covers the caller's run, created where there is none yet.

        Raises:
            NotFound: no Workflow covers it.
            Denied: none of those that do lets this ServiceAccount attest.
        """
        caller = subject.caller
        covering = await planning.owed_by(
            caller.namespace, subject.taskrun, subject.pipelinerun, self.workflows, self.contracts
        )
        if not covering:
            raise errors.NotFound(f"no Workflow in {caller.namespace} covers {_subject_name(caller)}")
        allowed = [owed for owed in covering if _lets(owed.workflow.spec, owed.workflow.name, caller)]
        if not allowed:
            raise _may_not_attest(caller)
        now = self.clock.now()
        return [await self._open_one(owed, now) for owed in allowed]

    async def get(self, subject: callers.Subject, run_id: uuid.UUID) -> Opened:
        """The caller's run. Raises errors.NotFound or errors.Denied."""
        run = _own(subject.caller, await self.runs.get(run_id))
        return Opened(run, plan.Plan.from_json(run.plan), created=False)

    async def put_material(
        self,
        subject: callers.Subject,
        run_id: uuid.UUID,
        expected: digests.Digest,
        content: AsyncIterator[bytes],
    ) -> tuple[digests.Digest, int]:
        """Store the bytes of one material of the caller's run. Raises what `ports.Blobs.put` raises."""
        run = await self._open_to(subject.caller, run_id)
        owner = artifacts.Owner(run.namespace, run.namespace_uid, run.id)
        return await self.blobs.put(content, expected=expected, limit=self.max_material, owner=owner)

    async def certify(self, subject: callers.Subject, run_id: uuid.UUID, csr: bytes) -> Certified:
        """A leaf for the caller's own key that names its pod and TaskRun. Raises errors.Invalid for a bad request."""
        await self._open_to(subject.caller, run_id)
        issuer = self.keys.authority()
        leaf = authority.issue(issuer, csr, pod_identity(subject.caller), self.clock.now())
        return Certified(leaf.decode("ascii"), (issuer.certificate_pem.decode("ascii"),))

    async def accept(
        self, subject: callers.Subject, run_id: uuid.UUID, content: bytes, *, explicit: bool
    ) -> run_model.Receipt:
        """Believe a bundle and store it as a claim; a return means COMMIT.

        1. The run is the caller's, and its Workflow lets the caller attest.
        2. The bundle verifies now, signed by exactly this pod (`attestation.verification`).
        3. It is about this run: its run id, Workflow, contract and revision are the run's own.

        Raises:
            NotVerified: step 2, or a statement about no run.
            Conflict: step 3; a good attestation replayed on another run.
            Overloaded: the queue is full.
        """
        caller = subject.caller
        run = await self._open_to(caller, run_id)  # 1
        received = self.clock.now()
        verified = verification.verify(content, self.keys.trust(), pod_identity(caller), received)  # 2
        facts = predicate.read(verified.statement)
        check_same_run(facts.metadata, run)  # 3
        return await self.runs.accept(
            run_model.Claim(
                run_id=run.id,
                digest=verified.digest,
                bundle=content,
                pod_uid=caller.pod_uid,
                taskrun_uid=caller.taskrun_uid,
                taskrun=caller.taskrun,
                pipeline_task=caller.pipeline_task,
                service_account=caller.service_account,
                received_at=received,
                explicit=explicit or not caller.injected,
                artifacts=artifacts_of(facts),
            )
        )

    async def _open_to(self, caller: run_model.Caller, run_id: uuid.UUID) -> run_model.Run:
        """The caller's run, if its Workflow still stands and lets the caller attest."""
        found = await self.runs.attested(run_id)
        run = _own(caller, found.run if found else None)
        spec = found.workflow_spec if found else None
        if spec is None or not _lets(spec, run.workflow, caller):
            raise _may_not_attest(caller)
        return run

    async def _open_one(self, owed: planning.Owed, now: datetime) -> Opened:
        known = await self.runs.get(owed.run_id)
        stored = known or await self.runs.open(owed.run(now))
        return Opened(stored, plan.Plan.from_json(stored.plan), created=known is None)


def pod_identity(caller: run_model.Caller) -> identity.PodIdentity:
    """Whom a certificate for this caller names."""
    return identity.PodIdentity(caller.namespace, caller.service_account, caller.pod_uid, caller.taskrun_uid)


def artifacts_of(facts: predicate.AttestationFacts) -> tuple[digests.Digest, ...]:
    """What a statement refers to of which bytes may be stored."""
    return tuple(one.digest for one in facts.materials if one.type not in plan.VALUE_TYPES)


def check_same_run(said: predicate.Metadata, run: run_model.Run) -> None:
    """Refuse a statement about anything but this run.

    Raises:
        NotVerified: it names no run.
        Conflict: it names another run, Workflow, contract or revision.
    """
    if not said.workflow_run_id:
        raise errors.NotVerified("12 run", "the statement names no run")
    pairs = (
        ("run", said.workflow_run_id, str(run.id)),
        ("workflow", said.workflow_name, run.workflow),
        ("contract", said.contract_name, run.contract),
        ("contract revision", said.contract_version, str(run.revision)),
    )
    for what, found, expected in pairs:
        if found != expected:
            raise errors.Conflict(f"the attestation is about {what} {found[:80]!r}, this run is about {expected!r}")


def _lets(spec: Mapping[str, Any], workflow: str, caller: run_model.Caller) -> bool:
    account = authorization.ServiceAccount(caller.namespace, caller.service_account)
    return authorization.may_attest(spec, authorization.Place(caller.namespace, workflow), account)


def _own(caller: run_model.Caller, run: run_model.Run | None) -> run_model.Run:
    if run is None or (run.namespace, run.namespace_uid) != (caller.namespace, caller.namespace_uid):
        raise errors.NotFound("no such run")
    if run.key.subject_uid not in (caller.pipelinerun_uid or caller.taskrun_uid, caller.taskrun_uid):
        raise errors.Denied(f"run {run.name} is about {run.subject_kind} {run.subject_name}, not about your pod's")
    return run


def _subject_name(caller: run_model.Caller) -> str:
    return f"PipelineRun {caller.pipelinerun}" if caller.pipelinerun else f"TaskRun {caller.taskrun}"


def _may_not_attest(caller: run_model.Caller) -> errors.Denied:
    return errors.Denied(
        f"ServiceAccount {caller.service_account} may not attest here: add it to the Workflow's "
        "spec.attesters.serviceAccounts",
        field="spec.attesters.serviceAccounts",
        fix=f"add {caller.service_account} to the Workflow's spec.attesters.serviceAccounts",
    )
