"""What a Workflow's spec says about runs outside the cluster, read once. Who may attest is `attesters`' to read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from avouch.api import durations

EXPIRY = timedelta(hours=24)  # where the Workflow says nothing


@dataclass(frozen=True, slots=True)
class Rules:
    """How runs of a Workflow are opened and how long they stay open.

    Attributes:
        suspend: no run may be opened.
        older_revisions: a client may choose a revision of the contract that is not the newest.
        gate: the client's command fails where the verdict does not pass.
        expiry: how long a run may stay open without a sign of life.
    """

    suspend: bool = False
    older_revisions: bool = False
    gate: bool = False
    expiry: timedelta = EXPIRY


def read(spec: Mapping[str, Any] | None) -> Rules:
    """The rules of a stored spec; those of a Workflow that is gone are the defaults. Raises errors.Invalid."""
    said = spec or {}
    expiry = said.get("runExpiry")
    return Rules(
        suspend=bool(said.get("suspend")),
        older_revisions=said.get("olderRevisions") is True,
        gate=bool(said.get("gate")),
        expiry=durations.read(str(expiry)) if expiry else EXPIRY,
    )
