"""Which builds a Workflow takes: those that were created while it was Ready and not suspended."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avouch.controlplane.model.opening import BEGINNING, Opening

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("opening", "created", "why"),
    [
        (Opening(), at(0), "it was created at 2026-01-01T12:00:00Z, and Workflow w is not Ready yet, or suspended"),
        (Opening(at(0)), at(-1), "before Workflow w was Ready and not suspended (since 2026-01-01T12:00:00Z)"),
        (Opening(at(0)), at(0), ""),
        (Opening(at(0)), at(9000), ""),
        (Opening(at(0), at(10)), at(-1), "before Workflow w was Ready"),
        (Opening(at(0), at(10)), at(10), ""),
        (Opening(at(0), at(10)), at(11), "while Workflow w was suspended or not Ready (since 2026-01-01T12:00:10Z)"),
        (Opening(BEGINNING), at(0), ""),
    ],
)
def test_a_build_is_taken_by_the_time_of_its_creation(opening: Opening, created: datetime, why: str) -> None:
    said = opening.refuses("w", created)
    assert why in said
    assert bool(said) is bool(why)


def test_it_opens_stays_open_closes_and_opens_anew() -> None:
    opened = Opening().turned(True, at(0.9))
    assert opened == Opening(at(0))
    assert opened.turned(True, at(50)) is opened
    closed = opened.turned(False, at(60.5))
    assert closed == Opening(at(0), at(60))
    assert closed.turned(False, at(70)) == closed
    assert closed.turned(True, at(80)) == Opening(at(80))


def test_what_cannot_be_told_now_opens_and_closes_nothing() -> None:
    for opening in (Opening(), Opening(at(0)), Opening(at(0), at(5))):
        assert opening.turned(None, at(9)) is opening
    assert Opening().turned(False, at(9)) == Opening()


@given(
    st.lists(st.tuples(st.sampled_from([True, False, None]), st.integers(0, 100)), max_size=12), st.integers(0, 1200)
)
def test_whatever_became_of_the_workflow_since_a_build_between_is_taken_as_at_the_last_turn(
    looks: list[tuple[bool | None, int]], created: int
) -> None:
    opening, now, taking, taken = Opening(), 0, False, False
    for takes, later in looks:
        now += later
        opening, taking = opening.turned(takes, at(now)), taking if takes is None else takes
    taken = not opening.refuses("w", at(created))
    if taking and created >= now:
        assert taken
    if not taking and created > now:
        assert not taken
    assert not taken or (opening.since is not None and created >= (opening.since - NOON).total_seconds())
