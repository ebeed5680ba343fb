"""What the soak calls wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.soak import account, builds
from tests.soak.account import Away, Build, Verdict

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FILE, NO_FILE, VALUE = (Build("b", builds.SORTS[name], (NOON,)) for name in ("file", "no-file", "value"))
UNCOVERED = Build("b", builds.SORTS["uncovered"], (NOON,))
AWAY = [Away(NOON - timedelta(seconds=1), NOON + timedelta(seconds=1))]
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
        (UNCOVERED, [Verdict("r", "Passed")], "b: no Workflow covers it, and it has 1 runs"),
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


def test_a_verdict_that_becomes_another_one_or_goes_is_told() -> None:
    before = {"a": "Passed", "b": "Passed", "c": "Failed"}
    assert account.changed(before, {"a": "Passed", "b": "Failed", "d": "Passed"}) == [
        "b: was Passed, is Failed",
        "c: was Failed, is gone",
    ]
