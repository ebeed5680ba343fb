"""Judging as an act: gather the case, decide, seal, commit verdict and deliveries in one transaction."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from avouch import errors, plan
from avouch.attestation import identity, materials, predicate, trust, verification
from avouch.controlplane import deliveries
from avouch.controlplane.judging import documents, external_run, tekton_run
from avouch.controlplane.judging import materials as judged_materials
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import cluster, contracts, external, verdicts
from avouch.controlplane.model import runs as run_model

CRASHES = 5  # workers that may die over one run before it is judged Error: it would take the next ones with it


def next_try(run: run_model.Run, now: datetime) -> datetime:
    """When to judge a run again whose evidence could not be read: the older it is, the less often."""
    age = now - (run.finished_at or run.created_at)
    return now + min(max(age / 4, timedelta(seconds=10)), timedelta(minutes=10))


@dataclass(frozen=True, slots=True)
class Judging:
    """The use case, with the ports it needs."""

    runs: run_model.Runs
    outside: external.ExternalReader
    workflows: contracts.Workflows
    jobs: run_model.Jobs
    artifacts: artifact_model.Artifacts
    clock: cluster.Clock
    trust_root: trust.TrustRoot
    keys: documents.Keys

    async def judge(self, run_id: uuid.UUID, *, crashes: int = 0) -> verdicts.VerdictResult:
        """Judge one run, or put it off (Pending). `crashes`: how many workers died while they judged it.

        Raises:
            Unavailable: something that judging needs does not answer now; the run stays Pending.
        """
        run, snapshot, claims = await self.runs.case(run_id)
        if run.result is not verdicts.VerdictResult.PENDING:
            return run.result
        outside = await self.outside.of(run_id) if run.key.outside else None
        case = tekton_run.Case(run, plan.Plan.from_json(run.plan), snapshot, outside=outside)
        try:
            if crashes >= CRASHES:
                raise errors.Corrupt(f"{crashes} workers ended while they judged it")
            case = await self._gather(case, claims)
            found = _judged(case, self.clock.now())
            if isinstance(found, tekton_run.WaitUntil):
                await self.jobs.judge_later(run_id, found.at)
                return verdicts.VerdictResult.PENDING
            if found.result is verdicts.VerdictResult.PENDING:
                return found.result
            signed = documents.seal(case, found, self.keys)
        except Exception as exc:
            if isinstance(exc, errors.AvouchError) and exc.retry:
                raise
            signed = self._error(case, exc)
        await self._commit(run, signed)
        return signed.verdict.result

    async def _gather(self, case: tekton_run.Case, claims: Sequence[run_model.Claim]) -> tekton_run.Case:
        said = tuple(self._read(claim, case) for claim in claims)
        types = {material.name: material.type for material in case.plan.materials}
        documents: dict[tuple[str, str], artifact_model.Checked] = {}
        for found in (material for one in said if one.facts for material in one.facts.materials):
            # Outside Tekton a material may be one that the contract does not name: then it is what it is called.
            type_ = types.get(found.name, "") or (found.type if case.outside is not None else "")
            key = (str(found.digest), type_)
            if type_ and type_ not in plan.VALUE_TYPES and key not in documents:
                documents[key] = await self._check(found, type_, case.run.namespace_uid)
        return replace(case, said=said, documents=documents)

    async def _check(self, found: materials.Material, type_: str, namespace_uid: str) -> artifact_model.Checked:
        """Bytes that the attestation itself holds are hashed already (`materials.read`); others lie in the store."""
        if found.storage == "inline" and found.content is not None:
            return await self.artifacts.read(found.content, type_)
        return await self.artifacts.check(found.digest, type_, found.size, namespace_uid=namespace_uid)

    def _read(self, claim: run_model.Claim, case: tekton_run.Case) -> judged_materials.Said:
        """Believe a stored claim again, at its time of receipt."""
        try:
            who = _signer(claim, case)
            verified = verification.verify(claim.bundle, self.trust_root, who, claim.received_at)
            if verified.digest != claim.digest:
                raise errors.Corrupt("the stored bundle no longer matches its digest")
            return judged_materials.Said(claim, predicate.read(verified.statement))
        except errors.AvouchError as exc:
            if exc.retry:
                raise
            return judged_materials.Said(claim, None, str(exc))

    def _error(self, case: tekton_run.Case, exc: Exception) -> verdicts.SignedVerdict:
        reason = str(exc) if isinstance(exc, errors.AvouchError) else type(exc).__name__
        bare = tekton_run.Case(case.run, case.plan, case.snapshot, outside=case.outside)
        return documents.seal(bare, tekton_run.failed(bare, reason, self.clock.now()), self.keys)

    async def _commit(self, run: run_model.Run, signed: verdicts.SignedVerdict) -> None:
        attachments = tuple(await self.workflows.attachments(run.namespace))
        await self.runs.decide(signed, deliveries.deliveries(run, signed, attachments))


def _judged(case: tekton_run.Case, now: datetime) -> verdicts.Verdict | tekton_run.WaitUntil:
    if case.outside is not None:
        return external_run.judge(case, case.outside, now)
    return tekton_run.judge(case, now)


def _signer(claim: run_model.Claim, case: tekton_run.Case) -> identity.Identity:
    if case.outside is not None:
        return identity.Recorded(case.outside.attester.uris)
    return identity.PodIdentity(case.run.namespace, claim.service_account, claim.pod_uid, claim.taskrun_uid)
