"""When a run is over, and how it ended; its states are in test_record."""

from datetime import UTC, datetime
from typing import Any

import pytest

from avouch.tekton import outcome

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def conditions(*of: tuple[str, str]) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": type_, "status": status} for type_, status in of]}}


@pytest.mark.parametrize(
    ("obj", "over"),
    [
        ({}, False),
        ({"status": None}, False),
        ({"status": {"conditions": None}}, False),
        (conditions(("Succeeded", "Unknown")), False),
        (conditions(("Ready", "True")), False),
        (conditions(("Succeeded", "True")), True),
        (conditions(("Succeeded", "False")), True),
        (conditions(("Ready", "True"), ("Succeeded", "False")), True),
        ({"status": {"conditions": ["Succeeded", {"type": "Succeeded", "status": "True"}]}}, True),
    ],
)
def test_a_run_is_over_once_succeeded_is_true_or_false(obj: dict[str, Any], over: bool) -> None:
    assert outcome.done(obj) is over


def test_of_all_conditions_succeeded_is_the_one_that_counts() -> None:
    found = outcome.of(
        {
            "status": {
                "conditions": [
                    {"type": "Ready", "status": "True", "reason": "r", "message": "m"},
                    {"type": "Succeeded", "status": "False", "reason": "Failed", "message": "step s exited"},
                ]
            }
        }
    )
    assert found == outcome.Outcome(outcome.State.FAILED, "Failed", "step s exited")


@pytest.mark.parametrize(
    "reason",
    ["Cancelled", "CancelledRunningFinally", "StoppedRunningFinally", "PipelineRunCancelled", "TaskRunCancelled"],
)
def test_each_of_tektons_words_for_a_cancelled_run_is_known_and_tells_only_of_what_failed(reason: str) -> None:
    def ended(status: str) -> outcome.State:
        return outcome.of({"status": {"conditions": [{"type": "Succeeded", "status": status, "reason": reason}]}}).state

    assert [ended(status) for status in ("False", "True", "Unknown")] == [
        outcome.State.CANCELED,
        outcome.State.SUCCEEDED,
        outcome.State.RUNNING,
    ]


@pytest.mark.parametrize(
    ("obj", "at"),
    [
        ({"status": {"completionTime": "2026-01-01T00:00:00Z"}}, datetime(2026, 1, 1, tzinfo=UTC)),
        ({"status": {"completionTime": ""}}, NOW),
        ({"status": None}, NOW),
        ({}, NOW),
    ],
)
def test_a_run_was_over_when_it_says_so_itself(obj: dict[str, Any], at: datetime) -> None:
    assert outcome.finished_at(obj, NOW) == at


@pytest.mark.parametrize("said", ["soon", 5, "2026-13-01T00:00:00Z"])
def test_a_time_that_is_none_keeps_no_run_from_its_end(said: object) -> None:
    assert outcome.finished_at({"status": {"completionTime": said}}, NOW) == NOW


def test_the_children_of_a_pipelinerun_are_its_taskruns_with_a_name() -> None:
    references = [
        {"kind": "TaskRun", "name": "a"},
        {"kind": "CustomRun", "name": "b"},
        {"kind": "TaskRun", "name": ""},
        {"kind": "TaskRun"},
        {"kind": "TaskRun", "name": "c"},
    ]
    assert outcome.children({"status": {"childReferences": references}}) == ("a", "c")
    assert outcome.children({"status": {"childReferences": None}}) == outcome.children({}) == ()


def test_an_attempt_says_when_it_started_and_ended() -> None:
    earlier = {"podName": "p0", "startTime": "t0", "completionTime": "t1"}
    found = outcome.attempts({"status": {"podName": "p1", "startTime": "t2", "retriesStatus": [earlier]}})
    assert [(each.pod, each.started, each.finished) for each in found] == [("p0", "t0", "t1"), ("p1", "t2", "")]


def began(generation: int | None, *, pending: bool, started: str = "", over: bool = False) -> str:
    return outcome.began_at(
        {
            "metadata": {"creationTimestamp": "created", "generation": generation},
            "spec": {"status": "PipelineRunPending"} if pending else {},
            "status": {"startTime": started} | (conditions(("Succeeded", "True"))["status"] if over else {}),
        }
    )


@pytest.mark.parametrize("generation", [None, 0, 1])
def test_a_run_began_when_it_was_created_unless_it_waited(generation: int | None) -> None:
    assert began(generation, pending=False) == "created"
    assert began(generation, pending=False, started="later") == "created"
    assert began(generation, pending=True) == ""


@pytest.mark.parametrize(("generation", "pending"), [(2, False), (2, True), (1, True)])
def test_a_run_that_waited_began_when_tekton_started_it_and_at_its_creation_if_it_ended_without(
    generation: int, pending: bool
) -> None:
    assert began(generation, pending=pending) == ""
    assert began(generation, pending=pending, started="later", over=True) == "later"
    assert began(generation, pending=pending, over=True) == "created"
