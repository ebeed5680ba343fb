"""What fits together: the claims of a matrix add, those of different tasks are one the part of the other."""

import pytest

from avouch.controlplane.judging import agreement
from avouch.controlplane.judging.cluster_record import Seen

BUILD = [Seen("build", f"build-{number}", f"the claim of build-{number}", digest=str(number)) for number in range(3)]


def lint(number: int) -> Seen:
    return Seen("lint", f"lint-{number}", f"the claim of lint-{number}", digest=str(number))


@pytest.mark.parametrize(
    ("told", "agrees"),
    [
        (BUILD, True),
        ([*BUILD, lint(0), lint(1)], True),
        ([BUILD[0], lint(0), lint(1)], True),
        ([*BUILD, lint(2), lint(3)], False),  # they share one, and each has another of its own
        ([BUILD[0], lint(1)], False),
    ],
)
def test_what_two_tasks_say_fits_where_one_says_a_part_of_the_other(told: list[Seen], agrees: bool) -> None:
    pair = agreement.disagreement((), tuple(told), agreement.identity_of("ARTIFACT"))
    assert (pair is None) is agrees


def test_a_claim_is_held_against_what_its_own_taskrun_shows_and_else_against_all() -> None:
    shown, digest = (BUILD[0], BUILD[1]), agreement.identity_of("ARTIFACT")
    assert agreement.disagreement(shown, (BUILD[0], BUILD[1]), digest) is None
    assert agreement.disagreement(shown, (lint(1),), digest) is None
    other = Seen("build", "build-0", "the claim of build-0", digest="1")
    assert agreement.disagreement(shown, (other,), digest) == (other, BUILD[0])
    assert agreement.disagreement(shown, (lint(2),), digest) == (lint(2), BUILD[0])
