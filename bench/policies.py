"""What policies cost: decisions a second, judging with three policies a run, and memory of many evaluations at once.

Decisions: three policies on an SBOM of 1,000 components (290 KB), by the worker's engine (scripts are compiled once, a
document is parsed once for all of its policies), with a document that nobody has seen and with one that is remembered;
against `opa eval`, a process for each decision, and against the same check in Python. Sides take turns. The rate is by
the wall; CPU is that of our process and of `opa` together.

Judging: stored runs with an image and a commit, with three policies on each of them and without any, over a real
PostgreSQL as in `bench.judging`, as the worker does it (32 at a time) and one by one. Nothing is remembered where each
run delivers what no other one does; everything is where all of them deliver the same.

Memory: 16 runs of 8 namespaces ask at once about SBOMs of their own; the most that our process and all `opa` have.

Run: python -m bench.policies [--rounds 5] [--documents 10] [--runs 200] [--quick]
"""

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from avouch.controlplane.judging import judge
from avouch.opa import engine, launching, memo, program
from avouch.policy import evaluation, rego
from bench import doneruns, judging, measure
from tests.cluster import binaries

EVAL_GOAL = 20.0  # decisions a second over those of `opa eval`
JUDGING_GOAL = 0.5  # runs a second over those without policies
COMPONENTS = 1000
TENANTS, RUNS_EACH = 8, 2
_HEAD = "package main\n\nimport rego.v1\n\n"
SCRIPTS = tuple(
    _HEAD + rule
    for rule in (
        'violations contains c.name if { some c in input.components; c.name in {"left-pad", "event-stream"} }\n',
        "violations contains c.name if { some c in input.components; not c.version }\n",
        "violations contains c.name if { some c in input.components; banned(c) }\n"
        'banned(c) if { some one in c.licenses; one.license.id in {"AGPL-3.0", "SSPL-1.0"} }\n',
    )
)
BESIDE: Mapping[str, Any] = {"args": {}, "chainloop_metadata": {"name": "sbom"}}


