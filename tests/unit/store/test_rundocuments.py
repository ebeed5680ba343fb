"""What a watch tells of one run that changed, and which runs a selector means."""

from types import SimpleNamespace
from typing import Any

import pytest

from avouch import errors
from avouch.store import rundocuments

PASSED, FAILED = {"verdict": "Passed"}, {"verdict": "Failed"}


def row(**changes: object) -> Any:
    """A run that was opened at version 3 and passed at version 5."""
    facts = {
        "name": "r", "workflow": "build", "labels": {"app": "shop"}, "result": "Passed", "evidence": "cli",
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
        (SET_ASIDE, 4, PASSED, ""),
        (SET_ASIDE, 5, PASSED, "DELETED"),
        (SET_ASIDE, 6, FAILED, "ADDED"),
        (SET_ASIDE, 7, FAILED, "MODIFIED"),
        (SET_ASIDE, 7, PASSED, ""),
    ],
)
def test_a_change_is_told_by_what_the_watcher_saw_before(
    changes: dict[str, Any], since: int, filters: dict[str, str], told: str
) -> None:
    assert rundocuments.event(row(**changes), since, filters) == told


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ({}, True),
        ({"name": "r", "workflow": "build", "labels": "app=shop"}, True),
        ({"name": "other"}, False),
        ({"workflow": "other"}, False),
        ({"name": "r", "workflow": "other"}, False),
        ({"labels": "app=other"}, False),
        ({"labels": "app=shop,team=a"}, False),
        ({"verdict": "Failed", "evidence": "none"}, True),  # which may change
    ],
)
def test_a_run_is_chosen_by_what_never_changes(filters: dict[str, str], shown: bool) -> None:
    assert rundocuments.chosen(row(), filters) is shown


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        ("", {}),
        (" , ", {}),
        ("a=b", {"a": "b"}),
        (" a = b ,c==d,", {"a": "b", "c": "d"}),
        ("a=", {"a": ""}),
    ],
)
def test_a_selector_is_read(selector: str, wanted: dict[str, str]) -> None:
    assert rundocuments.labels(selector) == wanted


@pytest.mark.parametrize("selector", ["a", "a!=b", "a=b,c", "a in (b)", "c=d,a!=b"])
def test_a_selector_of_another_kind_is_refused(selector: str) -> None:
    with pytest.raises(errors.Invalid, match="equal labels only") as refused:
        rundocuments.labels(selector)
    assert (refused.value.field, refused.value.fix) == ("labelSelector", "write key=value")
