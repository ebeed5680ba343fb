"""A Workflow's spec as the intake reads it."""

from datetime import timedelta
from typing import Any

import pytest

from avouch import errors
from avouch.controlplane.model import workflowspecs


@pytest.mark.parametrize(
    ("spec", "rules"),
    [
        (None, workflowspecs.Rules()),
        ({}, workflowspecs.Rules(False, False, False, timedelta(hours=24))),
        ({"suspend": True, "gate": True}, workflowspecs.Rules(suspend=True, gate=True)),
        ({"olderRevisions": True, "runExpiry": "90m"}, workflowspecs.Rules(False, True, False, timedelta(minutes=90))),
        ({"olderRevisions": "true"}, workflowspecs.Rules()),  # what is not understood allows nothing
    ],
)
def test_rules_are_read_and_left_out_ones_have_defaults(
    spec: dict[str, Any] | None, rules: workflowspecs.Rules
) -> None:
    assert workflowspecs.read(spec) == rules


def test_an_expiry_that_is_no_duration_is_invalid() -> None:
    with pytest.raises(errors.Invalid):
        workflowspecs.read({"runExpiry": "soon"})
