"""Judging as an act: take runs from the queue, gather each case, decide, seal, write all of it in one transaction.

1. Runs are judged in batches of one transaction, from what the database holds.
2. A run whose evidence lies in an artifact store, or that has policies, is judged outside of batches, so that no batch
   waits for bytes or scripts: a few of one namespace, one after the other, and what is decided is written together.
   What their policies can be asked at once is (`policies.Evaluating.foresee`). One whose batch failed, or over which a
   worker died, has no others beside it.
3. A run that still cannot be judged gets the verdict Error; what does not answer now puts it off.
4. What is stored of a run and cannot be read may be of a newer version: it is tried again for a while, then it is
   Error.
5. A claim that came after the verdict has its run judged again, as it was opened. Where a pod of the run itself
   contradicts what was judged, the verdict is superseded by Rejected, once and for all, also one that somebody asked
   for meanwhile; in all other cases it stays, and the claim is kept and shown.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from avouch import errors, plan, storable
from avouch.attestation import materials, recordable, trust, verification
from avouch.controlplane.deliveries import fanout
from avouch.controlplane.judging import documents, examination, lateness, policies, verdict
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import cluster, judging, runs, verdicts
from avouch.materials import types as material_types

_log = logging.getLogger(__name__)

BATCH = 32  # runs in one transaction
_WRITE = 0.5  # seconds for which what is decided waits for others
_TURN = 5.0  # seconds after which no other run of a few is begun: those of other namespaces wait
Judged: TypeAlias = verdicts.Verdict | examination.WaitUntil
PATIENCE = timedelta(hours=1)  # after a run's end, for what cannot be read: an update of the install takes less


def next_try(run: runs.Run, now: datetime) -> datetime:
    """When to judge a run again whose evidence could not be read: the older it is, the less often."""
    return now + min(max(_age(run, now) / 4, timedelta(seconds=10)), timedelta(minutes=10))


def _age(run: runs.Run, now: datetime) -> timedelta:
    return now - (run.finished_at or run.created_at)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A case, what its evidence shows, and what its verdict is as long as no policy was asked."""

    case: examination.Case
    examined: verdict.Evidence
    found: Judged


