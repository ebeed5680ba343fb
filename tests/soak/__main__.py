"""Builds at random on a real cluster, with faults at random: `python -m tests.soak [--minutes 60] [--seed N]`.

Meanwhile Workflows are suspended, recreated and changed, some builds are cancelled, deleted or lose their pod, and
those that are Done are deleted, as Tekton's own pruner does. Every verdict is compared with the one that the build must
get, and with the one that was there first. Ends with a table of sorts and faults, and with every verdict that is wrong,
missing or another one than before; exit code 1 where there is one. The same seed draws the same builds and faults in
the same order; when they happen depends on the machine. What is known of a build with a wrong verdict is told with it,
and what the cluster says of it is kept in `build/soak`. AVOUCH_TEST_CLUSTER=NAME uses the cluster of that name and
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
from pathlib import Path
from typing import TypeVar

from examples.quickstart import install
from tests.cluster.choice import AnyCluster, choose
from tests.cluster.errors import ClusterError
from tests.cluster.progress import say
from tests.e2e.stage import Json, Stage, authority, carries_sidecar
from tests.soak import account, builds, faults, records

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
    pods: dict[str, account.Pod] = field(default_factory=dict)  # by uid
    cut: set[str] = field(default_factory=set)  # pods at which what its sort does to it was done, by uid
    gone: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.gone or _done(self.obj)

    def build(self) -> account.Build:
        """What is held against its verdict."""
        status = self.obj.get("status", {})
        created = datetime.fromisoformat(self.obj["metadata"]["creationTimestamp"])
        began = datetime.fromisoformat(status["startTime"]) if "startTime" in status else created
        ended = _ended(self.obj) if _done(self.obj) else None
        condition = " ".join(_condition(self.obj).get(key, "") for key in ("status", "reason", "message"))
        return account.Build(self.name, self.sort, created, began, tuple(self.pods.values()), ended, condition)


@dataclass
class Soak:
    """What was started and broken on one cluster, and the verdicts that were seen meanwhile."""

    cluster: AnyCluster
    seed: int
    started: dict[str, Started] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)  # run -> the verdict that it had first
    faults: list[tuple[str, account.Span]] = field(default_factory=list)  # and turns, as they came
    turns: dict[str, list[account.Span]] = field(default_factory=lambda: {name: [] for name in faults.TURNS})
    happened: Counter[str] = field(default_factory=Counter)
    found: dict[str, list[account.Verdict]] = field(default_factory=dict)  # by the name of the build
    kept: dict[str, Path] = field(default_factory=dict)  # records of builds that were judged wrongly, by name
    _findings: dict[tuple[str, str], tuple[account.Finding, ...]] = field(default_factory=dict)  # by run and verdict
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
        while self._wrong() and time.monotonic() < end:
            time.sleep(2)
        for name, wrong in self._problems().items():
            if wrong:
                self._keep(self.started[name])
        return self._wrong()

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
        self.faults.append((what, account.Span(began, ended)))

    def _listed(self, kind: str) -> list[Json]:
        return _again(lambda: list(self.place.get(kind)["items"]))

    def _look(self) -> None:
        """See how far the builds are, and do to them what their sort says."""
        objects = {one["metadata"]["name"]: one for one in self._listed("pipelineruns")}
        for one in self.started.values():
            one.obj = objects.get(one.name, one.obj)
            one.gone = bool(one.obj) and one.name not in objects
        for pod in self._listed("pods"):
            build = self.started.get(pod["metadata"]["labels"].get("tekton.dev/pipelineRun", ""))
            if build is not None:
                uid = pod["metadata"]["uid"]
                build.pods[uid] = _pod(pod)
                running = pod["status"].get("phase") == "Running" and not build.over
                if build.sort.cut and running and uid not in build.cut:
                    _again(lambda cut=build.sort.cut, name=build.name: cut(self.place, name))  # type: ignore[misc]
                    build.cut.add(uid)

    def _prune(self) -> None:
        """Delete builds that were judged rightly; what becomes of their runs is looked at in the end."""
        old = datetime.now(UTC) - KEPT
        done = [one for one in self.started.values() if not one.gone and _done(one.obj) and _ended(one.obj) < old]
        if len(done) >= AT_ONCE:
            wrong = self._problems()
            for one in done:
                if wrong[one.name] and all(found.judged for found in self.found[one.name]):
                    self._keep(one)
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
        happened, found = self._happened, {}
        for one in self.started.values():
            told = [self._verdict(run) for run in about.get(one.obj.get("metadata", {}).get("uid", ""), ())]
            self.found[one.name] = told
            found[one.name] = account.problem(one.build(), told, happened) if one.obj else f"{one.name}: never seen"
        return found

    @property
    def _happened(self) -> account.Happened:
        spans = [span for name, span in self.faults if name in faults.LOSES_SIDECARS]
        away = [account.Span(span.began - _EDGE, span.ended + _EDGE) for span in spans]
        return account.Happened(away, self.turns, self.faults)

    def _wrong(self) -> list[str]:
        """What is not as it must be now."""
        found = [self._told(self.started[name], wrong) for name, wrong in self._problems().items() if wrong]
        return found + account.changed(self.first, _verdicts(self._listed("workflowruns")))

    def _told(self, one: Started, wrong: str) -> str:
        """What is wrong with a build, and below it all that is known."""
        known = account.told(one.build(), self.found[one.name], self._happened) if one.obj else []
        kept = [f"more in {self.kept[one.name]}"] if one.name in self.kept else []
        return "\n    ".join([wrong, *known, *kept])

    def _keep(self, one: Started) -> None:
        """Have what the cluster says of a build in a file, before its Events and logs are gone."""
        if one.name not in self.kept and one.obj:
            runs, since = [found.name for found in self.found[one.name]], one.build().created - _EDGE
            self.kept[one.name] = _again(lambda: records.keep(self.place, self.home, one.name, runs, since))

    def _verdict(self, listed: Json) -> account.Verdict:
        """With its findings, which lists do not have."""
        name, status = listed["metadata"]["name"], listed["status"]
        verdict, at = status["verdict"], status.get("judgedAt")
        if verdict not in ("Pending", "Passed") and (name, verdict) not in self._findings:
            findings = _again(lambda: self.place.get("workflowruns", name))["status"].get("findings", ())
            self._findings[name, verdict] = tuple(account.Finding(one["code"], one["message"]) for one in findings)
        judged = datetime.fromisoformat(at) if at else None
        return account.Verdict(name, verdict, self._findings.get((name, verdict), ()), judged)


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


def _condition(pipelinerun: Json) -> Json:
    return next(iter(pipelinerun.get("status", {}).get("conditions", ())), {})


def _done(pipelinerun: Json) -> bool:
    return _condition(pipelinerun).get("status") in ("True", "False")


def _pod(pod: Json) -> account.Pod:
    """As far as it has come. Its steps are its containers: a sidecar of ours is an init container."""
    states = [one["state"] for one in pod["status"].get("containerStatuses", ())]
    began = [each["startedAt"] for state in states for each in state.values() if each.get("startedAt")]
    ended = [state["terminated"]["finishedAt"] for state in states if state.get("terminated", {}).get("finishedAt")]
    return account.Pod(
        created=datetime.fromisoformat(pod["metadata"]["creationTimestamp"]),
        injected=carries_sidecar(pod),
        started=datetime.fromisoformat(min(began)) if began else None,
        stopped=datetime.fromisoformat(max(ended)) if states and len(ended) == len(states) else None,
    )


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
    records.clear()
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
