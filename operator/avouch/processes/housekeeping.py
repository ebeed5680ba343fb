"""What the worker clears away: runs past their retention, then artifacts that no run refers to any more."""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta

from avouch import errors
from avouch.controlplane.model import cluster
from avouch.store import artifacts, deliveries, quotas, retention

_log = logging.getLogger(__name__)

GRACE = artifacts.GRACE
EVERY = 600.0  # seconds between rounds
_BATCHES = 50  # of one kind in one round, so that a first round over millions of runs leaves room for others
_CHECKS = 200  # batches of artifacts to look at in one round
_TURNS = 10  # in one round, deliveries are added up so often
_PAUSE = 0.05  # seconds between batches


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """One round is bounded; any number of workers may be at it, each takes its own batches."""

    runs: retention.Retention
    artifacts: artifacts.Artifacts
    deliveries: deliveries.Deliveries
    usage: quotas.Usage
    clock: cluster.Clock
    grace: timedelta = field(default=GRACE)

    async def run(self) -> None:
        """Until cancelled."""
        turn = 0
        while True:
            try:
                await self.fold()
                if turn % _TURNS == 0:
                    expired, marked = await self.round()
                    if expired or marked:
                        _log.info("runs past their retention: %d; artifacts without a run: %d", expired, marked)
            except errors.AvouchError as exc:
                _log.warning("housekeeping: %s", exc)
            except Exception:  # the worker has other work
                _log.exception("housekeeping failed unexpectedly")
            turn += 1
            await asyncio.sleep(EVERY / _TURNS)

    async def round(self) -> tuple[int, int]:
        """Returns how many runs and artifacts went."""
        expired = 0
        for policy in await self.runs.policies():
            for _ in range(_BATCHES):
                gone = await self.runs.expire(policy, self.clock.now())
                expired += gone
                if not gone:
                    break
                await asyncio.sleep(_PAUSE)
        await self.runs.forget_namespaces()
        marked = await self._mark_garbage()
        for _ in range(_BATCHES):  # what each namespace has stored is counted; once a day, counted anew
            if not await self.usage.check():
                break
        return expired, marked

    async def _mark_garbage(self) -> int:
        marked = 0
        for _ in range(_CHECKS):
            batch = await self.artifacts.mark_garbage(self.grace)
            marked += batch.gone
            if not batch.checked:
                break
            await asyncio.sleep(_PAUSE)
        return marked

    async def fold(self) -> None:
        """Add up how many deliveries arrived or failed since the last time."""
        for _ in range(_BATCHES):
            if not await self.deliveries.fold():
                break
