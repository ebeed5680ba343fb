"""What can go wrong on the way to a cluster, said so that a person can act on it."""

import sys
from collections.abc import Callable


class ClusterError(Exception):
    """A step failed; the message says which, and where its log is."""


class Impossible(ClusterError):
    """This machine cannot run what was asked for; the message names what is missing."""


def exit_code(run: Callable[[], int | None]) -> int:
    """What a command line ends with: the code of `run` (none: 0), 1 failed, 3 not possible on this machine."""
    try:
        return run() or 0
    except Impossible as reason:
        print(f"not possible on this machine: {reason}", file=sys.stderr)
        return 3
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
