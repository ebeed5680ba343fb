"""Judging as an act: gather the case, decide, seal, commit verdict and deliveries in one transaction."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from avouch import errors, plan
from avouch.attestation import identity, predicate, trust, verification
from avouch.controlplane import judgement, ports, sealing, values, weighing

TRIES = 8  # of transient failures, by the job's own retry, before the run is judged Error
_PLAIN = frozenset({"CONTAINER_IMAGE", "STRING"})


@dataclass(frozen=True, slots=True)
class Judging:
    """The use case, with the ports it needs."""

    runs: ports.Runs
    workflows: ports.Workflows
    jobs: ports.Jobs
    artifacts: ports.Artifacts
    clock: ports.Clock
    trust_root: trust.TrustRoot
    keys: sealing.Keys

    async def judge(self, run_id: uuid.UUID, *, attempt: int = 1) -> values.VerdictResult:
        """Judge one run, or put it off (Pending).

        Raises:
            Unavailable: something may work on another try, and there are tries left.
        """
        run, snapshot, claims = await self.runs.case(run_id)
        if run.result is not values.VerdictResult.PENDING:
            return run.result
        case = judgement.Case(run, plan.Plan.from_json(run.plan), snapshot)
        try:
            case = await self._gather(case, claims)
            found = judgement.judge(case, self.clock.now())
            if isinstance(found, judgement.WaitUntil):
                await self.jobs.judge_later(run_id, found.at)
                return values.VerdictResult.PENDING
            if found.result is values.VerdictResult.PENDING:
                return found.result
            signed = sealing.seal(case, found, self.keys)
        except Exception as exc:
            if isinstance(exc, errors.AvouchError) and exc.retry and attempt < TRIES:
                raise
            signed = self._error(case, exc)
        await self._commit(run, signed)
        return signed.verdict.result

    async def _gather(self, case: judgement.Case, claims: Sequence[values.Claim]) -> judgement.Case:
        said = tuple(self._read(claim, case.run.namespace) for claim in claims)
        types = {material.name: material.type for material in case.plan.materials}
        documents = {}
        for found in (material for one in said if one.facts for material in one.facts.materials):
            type_ = types.get(found.name, "")
            key = (str(found.digest), type_)
            if type_ and type_ not in _PLAIN and key not in documents:
                documents[key] = await self.artifacts.check(found.digest, type_, found.size)
        return judgement.Case(case.run, case.plan, case.snapshot, said, documents)

    def _read(self, claim: values.Claim, namespace: str) -> weighing.Said:
        """Believe a stored claim again, at its time of receipt."""
        try:
            who = identity.PodIdentity(namespace, claim.service_account, claim.pod_uid, claim.taskrun_uid)
            verified = verification.verify(claim.bundle, self.trust_root, who, claim.received_at)
            if verified.digest != claim.digest:
                raise errors.Corrupt("the stored bundle no longer matches its digest")
            return weighing.Said(claim, predicate.read(verified.statement))
        except errors.AvouchError as exc:
            if exc.retry:
                raise
            return weighing.Said(claim, None, str(exc))

    def _error(self, case: judgement.Case, exc: Exception) -> values.SignedVerdict:
        reason = str(exc) if isinstance(exc, errors.AvouchError) else type(exc).__name__
        bare = judgement.Case(case.run, case.plan, case.snapshot)
        return sealing.seal(bare, judgement.failed(bare, reason, self.clock.now()), self.keys)

    async def _commit(self, run: values.Run, signed: values.SignedVerdict) -> None:
        attachments = tuple(await self.workflows.attachments(run.namespace))
        await self.runs.decide(signed, sealing.deliveries(run, signed, attachments))