@dataclass(frozen=True, slots=True)
class Judging:
    """The use case, with the ports it needs."""

    queue: judging.Queue
    artifacts: artifact_model.Artifacts
    clock: cluster.Clock
    trust_root: trust.TrustRoot
    keys: documents.Keys
    evaluating: policies.Evaluating
    monotonic: Callable[[], float] = time.monotonic

    async def batch(self, limit: int = BATCH) -> Sequence[judging.Outcome]:
        """Judge what is due and needs nothing but the database; empty where there is nothing.

        Raises:
            Unavailable: the database does not answer now; every run is as it was.
        """
        taken = judging.Taken()
        try:
            async with self.queue.batch(limit) as work:
                taken = work.taken
                outcomes = [await self._from_rows(record, taken) for record in taken.records]
                outcomes += [judging.Outside(run_id) for run_id in sorted(taken.outside)]
                await work.settle(outcomes)
        except Exception as exc:
            if isinstance(exc, errors.AvouchError) and exc.retry:
                raise
            _log.warning("a batch of %d runs failed, they are judged one by one: %s", len(taken.records), exc)
            ids = [*(record.run.id for record in taken.records), *taken.outside]
            await self.queue.isolate(ids)
            return [judging.Outside(run_id) for run_id in ids]
        return outcomes

    async def few(self, limit: int = BATCH, taken: Callable[[], None] = lambda: None) -> Sequence[judging.Outcome]:
        """Judge runs that are not for a batch; empty where there is none. Raises errors.Unavailable, as `batch`.

        `taken` is called once there is one, for there may be more.
        """
        async with self.queue.few(limit) as work:
            if not work.taken.records:
                return ()
            taken()
            of_these = replace(self, evaluating=self.evaluating.of_few())
            return await of_these._one_after_the_other(work)

    async def _one_after_the_other(self, work: judging.Work) -> Sequence[judging.Outcome]:
        """(2) Each run is judged as if it were alone: it shares what is looked up, asked and written, and no time."""
        done: list[judging.Outcome] = []
        decided: list[tuple[judging.Record, judging.Outcome]] = []
        began = written = self.monotonic()
        seen = await self._foreseen(work.taken.records)
        for record in work.taken.records:
            now = self.monotonic()
            if now - written >= _WRITE and decided:
                done += await self._settled(work, decided)
                written, decided = now, []
            if done and now - began >= _TURN:
                decided.append((record, judging.Later(record.run.id, self.clock.now())))
            else:
                decided.append((record, await self._alone(record, work.taken, seen.get(record.run.id))))
        return [*done, *await self._settled(work, decided)]

    async def _foreseen(self, records: Sequence[judging.Record]) -> Mapping[uuid.UUID, "_Seen"]:
        """What is seen of some runs, whose policies have been asked what they can be asked at once.

        What fails here is found again when the run itself is judged.
        """
        seen, judged = dict[uuid.UUID, _Seen](), []
        until = self.monotonic() + _WRITE
        for record in records if len(records) > 1 else ():
            if self.monotonic() > until:
                break
            with contextlib.suppress(Exception):
                if not _settled(record):
                    seen[record.run.id] = one = self._look_at(await self.case(record))
                    if isinstance(one.found, verdicts.Verdict) and _is_to_be_evaluated(one, _ends):
                        judged.append((one.case, one.found))
        await self.evaluating.foresee(judged)
        return seen

    async def _settled(
        self, work: judging.Work, decided: Sequence[tuple[judging.Record, judging.Outcome]]
    ) -> Sequence[judging.Outcome]:
        """Write what is decided; where that fails, each by itself, and what cannot be written is an Error."""
        outcomes = [outcome for _, outcome in decided]
        if not outcomes:
            return ()
        try:
            await work.settle(outcomes)
        except Exception as exc:
            if isinstance(exc, errors.AvouchError) and exc.retry:
                raise
            if len(decided) == 1:
                return [await self._settle_error(work, decided[0][0], exc)]
            _log.warning("%d verdicts could not be written together, each is by itself: %s", len(decided), exc)
            return [one for each in decided for one in await self._settled(work, [each])]
        return outcomes

    async def _settle_error(self, work: judging.Work, record: judging.Record, why: Exception) -> judging.Outcome:
        """Write a verdict Error; where even that cannot be written, put it off, less and less often, and say so."""
        outcome = self._error(record, work.taken, why)
        try:
            await work.settle([outcome])
        except errors.AvouchError as exc:
            if exc.retry:
                raise
            _log.error("the verdict Error on run %s cannot be written: %s", record.run.id, exc)
            outcome = judging.Later(record.run.id, next_try(record.run, self.clock.now()), str(exc))
            await work.settle([outcome])
        return outcome

    async def _from_rows(self, record: judging.Record, taken: judging.Taken) -> judging.Outcome:
        """Judge without leaving the database. Between two runs, deliveries and health checks have their turn."""
        await asyncio.sleep(0)
        if _settled(record):
            return judging.Settled(record.run.id)
        try:
            if _may_hold_documents(record):
                return judging.Outside(record.run.id)
            case = await self.case(record)
            return self._outcome(record, case, verdict.judge(case, self.clock.now()), taken)
        except Exception as exc:
            return self._error(record, taken, exc)

    async def _alone(self, record: judging.Record, taken: judging.Taken, seen: "_Seen | None") -> judging.Outcome:
        """`seen`: of the run, where it was looked at already."""
        if _settled(record):
            return judging.Settled(record.run.id)
        try:
            if record.crashes >= judging.CRASHES:
                raise errors.Corrupt(f"{record.crashes} workers stopped while they judged the run")
            # Nothing is fetched for a run that is waited for, or keeps its verdict.
            case, found = await self._weighed(seen or self._look_at(await self.case(record)), _ends)
            return self._outcome(record, case, found, taken)
        except Exception as exc:
            if isinstance(exc, errors.AvouchError) and exc.retry:
                _log.warning("run %s is judged later: %s", record.run.id, exc)
                return judging.Later(record.run.id, next_try(record.run, self.clock.now()), str(exc))
            return self._error(record, taken, exc)

    async def weighed(
        self, case: examination.Case, counts: Callable[[examination.Case, Judged], bool]
    ) -> tuple[examination.Case, Judged]:
        """The case with all that a verdict takes, and what it is then.

        As long as the verdict `counts`, documents are looked at, then policies are asked.

        Raises:
            errors.Unavailable: a store, the engine or the database cannot answer now.
            errors.Corrupt: what the run is held to is not kept any more.
        """
        return await self._weighed(self._look_at(case), counts)

    def _look_at(self, case: examination.Case) -> "_Seen":
        now = self.clock.now()
        examined = verdict.examine(case, now)
        return _Seen(case, examined, verdict.decide(case, examined, now))

    async def _weighed(
        self, seen: "_Seen", counts: Callable[[examination.Case, Judged], bool]
    ) -> tuple[examination.Case, Judged]:
        if counts(seen.case, seen.found) and (looked_at := await self._looked_at(seen.case)):
            seen = self._look_at(replace(seen.case, documents=looked_at))
        case, found = seen.case, seen.found
        if isinstance(found, verdicts.Verdict) and _is_to_be_evaluated(seen, counts):
            case = replace(case, evaluations=await self.evaluating.evaluated(case, found, self.keys))
            case = replace(case, exceptions=await self.evaluating.declared(case))
            found = verdict.decide(case, seen.examined, self.clock.now())
        return case, found

    async def case(self, record: judging.Record) -> examination.Case:
        """What is stored of a run, its claims verified, and those left out that came too late to count.

        A bundle may take a tenth of a second: between two of them the process has its signs of life to give.

        Raises:
            errors.Corrupt: it cannot be read.
        """
        bare, said = _bare(record), []
        for claim in record.claims:
            said.append(self._read(claim, bare))
            await asyncio.sleep(0)
        whole = replace(bare, said=tuple(said))
        return lateness.heard(whole, record.late) if record.late else whole

    def _outcome(
        self, record: judging.Record, case: examination.Case, found: Judged, taken: judging.Taken
    ) -> judging.Outcome:
        if isinstance(found, examination.WaitUntil):
            return judging.Later(case.run.id, found.at)
        if found.result is verdicts.VerdictResult.PENDING:
            return judging.Settled(case.run.id)
        found = replace(found, claims=tuple(str(claim.digest) for claim in record.claims))
        if not lateness.judged(case):
            return self._decided(case, found, taken)
        if not lateness.supersedes(case, found):
            return judging.Settled(case.run.id)
        return self._decided(case, lateness.told(case, found, record.late), taken)

    def _decided(self, case: examination.Case, found: verdicts.Verdict, taken: judging.Taken) -> judging.Decided:
        signed = documents.seal(case, found, self.keys)
        attachments = taken.attachments.get(case.run.namespace, ())
        over = case.run.resource_version if lateness.judged(case) else 0
        return judging.Decided(signed, fanout.deliveries(case.run, signed, attachments, case.standing), over)

    def _error(self, record: judging.Record, taken: judging.Taken, exc: Exception) -> judging.Outcome:
        """The verdict on a run that cannot be judged; none yet where it may be readable to a newer version."""
        now, unreadable = self.clock.now(), _unreadable(record)
        if unreadable and _age(record.run, now) < PATIENCE:
            _log.warning("run %s is judged later: %s", record.run.id, unreadable)
            return judging.Later(record.run.id, next_try(record.run, now), unreadable)
        if not isinstance(exc, errors.AvouchError):
            _log.error("run %s could not be judged", record.run.id, exc_info=exc)
        reason = storable.text(str(exc)) if isinstance(exc, errors.AvouchError) else type(exc).__name__
        if record.run.result is not verdicts.VerdictResult.PENDING:
            _log.error("run %s keeps its verdict, for late claims cannot be judged: %s", record.run.id, reason)
            return judging.Settled(record.run.id)
        try:
            bare = examination.Case(record.run, _plan(record), record.snapshot, external=record.external)
            return self._decided(bare, examination.failed(bare, reason, now), taken)
        except Exception as unsealed:
            _log.error("run %s stays Pending: the verdict Error could not be signed: %s", record.run.id, unsealed)
            return judging.Later(record.run.id, next_try(record.run, now), str(unsealed))

    async def _looked_at(self, case: examination.Case) -> dict[tuple[str, str], artifact_model.Checked]:
        """The documents of one run, one after the other; what they take of the readers' time is theirs together."""
        allowance = artifact_model.Allowance()
        return {key: await self._look(one, key[1], case.run, allowance) for key, one in _documents(case).items()}

    async def _look(
        self, found: materials.Material, type_: str, run: runs.Run, allowance: artifact_model.Allowance
    ) -> artifact_model.Checked:
        """Bytes that the attestation itself holds are hashed already (`materials.read`); others lie in the store."""
        uid = run.namespace_uid
        if found.storage == "inline" and found.content is not None:
            return await self.artifacts.read(found.content, type_, namespace_uid=uid, allowance=allowance)
        return await self.artifacts.check(found.digest, type_, namespace_uid=uid, allowance=allowance)

    def _read(self, claim: runs.Claim, case: examination.Case) -> examination.ReadClaim:
        """Believe a stored claim again, at its time of receipt. Nobody is asked, so what fails now fails for good."""
        try:
            who = examination.signer(case, claim)
            verified = verification.verify(claim.bundle, self.trust_root, who, claim.received_at)
            if verified.digest != claim.digest:
                raise errors.Corrupt("the stored bundle no longer matches its digest")
            return examination.ReadClaim(claim, recordable.read(verified))
        except errors.AvouchError as exc:
            return examination.ReadClaim(claim, None, str(exc))


