"""Each build beside its verdict: what is wrong, in one sentence for each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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
class Away:
    """A time in which a pod may start without a sidecar, as documented: nothing could tell what it owes."""

    began: datetime
    ended: datetime

    def holds(self, at: datetime) -> bool:
        """Whether a moment lies in it."""
        return self.began <= at <= self.ended


@dataclass(frozen=True)
class Build:
    """A build that ended, and when its pods were created."""

    name: str
    sort: builds.Sort
    pods: tuple[datetime, ...] = ()

    def excused(self, times: Collection[Away]) -> bool:
        """Whether it may lack its sidecar."""
        return self.sort.files and any(away.holds(at) for away in times for at in self.pods)


def problem(build: Build, found: Sequence[Verdict], times: Collection[Away] = ()) -> str:
    """What is wrong with the verdict on a build; "" where it is right."""
    wanted = build.sort.verdict
    if wanted == builds.NONE:
        return f"{build.name}: no Workflow covers it, and it has {len(found)} runs" if found else ""
    if len(found) != 1:
        return f"{build.name}: {len(found)} runs, not one"
    (one,) = found
    if one.verdict == wanted:
        return ""
    if one.verdict == "Pending":
        return f"{build.name}: {one.name} is still Pending, not {wanted}"
    if one.verdict == "Failed" and build.excused(times) and set(one.codes) <= _LOST:
        return ""
    return f"{build.name}: {one.name} is {one.verdict} ({', '.join(one.codes) or 'no finding'}), not {wanted}"


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Verdicts (by the name of the run) that became others, or are gone."""
    return [
        f"{name}: was {verdict}, is {now.get(name) or 'gone'}"
        for name, verdict in before.items()
        if now.get(name) != verdict
    ]
