"""Files of policies on the web and in registries: what namespaces ask for, what was found there, and both ports.

The controller asks and never fetches; a worker fetches and decides nothing. What is pinned by a digest is fetched once.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple, Protocol

from avouch.contract import references
from avouch.values import dataclass

MOST = 1024 * 1024  # bytes of a file
ALL = 8 * MOST  # bytes of all files of a namespace
EACH = 64  # files that one namespace may ask for
AGAIN = timedelta(minutes=5)  # between looks at what is not pinned
WANTED = timedelta(minutes=30)  # since it was last asked for: older files are not fetched again, and make room
FORGOTTEN = timedelta(days=1)  # since it was last asked for: then it is deleted
LEASE = timedelta(minutes=1)  # for a worker to fetch it
FIRST, LONGEST = timedelta(seconds=10), timedelta(minutes=15)  # between tries: twice as long after each failure


class Asked(NamedTuple):
    """A file that is to be fetched: for a namespace, by its reference."""

    namespace_uid: str
    reference: str

    @property
    def pinned(self) -> bool:
        """Whether a digest says what it holds, now and ever."""
        return bool(references.parted(self.reference)[1])


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of it. `content`: None before it was fetched; `failure`: why it was not, the last time."""

    content: bytes | None = None
    failure: str = ""


class Fetches(Protocol):
    """What the controller asks for."""

    async def ask(self, namespace_uid: str, references: frozenset[str], *, epoch: int) -> Mapping[str, Fetched]:
        """What is known of files by now; those that nobody asked for before are going to be fetched.

        Raises:
            errors.Conflict: the Lease is lost. errors.Unavailable: the database does not answer.
        """
        ...


class Due(Protocol):
    """What a worker fetches; each method raises errors.Unavailable."""

    async def due(self, most: int) -> Sequence[Asked]:
        """Files to fetch now, of as many namespaces as can be; nobody else gets them while the lease lasts."""
        ...

    async def keep(self, asked: Asked, content: bytes) -> None:
        """Keep what a file holds; where the namespace has no room for it, that is its failure."""
        ...

    async def fail(self, asked: Asked, why: str) -> None:
        """Keep why it was not fetched; it is tried again after a while."""
        ...

    async def forget(self) -> int:
        """Delete what nobody has asked for in a long time; how many that were."""
        ...
