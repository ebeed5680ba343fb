"""What a watch tells of one run that changed, and which runs a selector means."""

from types import SimpleNamespace
from typing import Any

import pytest

from avouch.controlplane.model import selectors
from avouch.store import rundocuments

PASSED, FAILED = {"verdict": "Passed"}, {"verdict": "Failed"}
NOT_PENDING = {"verdict": selectors.Not(frozenset({"Pending"}))}


def row(**changes: object) -> Any:
    """A run that was opened at version 3 and passed at version 5."""
    facts = {
        "name": "r", "workflow": "build", "labels": {"app": "shop"}, "own_labels": {"branch": "main"},
        "subject_kind": "PipelineRun", "subject_name": "first", "subject_uid": "u", "result": "Passed",
        "evidence": "cli",
        "created_version": 3, "judged_version": 5, "superseded": None,
    }  # fmt: skip
    return SimpleNamespace(**{**facts, **changes})


# What the run was before version 7 set its first verdict aside.
SET_ASIDE = {"judged_version": 7, "result": "Failed", "superseded": {"verdict": "Passed", "evidence": "", "version": 5}}


@pytest.mark.parametrize(
    ("changes", "since", "filters", "told"),
    [
        ({}, 2, {}, "ADDED"),
        ({}, 3, {}, "MODIFIED"),
        ({}, 4, PASSED, "ADDED"),
        ({}, 5, PASSED, "MODIFIED"),
        ({}, 4, {"verdict": "Pending"}, "DELETED"),
        ({}, 2, {"verdict": "Pending"}, ""),
        ({}, 5, {"verdict": "Pending"}, ""),
        ({}, 4, {"evidence": "cli"}, "ADDED"),
        ({}, 5, {"evidence": "cli"}, "MODIFIED"),
        ({}, 4, {"evidence": ""}, "DELETED"),
        ({}, 4, {"verdict": "Passed", "evidence": "sidecar"}, ""),
        ({}, 4, {"workflow": "build"}, "MODIFIED"),
        ({}, 4, NOT_PENDING, "ADDED"),
        ({}, 5, NOT_PENDING, "MODIFIED"),
        ({}, 4, {"verdict": selectors.Not(frozenset({"Passed"}))}, "DELETED"),
        (SET_ASIDE, 4, PASSED, ""),
        (SET_ASIDE, 5, PASSED, "DELETED"),
        (SET_ASIDE, 6, FAILED, "ADDED"),
        (SET_ASIDE, 7, FAILED, "MODIFIED"),
        (SET_ASIDE, 7, PASSED, ""),
    ],
)
def test_a_change_is_told_by_what_the_watcher_saw_before(
    changes: dict[str, Any], since: int, filters: selectors.Filters, told: str
) -> None:
    assert rundocuments.event(row(**changes), since, filters) == told


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ({}, True),
        ({"name": "r", "workflow": "build", "labels": selectors.labels("app=shop,branch=main")}, True),
        ({"kind": "PipelineRun", "subject": "first", "uid": "u"}, True),
        ({"subject": "second"}, False),
        ({"subject": selectors.Not(frozenset({"second"})), "workflow": selectors.Not(frozenset({"other"}))}, True),
        ({"workflow": selectors.Not(frozenset({"other", "build"}))}, False),
        ({"labels": selectors.labels("branch!=main")}, False),
        ({"name": "other"}, False),
        ({"workflow": "other"}, False),
        ({"name": "r", "workflow": "other"}, False),
        ({"labels": selectors.labels("app=other")}, False),
        ({"labels": selectors.labels("app=shop,team=a")}, False),
        ({"verdict": "Failed", "evidence": "none"}, True),  # which may change
    ],
)
def test_a_run_is_chosen_by_what_never_changes(filters: selectors.Filters, shown: bool) -> None:
    assert rundocuments.chosen(row(), filters) is shown


async def test_the_columns_of_a_table_ask_nothing_of_the_database() -> None:
    nobody: Any = None
    assert await rundocuments.of(nobody, [], ()) == rundocuments.Documents([], [])
