"""When a Workflow takes new runs: the one rule, which the watch, admission and pods that push all apply. Pure.

A build is taken if its Workflow was Ready and not suspended when the build was created. Both times are the cluster's
own: `metadata.creationTimestamp` of the PipelineRun or TaskRun, and `status.openSince` and `status.openUntil` of the
Workflow. So whoever asks, and however late, gets one answer. They are whole seconds: in the second in which a Workflow
opens or closes, a build is taken.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from avouch import rfc3339

BEGINNING = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Opening:
    """Since when a Workflow takes runs (None: it never did), and until when, where it no longer does."""

    since: datetime | None = None
    until: datetime | None = None

    def turned(self, takes: bool | None, now: datetime) -> "Opening":
        """The same after a look at the Workflow: whether it takes runs; None, where that cannot be told now."""
        now = now.replace(microsecond=0)
        opened = self.since is not None and self.until is None
        if takes is None or takes == opened:
            return self
        return Opening(now) if takes else Opening(self.since, now)

    def refuses(self, workflow: str, created: datetime) -> str:
        """Why a build that was created then is not taken, or ""."""
        at = rfc3339.to_seconds(created)
        if self.since is None:
            return f"it was created at {at}, and Workflow {workflow} is not Ready yet, or suspended"
        if created < self.since:
            since = rfc3339.to_seconds(self.since)
            return f"it was created at {at}, before Workflow {workflow} was Ready and not suspended (since {since})"
        if self.until is not None and created > self.until:
            until = rfc3339.to_seconds(self.until)
            return f"it was created at {at}, while Workflow {workflow} was suspended or not Ready (since {until})"
        return ""
