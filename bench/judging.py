"""Judging stored runs: CPU of our process and of PostgreSQL for each verdict, in batches and one by one.

Runs of a contract with two materials, Done and stored as the controller stores them (a TaskRun of 6 KB, no claim), are
judged by the loops of a worker over a real PostgreSQL (Unix socket, fsync on): case read, verdict, two signatures, two
deliveries written, COMMIT. The base judges each run in a transaction of its own by the same code. Sides take turns.

Run: python -m bench.judging [--rounds 3] [--runs 3000] [--quick]
"""

import asyncio
import statistics
import time
import types
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import uvloop

from avouch import digests
from avouch.attestation import authority, trust
from avouch.controlplane.judging import artifact_check, judge, policies
from avouch.opa import engine, memo, program
from avouch.policy import evaluation
from avouch.processes import lifetime, worker
from avouch.reading import pool
from avouch.store import database, inline, judgingqueue
from avouch.store import policies as policy_store
from avouch.store import policyexceptions as exception_store
from bench import doneruns, measure

GOAL = 2.5  # ms of CPU for a run, ours and PostgreSQL's together
ALONE = 10  # the base gets this part of the runs: one by one takes long


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run."""

    ours: float  # ms of CPU
    theirs: float
    wall: float  # ms

    @property
    def cpu(self) -> float:
        """Both processes together."""
        return self.ours + self.theirs


async def judged(store: doneruns.Store, count: int, size: int, asked: evaluation.Engine | None = None) -> Cost:
    """Store so many runs, then judge all of them by the loops of a worker; or, `size` being 1, one after the other."""
    await asyncio.to_thread(store.done, count)
    before = store.judged()
    made = authority.new_authority("avouch bench", lifetime.Clock().now(), timedelta(days=1))
    root = trust.TrustRoot.from_pems([made.certificate_pem])
    async with database.Database(store.url) as opened:
        rows, readers = _Rows(inline.Inline(opened)), pool.Readers()
        looked_at = artifact_check.Artifacts(rows, readers)
        rego = asked or engine.Engine(_no_opa)
        excepted = exception_store.Exceptions(opened)
        remembering = rego if isinstance(rego, memo.Remembering) else None
        recorded = policy_store.Policies(opened)
        evaluating = policies.Evaluating(recorded, excepted, rego, rows, readers, memory=remembering)
        queue = judgingqueue.Queue(opened)
        use_case = judge.Judging(queue, looked_at, lifetime.Clock(), root, doneruns.keys(), evaluating)
        await opened.warm()
        ours, theirs, wall = time.process_time(), store.cpu(), time.perf_counter()
        await (_looped(use_case, count) if size == judge.BATCH else _one_by_one(use_case))
        cost = Cost(
            (time.process_time() - ours) / count * 1e3,
            (store.cpu() - theirs) / count * 1e3,
            (time.perf_counter() - wall) / count * 1e3,
        )
    if store.judged() - before != count:
        raise RuntimeError(f"{store.judged() - before} of {count} runs were judged")
    return cost


async def _looped(use_case: judge.Judging, count: int) -> None:
    """Judge so many by the loops of a worker."""
    stop, left = asyncio.Event(), count

    def judged(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            stop.set()
            loops.end()

    counting = types.SimpleNamespace(judged=judged)
    adapters = types.SimpleNamespace(judging=lambda: use_case, metrics=counting)
    loops = worker.Loops(adapters, stop)  # type: ignore[arg-type]  # what they use of it
    await loops.run()


async def _one_by_one(use_case: judge.Judging) -> None:
    while await use_case.batch(1):
        pass
    while await use_case.few(1):
        pass


async def _no_opa() -> program.Program:
    raise RuntimeError("these contracts have no policies")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Implements `artifacts.Content`: small artifacts in the database."""

    rows: inline.Inline

    def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        """Content in pieces."""
        return self.rows.get(digest)


def main() -> None:
    """Measure and print."""
    parser = measure.arguments(__doc__, rounds=3)
    parser.add_argument("--runs", type=int, default=3000, help="runs of a round (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a few runs, to see that it works")
    options = parser.parse_args()
    count, rounds = (64, 1) if options.quick else (options.runs, options.rounds)
    found: dict[int, list[Cost]] = {judge.BATCH: [], 1: []}
    print(measure.machine())
    with doneruns.stored() as store, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for name in ("chat", "ledger"):
            runner.run(store.attach(name, "http://127.0.0.1:1/"))
        runner.run(judged(store, 64, judge.BATCH))  # what is imported and prepared at the first use
        for _ in range(rounds):
            for size, costs in found.items():
                costs.append(runner.run(judged(store, count if size > 1 else count // ALONE, size)))
    rows = [
        (
            f"batches of {size}" if size > 1 else "one by one",
            *(
                f"{statistics.median(getattr(cost, key) for cost in costs):.2f}"
                for key in ("ours", "theirs", "cpu", "wall")
            ),
        )
        for size, costs in found.items()
    ]
    measure.table(("per verdict, ms", "our CPU", "PostgreSQL", "together", "wall"), rows)
    together = statistics.median(cost.cpu for cost in found[judge.BATCH])
    print(f"goal: <= {GOAL} ms together; {'reached' if together <= GOAL else 'not reached'}: {together:.2f}")


if __name__ == "__main__":
    main()
