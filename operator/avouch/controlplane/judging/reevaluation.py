"""Judging a run again that has its verdict, because somebody asked: by what its Contract says now, and its exceptions.

1. The newest revision of the run's own Contract judges, as long as its Workflow is bound to that Contract. Whoever asks
   chooses neither the revision nor the verdict.
2. Only what a contract decides may become another: a verdict whose findings say that somebody lied, that evidence is
   not verified, or that nobody saw the run, stays, whatever a weaker contract would leave out.
3. The run is judged by the claims with which it was judged. What came late is not among them, and is held against the
   new verdict as it was against the old one.
4. Where less is known than was known, nothing is said: evidence that is gone, a policy that cannot be evaluated. The
   verdict stays, and the answer says why.
5. A verdict that would say the same, of the same revision, is not written.

The rules (`stays`, `unknown`, `same`) are pure.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from avouch import errors, rfc3339, storable
from avouch.contract import planning
from avouch.controlplane.deliveries import fanout
from avouch.controlplane.judging import documents, examination, judge, replay
from avouch.controlplane.model import cluster, judging, policies, runs, verdicts
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import reevaluations as model
from avouch.controlplane.model.verdicts import VerdictResult
from avouch.findings import CODES, Effect, Finding, several

_log = logging.getLogger(__name__)

SECONDS = 150.0  # for one run: its policies have 120
_MESSAGE = 500  # characters of an answer
_NOTES = ("VerdictReevaluated", "VerdictSuperseded")  # about verdicts, not about the run
_SAYS = (VerdictResult.PASSED, VerdictResult.FAILED)  # what a contract may make of a run


def stays(result: VerdictResult, findings: Iterable[Finding]) -> str:
    """(2) Why no contract may change this verdict; "" where one may."""
    if result is VerdictResult.PENDING:
        return "it has no verdict yet"
    strong = sorted({one.code for one in findings if _effect(one) not in (Effect.NOTHING, Effect.FAILED)})
    fixed = [code for code in strong if code not in CODES or not CODES[code].contract]
    if result not in model.MAY_CHANGE or fixed:
        why = f" for {several(fixed)}" if fixed else ""
        return f"it is {result}{why}: that is no matter of the contract, and stays"
    return ""


def unknown(standing: verdicts.Standing, case: examination.Case, found: verdicts.Verdict) -> str:
    """(2, 4) Why what was found now must not take the place of the verdict; "" where it may."""
    if gone := sorted(standing.stored & _missing(case)):
        return f"its evidence is not kept any more: {several(gone)}"
    if failed := _unevaluated(standing, found):
        return f"policy {failed[0].policy} cannot be evaluated: {failed[0].reason}"
    if found.result not in _SAYS:
        first = f" ({found.findings[0].code}: {found.findings[0].message})" if found.findings else ""
        return f"it would be {found.result}, which a contract does not make of a run{first}"
    before, now = _fixed(standing.findings), _fixed(found.findings)
    if lost := sorted(before - now):
        return f"{_named(lost)} is no matter of the contract, and would not be found any more"
    if new := sorted(one for one in now - before if one[0] == "MaterialNotUploaded"):
        return f"its evidence is not kept: {_named(new)}"
    return ""


def same(standing: verdicts.Standing, result: VerdictResult, found: verdicts.Verdict, by: verdicts.Contract) -> bool:
    """(5) Whether the verdict that a run has says all this."""
    said = tuple(one for one in standing.findings if one.code not in _NOTES)
    told = _plain(found.evaluations)
    return (standing.contract, result, said, list(standing.evaluations)) == (by, found.result, found.findings, told)


def heard(record: judging.Record) -> tuple[str, ...]:
    """(3) The claims that a verdict was reached with, as far as it says so; else those that were there by its time."""
    if record.heard is not None:
        return tuple(sorted(record.heard))
    return tuple(str(one.digest) for one in record.claims if str(one.digest) not in record.late)


def told(run: runs.Run, standing: verdicts.Standing, about: verdicts.Reevaluation, found: verdicts.Verdict) -> Finding:
    """The note in the new verdict: who had it judged again, why, and by what."""
    by = about.contract
    opened = f" (the run was opened under revision {run.revision})" if by.revision != run.revision else ""
    text = (
        f"takes the place of the verdict {run.result} of {rfc3339.to_seconds(standing.judged_at)}: {about.by} asked to"
        f" hold the run to Contract {by.name}, revision {by.revision}{opened}, which makes it {found.result}:"
        f" {about.reason}"
    )
    return Finding("VerdictReevaluated", storable.text(text))


def _effect(one: Finding) -> Effect | None:
    """None: of a code that another version knows."""
    code = CODES.get(one.code)
    return None if code is None else code.effect


def _fixed(findings: Iterable[Finding]) -> set[tuple[str, str]]:
    """What no contract decides: (code, material), without notes."""
    return {
        (one.code, one.material)
        for one in findings
        if _effect(one) is not Effect.NOTHING and not (one.code in CODES and CODES[one.code].contract)
    }


def _named(found: Iterable[tuple[str, str]]) -> str:
    return several([f"{code} of {material}" if material else code for code, material in found])


def _missing(case: examination.Case) -> frozenset[str]:
    """Digests of documents whose bytes were asked for, and are not there."""
    return frozenset(digest for (digest, _), checked in case.documents.items() if not checked.stored)


def _unevaluated(standing: verdicts.Standing, found: verdicts.Verdict) -> list[policies.Evaluation]:
    """Policies that could not be evaluated now; but not those that an exception covers, or that never could be."""
    failed = [one for one in found.evaluations if one.status is policies.Status.ERROR and one.exception is None]
    return [one for one in failed if one.gate or (one.policy, one.material) not in standing.unevaluated]


def _plain(evaluations: Iterable[policies.Evaluation]) -> list[Any]:
    """As a verdict is stored."""
    plain: list[Any] = msgspec.json.decode(msgspec.json.encode(tuple(evaluations)))
    return plain


@dataclass(frozen=True, slots=True)
class Reevaluating:
    """The use case, with the ports it needs."""

    requests: model.Requests
    contracts: contract_model.Contracts
    workflows: contract_model.Workflows
    judges: judge.Judging
    clock: cluster.Clock
    seconds: float = SECONDS

    async def step(self) -> bool:
        """Work one request off; False where there is none, or it has to wait for others.

        Raises:
            errors.Unavailable: the database does not answer now.
        """
        request = await self.requests.take()
        if request is None:
            return False
        record = await self.requests.record(request.run_id)
        if record is None:
            return True  # it went with its run
        try:
            answer = await self._answered(request, record)
        except errors.AvouchError as exc:  # what does not answer now
            now = self.clock.now()
            if now - request.asked.at < model.PATIENCE:
                await self.requests.put_off(request, _pause(request, now), _said(exc))
                return True
            answer = _kept(f"it could not be judged again: {_said(exc)}")
        if await self.requests.settle(request, answer):
            _log.info("run judged again", extra={"run": str(request.run_id), "answer": str(answer.state)})
        return True

    async def _answered(self, request: model.Request, record: judging.Record) -> model.Answer:
        """Raises errors.AvouchError where it may be tried again."""
        if request.tries > model.TRIES:
            return _kept(f"{model.TRIES} workers stopped while they judged it again")
        try:
            async with asyncio.timeout(self.seconds):
                return await self._judged(request, record)
        except TimeoutError:
            return _kept(f"to judge it again takes longer than {self.seconds:g} s")
        except errors.AvouchError as exc:
            if exc.retry:
                raise
            return _kept(f"it cannot be judged again: {exc}")
        except Exception as exc:
            _log.exception("run %s cannot be judged again", request.run_id)
            return _kept(f"it cannot be judged again: {type(exc).__name__}")

    async def _judged(self, request: model.Request, record: judging.Record) -> model.Answer:
        run, standing = record.run, record.standing
        if standing is None:
            return _kept(stays(VerdictResult.PENDING, ()))
        if why := stays(run.result, standing.findings) or _full(standing):
            return _kept(why)
        if record.problem:
            return _kept(record.problem)
        revision, workflow = await self._bound(run)
        case = await self.judges.case(record)
        held = planning.held_to(case.plan, workflow, revision)
        by = verdicts.Contract(held.contract, held.revision, held.contract_digest)
        asked = tuple(sorted(material.name for material in held.materials))
        about = verdicts.Reevaluation(
            request.asked.by, request.asked.reason, request.asked.at, by, asked, standing.digest, self.clock.now()
        )
        case = replace(replay.under(case, record.late, held), reevaluation=about)
        case, found = await self.judges.weighed(case, replay.ends)
        if not isinstance(found, verdicts.Verdict):
            return _kept("it cannot be judged now")
        if why := unknown(standing, case, found):
            return _kept(f"Contract {by.name}, revision {by.revision}: {why}")
        if same(standing, run.result, found, by):
            return model.Answer(model.State.UNCHANGED, f"Contract {by.name}, revision {by.revision}, finds the same")
        return await self._decided(record, standing, case, replace(about, judged_at=found.judged_at), found)

    async def _decided(
        self,
        record: judging.Record,
        standing: verdicts.Standing,
        case: examination.Case,
        about: verdicts.Reevaluation,
        found: verdicts.Verdict,
    ) -> model.Answer:
        run = record.run
        note = told(run, standing, about, found)
        found = replace(found, findings=(*found.findings, note), claims=heard(record), reevaluation=about)
        signed = documents.seal(case, found, self.judges.keys)
        attachments = tuple(await self.workflows.attachments(run.namespace))
        deliveries = fanout.deliveries(run, signed, attachments, standing)
        before, now = standing.contract.revision, about.contract.revision
        text = f"{run.result} by revision {before}, {found.result} by revision {now}"
        return model.Answer(model.State.REPLACED, text, judging.Decided(signed, deliveries, run.resource_version))

    async def _bound(self, run: runs.Run) -> tuple[contract_model.ContractRevision, contract_model.WorkflowRecord]:
        """(1) The revision that judges.

        Raises:
            errors.NotFound, errors.Conflict: there is none, or the Workflow is bound to another Contract.
        """
        pinned = run.pinned()
        namespace = pinned.contract_namespace or run.namespace
        workflow = await self.workflows.get(run.namespace, run.workflow)
        if workflow is None or workflow.namespace_uid != run.namespace_uid:
            raise errors.NotFound(f"Workflow {run.workflow} is gone")
        if (workflow.contract_namespace, workflow.contract_name) != (namespace, pinned.contract):
            other = f"{workflow.contract_namespace}/{workflow.contract_name}" if workflow.contract_name else "none"
            contract = f"{namespace}/{pinned.contract}"
            raise errors.Conflict(f"Workflow {run.workflow} is bound to Contract {other} now, and was to {contract}")
        revision = await self.contracts.newest(namespace, pinned.contract)
        uid = pinned.contract_namespace_uid or run.namespace_uid
        if revision is None or revision.namespace_uid != uid:
            raise errors.NotFound(f"Contract {namespace}/{pinned.contract} has no revision")
        return revision, workflow


def _full(standing: verdicts.Standing) -> str:
    if len(standing.earlier) < model.EARLIER:
        return ""
    return f"it has {model.EARLIER} earlier verdicts, which are kept, and takes no more of them"


def _kept(why: str) -> model.Answer:
    return model.Answer(model.State.KEPT, storable.text(why)[:_MESSAGE])


def _said(exc: Exception) -> str:
    return storable.text(str(exc))[:_MESSAGE]


def _pause(request: model.Request, now: datetime) -> timedelta:
    return min(max((now - request.asked.at) / 4, timedelta(seconds=10)), timedelta(minutes=10))
