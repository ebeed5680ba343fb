"""What the ingest API reports to metrics: closed words and seconds, never a user's text."""

from typing import Protocol


class Observer(Protocol):
    """Counts requests and pushes."""

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """An ingest request was answered; `operation` is the name of its route."""
        ...

    def claimed(self, outcome: str) -> None:
        """A push ended: created, resent, or the name of a problem."""
        ...


class NoObserver:
    """Does not count."""

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """Do nothing."""

    def claimed(self, outcome: str) -> None:
        """Do nothing."""
