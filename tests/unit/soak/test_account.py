"""What the soak calls wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.soak import account, builds, records
from tests.soak.account import Build, Finding, Happened, Pod, Span, Verdict

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def made(sort: str, minutes: int = 0) -> Build:
    """A build that was created so many minutes after noon."""
    at = NOON + minutes * MINUTE
    return Build("b", builds.SORTS[sort], at, at, (Pod(at),))


def failed(*findings: Finding) -> Verdict:
    return Verdict("r", "Failed", findings)


FILE, NO_FILE, VALUE, UNCOVERED = map(made, ("file", "no-file", "value", "uncovered"))
AT_NOON = Span(NOON - timedelta(seconds=1), NOON + timedelta(seconds=1))
AWAY = Happened(away=[AT_NOON])
NOT_READ = "no sidecar was in the pod of TaskRun t, so its files were not read"
UNINJECTED = Finding(
    "MaterialMissing", f"{NOT_READ}: the webhook left the pod alone, or did not answer when it was created"
)
LOST = failed(UNINJECTED)
UNSENT = "the sidecar of TaskRun t did not push its claim: nothing was attested: POST /v1/runs: 503: Try again"
SILENT = Finding("SidecarMissing", UNSENT)
UNHEARD = failed(SILENT, Finding("MaterialMissing", f"material report (ARTIFACT) was not delivered: {UNSENT}"))
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("build", [FILE, VALUE])
def test_the_one_verdict_that_it_must_be_is_right(build: Build) -> None:
    assert account.problem(build, [Verdict("r", "Passed")]) == ""


@pytest.mark.parametrize(
    ("build", "found", "said"),
    [
        (FILE, [], "b: 0 runs, not one"),
        (FILE, [Verdict("r", "Passed"), Verdict("q", "Passed")], "b: 2 runs, not one"),
        (FILE, [Verdict("r", "Pending")], "b: r is still Pending, not Passed"),
        (FILE, [UNHEARD], "b: r is Failed (SidecarMissing, MaterialMissing), not Passed"),
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
    later = replace(FILE, pods=(Pod(NOON + MINUTE),))
    assert account.problem(later, [LOST], AWAY) != ""
    again = replace(FILE, pods=(Pod(NOON + MINUTE), Pod(NOON)))  # the last one counts, in whatever order they are seen
    assert account.problem(again, [LOST], AWAY) != ""


def ending(seconds: float) -> Build:
    """A build with a sidecar whose last step ended so many seconds after noon."""
    at = NOON + seconds * SECOND
    return replace(FILE, pods=(Pod(at - MINUTE, injected=True, started=at - MINUTE, stopped=at),), ended=at + MINUTE)


@pytest.mark.parametrize(("seconds", "excused"), [(-22, False), (-20, True), (0, True), (1, True), (2, False)])
def test_a_sidecar_that_says_that_nobody_answered_is_believed_where_avouch_was_away(
    seconds: float, excused: bool
) -> None:
    assert (account.problem(ending(seconds), [UNHEARD], AWAY) == "") is excused


def test_where_the_end_of_the_steps_was_not_seen_that_of_the_build_counts() -> None:
    (pod,) = ending(0).pods
    unseen = replace(ending(0), pods=(replace(pod, stopped=None),))
    assert account.problem(replace(unseen, ended=NOON), [UNHEARD], AWAY) == ""
    assert account.problem(unseen, [UNHEARD], AWAY) != ""
    assert account.problem(replace(unseen, ended=None), [UNHEARD], AWAY) != ""


@pytest.mark.parametrize(
    "message",
    [
        "the sidecar of TaskRun t did not push its claim",
        "the sidecar of TaskRun t did not push its claim: its pod was deleted",
        "the sidecar of TaskRun t did not push its claim: w: the server answered 403: Denied",
        "the sidecar of TaskRun t did not push its claim: its image cannot be pulled: nope",
    ],
)
def test_a_sidecar_that_says_anything_else_is_not_excused(message: str) -> None:
    assert account.problem(ending(0), [failed(Finding("SidecarMissing", message))], AWAY) != ""


def test_a_reason_that_the_pods_do_not_bear_out_is_not_believed() -> None:
    assert account.problem(ending(0), [LOST], AWAY) != ""
    assert account.problem(FILE, [UNHEARD], AWAY) != ""
    assert account.problem(replace(FILE, pods=()), [LOST], AWAY) != ""


@pytest.mark.parametrize(
    ("build", "found"),
    [
        (FILE, failed()),
        (FILE, failed(Finding("RunFailed", NOT_READ))),
        (FILE, failed(UNINJECTED, Finding("RunFailed", ""))),
        (FILE, failed(Finding("MaterialMissing", NOT_READ))),
        (FILE, failed(Finding("EvidenceRefused", UNINJECTED.message))),
        (FILE, Verdict("r", "Rejected", (UNINJECTED,))),
        (FILE, Verdict("r", "Pending")),
        (NO_FILE, Verdict("r", "Passed")),
        (VALUE, LOST),
    ],
)
def test_nothing_else_is_excused_by_that(build: Build, found: Verdict) -> None:
    assert account.problem(build, [found], AWAY) != ""


PASSED, FAILED = [Verdict("r", "Passed")], [failed(Finding("MaterialMissing", "more"))]
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


def test_what_is_known_of_a_build_stands_in_order_among_the_nearest_faults() -> None:
    build = replace(ending(0), condition="True Succeeded: done")
    spans = {name: Span(NOON + at * MINUTE, NOON + at * MINUTE + 5 * SECOND) for name, at in FAULTS.items()}
    found = [replace(UNHEARD, judged=NOON + 2 * MINUTE)]
    assert account.told(build, found, Happened(faults=tuple(spans.items()))) == [
        "  -180 s  fault: before, for 5 s",
        "   -60 s  pod 0 created, with a sidecar",
        "   -60 s  pod 0: the first step started",
        "    +0 s  created",
        "    +0 s  fault: meanwhile, for 5 s",
        "    +0 s  pod 0: the last step ended",
        "   +60 s  Done: True Succeeded: done",
        "  +120 s  r judged Failed",
        "  +180 s  fault: after, for 5 s",
        f"SidecarMissing: {UNSENT}",
        f"MaterialMissing: material report (ARTIFACT) was not delivered: {UNSENT}",
    ]


FAULTS = {"long before": -9, "before": -3, "meanwhile": 0, "after": 3, "long after": 9}


def test_a_build_of_which_no_end_was_seen_says_so() -> None:
    assert account.told(replace(FILE, condition="Unknown Running"), [], Happened())[-1] == (
        "never seen Done: Unknown Running"
    )


def test_of_a_log_is_kept_what_names_the_build_or_a_webhook_that_did_not_answer() -> None:
    lines = ["b0001-file-make-pod created\n", "b0002-file\n", "Failed calling webhook, failing open avouch\n"]
    assert records.about("b0001-file", lines) == [lines[0].rstrip(), lines[2].rstrip()]
