"""Builds at random on a real cluster, with faults at random: `python -m tests.soak [--minutes 60] [--seed N]`.

Meanwhile Workflows are suspended, recreated and changed, some builds are cancelled, deleted or lose their pod, and
those that are Done are deleted, as Tekton's own pruner does. Every verdict is compared with the one that the build must
get, and with the one that was there first. Ends with a table of sorts and faults, and with every verdict that is wrong,
missing or another one than before; exit code 1 where there is one. The same seed draws the same builds and faults in
the same order; when they happen depends on the machine. AVOUCH_TEST_CLUSTER=NAME uses the cluster of that name and
leaves it up.
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
from tests.e2e.stage import Json, Stage, authority
from tests.soak import account, builds, faults

Answer = TypeVar("Answer")

AT_ONCE = 6  # builds: two cores take no more at the pace of an ordinary day
CALM = (20, 60)  # seconds between two faults
LATE = 240.0  # seconds after the last build in which its verdict must be there
KEPT = timedelta(seconds=30)  # after its end, until a build that was judged rightly is deleted
_EDGE = timedelta(seconds=10)  # around a fault: caches are believed for so long
_SECOND = timedelta(seconds=1)  # in which the cluster's times are counted


@dataclass
class Started:
    """A build that was started, and what was seen of it: it may be gone by now."""

    name: str
    sort: builds.Sort
    obj: Json = field(default_factory=dict)
    pods: dict[str, datetime] = field(default_factory=dict)  # uid -> created
    cut: bool = False  # what its sort does to it was done
    gone: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.gone or _done(self.obj)

    def build(self) -> account.Build:
        """What is held against its verdict."""
        created = datetime.fromisoformat(self.obj["metadata"]["creationTimestamp"])
        began = self.obj.get("status", {}).get("startTime")
        times = (created, datetime.fromisoformat(began) if began else created)
        return account.Build(self.name, self.sort, *times, tuple(self.pods.values()))


@dataclass
class Soak:
    """What was started and broken on one cluster, and the verdicts that were seen meanwhile."""

    cluster: AnyCluster
    seed: int
    started: dict[str, Started] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)  # run -> the verdict that it had first
    away: list[account.Span] = field(default_factory=list)
    turns: dict[str, list[account.Span]] = field(default_factory=lambda: {name: [] for name in faults.TURNS})
    happened: Counter[str] = field(default_factory=Counter)
    _codes: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of runs that failed
    coming: list[str] = field(default_factory=list)  # faults and turns of this round that have not happened yet

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
        self._begin("early", "uncovered")
        self.place.ended("early")
        self.place.apply(*builds.WORKFLOWS, authority(self.cluster))
        self.place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")

    def run(self, seconds: float) -> None:
        """Start builds and break things until the time is over."""
        end = time.monotonic() + seconds
        due = time.monotonic() + self._next_fault.uniform(*CALM)
        while time.monotonic() < end:
            self._look()
            for _ in range(AT_ONCE - sum(not one.over for one in self.started.values())):
                sort = builds.drawn(self._next_build)
                self._begin(f"b{len(self.started):04d}-{sort}", sort)
            if time.monotonic() >= due:
                self._break()
                due = time.monotonic() + self._next_fault.uniform(*CALM)
            self._prune()
            time.sleep(1)

    def judged(self) -> list[str]:
        """Wait until all is over and judged, or should be; what is wrong."""
        end = time.monotonic() + LATE
        while not all(one.over for one in self.started.values()) and time.monotonic() < end:
            self._look()
            time.sleep(1)
        end = time.monotonic() + LATE
        while (wrong := self._wrong()) and time.monotonic() < end:
            time.sleep(2)
        return wrong

    def _begin(self, name: str, sort: str) -> None:
        self.started[name] = Started(name, builds.SORTS[sort])
        _again(lambda: self.place.apply(builds.SORTS[sort].of(name)))

    def _break(self) -> None:
        if not self.coming:  # each once before any comes again: a few minutes see all of them
            known = (*faults.FAULTS, *faults.TURNS)
            self.coming = self._next_fault.sample(known, k=len(known))
        what = self.coming.pop()
        self.happened[what] += 1
        began = datetime.now(UTC)
        if what in faults.TURNS:
            turned = self.happened[what] % 2 == 1
            _again(lambda: faults.TURNS[what](self.place, turned))
            self.turns[what].append(account.Span(began - _SECOND, datetime.now(UTC) + _SECOND))
        else:
            faults.FAULTS[what](self.cluster, self.home)
        ended = datetime.now(UTC)
        say(f"{what}: done after {(ended - began).total_seconds():.0f} s; {len(self.started)} builds so far")
        if what in faults.LOSES_SIDECARS:
            self.away.append(account.Span(began - _EDGE, ended + _EDGE))

    def _listed(self, kind: str) -> list[Json]:
        return _again(lambda: list(self.place.get(kind)["items"]))

    def _look(self) -> None:
        """See how far the builds are, and do to them what their sort says."""
        objects = {one["metadata"]["name"]: one for one in self._listed("pipelineruns")}
        for pod in self._listed("pods"):
            build = self.started.get(pod["metadata"]["labels"].get("tekton.dev/pipelineRun", ""))
            if build is not None:
                created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
                build.pods[pod["metadata"]["uid"]] = created
                if build.sort.cut and not build.cut and pod["status"].get("phase") == "Running":
                    _again(lambda cut=build.sort.cut, name=build.name: cut(self.place, name))  # type: ignore[misc]
                    build.cut = True
        for build in self.started.values():
            build.obj = objects.get(build.name, build.obj)
            build.gone = bool(build.obj) and build.name not in objects

    def _prune(self) -> None:
        """Delete builds that were judged rightly; what becomes of their runs is looked at in the end."""
        old = datetime.now(UTC) - KEPT
        done = [one for one in self.started.values() if not one.gone and _done(one.obj) and _ended(one.obj) < old]
        if len(done) >= AT_ONCE:
            wrong = self._problems()
            names = [one.name for one in done if not wrong[one.name]]
            if names:
                _again(
                    lambda: self.place.kubectl("delete", "pipelinerun", *names, "--wait=false", "--ignore-not-found")
                )

    def _problems(self) -> dict[str, str]:
        """What is wrong with each build now, by its name; "" where nothing is."""
        runs = self._listed("workflowruns")
        for name, verdict in _verdicts(runs).items():
            self.first.setdefault(name, verdict)
        about: dict[str, list[Json]] = {}
        for run in runs:
            about.setdefault(run["spec"]["subject"].get("uid", ""), []).append(run)
        happened = account.Happened(self.away, self.turns)
        found = {}
        for one in self.started.values():
            told = [self._verdict(run) for run in about.get(one.obj.get("metadata", {}).get("uid", ""), ())]
            found[one.name] = account.problem(one.build(), told, happened) if one.obj else f"{one.name}: never seen"
        return found

    def _wrong(self) -> list[str]:
        """What is not as it must be now."""
        found = [wrong for wrong in self._problems().values() if wrong]
        return found + account.changed(self.first, _verdicts(self._listed("workflowruns")))

    def _verdict(self, listed: Json) -> account.Verdict:
        """With its findings, which lists do not have."""
        name, verdict = listed["metadata"]["name"], listed["status"]["verdict"]
        if verdict != "Failed":
            return account.Verdict(name, verdict)
        if name not in self._codes:
            findings = _again(lambda: self.place.get("workflowruns", name))["status"].get("findings", ())
            self._codes[name] = tuple(one["code"] for one in findings)
        return account.Verdict(name, verdict, self._codes[name])


def _again(ask: Callable[[], Answer], seconds: float = 90.0) -> Answer:
    """What kubectl says, asked again for a while: what is broken on purpose answers nothing for a moment."""
    end = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except (ClusterError, AssertionError):  # the second: it waited in vain
            if time.monotonic() >= end:
                raise
        time.sleep(1)


def _done(pipelinerun: Json) -> bool:
    conditions = pipelinerun.get("status", {}).get("conditions") or [{}]
    return conditions[0].get("status") in ("True", "False")


def _ended(pipelinerun: Json) -> datetime:
    return datetime.fromisoformat(pipelinerun["status"]["completionTime"])


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
    sorts = {id(sort): name for name, sort in builds.SORTS.items()}
    for what, number in sorted(Counter(sorts[id(one.sort)] for one in soak.started.values()).items()):
        print(f"  {number:4d} {what}: {builds.SORTS[what].verdict or 'no verdict'}")
    for what, number in sorted(soak.happened.items()):
        print(f"  {number:4d} times {what}")
    print("\n".join(["", *wrong]) if wrong else "\nevery verdict is the one that it must be")


if __name__ == "__main__":
    sys.exit(main())
