"""What a caller brings to its run: material, parts of it, a key to certify, a bundle to believe.

One way for pods and for attesters outside the cluster. They differ in who resolves the session (`sessions`), and in
what a bundle does: a run of the cluster takes one from each pod and ends when Tekton says so, an external run ends with
its only one, and every arrival before it is a sign of life.
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from avouch import digests, errors
from avouch.attestation import authority, bundle, predicate, trust, verification
from avouch.controlplane.intake import bundles, external_runs, multipart, pod_runs, sessions
from avouch.controlplane.model import artifacts, cluster, runs
from avouch.materials import types as material_types

MAX_BUNDLE = bundle.MAX_BUNDLE
_NO_POD = runs.Caller("", "", "", "", "", "", "")


class Keys(Protocol):
    """Our authority for certificates, as it stands now: it is rotated under us."""

    def authority(self) -> authority.Authority:
        """The authority that issues leaf certificates."""
        ...

    def trust(self) -> trust.TrustRoot:
        """Whose leaves are believed: the new authority and, for a while, the old one."""
        ...


class Claims(Protocol):
    """Stores claims; implemented by the stores of Tekton and of external runs."""

    async def accept(self, claim: runs.Claim) -> runs.Receipt:
        """Store a claim; a return means COMMIT."""
        ...


@dataclass(frozen=True, slots=True)
class Certified:
    """A leaf and the authorities it chains to, PEM."""

    certificate: str
    chain: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Intake:
    """The use cases over their ports."""

    pods: pod_runs.PodRuns
    claims: Claims
    blobs: artifacts.ArtifactStore
    clock: cluster.Clock
    keys: Keys
    max_material: int  # bytes of one file
    external: external_runs.ExternalRuns | None = None  # None: runs of the cluster only
    checking: bundles.Checking = field(default_factory=bundles.Checking)

    async def session(
        self, token: str, run_id: uuid.UUID, need: sessions.Need = sessions.Need.ADD
    ) -> sessions.RunSession:
        """Who calls, about which run, and whom its certificates name. Raises as `session` of the runs of its kind."""
        if not sessions.is_external(run_id):
            return await self.pods.session(token, run_id, need)
        if self.external is None:
            raise errors.NotFound("no such run")
        return await self.external.session(token, run_id, need)

    async def known(self, session: sessions.RunSession, digest: digests.Digest) -> bool:
        """Whether content is stored already; then it stays as long as the run."""
        return await self.blobs.use(digest, session.owner)

    async def put_material(
        self, session: sessions.RunSession, expected: digests.Digest, content: AsyncIterator[bytes]
    ) -> tuple[digests.Digest, int]:
        """Store the bytes of one material. Raises what `artifacts.ArtifactStore.put` raises."""
        kept = await self.blobs.put(content, expected=expected, limit=self.max_material, owner=session.owner)
        await self._arrived(session)
        return kept

    async def has_part(self, session: sessions.RunSession, digest: digests.Digest) -> bool:
        """Whether a part of an upload is stored already."""
        return await self.blobs.has(digest, namespace_uid=session.run.namespace_uid)

    async def put_part(
        self, session: sessions.RunSession, expected: digests.Digest, content: AsyncIterator[bytes]
    ) -> tuple[digests.Digest, int]:
        """Store one part of an upload. Raises what `artifacts.ArtifactStore.put` raises."""
        owner = artifacts.Owner(session.run.namespace, session.run.namespace_uid)
        kept = await self.blobs.put(content, expected=expected, limit=multipart.LARGEST, owner=owner)
        await self._arrived(session)
        return kept

    async def join(
        self, session: sessions.RunSession, expected: digests.Digest, of: Sequence[digests.Digest]
    ) -> tuple[digests.Digest, int]:
        """Make one material of the parts that were stored. Raises errors.Conflict where one is missing."""
        return await self.put_material(session, expected, multipart.joined(self.blobs, of, session.run.namespace_uid))

    async def certify(self, session: sessions.RunSession, csr: bytes) -> Certified:
        """A leaf for the caller's own key that names the session's signer. Raises errors.Invalid for a bad request."""
        issuer = self.keys.authority()
        leaf = authority.issue(issuer, csr, session.signer, self.clock.now())
        return Certified(leaf.decode("ascii"), (issuer.certificate_pem.decode("ascii"),))

    async def accept(self, session: sessions.RunSession, content: bytes, *, explicit: bool) -> runs.Receipt:
        """Believe a bundle and store it as a claim; a return means COMMIT.

        1. The session says that the run is the caller's, and that its Workflow lets the caller attest.
        2. The bundle verifies now, signed by exactly the session's signer (`attestation.verification`).
        3. It is about this run: its run id, Workflow, contract and revision are the run's own.

        Raises:
            NotVerified: step 2, or a statement about no run.
            Invalid: the statement is no attestation, or holds what cannot be recorded.
            Conflict: step 3 (a good attestation replayed on another run), or an external run that has ended.
            Overloaded: the queue is full.
        """
        received = self.clock.now()
        found = await self.checking.believe(content, self.keys.trust(), session.signer, received)  # 2
        check_same_run(found.facts.metadata, session.run)  # 3
        claim = _claim(session, found.attestation, found.facts, content, explicit=explicit)
        return await self._claims(session).accept(claim)

    async def _arrived(self, session: sessions.RunSession) -> None:
        if self.external is not None:
            await self.external.alive(session)

    def _claims(self, session: sessions.RunSession) -> Claims:
        if session.external is None or self.external is None:
            return self.claims
        return self.external.opener.store


def artifacts_of(facts: predicate.AttestationFacts) -> tuple[digests.Digest, ...]:
    """What a statement refers to of which bytes may be stored."""
    return tuple(one.digest for one in facts.materials if one.type not in material_types.VALUE_TYPES)


def check_same_run(said: predicate.Metadata, run: runs.Run) -> None:
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


def _claim(
    session: sessions.RunSession,
    verified: verification.VerifiedAttestation,
    facts: predicate.AttestationFacts,
    content: bytes,
    *,
    explicit: bool,
) -> runs.Claim:
    pod = session.caller or _NO_POD
    return runs.Claim(
        run_id=session.run.id,
        digest=verified.digest,
        bundle=content,
        pod_uid=pod.pod_uid,
        taskrun_uid=pod.taskrun_uid,
        taskrun=pod.taskrun,
        pipeline_task=pod.pipeline_task,
        service_account=pod.service_account,
        received_at=verified.verified_at,
        explicit=explicit or not pod.injected,
        pod=pod.pod,
        artifacts=artifacts_of(facts),
    )
