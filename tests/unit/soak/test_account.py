"""What the soak calls wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.soak import account, builds
from tests.soak.account import Build, Happened, Span, Verdict

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def made(sort: str, minutes: int = 0) -> Build:
    """A build that was created so many minutes after noon."""
    at = NOON + minutes * MINUTE
    return Build("b", builds.SORTS[sort], at, at, (at,))


FILE, NO_FILE, VALUE, UNCOVERED = map(made, ("file", "no-file", "value", "uncovered"))
AT_NOON = Span(NOON - timedelta(seconds=1), NOON + timedelta(seconds=1))
AWAY = Happened(away=[AT_NOON])
LOST = Verdict("r", "Failed", ("SidecarMissing", "MaterialMissing"))


@pytest.mark.parametrize("build", [FILE, VALUE])
def test_the_one_verdict_that_it_must_be_is_right(build: Build) -> None:
    assert account.problem(build, [Verdict("r", "Passed")]) == ""


@pytest.mark.parametrize(
    ("build", "found", "said"),
    [
        (FILE, [], "b: 0 runs, not one"),
        (FILE, [Verdict("r", "Passed"), Verdict("q", "Passed")], "b: 2 runs, not one"),
        (FILE, [Verdict("r", "Pending")], "b: r is still Pending, not Passed"),
        (FILE, [LOST], "b: r is Failed (SidecarMissing, MaterialMissing), not Passed"),
        (NO_FILE, [Verdict("r", "Passed")], "b: r is Passed (no finding), not Failed"),
        (UNCOVERED, [Verdict("r", "Passed")], "b: no Workflow takes it, and it has 1 runs"),
    ],
)
def test_whatever_else_is_wrong(build: Build, found: list[Verdict], said: str) -> None:
    assert account.problem(build, found) == said


def test_what_no_workflow_covers_has_no_run() -> None:
    assert account.problem(UNCOVERED, []) == ""


def test_a_pod_that_began_while_nothing_could_tell_what_it_owes_may_lack_its_sidecar() -> None:
    assert account.problem(FILE, [LOST], AWAY) == ""
    later = replace(FILE, pods=(NOON + timedelta(minutes=1),))
    assert account.problem(later, [LOST], AWAY) != ""


@pytest.mark.parametrize(
    ("build", "found"),
    [
        (FILE, Verdict("r", "Failed", ("RunFailed",))),
        (FILE, Verdict("r", "Rejected", ("MaterialContradicted",))),
        (FILE, Verdict("r", "Pending")),
        (NO_FILE, Verdict("r", "Passed")),
        (VALUE, LOST),
    ],
)
def test_nothing_else_is_excused_by_that(build: Build, found: Verdict) -> None:
    assert account.problem(build, [found], AWAY) != ""


PASSED, FAILED = [Verdict("r", "Passed")], [Verdict("r", "Failed", ("MaterialMissing",))]
TWICE = Span(NOON + 10 * MINUTE, NOON + 11 * MINUTE)


@pytest.mark.parametrize(
    ("sort", "minutes", "right", "wrong"),
    [
        ("suspended", -1, [PASSED], [[], FAILED, [Verdict("r", "Pending")], [*PASSED, *PASSED]]),
        ("suspended", 1, [[]], [PASSED, FAILED]),
        ("suspended", 12, [PASSED], [[]]),
        ("suspended", 0, [[], PASSED], [FAILED, [*PASSED, *PASSED]]),
        ("changed", -1, [PASSED], [[], FAILED]),
        ("changed", 1, [FAILED], [[], PASSED]),
        ("changed", 12, [PASSED], [[], FAILED]),
        ("changed", 0, [PASSED, FAILED], [[Verdict("r", "Rejected")]]),
        ("recreated", 1, [PASSED], [[], FAILED]),
    ],
)
def test_what_a_build_must_get_follows_the_turns_before_it(
    sort: str, minutes: int, right: list[list[Verdict]], wrong: list[list[Verdict]]
) -> None:
    happened = Happened(turns={sort: [AT_NOON, TWICE]})
    assert [account.problem(made(sort, minutes), found, happened) for found in right] == [""] * len(right)
    assert all(account.problem(made(sort, minutes), found, happened) for found in wrong)


def test_a_build_that_began_in_a_turn_after_it_was_created_may_get_either() -> None:
    waited = replace(made("changed", -1), began=NOON)
    happened = Happened(turns={"changed": [AT_NOON]})
    assert {account.problem(waited, found, happened) for found in (PASSED, FAILED)} == {""}


def test_a_turn_of_another_workflow_decides_nothing() -> None:
    assert account.problem(made("suspended", 1), PASSED, Happened(turns={"changed": [AT_NOON]})) == ""


def test_a_verdict_that_becomes_another_one_or_goes_is_told() -> None:
    before = {"a": "Passed", "b": "Passed", "c": "Failed"}
    assert account.changed(before, {"a": "Passed", "b": "Failed", "d": "Passed"}) == [
        "b: was Passed, is Failed",
        "c: was Failed, is gone",
    ]
