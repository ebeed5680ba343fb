"""Runs that somebody deletes: what is asked for, and the ports of what stays."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from avouch.controlplane.model import views


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants a run deleted, why, and when that was said. `by` is the name of the cluster's user."""

    by: str
    reason: str
    at: datetime


class Deletions(views.Pages, Protocol):
    """What was deleted, and having more of it deleted; each method raises errors.Unavailable."""

    async def ask(self, namespace: str, name: str, asked: Asked) -> dict[str, Any]:
        """Have a judged run deleted; the record of it. Asked again, the first record counts.

        Raises:
            errors.NotFound: there is no such run.
            errors.Conflict: it has no verdict yet.
        """
        ...
