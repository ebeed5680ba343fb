"""Where the history of the database begins: what ended before that was judged elsewhere, or never, and stays so.

A database that is emptied has an identity of its own. One that is restored from a backup has the old one, and a `mark`
that lies behind the mark that the cluster remembers of it: the controller alone moves the mark, so nothing that
servers and workers write meanwhile hides that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias

from avouch import rfc3339


class Change(StrEnum):
    """What became of the database since the cluster last remembered it."""

    NONE = ""
    ANOTHER = "DatabaseReplaced"
    REWOUND = "DatabaseRewound"


@dataclass(frozen=True, slots=True)
class History:
    """One database's own: made at `born_at`, once; put back to an earlier state as noticed at `rewound_at`."""

    identity: str
    born_at: datetime
    mark: int = 0
    rewound_at: datetime | None = None

    @property
    def begins(self) -> datetime:
        """What ended before has no run that is to be opened now; of what began before claims may be lost.

        A whole second, as the times of builds are, which it is compared with.
        """
        return (self.rewound_at or self.born_at).replace(microsecond=0)

    @property
    def why(self) -> str:
        """The same for people."""
        if self.rewound_at is None:
            return f"the database was made at {rfc3339.to_seconds(self.born_at)}"
        return f"the database was put back to an earlier state (noticed at {rfc3339.to_seconds(self.rewound_at)})"

    @property
    def remembered(self) -> str:
        """What the cluster remembers of it: `<identity>/<mark>`."""
        return f"{self.identity}/{self.mark}"

    def since(self, remembered: str) -> Change:
        """What became of it since this was remembered; what cannot be read was never remembered."""
        identity, _, mark = remembered.partition("/")
        if not identity or not mark.isdecimal():
            return Change.NONE
        if identity != self.identity:
            return Change.ANOTHER
        return Change.REWOUND if self.mark < int(mark) else Change.NONE


Begins: TypeAlias = Callable[[], History | None]
"""The history as it is known now."""


class Histories(Protocol):
    """The history of the database."""

    async def look(self, *, epoch: int) -> History:
        """The history as it was, and move its mark to what was written since. Raises errors.Unavailable."""
        ...

    async def rewound(self, remembered: int, *, epoch: int) -> History:
        """Record that the database was put back to a state before this mark, and go on behind it."""
        ...
