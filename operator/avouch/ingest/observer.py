"""What the door tells whoever counts: closed words and seconds, never a user's text."""

from typing import Protocol


class Observer(Protocol):
    """Counts what happened at the door."""

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """An ingest request was answered; `operation` is the name of its route."""
        ...

    def claimed(self, outcome: str) -> None:
        """A push ended: created, resent, or the name of a problem."""
        ...


class NoObserver:
    """Counts nothing."""

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """Forget it."""

    def claimed(self, outcome: str) -> None:
        """Forget it."""
