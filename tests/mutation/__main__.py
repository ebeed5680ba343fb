"""Put faults into the code one at a time and see whether a test notices: `python -m tests.mutation [ROOM...]`.

Faults are drawn by chance (--seed repeats a draw), those of changed files alone with --since REVISION. Nothing is
written: each fault lives in a process of its own. The nearest tests are asked first, then all of the same level.
Ends with the rate of each room and every fault that nobody noticed; exit code 1 where the rate is below --least.
"""

import argparse
import contextlib
import importlib
import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass

from tests import postgres
from tests.mutation import trial
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.rooms import ROOMS, ROOT, Module, modules

# Loaded once, before the processes are forked: all that tests load except what is changed.
_WARM = ("pytest", "hypothesis.strategies", "pydantic", "cryptography.x509", "sqlalchemy.ext.asyncio", "psycopg",
         "starlette.routing", "aiohttp", "httpx", "jsonschema_rs", "yaml", "msgspec")  # fmt: skip
_NOTICED, _UNNOTICED, _EQUIVALENT, _UNTRIED = "noticed", "unnoticed", "equivalent", "untried"


@dataclass
class Case:
    """One fault and how far it is: which helping of tests is asked, by which process, since when."""

    module: Module
    number: int
    line: int
    name: str
    database: postgres.Postgres | None = None
    helping: int = 0
    pid: int = 0
    since: float = 0.0

    def __str__(self) -> str:
        return f"{self.module.inside}:{self.line} {self.name}"


def main() -> int:
    """Draw, try, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"of {', '.join(ROOMS)}; all without one")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--since", metavar="REVISION", help="only files that git says were changed since")
    parser.add_argument("--match", default="", help="only faults whose place or name holds this text")
    parser.add_argument("--least", type=float, default=95, help="percent that must be noticed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    unknown = [room for room in asked.rooms if room not in ROOMS]
    if unknown:
        parser.error(f"no room {unknown[0]}: {', '.join(ROOMS)}")
    chosen = modules(asked.rooms or list(ROOMS))
    if asked.since:
        chosen = _changed(asked.since, chosen)
    cases = [Case(module, *each) for module in chosen for each in trial.counted(module)]
    cases = [case for case in cases if asked.match in str(case)]
    random.Random(asked.seed).shuffle(cases)  # noqa: S311 - a draw, no secret
    print(f"{len(cases)} faults in {len(chosen)} modules; seed {asked.seed}, {asked.minutes:g} minutes", flush=True)
    for name in _WARM:
        importlib.import_module(name)
    with contextlib.ExitStack() as stack:
        needed = any(module.room == "store" for module in chosen)
        databases = [stack.enter_context(postgres.running()) if needed else None for _ in range(asked.jobs)]
        trials = Trials(cases, time.monotonic() + 60 * asked.minutes, databases)
        trials.run()
    return _told(trials.outcomes, asked.least)


def _changed(revision: str, of: list[Module]) -> list[Module]:
    """Those that git says were changed since; all where it does not know the revision, as in a shallow clone."""
    command = ["git", "diff", "--name-only", revision]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"no file is left out, for git says: {done.stderr.strip()}")
        return of
    files = set(done.stdout.split())
    return [module for module in of if module.path.relative_to(ROOT).as_posix() in files]


class Trials:
    """As many at once as there are databases; what is drawn first is tried first."""

    def __init__(self, cases: list[Case], end: float, databases: list[postgres.Postgres | None]) -> None:
        self._waiting, self._end, self._databases = cases[::-1], end, databases
        self._running: list[Case] = []
        self._sound: dict[tuple[str, int], bool] = {}
        self.outcomes: list[tuple[Case, str]] = []

    def run(self) -> None:
        """Until all are tried, or the time is over and those that were begun are done."""
        while self._may_start() or self._running:
            while self._may_start() and self._databases:
                self._begin(self._waiting.pop())
            for case in list(self._running):
                passed = trial.ended(case.pid, case.since)
                if passed is not None:
                    self._ended(case, passed)
            time.sleep(0.02)

    def _may_start(self) -> bool:
        return bool(self._waiting) and time.monotonic() < self._end

    def _begin(self, case: Case) -> None:
        if (case.module.inside, case.name) in EQUIVALENT:
            self.outcomes.append((case, _EQUIVALENT))
        elif not case.module.tests():
            self.outcomes.append((case, _UNNOTICED))
        else:
            case.database = self._databases.pop()
            if self._started(case):
                self._running.append(case)
            else:
                self._databases.append(case.database)
                self.outcomes.append((case, _UNTRIED))

    def _ended(self, case: Case, passed: bool) -> None:
        case.helping += 1
        if passed and case.helping < len(case.module.tests()) and self._started(case):
            return
        self._running.remove(case)
        self._databases.append(case.database)
        self.outcomes.append((case, _UNNOTICED if passed else _NOTICED))
        if passed:
            print(f"unnoticed: {case}", flush=True)
        if len(self.outcomes) % 50 == 0:
            print(f"{len(self.outcomes)} tried, {len(self._waiting)} left", flush=True)

    def _started(self, case: Case) -> bool:
        """Whether the next helping of tests is asked: not where it fails without a fault, for it would notice all."""
        tests = case.module.tests()[case.helping]
        key = (case.module.inside, case.helping)
        if key not in self._sound:
            since, pid = time.monotonic(), trial.started(case.module, None, tests, case.database)
            while (passed := trial.ended(pid, since)) is None:
                time.sleep(0.02)
            self._sound[key] = passed
            if not passed:
                why = f"without a fault they fail or take over {trial.SECONDS:g} s"
                print(f"not asked, for {why}: pytest -x {' '.join(tests)}", flush=True)
        if self._sound[key]:
            case.since = time.monotonic()
            case.pid = trial.started(case.module, case.number, tests, case.database)
        return self._sound[key]


def _told(outcomes: list[tuple[Case, str]], least: float) -> int:
    rooms = Counter((case.module.room, outcome) for case, outcome in outcomes)
    print(f"\n{'room':14} {'noticed':>8} {'unnoticed':>10} {'equivalent':>11} {'rate':>7}")
    total: Counter[str] = Counter()
    for room in ROOMS:
        counts = {outcome: rooms[room, outcome] for outcome in (_NOTICED, _UNNOTICED, _EQUIVALENT)}
        total.update(counts)
        if any(counts.values()):
            print(
                f"{room:14} {counts[_NOTICED]:8} {counts[_UNNOTICED]:10} {counts[_EQUIVALENT]:11} {_rate(counts):6.1f}%"
            )
    print(f"{'all':14} {total[_NOTICED]:8} {total[_UNNOTICED]:10} {total[_EQUIVALENT]:11} {_rate(total):6.1f}%")
    for case, outcome in sorted(outcomes, key=lambda each: str(each[0])):
        if outcome == _UNNOTICED:
            print(f"unnoticed: {case}")
    return 1 if _rate(total) < least else 0


def _rate(counts: dict[str, int] | Counter[str]) -> float:
    tried = counts[_NOTICED] + counts[_UNNOTICED]
    return 100 * counts[_NOTICED] / tried if tried else 100.0


if __name__ == "__main__":
    sys.exit(main())
