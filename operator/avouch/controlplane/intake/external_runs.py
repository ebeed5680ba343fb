"""Going on with a run outside Tekton: material, certificate, the bundle that ends it, a reset, what a client remembers.

Only the attester who opened a run goes on with it, and only while its Workflow lets that attester attest.
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from avouch import digests, errors
from avouch.attestation import authority, identity, predicate, verification
from avouch.controlplane.intake import authentication, authorization, external_opening, multipart, pod_runs
from avouch.controlplane.model import artifacts, external, runs, verdicts


@dataclass(frozen=True, slots=True)
class ExternalIntake:
    """The use cases over their ports."""

    opener: external_opening.Opener
    blobs: artifacts.ArtifactStore
    keys: pod_runs.Keys
    max_material: int = pod_runs.MAX_MATERIAL

    async def open(self, token: str, wanted: external.Opening) -> external.Opened:
        """Open a run: `outsideopening.Opener.open`."""
        return await self.opener.open(token, wanted)

    async def get(self, token: str, run_id: uuid.UUID) -> external.Opened:
        """The caller's run. Raises errors.NotFound."""
        stored = await self._own(token, run_id)
        return await self.opener.opened(stored, await self.opener.organisations.of_namespace(stored.run.namespace))

    async def known(self, token: str, run_id: uuid.UUID, digest: digests.Digest) -> bool:
        """Whether content is stored already; then it stays as long as the run. Raises errors.NotFound."""
        stored = await self._own(token, run_id)
        return await self.blobs.use(digest, _owner(stored))

    async def put_material(
        self, token: str, run_id: uuid.UUID, expected: digests.Digest, content: AsyncIterator[bytes]
    ) -> tuple[digests.Digest, int]:
        """Store the bytes of one material: a sign of life. Raises what `ports.Blobs.put` raises."""
        stored = await self._open_to(token, run_id)
        return await self._keep(stored, expected, content)

    async def has_part(self, token: str, run_id: uuid.UUID, digest: digests.Digest) -> bool:
        """Whether a part of an upload is stored already. Raises errors.NotFound, errors.Conflict."""
        stored = await self._open_to(token, run_id)
        return await self.blobs.has(digest, namespace_uid=stored.run.namespace_uid)

    async def put_part(
        self, token: str, run_id: uuid.UUID, expected: digests.Digest, content: AsyncIterator[bytes]
    ) -> tuple[digests.Digest, int]:
        """Store one part of an upload: a sign of life. Raises what `storage.ArtifactStore.put` raises."""
        stored = await self._open_to(token, run_id)
        owner = artifacts.Owner(stored.run.namespace, stored.run.namespace_uid)
        kept = await self.blobs.put(content, expected=expected, limit=multipart.LARGEST, owner=owner)
        await self._alive(stored)
        return kept

    async def join(
        self, token: str, run_id: uuid.UUID, expected: digests.Digest, of: Sequence[digests.Digest]
    ) -> tuple[digests.Digest, int]:
        """Make one material of the parts that were stored. Raises errors.Conflict where one is missing."""
        stored = await self._open_to(token, run_id)
        return await self._keep(stored, expected, multipart.joined(self.blobs, of, stored.run.namespace_uid))

    async def certify(self, token: str, run_id: uuid.UUID, csr: bytes) -> pod_runs.Certified:
        """A leaf for the caller's own key that names the attester. Raises errors.Invalid for a bad request."""
        stored = await self._open_to(token, run_id)
        issuer = self.keys.authority()
        who = identity.Recorded(stored.outside.attester.uris)
        leaf = authority.issue(issuer, csr, who, self.opener.clock.now())
        return pod_runs.Certified(leaf.decode("ascii"), (issuer.certificate_pem.decode("ascii"),))

    async def accept(self, token: str, run_id: uuid.UUID, content: bytes) -> runs.Receipt:
        """Believe a bundle and end the run with it; a return means COMMIT.

        1. The run is the caller's, and its Workflow lets the caller attest.
        2. The bundle verifies now, signed by exactly this attester (`attestation.verification`).
        3. It is about this run.

        Raises:
            NotVerified: step 2, or a statement about no run.
            Conflict: step 3, or the run has ended.
        """
        stored = await self._own(token, run_id)  # 1
        received = self.opener.clock.now()
        who = identity.Recorded(stored.outside.attester.uris)
        verified = verification.verify(content, self.keys.trust(), who, received)  # 2
        facts = predicate.read(verified.statement)
        pod_runs.check_same_run(facts.metadata, stored.run)  # 3
        claim = runs.Claim(
            run_id=run_id,
            digest=verified.digest,
            bundle=content,
            pod_uid="",
            taskrun_uid="",
            taskrun="",
            pipeline_task="",
            service_account="",
            received_at=received,
            explicit=True,
            artifacts=pod_runs.artifacts_of(facts),
        )
        return await self.opener.store.accept(claim)

    async def reset(self, token: str, run_id: uuid.UUID, reset: external.Reset) -> external.Opened:
        """Give the run up. Raises errors.Conflict where it has ended otherwise."""
        await self._own(token, run_id)
        await self.opener.store.reset(run_id, reset, self.opener.clock.now())
        return await self.get(token, run_id)

    async def state(self, token: str, run_id: uuid.UUID) -> tuple[str, bytes]:
        """(digest, content) of what the client remembers. Raises errors.NotFound."""
        await self._own(token, run_id)
        found = await self.opener.store.state(run_id)
        if found is None:
            raise errors.NotFound("no state is kept of this run: it has ended, or its state is with its client")
        return found

    async def put_state(self, token: str, run_id: uuid.UUID, content: bytes, *, instead_of: str) -> str:
        """Remember, if nobody else changed it meanwhile. Raises errors.Conflict."""
        stored = await self._open_to(token, run_id)
        digest = await self.opener.store.put_state(run_id, content, instead_of=instead_of)
        await self._alive(stored)
        return digest

    async def drop_state(self, token: str, run_id: uuid.UUID) -> None:
        """Forget it."""
        await self._own(token, run_id)
        await self.opener.store.drop_state(run_id)

    async def _keep(
        self, stored: external.Stored, expected: digests.Digest, content: AsyncIterator[bytes]
    ) -> tuple[digests.Digest, int]:
        kept = await self.blobs.put(content, expected=expected, limit=self.max_material, owner=_owner(stored))
        await self._alive(stored)
        return kept

    async def _alive(self, stored: external.Stored) -> None:
        await self.opener.store.extend(stored.run.id, self.opener.clock.now() + stored.outside.lifetime)

    async def _own(self, token: str, run_id: uuid.UUID) -> external.Stored:
        """The run, if the caller opened it and its Workflow still lets the caller attest."""
        attester = await self.opener.identities.identify(token)
        stored = await self.opener.store.find(run_id)
        if stored is None or stored.outside.attester.uris != authentication.described(attester).uris:
            raise errors.NotFound("no such run")
        organisation = await self.opener.organisations.of_namespace(stored.run.namespace)
        place = authorization.Place(stored.run.namespace, stored.run.workflow, organisation)
        if stored.workflow_spec is None or not authorization.may_attest(stored.workflow_spec, place, attester):
            raise errors.Denied(
                f"you may no longer attest for Workflow {stored.run.workflow}",
                field="spec.attesters",
                fix="have yourself listed in the Workflow's spec.attesters again",
            )
        return stored

    async def _open_to(self, token: str, run_id: uuid.UUID) -> external.Stored:
        stored = await self._own(token, run_id)
        if stored.run.finished_at is not None or stored.run.result is not verdicts.VerdictResult.PENDING:
            raise errors.Conflict(f"run {stored.run.name} has ended: init a new one")
        return stored


def _owner(stored: external.Stored) -> artifacts.Owner:
    return artifacts.Owner(stored.run.namespace, stored.run.namespace_uid, stored.run.id)
