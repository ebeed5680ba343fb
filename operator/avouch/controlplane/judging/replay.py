"""What a revision of a Contract would have made of past runs: they are judged again, and nothing of it is written.

1. A run is held to the other revision on what is stored of it. A material that was never collected is missing: so it
   would have been.
2. Claims that came after its verdict do not count, for they made it no better either.
3. What cannot be judged now is unknown, and never counted as passed: evidence that is gone, or no time that is left.
4. A run of another namespace than the Contract's is told of by its name and the meaning of its finding's code: what the
   finding says may be that namespace's own.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from avouch import errors, storable
from avouch import plan as plans
from avouch.contract import planning
from avouch.controlplane.judging import examination, judge
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import judging, replays, runs, verdicts
from avouch.controlplane.model.verdicts import VerdictResult
from avouch.findings import CODES, Effect, Finding

_log = logging.getLogger(__name__)

SECONDS = 120.0  # for all runs of one replay
_MESSAGE = 300  # characters of what a result says of one run
_GONE = "MaterialNotUploaded"  # of a run that passed: its bytes were there, and are not any more

Records = Callable[[uuid.UUID], Awaitable[judging.Record | None]]
"""What is stored of a run; None where it is gone."""


def under(case: examination.Case, late: frozenset[str], held: plans.Plan) -> examination.Case:
    """(1, 2) The case of a run as it is by another plan, without the claims of these digests."""
    said = tuple(one for one in case.said if str(one.claim.digest) not in late)
    return replace(case, plan=held, said=said)


def ends(_case: examination.Case, found: judge.Judged) -> bool:
    """Whether its documents and policies are to be looked at: it has a verdict."""
    return isinstance(found, verdicts.Verdict) and found.result is not VerdictResult.PENDING


def counted(so_far: replays.Result, asked: replays.Asked, run: runs.Run, found: judge.Judged) -> replays.Result:
    """The result with one more run."""
    if not isinstance(found, verdicts.Verdict) or not known(run, found):
        return replace(so_far, unknown=so_far.unknown + 1)
    result = replace(so_far, replayed=so_far.replayed + 1)
    passed, would = (one is VerdictResult.PASSED for one in (run.result, found.result))
    if passed and not would:
        examples = (*so_far.examples, _example(asked, run, found))[: replays.EXAMPLES]
        return replace(result, would_fail=so_far.would_fail + 1, examples=examples)
    return replace(result, would_pass=so_far.would_pass + (would and not passed))


def known(run: runs.Run, found: verdicts.Verdict) -> bool:
    """(3) Whether the verdict says what the revision makes of the run, not what is left of its evidence."""
    gone = run.result is VerdictResult.PASSED and any(one.code == _GONE for one in found.findings)
    return found.result is not VerdictResult.PENDING and not gone


def _example(asked: replays.Asked, run: runs.Run, found: verdicts.Verdict) -> replays.Example:
    first = next(one for one in found.findings if CODES[one.code].effect is not Effect.NOTHING)
    message = storable.text(_message(asked, run, first))[:_MESSAGE]
    return replays.Example(run.namespace, run.workflow, run.name, found.result.value, first.code, message)


def _message(asked: replays.Asked, run: runs.Run, first: Finding) -> str:
    if run.namespace_uid != asked.namespace_uid:  # (4)
        return CODES[first.code].meaning
    asked_for = {material.name for material in run.pinned().materials}
    if first.code == "MaterialMissing" and first.material not in asked_for:
        return f"{first.material} was not collected: revision {run.revision} did not ask for it"
    return first.message


@dataclass(frozen=True, slots=True)
class Replaying:
    """The use case, with the ports it needs. `clock` is in seconds."""

    requests: replays.Requests
    records: Records
    contracts: contract_model.Contracts
    workflows: contract_model.Workflows
    judges: judge.Judging
    clock: Callable[[], float] = time.monotonic
    last: int = replays.LAST

    async def step(self) -> bool:
        """Work one request off; False where there is none, or it has to wait for others.

        Raises:
            errors.Unavailable: the database does not answer now.
        """
        asked = await self.requests.take()
        if asked is None:
            return False
        result = await self._replayed(asked)
        if result is None:
            await self.requests.give_back(asked)
            return False
        await self.requests.settle(asked, result)
        return True

    async def _replayed(self, asked: replays.Asked) -> replays.Result | None:
        """What the runs would have got; None where it was broken off."""
        revision = await self.contracts.get(asked.namespace, asked.name, asked.revision)
        if revision is None:
            return replays.Result()
        until, result = self.clock() + SECONDS, replays.Result()
        found = await self.requests.runs(asked, self.last)
        for at, run_id in enumerate(found):
            if self.clock() >= until:
                return replace(result, unknown=result.unknown + len(found) - at)
            if not await self.requests.wanted(asked):
                return None
            result = await self._one(asked, revision, run_id, until, result)
        return result

    async def _one(
        self,
        asked: replays.Asked,
        revision: contract_model.ContractRevision,
        run_id: uuid.UUID,
        until: float,
        so_far: replays.Result,
    ) -> replays.Result:
        record = await self.records(run_id)
        if record is None or record.run.result is VerdictResult.PENDING:
            return so_far
        try:
            async with asyncio.timeout(max(until - self.clock(), 0)):
                found = await self._judged(record, revision)
            return counted(so_far, asked, record.run, found)
        except (errors.AvouchError, TimeoutError) as exc:
            _log.info("run %s cannot be judged again: %s", run_id, exc)
        except Exception:
            _log.exception("run %s cannot be judged again", run_id)
        return replace(so_far, unknown=so_far.unknown + 1)

    async def _judged(self, record: judging.Record, revision: contract_model.ContractRevision) -> judge.Judged:
        case = await self.judges.case(record)
        workflow = await self.workflows.get(record.run.namespace, record.run.workflow)
        if workflow is None:
            raise errors.NotFound(f"Workflow {record.run.workflow} is gone")
        held = planning.held_to(case.plan, workflow, revision)
        _, found = await self.judges.weighed(under(case, record.late, held), ends)
        return found