def _ends(case: examination.Case, found: Judged) -> bool:
    if not isinstance(found, verdicts.Verdict) or found.result is verdicts.VerdictResult.PENDING:
        return False
    return not lateness.judged(case) or lateness.supersedes(case, found)


def _unreadable(record: judging.Record) -> str:
    """Why something that is stored of a run cannot be read, or ""."""
    try:
        record.run.pinned()
    except errors.Invalid as exc:
        return str(exc)
    return record.problem


def _plan(record: judging.Record) -> plan.Plan:
    """The plan of a run, or what the run itself says of it."""
    run = record.run
    try:
        return run.pinned()
    except errors.Invalid:
        return plan.Plan(
            workflow=run.workflow,
            workflow_uid=run.key.workflow_uid,
            namespace=run.namespace,
            contract=run.contract,
            revision=run.revision,
            contract_digest=run.contract_digest,
        )


def _bare(record: judging.Record) -> examination.Case:
    if record.problem:
        raise errors.Corrupt(record.problem)
    return examination.Case(
        record.run, record.run.pinned(), record.snapshot, external=record.external, standing=record.standing
    )


def _settled(record: judging.Record) -> bool:
    """Whether there is nothing to do: no claim came after the verdict, or the run goes on and is queued at its end."""
    if record.run.result is not verdicts.VerdictResult.PENDING:
        return not record.late or record.run.result is verdicts.VerdictResult.REJECTED
    return record.run.finished_at is None and record.external is None