def sbom(number: int) -> bytes:
    """An SBOM that differs from every other one."""
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:npm/component-{at}@1.{at}",
            "name": f"component-{at}",
            "version": f"1.{at}",
            "purl": f"pkg:npm/component-{at}@1.{at}",
            "licenses": [{"license": {"id": "MIT"}}],
            "hashes": [{"alg": "SHA-256", "content": "a" * 64}],
        }
        for at in range(COMPONENTS)
    ]
    found = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{number}"}
    return json.dumps(found | {"components": components}).encode()


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one side in one turn, for one decision."""

    wall: float  # ms
    cpu: float  # ms


class Bench:
    """The program, scripts that are compiled, and documents that nobody has seen."""

    def __init__(self, opa: program.Program, running: engine.Engine, scripts: Sequence[rego.Compiled]) -> None:
        self._opa, self._running, self._scripts = opa, running, scripts
        self._remembering = memo.Remembering(running)
        self._number = 0

    def new(self) -> bytes:
        """A document that nobody has seen."""
        self._number += 1
        return sbom(self._number)

    async def side(self, name: str, count: int) -> Cost:
        """Decisions on so many documents; `opa eval` and Python decide as many times."""
        sides: Mapping[str, Callable[[Sequence[bytes]], Awaitable[int]]] = {
            "worker, new documents": lambda found: self._asked(self._running, found),
            "worker with its memory, new documents": lambda found: self._asked(self._remembering, found),
            "worker with its memory, known document": self._known,
            "opa eval": self._evaluated,
            "Python": self._checked,
        }
        documents = [self.new() for _ in range(count)]
        if name == "worker with its memory, known document":
            await self._known(documents[:1])
        before, began = measure.tree_cpu(os.getpid()), time.perf_counter()
        decisions = await sides[name](documents)
        wall = time.perf_counter() - began
        return Cost(wall / decisions * 1e3, (measure.tree_cpu(os.getpid()) - before) / decisions * 1e3)

    async def _asked(self, asked: evaluation.Engine, documents: Sequence[bytes]) -> int:
        for document in documents:
            async with asked.document("shop", document) as shown:
                for script in self._scripts:
                    found = await shown.ask(script, BESIDE)
                    if found["violations"] or found["skipped"]:
                        raise RuntimeError(f"{found} instead of nothing")
        return len(documents) * len(self._scripts)

    async def _known(self, documents: Sequence[bytes]) -> int:
        return await self._asked(self._remembering, [documents[0]] * len(documents))

    async def _evaluated(self, documents: Sequence[bytes]) -> int:
        with tempfile.TemporaryDirectory() as folder:
            script, document = Path(folder) / "policy.rego", Path(folder) / "input.json"
            document.write_bytes(documents[0])
            for _ in documents:
                for source in SCRIPTS:
                    script.write_text(source)
                    command = (self._opa.path, "eval", "-d", script, "-i", document, "data.main.violations")
                    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return len(documents) * len(SCRIPTS)

    async def _checked(self, documents: Sequence[bytes]) -> int:
        for document in documents:
            for _ in SCRIPTS:
                found = json.loads(document)["components"]
                if [one["name"] for one in found if one["name"] in ("left-pad", "event-stream")]:
                    raise RuntimeError("it found something")
        return len(documents) * len(SCRIPTS)


async def decisions(opa: program.Program, count: int, rounds: int) -> Mapping[str, Sequence[Cost]]:
    """Every side in turn."""
    running = engine.Engine(_finding(opa))
    try:
        bench = Bench(opa, running, await _compiled(running))
        await bench.side(SIDES[0], 1)  # starts `opa`, which holds the scripts from then on
        found: dict[str, list[Cost]] = {side: [] for side in SIDES}
        for _ in range(rounds):
            for side in SIDES:
                found[side].append(await bench.side(side, count))
        return found
    finally:
        await running.close()


async def crowd(opa: program.Program) -> tuple[float, float, int]:
    """Many runs at once: MiB that our process has more, MiB of all `opa` together, and how many of these there are."""
    running = engine.Engine(_finding(opa))
    asked = memo.Remembering(running)
    scripts = await _compiled(running)
    documents = [sbom(-number) for number in range(TENANTS * RUNS_EACH)]
    before, most = measure.resident(os.getpid()), (0, 0, 0)

    async def run(number: int) -> None:
        async with asked.document(f"tenant-{number % TENANTS}", documents[number]) as shown:
            for script in scripts:
                await shown.ask(script, BESIDE)

    async def look() -> None:
        nonlocal most
        while True:
            others = [measure.resident(pid) for pid in measure.family(os.getpid()) - {os.getpid()}]
            seen = (measure.resident(os.getpid()) - before, sum(others), len(others))
            most = tuple(map(max, most, seen))  # type: ignore[assignment]  # three of three
            await asyncio.sleep(0.02)

    looking = asyncio.create_task(look())
    try:
        await asyncio.gather(*(run(number) for number in range(len(documents))))
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await running.close()
    return most[0] / launching.MIB, most[1] / launching.MIB, most[2]


def _finding(opa: program.Program) -> Callable[[], Awaitable[program.Program]]:
    async def find() -> program.Program:
        return opa

    return find


async def _compiled(running: engine.Engine) -> Sequence[rego.Compiled]:
    found = [await running.compiled(source) for source in SCRIPTS]
    return [one for one in found if isinstance(one, rego.Compiled)]


def _contract() -> dict[str, Any]:
    """The contract of `doneruns`, where each material has three policies."""
    rules = (
        'violations contains "no digest" if not input.chainloop_metadata.digest.sha256',
        'violations contains "no name" if not input.chainloop_metadata.annotations["chainloop.material.name"]',
        "violations contains word if { some word in input.args.words; contains(input.chainloop_metadata.name, word) }",
    )
    attached = [
        {
            "embedded": {
                "apiVersion": "chainloop.dev/v1",
                "kind": "Policy",
                "metadata": {"name": f"policy-{number}"},
                "spec": {"policies": [{"kind": kind, "embedded": _HEAD + rule} for kind in _JUDGED_TYPES]},
            },
            "with": {"words": "secret,password"},
            "gate": True,
        }
        for number, rule in enumerate(rules)
    ]
    spec = doneruns.CONTRACT["spec"]
    return {**doneruns.CONTRACT, "spec": {**spec, "policies": {"materials": attached}}}


async def runs(
    opa: program.Program, plain: doneruns.Store, policed: doneruns.Store, count: int, rounds: int
) -> Mapping[str, Sequence[judging.Cost]]:
    """Judging in turns; each run with policies has to pass."""
    running = engine.Engine(_finding(opa))
    remembering = memo.Remembering(running)
    found: dict[str, list[judging.Cost]] = {side: [] for side in JUDGED}
    try:
        for warm in (True, *[False] * rounds):
            plain.own = policed.own = True
            turns = [
                await judging.judged(plain, count, judge.BATCH),
                await judging.judged(plain, count, 1),
                await judging.judged(policed, count, judge.BATCH, remembering),
                await judging.judged(policed, count, 1, running),
            ]
            policed.own = False
            turns.append(await judging.judged(policed, count, judge.BATCH, remembering))
            if warm:  # what is imported and compiled at the first use, and remembered
                continue
            for side, cost in zip(JUDGED, turns, strict=True):
                found[side].append(cost)
    finally:
        await running.close()
    failed = policed.count("SELECT count(*) FROM runs WHERE result <> 'Passed'")
    if failed:
        raise RuntimeError(f"{failed} runs have not passed")
    return found


_JUDGED_TYPES = ("CONTAINER_IMAGE", "STRING")
SIDES = (
    "worker, new documents",
    "worker with its memory, new documents",
    "worker with its memory, known document",
    "opa eval",
    "Python",
)
JUDGED = (
    "no policies, in batches",
    "no policies, one by one",
    "three policies each, in batches",
    "three policies each, one by one",
    "three policies each, all remembered",
)


def main() -> None:
    """Measure and print."""
    parser = measure.arguments(__doc__, rounds=5)
    parser.add_argument("--documents", type=int, default=10, help="SBOMs of a turn (%(default)s)")
    parser.add_argument("--runs", type=int, default=200, help="runs of a turn (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a few of each, to see that it works")
    options = parser.parse_args()
    documents, count, rounds = (2, 8, 1) if options.quick else (options.documents, options.runs, options.rounds)
    print(measure.machine())
    path = {"AVOUCH_OPA": str(binaries.binary("opa"))}
    opa = asyncio.run(program.found(path, launching.SERVED))
    _tell_decisions(asyncio.run(decisions(opa, documents, rounds)))
    with contextlib.ExitStack() as stack, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        plain, policed = (stack.enter_context(doneruns.stored(one)) for one in (doneruns.CONTRACT, _contract()))
        _tell_runs(runner.run(runs(opa, plain, policed, count, rounds)))
    ours, theirs, processes = asyncio.run(crowd(opa))
    print(
        f"{TENANTS * RUNS_EACH} runs of {TENANTS} namespaces at once: our process {ours:.0f} MiB more,"
        f" {theirs:.0f} MiB in at most {processes} processes of OPA"
    )


def _tell_decisions(found: Mapping[str, Sequence[Cost]]) -> None:
    rows = [
        (side, _rates(costs), _cpu(costs), measure.spread(_faster(costs, found["opa eval"]), ".1f"))
        for side, costs in found.items()
    ]
    measure.table((f"{COMPONENTS} components", "decisions/s", "CPU, ms each", "over opa eval"), rows)
    for side in SIDES[:3]:
        _tell(f"{side} over opa eval", _faster(found[side], found["opa eval"]), EVAL_GOAL)


def _tell_runs(found: Mapping[str, Sequence[judging.Cost]]) -> None:
    rows = [
        (side, _rates(costs), _cpu(costs), *(measure.spread(_faster(costs, found[base])) for base in JUDGED[:2]))
        for side, costs in found.items()
    ]
    measure.table(("judging", "runs/s", "CPU, ms, without OPA's", "over batches", "over one by one"), rows)
    for side in (JUDGED[2], JUDGED[4]):
        _tell(f"{side} over {JUDGED[0]}", _faster(found[side], found[JUDGED[0]]), JUDGING_GOAL)


_Timed = Cost | judging.Cost


def _rates(costs: Sequence[_Timed]) -> str:
    return measure.spread([1e3 / one.wall for one in costs], ".0f")


def _cpu(costs: Sequence[_Timed]) -> str:
    return measure.spread([one.cpu for one in costs])


def _faster(costs: Sequence[_Timed], bases: Sequence[_Timed]) -> list[float]:
    """One side's rate over another's, turn by turn."""
    return [base.wall / one.wall for one, base in zip(costs, bases, strict=True)]


def _tell(what: str, ratios: Sequence[float], goal: float) -> None:
    found = statistics.median(ratios)
    print(f"{what}: {found:.2f}, goal >= {goal:g}, {'reached' if found >= goal else 'not reached'}")


if __name__ == "__main__":
    main()
