"""Each build beside its verdict: what is wrong, in one sentence for each, and what is known of it beside that."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from avouch import plan
from tests.soak import builds

WITHIN = timedelta(seconds=plan.ATTEST_WITHIN)  # after its last step, in which a sidecar tries to deliver
# What a build may lack, as it is said: a pod that nobody answered for, and a sidecar that nobody answered.
_UNINJECTED = re.compile(r"so its files were not read: the webhook left the pod alone, or did not answer")
_UNHEARD = re.compile(r"did not push its claim: .*(?:(?:POST|PUT) /v1/|the time for pushing is used up)", re.DOTALL)
_LOST = ("SidecarMissing", "MaterialMissing")


class Finding(NamedTuple):
    """One of a verdict."""

    code: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """One WorkflowRun as it is."""

    name: str
    verdict: str
    findings: tuple[Finding, ...] = ()
    judged: datetime | None = None


@dataclass(frozen=True)
class Span:
    """From a moment to a later one."""

    began: datetime
    ended: datetime

    def touches(self, began: datetime, ended: datetime) -> bool:
        """Whether the two have a moment in common."""
        return began <= self.ended and ended >= self.began


@dataclass(frozen=True)
class Happened:
    """What happened while the builds ran.

    Attributes:
        away: spans in which avouch may not answer, as documented: neither who asks what a pod owes, nor a sidecar.
        turns: spans in which a Workflow or its Contract was changed, by name: afterwards it is another one.
        faults: all of it, by name, in order.
    """

    away: Sequence[Span] = ()
    turns: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    faults: Sequence[tuple[str, Span]] = ()


@dataclass(frozen=True)
class Pod:
    """A pod of a build, as it was seen last. `started` is its first step, `stopped` the end of its last one."""

    created: datetime
    injected: bool = False
    started: datetime | None = None
    stopped: datetime | None = None


@dataclass(frozen=True)
class Build:
    """A build: its sort, when it was created and when Tekton began it, its pods, its end and what Tekton said of it."""

    name: str
    sort: builds.Sort
    created: datetime
    began: datetime
    pods: tuple[Pod, ...] = ()
    ended: datetime | None = None
    condition: str = ""

    def excused(self, verdict: Verdict, away: Collection[Span]) -> bool:
        """Whether it may lack its evidence: every finding says why, and avouch was away just then."""
        if not self.sort.files or verdict.verdict != "Failed" or not verdict.findings:
            return False
        times = [self._needed(finding) for finding in verdict.findings]
        return all(needed is not None and any(span.touches(*needed) for span in away) for needed in times)

    def _needed(self, finding: Finding) -> tuple[datetime, datetime] | None:
        """From when to when avouch had to answer, or there is what this finding tells; None where it tells more."""
        if finding.code not in _LOST or not self.pods:
            return None
        pod = max(self.pods, key=lambda pod: pod.created)  # of a task that is tried again, the last one counts
        stopped = pod.stopped or self.ended
        if not pod.injected and _UNINJECTED.search(finding.message):
            return pod.created, pod.created
        if pod.injected and stopped and _UNHEARD.search(finding.message):
            return stopped, stopped + WITHIN
        return None

    def wanted(self, turns: Mapping[str, Sequence[Span]]) -> set[str]:
        """The verdict that it must get; several where it was created in the middle of a turn."""
        sort, mine = self.sort, turns.get(self.sort.turn, ())
        if any(span.touches(self.created, self.began) for span in mine):
            return {sort.verdict, sort.turned, builds.NONE}
        odd = sum(span.ended < self.created for span in mine) % 2
        return {sort.turned if odd else sort.verdict}

    def moments(self) -> Iterator[tuple[datetime, str]]:
        """What is known of its course."""
        yield self.created, "created"
        for number, pod in enumerate(self.pods):
            yield pod.created, f"pod {number} created, {'with' if pod.injected else 'without'} a sidecar"
            if pod.started:
                yield pod.started, f"pod {number}: the first step started"
            if pod.stopped:
                yield pod.stopped, f"pod {number}: the last step ended"
        if self.ended:
            yield self.ended, f"Done: {self.condition}"


def problem(build: Build, found: Sequence[Verdict], happened: Happened = Happened()) -> str:
    """What is wrong with the verdict on a build; "" where it is right."""
    wanted = build.wanted(happened.turns)
    if not found and builds.NONE in wanted:
        return ""
    if set(wanted) == {builds.NONE}:
        return f"{build.name}: no Workflow takes it, and it has {len(found)} runs"
    if len(found) != 1:
        return f"{build.name}: {len(found)} runs, not one"
    (one,) = found
    if one.verdict in wanted or build.excused(one, happened.away):
        return ""
    right = " or ".join(sorted(wanted - {builds.NONE}))
    if one.verdict == "Pending":
        return f"{build.name}: {one.name} is still Pending, not {right}"
    codes = ", ".join(finding.code for finding in one.findings) or "no finding"
    return f"{build.name}: {one.name} is {one.verdict} ({codes}), not {right}"


def told(build: Build, found: Sequence[Verdict], happened: Happened) -> list[str]:
    """What is known of a build, to judge who is wrong: its course among the nearest faults, and each finding whole.

    Seconds count from its creation. Of the faults it names the last one before, those meanwhile, and the next one.
    """
    course = [*build.moments(), *((one.judged, f"{one.name} judged {one.verdict}") for one in found if one.judged)]
    begin, end = min(at for at, _ in course), max(at for at, _ in course)
    before = [fault for fault in happened.faults if fault[1].ended < begin][-1:]
    meanwhile = [fault for fault in happened.faults if fault[1].touches(begin, end)]
    after = [fault for fault in happened.faults if fault[1].began > end][:1]
    for name, span in (*before, *meanwhile, *after):
        course.append((span.began, f"fault: {name}, for {(span.ended - span.began).total_seconds():.0f} s"))
    lines = [f"{(at - build.created).total_seconds():+6.0f} s  {what}" for at, what in sorted(course)]
    if not build.ended:
        lines.append(f"never seen Done: {build.condition or 'no condition'}")
    return lines + [f"{finding.code}: {finding.message}" for one in found for finding in one.findings]


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Verdicts (by the name of the run) that became others, or are gone."""
    return [
        f"{name}: was {verdict}, is {now.get(name) or 'gone'}"
        for name, verdict in before.items()
        if now.get(name) != verdict
    ]