def _is_to_be_evaluated(seen: _Seen, counts: Callable[[examination.Case, Judged], bool]) -> bool:
    """Whether its policies say anything of it: its evidence was looked at, and they were not asked yet."""
    if not seen.case.plan.has_policies or not isinstance(seen.found, verdicts.Verdict):
        return False
    looked_at = any(one.code == "PoliciesNotEvaluated" for one in seen.found.findings)
    return looked_at and counts(seen.case, seen.found)


def _may_hold_documents(record: judging.Record) -> bool:
    """Whether a run claims what may be a document; its claims are verified once, where they are read."""
    if record.run.pinned().has_policies:
        return True
    if not record.claims:
        return False
    asked = record.run.pinned().materials
    return record.external is not None or any(material.type not in material_types.VALUE_TYPES for material in asked)


def _documents(case: examination.Case) -> dict[tuple[str, str], materials.Material]:
    """The documents whose bytes judging looks at, by digest and type."""
    types = {material.name: material.type for material in case.plan.materials}
    found: dict[tuple[str, str], materials.Material] = {}
    for material in (each for one in case.said if one.facts for each in one.facts.materials):
        # Outside Tekton a material may be one that the contract does not name: then it is what it is called.
        type_ = types.get(material.name, "") or (material.type if case.external is not None else "")
        if type_ and type_ not in material_types.VALUE_TYPES:
            found.setdefault((str(material.digest), type_), material)
    return found
