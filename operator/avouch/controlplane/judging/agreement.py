"""Whether what was seen and what was claimed of one thing fits together.

Pure. Values are compared as sets, so the order of claims cannot matter.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from avouch.controlplane.judging.cluster_record import STRING, Seen
from avouch.tekton import paramvalues

Identity: TypeAlias = Callable[[Seen], str]
"""What makes two observations the same."""


def identity_of(type_: str) -> Identity:
    """A string is its value; everything else is its digest."""
    return value_of if type_ == STRING else (lambda seen: seen.digest)


def value_of(seen: Seen) -> str:
    """The value, in one spelling where it is an array or object: the pod has it as the step wrote it."""
    return paramvalues.normalized(seen.value)


def disagreement(status: tuple[Seen, ...], told: tuple[Seen, ...], identity: Identity) -> tuple[Seen, Seen] | None:
    """Two that contradict each other, or None. The same for every order of claims.

    1. A claim is compared with its own TaskRun's status, else with what all statuses show.
    2. Claims about one TaskRun must be equal.
    3. Claims of different TaskRuns of one task are a matrix and add; those of different tasks must fit together.
    """
    told = tuple(sorted(told, key=lambda seen: (identity(seen), seen.who)))
    for seen in told:  # 1
        shown = tuple(s for s in status if s.taskrun_uid == seen.taskrun_uid) or status
        if shown and identity(seen) not in {identity(s) for s in shown}:
            return seen, shown[0]
    for one in told:  # 2, 3
        for other in told:
            same_run = one.taskrun_uid == other.taskrun_uid and identity(one) != identity(other)
            if same_run or not _fit(one.task, other.task, told, identity):
                return one, other
    return None


def _fit(task: str, other: str, told: Iterable[Seen], identity: Identity) -> bool:
    found: dict[str, set[str]] = {task: set(), other: set()}
    for seen in told:
        if seen.task in found:
            found[seen.task].add(identity(seen))
    return found[task] | found[other] in found.values()  # one holds all of the other


def both(pair: tuple[Seen, Seen]) -> str:
    """Who says what, in an order that does not depend on who came first."""
    one, other = sorted(pair, key=lambda seen: seen.who)
    return " but ".join(f"{seen.who} says {str(seen)!r}" for seen in (one, other))
