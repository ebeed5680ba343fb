"""The owner that can be trusted, and labels that cannot."""

from typing import Any

import pytest

from avouch.tekton import labels

OWNER = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": "build", "uid": "u", "controller": True}


def owned(*references: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"ownerReferences": list(references)}}


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        ((OWNER,), labels.Owner("TaskRun", "build", "u")),
        ((OWNER | {"apiVersion": "tekton.dev/v1beta1"},), labels.Owner("TaskRun", "build", "u")),
        (({**OWNER, "controller": False}, OWNER | {"name": "other"}), labels.Owner("TaskRun", "other", "u")),
        ((), None),
        ((OWNER, OWNER | {"uid": "v"}), None),
        ((OWNER | {"controller": "true"},), None),
        ((OWNER | {"apiVersion": "tekton.dev.evil/v1"},), None),
        ((OWNER | {"apiVersion": "v1"},), None),
        ((OWNER | {"kind": "PipelineRun"},), None),
        ((OWNER | {"name": ""},), None),
        ((OWNER | {"uid": ""},), None),
    ],
)
def test_the_owner_is_the_only_controller_of_the_kind_that_is_asked_for(
    references: tuple[dict[str, Any], ...], expected: labels.Owner | None
) -> None:
    assert labels.controller(owned(*references), "TaskRun") == expected


def test_a_label_that_is_no_text_is_none() -> None:
    assert labels.of({"metadata": {"labels": {"a": "b", "c": 1, "d": ["e"], "f": None}}}) == {"a": "b"}
    assert labels.of({"metadata": {"labels": "nonsense"}}) == {}


@pytest.mark.parametrize(
    ("owners", "label", "expected"),
    [
        ((), "", ""),
        ((), "labelled", "labelled"),
        ((OWNER,), "labelled", "build"),
        (({**OWNER, "controller": False},), "", "build"),
        (({**OWNER, "name": ""}, OWNER), "", "build"),
        (({**OWNER, "kind": "PipelineRun"},), "labelled", "labelled"),
        (({**OWNER, "apiVersion": "batch/v1"},), "", ""),
    ],
)
def test_a_pod_works_for_the_taskrun_of_any_owner_or_of_its_label(
    owners: tuple[dict[str, Any], ...], label: str, expected: str
) -> None:
    written = {"tekton.dev/taskRun": label} if label else {}
    pod = {"metadata": {"ownerReferences": list(owners), "labels": written}}
    assert labels.claimed_taskrun(pod) == expected
