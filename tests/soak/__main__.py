"""Builds at random on a real cluster, with faults at random: `python -m tests.soak [--minutes 60] [--seed N]`.

At the end every verdict is compared with the one that the build must get, and with the one that was there first. Ends
with a table of sorts and faults, and with every verdict that is wrong, missing or another one than before; exit code 1
where there is one. The same seed draws the same builds and faults in the same order; when they happen depends on the
machine. AVOUCH_TEST_CLUSTER=NAME uses the cluster of that name and leaves it up.
"""

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from examples.quickstart import install
from tests.cluster.choice import AnyCluster, choose
from tests.cluster.errors import ClusterError
from tests.cluster.progress import say
from tests.e2e.made import REPORT, pipelinerun, task
from tests.e2e.stage import Json, Stage
from tests.soak import account, builds, faults

Answer = TypeVar("Answer")

AT_ONCE = 6  # builds: two cores take no more at the pace of an ordinary day
CALM = (20, 60)  # seconds between two faults
LATE = 240.0  # seconds after the last build in which its verdict must be there
_EDGE = timedelta(seconds=10)  # around a fault: caches are believed for so long


@dataclass
class Soak:
    """One hour, or less."""

    cluster: AnyCluster
    seed: int
    started: dict[str, str] = field(default_factory=dict)  # build -> its sort
    first: dict[str, str] = field(default_factory=dict)  # run -> the verdict that it had first
    times: list[account.Away] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    coming: list[str] = field(default_factory=list)  # faults of this round that have not happened yet

    def __post_init__(self) -> None:
        # Each has its own, or what comes next would depend on what happened to be due first.
        self._next_build, self._next_fault = (random.Random(f"{self.seed} {of}") for of in ("build", "fault"))  # noqa: S311

    @property
    def place(self) -> Stage:
        """Where the builds are."""
        return Stage(self.cluster, "soak")

    @property
    def home(self) -> Stage:
        """Where avouch is."""
        return Stage(self.cluster, install.NAMESPACE)

    def prepare(self) -> None:
        """Two servers, Workflows, and one build that ended before there were any: nobody may judge it, ever."""
        self.home.kubectl("scale", "deployment/avouch-server", "--replicas=2")
        faults.ready(self.home, "server")
        self.place.open(**{"avouch.dev/inject": "enabled"})
        self.place.apply(pipelinerun("early", task("make", REPORT)))
        self.place.ended("early")
        self.started["early"] = "uncovered"
        self.place.apply(*builds.WORKFLOWS)
        self.place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")

    def run(self, seconds: float) -> None:
        """Start builds and break things until the time is over."""
        end = time.monotonic() + seconds
        due = time.monotonic() + self._next_fault.uniform(*CALM)
        while time.monotonic() < end:
            while self._working() < AT_ONCE and time.monotonic() < end:
                self._start()
            if time.monotonic() >= due:
                self._break()
                due = time.monotonic() + self._next_fault.uniform(*CALM)
            self._look()
            time.sleep(1)

    def judged(self) -> list[str]:
        """Wait until all is judged, or should be; what is wrong."""
        for name in self.started:
            self.place.ended(name)
        end = time.monotonic() + LATE
        while (wrong := self._wrong()) and time.monotonic() < end:
            time.sleep(2)
        return wrong

    def _start(self) -> None:
        sort = builds.drawn(self._next_build)
        name = f"b{len(self.started):04d}-{sort}"
        _again(lambda: self.place.apply(builds.SORTS[sort].of(name)))
        self.started[name] = sort

    def _break(self) -> None:
        if not self.coming:  # each once before any comes again: a few minutes see all of them
            self.coming = self._next_fault.sample(tuple(faults.FAULTS), k=len(faults.FAULTS))
        what = self.coming.pop()
        began = datetime.now(UTC)
        faults.FAULTS[what](self.cluster, self.home)
        ended = datetime.now(UTC)
        self.happened[what] += 1
        say(f"{what}: back after {(ended - began).total_seconds():.0f} s; {len(self.started)} builds so far")
        if what in faults.LOSES_SIDECARS:
            self.times.append(account.Away(began - _EDGE, ended + _EDGE))

    def _working(self) -> int:
        return sum(not _done(one) for one in self._listed("pipelineruns"))

    def _listed(self, kind: str) -> list[Json]:
        return _again(lambda: list(self.place.get(kind)["items"]))

    def _look(self) -> None:
        for name, verdict in _verdicts(self._listed("workflowruns")).items():
            self.first.setdefault(name, verdict)

    def _wrong(self) -> list[str]:
        """What is not as it must be now."""
        runs, pods = self._listed("workflowruns"), self._listed("pods")
        self._look()
        uids = {one["metadata"]["name"]: one["metadata"]["uid"] for one in self._listed("pipelineruns")}
        found = []
        for name, sort in self.started.items():
            mine = [one for one in runs if one["spec"]["subject"].get("uid") == uids[name]]
            made = [pod for pod in pods if pod["metadata"]["labels"].get("tekton.dev/pipelineRun") == name]
            created = tuple(datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) for pod in made)
            build = account.Build(name, builds.SORTS[sort], created)
            if wrong := account.problem(build, [self._verdict(one) for one in mine], self.times):
                found.append(wrong)
        return found + account.changed(self.first, _verdicts(runs))

    def _verdict(self, listed: Json) -> account.Verdict:
        """With its findings, which lists do not have."""
        name, verdict = listed["metadata"]["name"], listed["status"]["verdict"]
        if verdict != "Failed":
            return account.Verdict(name, verdict)
        findings = _again(lambda: self.place.get("workflowruns", name))["status"].get("findings", ())
        return account.Verdict(name, verdict, tuple(one["code"] for one in findings))


def _again(ask: Callable[[], Answer], seconds: float = 90.0) -> Answer:
    """What kubectl says, asked again for a while: what is broken on purpose answers nothing for a moment."""
    end = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except ClusterError:
            if time.monotonic() >= end:
                raise
        time.sleep(1)


def _done(pipelinerun: Json) -> bool:
    conditions = pipelinerun.get("status", {}).get("conditions") or [{}]
    return conditions[0].get("status") in ("True", "False")


def _verdicts(runs: list[Json]) -> dict[str, str]:
    said = {one["metadata"]["name"]: str(one["status"]["verdict"]) for one in runs}
    return {name: verdict for name, verdict in said.items() if verdict != "Pending"}


def main() -> int:
    """Soak, compare, tell. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    kept = os.environ.get("AVOUCH_TEST_CLUSTER")
    cluster = choose(kept or "soak")
    cluster.up()
    try:
        tag = install.build_images()
        install.load_images(cluster, tag)
        install.install(cluster, tag)
        say(f"seed {asked.seed}: --seed {asked.seed} draws the same builds and faults")
        soak = Soak(cluster, asked.seed)
        soak.prepare()
        soak.run(asked.minutes * 60)
        wrong = soak.judged()
    finally:
        if not kept:
            cluster.down()
    _tell(soak, wrong)
    return 1 if wrong else 0


def _tell(soak: Soak, wrong: list[str]) -> None:
    print(f"\n{len(soak.started)} builds, {len(soak.first)} verdicts, {sum(soak.happened.values())} faults")
    for what, number in sorted(Counter(soak.started.values()).items()):
        print(f"  {number:4d} {what}: {builds.SORTS[what].verdict or 'no verdict'}")
    for what, number in sorted(soak.happened.items()):
        print(f"  {number:4d} times {what}")
    print("\n".join(["", *wrong]) if wrong else "\nevery verdict is the one that it must be")


if __name__ == "__main__":
    sys.exit(main())
