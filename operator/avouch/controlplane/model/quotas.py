"""What one namespace may keep: how much, what it has of it, and the answer where that is not enough.

The operator says it for every namespace (the chart's `quotas`), and an Organization for its projects
(`spec.settings.quotas`). 0 is no limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from avouch import errors

NEAR = 0.8  # of a quota: it is nearly full, as metric and Event say
_RAISE = "raise it in the chart's values, or for an Organization's projects in its spec.settings.quotas"
FIX = f"keep runs for a shorter time (spec.retention): artifacts go with them; or an operator may {_RAISE}"
# As an Organization spells them -> as they are called here.
SPELLED = {
    "openRuns": "open_runs", "stateBytes": "state_bytes",
    "artifactBytes": "artifact_bytes", "artifactCount": "artifact_count",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quotas:
    """Of each namespace; 0: no limit."""

    open_runs: int = 1000  # external runs at a time
    state_bytes: int = 256 * 1024 * 1024  # of what the clients of its open runs remember
    artifact_bytes: int = 5 * 1024 * 1024 * 1024  # of the artifacts that it stored, each copy
    artifact_count: int = 100_000

    def with_those_of(self, said: Mapping[str, Any] | None) -> "Quotas":
        """The same with what the namespace's Organization says instead."""
        known = {
            SPELLED[name]: number for name, number in (said or {}).items() if name in SPELLED and number is not None
        }
        return replace(self, **known)


@dataclass(frozen=True, slots=True)
class ArtifactUse:
    """What a namespace has stored, beside what it may."""

    count: int
    bytes: int
    most_count: int
    most_bytes: int

    def admit(self, size: int) -> None:
        """Whether there is room for one more artifact of so many bytes. Raises errors.Denied."""
        if self.most_count and self.count + 1 > self.most_count:
            raise self.refusal()
        if self.room is not None and size > self.room:
            raise self.refusal()

    def without(self, size: int) -> "ArtifactUse":
        """The same before an artifact of so many bytes was added."""
        return replace(self, count=self.count - 1, bytes=self.bytes - size)

    @property
    def room(self) -> int | None:
        """Bytes that are left; None: any number. Less than 0 where the quota was lowered."""
        return self.most_bytes - self.bytes if self.most_bytes else None

    def refusal(self) -> errors.Denied:
        """The answer to an artifact that there is no room for."""
        many = bool(self.most_count) and self.count >= self.most_count
        used = f"{self.count} of {self.most_count} artifacts" if many else f"{self.bytes} of {self.most_bytes} bytes"
        return errors.Denied(
            f"the quota of artifacts of this namespace has no room for this one: {used} are used",
            field=f"quotas.{'artifactCount' if many else 'artifactBytes'}",
            fix=FIX,
        )


@dataclass(frozen=True, slots=True)
class NearlyFull:
    """A namespace that has used most of a quota."""

    namespace: str
    namespace_uid: str
    quota: str  # as an Organization spells it
    used: int
    most: int


class Uses(Protocol):
    """Who has used most of a quota."""

    async def nearly_full(self, share: float, limit: int) -> Sequence[NearlyFull]:
        """Present namespaces that have used this share of a quota, or more. Raises errors.Unavailable."""
        ...


def too_many_runs(most: int) -> errors.Denied:
    """The answer to one more external run."""
    return errors.Denied(
        f"the namespace has {most} open runs, which is its quota",
        field="quotas.openRuns",
        fix=f"end some with avouch attestation reset or push; or an operator may {_RAISE}",
    )


def too_large_states(most: int) -> errors.Denied:
    """The answer to a state that is larger than what is left."""
    return errors.Denied(
        f"the states of the namespace's open runs have more than {most} bytes, which is its quota",
        field="quotas.stateBytes",
        fix=f"end some runs, or keep the state in a file: begin without --remote-state; or an operator may {_RAISE}",
    )
