"""Reading small documents in a process of its own against a thread: CPU and time of each, and what a process costs.

Sides take turns. The process side counts both processes: what the worker spends on handing the document over and
taking the answer, and what the reader spends.
"""

import asyncio
import statistics
import time
from pathlib import Path

import uvloop

from avouch.controlplane.model import artifacts
from avouch.materials import validation
from avouch.reading import pool
from bench import measure

_TIMES = 200  # documents of one turn
_TYPE, _FILE = "SARIF", Path(__file__).parents[1] / "tests" / "assets" / "materials" / "SARIF" / "good.sarif"


async def _thread(content: bytes) -> tuple[float, float, float]:
    """(CPU of the worker, CPU of the reader, time on the wall) for a document, in ms."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(_TIMES):
        await asyncio.to_thread(validation.read, _TYPE, content)
    return (time.process_time() - cpu) / _TIMES * 1e3, 0.0, (time.perf_counter() - wall) / _TIMES * 1e3


async def _process(readers: pool.Readers, content: bytes) -> tuple[float, float, float]:
    """The same; the reader's CPU in ticks of the kernel."""
    reader = readers.small.idle[-1][1]
    theirs, cpu, wall = measure.tree_cpu(reader.running.pid), time.process_time(), time.perf_counter()
    for _ in range(_TIMES):
        await readers.read(_TYPE, content, namespace_uid="bench", allowance=artifacts.Allowance())
    ours = (time.process_time() - cpu) / _TIMES * 1e3
    wall = (time.perf_counter() - wall) / _TIMES * 1e3
    return ours, (measure.tree_cpu(reader.running.pid) - theirs) / _TIMES * 1e3, wall


async def _measured(rounds: int) -> None:
    content = _FILE.read_bytes()
    readers = pool.Readers()
    found: dict[str, list[tuple[float, float, float]]] = {"thread": [], "process": []}
    started = time.perf_counter()
    await readers.read(_TYPE, content, namespace_uid="bench", allowance=artifacts.Allowance())
    print(f"the first document, process started: {(time.perf_counter() - started) * 1e3:.0f} ms")
    validation.read(_TYPE, content)
    for _ in range(rounds):
        found["thread"].append(await _thread(content))
        found["process"].append(await _process(readers, content))
    print(f"resident after {_TIMES * rounds} documents: {readers.small.idle[-1][1].memory() / 2**20:.0f} MiB")
    await readers.close()
    rows = [
        (side, *(f"{statistics.median(each[at] for each in sides):.2f}" for at in range(3)))
        for side, sides in found.items()
    ]
    measure.table(("a document, ms", "worker's CPU", "reader's CPU", "wall"), rows)


def main() -> None:
    """Measure and print."""
    rounds = measure.arguments(__doc__, rounds=4).parse_args().rounds
    print(measure.machine())
    uvloop.run(_measured(rounds))


if __name__ == "__main__":
    main()
