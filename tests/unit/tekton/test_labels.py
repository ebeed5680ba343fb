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
