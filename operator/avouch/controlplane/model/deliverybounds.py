"""How many deliveries may be in flight, and when a receiver that does not answer is left alone. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

THRESHOLD = 4  # failures in a row that open the breaker
FIRST = 10.0  # seconds that it stays open at first; doubled with each probe that fails
LONGEST = 60.0  # seconds; a receiver that answers again, or whose address was corrected, is found within them


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that one worker has in flight."""

    total: int = 256
    namespace: int = 32
    attachment: int = 8


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many deliveries may begin now: in all, of each namespace, to each attachment.

    `namespaces` and `attachments` (by UID) hold those that have less than the whole of it.
    """

    total: int
    namespace: int
    attachment: int
    namespaces: Mapping[str, int] = field(default_factory=dict)
    attachments: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Breaker:
    """Circuit breaker of one attachment: closed, open until a moment, then half open for one probe at a time."""

    failures: int = 0
    until: float = 0.0  # monotonic seconds

    def allows(self, now: float, most: int) -> int:
        """How many deliveries may be in flight to the receiver."""
        if self.failures < THRESHOLD:
            return most
        return 0 if now < self.until else 1

    def failed(self, now: float, asked: float = 0.0) -> "Breaker":
        """After a delivery failed; `asked` is how many seconds the receiver itself asked for."""
        failures = self.failures + 1
        opened = min(FIRST * (1 << min(max(failures - THRESHOLD, 0), 8)), LONGEST) if failures >= THRESHOLD else 0.0
        if asked:
            failures, opened = max(failures, THRESHOLD), max(opened, min(asked, LONGEST))
        return Breaker(failures, max(self.until, now + opened))
