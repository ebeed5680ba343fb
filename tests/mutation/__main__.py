"""Put faults into the code one at a time and see whether a test notices: `python -m tests.mutation [ROOM...]`.

Faults are drawn by chance (--seed repeats a draw), those of changed files alone with --since REVISION. Nothing is
written: each fault lives in a process of its own. First the tests run once without a fault: which statements each comes
by, and how long it takes. Then a fault is shown to those that come by it, the quickest first.
Ends with the rate of each room and every fault that nobody noticed; exit code 1 where the rate is below --least.
"""

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import postgres
from tests.mutation import reach, trial
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.rooms import ROOMS, ROOT, Module, modules

_NOTICED, _UNNOTICED, _EQUIVALENT, _UNTRIED = "noticed", "unnoticed", "equivalent", "untried"
_HELPINGS = (5.0, 60.0)  # seconds that the tests of the first one took, and those of all of them
_LONGEST = 3_600.0  # seconds of watching
_SLOW = 15.0  # a process that takes so much longer than its tests took may have found the machine busy, not a fault


@dataclass
class Case:
    """One fault and how far it is: which helping of tests is asked, by which process, since when."""

    module: Module
    number: int
    line: int
    begins: int | None
    name: str
    database: postgres.Postgres | None = None
    helpings: Sequence[Sequence[str]] = ()
    helping: int = 0
    seconds: float = 0.0
    without: bool = False
    pid: int = 0
    since: float = 0.0

    def __str__(self) -> str:
        return f"{self.module.inside}:{self.line} {self.name}"

    @property
    def end(self) -> float:
        """Long after its tests should have ended on a machine that is busy with other things."""
        return self.since + 120 + 10 * self.seconds


