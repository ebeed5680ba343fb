"""Where a state is kept between two commands, and how it is changed by several of them at once."""

from collections.abc import Callable
from typing import Protocol

from avouch import errors
from avouch.crafting import state as states

Step = Callable[[states.State], states.State]


class StateStore(Protocol):
    """A place for one state: a file of this machine, or the server."""

    @property
    def place(self) -> str:
        """Where that is, for people."""
        ...

    def load(self) -> states.State:
        """The state.

        Raises:
            NotFound: there is none.
            Invalid: what is there is none.
            Unavailable: it cannot be read now.
        """
        ...

    def create(self, state: states.State, *, replace: bool = False) -> None:
        """Keep a first state.

        Raises:
            Conflict: there is one, and it is not to be replaced.
            Unavailable: it cannot be written now.
        """
        ...

    def change(self, step: Step) -> states.State:
        """Apply a step to what is kept, so that of two steps at once none is lost; the step may run several times.

        Raises:
            NotFound: there is none.
            Conflict: others changed it again and again.
            Unavailable: it cannot be reached, or is held by another process.
        """
        ...

    def remove(self) -> None:
        """Delete the state, if there is one."""
        ...


def exists(place: str) -> errors.Conflict:
    """The error that a state exists and is not to be replaced."""
    return errors.Conflict(
        f"attestation already initialized ({place}); fix: push or reset it, or init --replace (-f) to start over"
    )


def absent(place: str) -> errors.NotFound:
    """The error that no state exists."""
    return errors.NotFound(f"no attestation is in progress ({place}); fix: start one with attestation init")
