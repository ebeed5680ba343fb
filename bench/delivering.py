"""Verdicts and deliveries with a receiver that hangs: what the others lose by it.

The real `avouch worker` judges stored runs and delivers each verdict to a receiver that answers at once; on the other
side also to one that answers after 30 s. Compared are verdicts a second, between the first and the last, and
deliveries a second to the healthy receiver. Every delivery that a receiver gets while it still works on the same one is
counted, too.

Run: python -m bench.delivering [--rounds 3] [--runs 1000] [--quick]
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import doneruns, measure

GOAL = 0.95  # of the rates without a receiver that hangs
HANGS = 30.0  # seconds
_PATIENCE = 600.0  # seconds for one side


@dataclass(frozen=True, slots=True)
class Rates:
    """Of one side."""

    verdicts: float  # a second
    deliveries: float
    cpu: float  # ms of the worker's and PostgreSQL's for each run
    memory: int  # MiB
    twice: int


def once(count: int, hanging: bool) -> Rates:
    """One worker over so many stored runs."""
    healthy, slow = doneruns.Receiver(), doneruns.Receiver(HANGS)
    with doneruns.stored() as store, tempfile.TemporaryDirectory() as folder:
        asyncio.run(store.attach("healthy", healthy.url))
        if hanging:
            asyncio.run(store.attach("hanging", slow.url))
        store.done(count)
        with doneruns.Worker(store.url, Path(folder)) as worker:
            _until(worker, lambda: store.judged() > 0)
            begun, used = time.monotonic(), worker.cpu() + store.cpu()
            _until(worker, lambda: store.judged() == count)
            _until(worker, lambda: store.delivered("healthy") == count)
            delivered = time.monotonic()
            return Rates(
                verdicts=store.judging_rate(),
                deliveries=count / (delivered - begun),
                cpu=(worker.cpu() + store.cpu() - used) / count * 1e3,
                memory=worker.memory(),
                twice=healthy.twice + slow.twice,
            )


def _until(worker: doneruns.Worker, reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not reached():
        if worker.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"not reached:\n{worker.log.read_text()[-4000:]}")
        time.sleep(0.05)


def main() -> None:
    """Measure and print."""
    parser = measure.arguments(__doc__, rounds=3)
    parser.add_argument("--runs", type=int, default=1000, help="runs of a round (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a few runs, to see that it works")
    options = parser.parse_args()
    count, rounds = (64, 1) if options.quick else (options.runs, options.rounds)
    print(measure.machine())
    found: dict[bool, list[Rates]] = {False: [], True: []}
    for _ in range(rounds):
        for hanging, rates in found.items():
            rates.append(once(count, hanging))
    names = {False: "one that answers", True: "and one that hangs for 30 s"}
    header = ("receivers", "verdicts/s", "healthy deliveries/s", "CPU ms/run", "worker MiB", "in flight twice")
    measure.table(header, [(names[hanging], *_shown(rates)) for hanging, rates in found.items()])
    for what in ("verdicts", "deliveries"):
        pairs = zip(found[True], found[False], strict=True)
        kept = [getattr(one, what) / max(getattr(other, what), 1e-3) for one, other in pairs]
        print(f"{what}, with / without: {measure.spread(kept)}; goal >= {GOAL}")


def _shown(rates: Sequence[Rates]) -> tuple[str, ...]:
    keys = ("verdicts", "deliveries", "cpu", "memory", "twice")
    return tuple(f"{statistics.median(getattr(one, key) for one in rates):.1f}" for key in keys)


if __name__ == "__main__":
    main()
