"""Each build beside its verdict: what is wrong, in one sentence for each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.soak import builds

_LOST = {"SidecarMissing", "MaterialMissing", "EvidenceRefused"}  # what a pod without a sidecar leads to


@dataclass(frozen=True)
class Verdict:
    """One WorkflowRun as it is."""

    name: str
    verdict: str
    codes: tuple[str, ...] = ()


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
        away: spans in which a pod may start without a sidecar, as documented: nothing could tell what it owes.
        turns: spans in which a Workflow or its Contract was changed, by name: afterwards it is another one.
    """

    away: Sequence[Span] = ()
    turns: Mapping[str, Sequence[Span]] = field(default_factory=dict)


@dataclass(frozen=True)
class Build:
    """A build: its sort, when it was created, when Tekton began it, and when its pods were created."""

    name: str
    sort: builds.Sort
    created: datetime
    began: datetime
    pods: tuple[datetime, ...] = ()

    def excused(self, away: Collection[Span]) -> bool:
        """Whether it may lack its sidecar."""
        return self.sort.files and any(span.touches(at, at) for span in away for at in self.pods)

    def wanted(self, turns: Mapping[str, Sequence[Span]]) -> set[str]:
        """The verdict that it must get; several where it was created in the middle of a turn."""
        sort, mine = self.sort, turns.get(self.sort.turn, ())
        if any(span.touches(self.created, self.began) for span in mine):
            return {sort.verdict, sort.turned, builds.NONE}
        odd = sum(span.ended < self.created for span in mine) % 2
        return {sort.turned if odd else sort.verdict}


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
    if one.verdict in wanted:
        return ""
    right = " or ".join(sorted(wanted - {builds.NONE}))
    if one.verdict == "Pending":
        return f"{build.name}: {one.name} is still Pending, not {right}"
    if one.verdict == "Failed" and build.excused(happened.away) and set(one.codes) <= _LOST:
        return ""
    return f"{build.name}: {one.name} is {one.verdict} ({', '.join(one.codes) or 'no finding'}), not {right}"


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Verdicts (by the name of the run) that became others, or are gone."""
    return [
        f"{name}: was {verdict}, is {now.get(name) or 'gone'}"
        for name, verdict in before.items()
        if now.get(name) != verdict
    ]