def main() -> int:
    """Draw, try, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"of {', '.join(ROOMS)}; all without one")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--since", metavar="REVISION", help="only files that git says were changed since")
    parser.add_argument("--match", default="", help="only faults whose place or name holds this text")
    parser.add_argument("-k", dest="tests", default="", help="only tests that pytest's option of this name chooses")
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
    files = sorted({file for module in chosen for file in module.files()}, key=_size)
    survey = Survey(cases, chosen, files, asked.minutes, asked.jobs)
    pytest.main([*trial.OPTIONS, "-k", asked.tests, *files], plugins=[survey])
    return _told(survey.outcomes, asked.least)


def _changed(revision: str, of: list[Module]) -> list[Module]:
    """Those that git says were changed since; all where it does not know the revision, as in a shallow clone."""
    command = ["git", "diff", "--name-only", revision]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"no file is left out, for git says: {done.stderr.strip()}")
        return of
    files = set(done.stdout.split())
    return [module for module in of if module.path.relative_to(ROOT).as_posix() in files]


class Survey:
    """A plugin of pytest: where it would run the tests that it collected, faults are tried."""

    def __init__(self, cases: list[Case], modules: list[Module], files: list[str], minutes: float, jobs: int) -> None:
        self._cases, self._modules, self._files, self._minutes, self._jobs = cases, modules, files, minutes, jobs
        self.outcomes: list[tuple[Case, str]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("files of tests cannot be loaded")
        needed = any(module.room == "store" for module in self._modules)
        trial.functions()
        with contextlib.ExitStack() as stack:
            databases = [stack.enter_context(postgres.running()) if needed else None for _ in range(self._jobs)]
            found = self._watched(session, databases)
            trials = Trials(session, self._cases, found, time.monotonic() + 60 * self._minutes, databases)
            self.outcomes = trials.outcomes
            trials.run()
        return True

    def _watched(self, session: pytest.Session, databases: list[postgres.Postgres | None]) -> reach.Reach:
        """Run the tests once, without a fault, as many processes at once as there are databases."""
        since = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            written = [Path(folder) / str(number) for number in range(len(databases))]
            running = [
                trial.watched(session, self._modules, self._files[number :: len(databases)], database, written[number])
                for number, database in enumerate(databases)
            ]
            for pid in running:
                while trial.ended(pid, since + _LONGEST) is None:
                    time.sleep(0.1)
            found = reach.Reach.read(written)
        seconds = time.monotonic() - since
        print(f"{len(found.seconds)} tests of {len(self._files)} files watched in {seconds:.0f} s", flush=True)
        for test in sorted(found.failed):
            print(f"not asked, for it fails without a fault: {test}", flush=True)
        return found


def _size(file: str) -> int:
    return -(ROOT / file).stat().st_size


class Trials:
    """As many at once as there are databases; what is drawn first is tried first."""

    def __init__(
        self,
        session: pytest.Session,
        cases: list[Case],
        found: reach.Reach,
        end: float,
        databases: list[postgres.Postgres | None],
    ) -> None:
        self._session, self._found = session, found
        self._waiting, self._end, self._databases = cases[::-1], end, databases
        self._running: list[Case] = []
        self.outcomes: list[tuple[Case, str]] = []

    def run(self) -> None:
        """Until all are tried, or the time is over and those that were begun are done."""
        while self._may_start() or self._running:
            while self._may_start() and self._databases:
                self._begin(self._waiting.pop())
            for case in list(self._running):
                passed = trial.ended(case.pid, case.end)
                if passed is not None:
                    self._ended(case, passed)
            time.sleep(0.02)

    def _may_start(self) -> bool:
        return bool(self._waiting) and time.monotonic() < self._end

    def _begin(self, case: Case) -> None:
        case.helpings = helpings(case, self._found)
        if (case.module.inside, case.name) in EQUIVALENT:
            self.outcomes.append((case, _EQUIVALENT))
        elif not case.helpings:
            self._say(case, _UNNOTICED)
        else:
            case.database = self._databases.pop()
            self._running.append(case)
            self._ask(case)

    def _ask(self, case: Case) -> None:
        tests = case.helpings[case.helping]
        case.seconds, case.since = sum(self._found.seconds[test] for test in tests), time.monotonic()
        number = None if case.without else case.number
        if (case.module.inside, case.begins) in self._found.by:
            case.pid = trial.started(self._session, case.module, number, tests, case.database)
        else:
            case.pid = trial.loaded(case.module, number, tests, case.database)

    def _ended(self, case: Case, passed: bool) -> None:
        """A process that took too long is asked again without the fault: what fails there, too, says nothing."""
        if case.without:
            self._done(case, _NOTICED if passed else _UNTRIED)
        elif not passed and time.monotonic() - case.since > case.seconds + _SLOW:
            case.without = True
            self._ask(case)
        elif passed and case.helping + 1 < len(case.helpings):
            case.helping += 1
            self._ask(case)
        else:
            self._done(case, _UNNOTICED if passed else _NOTICED)

    def _done(self, case: Case, outcome: str) -> None:
        self._running.remove(case)
        self._databases.append(case.database)
        self._say(case, outcome)

    def _say(self, case: Case, outcome: str) -> None:
        self.outcomes.append((case, outcome))
        if outcome != _NOTICED:
            print(f"{outcome}: {case}", flush=True)
        if len(self.outcomes) % 50 == 0:
            print(f"{len(self.outcomes)} tried, {len(self._waiting)} left", flush=True)


def helpings(case: Case, found: reach.Reach) -> list[list[str]]:
    """Those that come by: of the file that mirrors the module first, then the quickest first, while there is time.

    A fault that nobody came by may be there when the module is loaded: all tests of its files are asked.
    """
    files = case.module.files()
    asked = found.by.get((case.module.inside, case.begins or 0))
    if asked is None:
        asked = {test for test in found.seconds if test.split("::")[0] in files}
    helped: list[list[str]] = [[] for _ in _HELPINGS]
    spent = 0.0
    for test in sorted(asked, key=lambda test: (not _mirrors(case.module, test), found.seconds[test], test)):
        spent += found.seconds[test]
        first = next((number for number, most in enumerate(_HELPINGS) if spent <= most), None)
        if first is not None:
            helped[first].append(test)
        elif not any(helped):
            helped[0].append(test)  # one at least is asked
    return [tests for tests in helped if tests]


def _mirrors(module: Module, test: str) -> bool:
    return module.is_named_by(Path(test.split("::", maxsplit=1)[0]))


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
