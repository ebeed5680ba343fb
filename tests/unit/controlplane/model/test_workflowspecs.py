"""A Workflow's spec as the intake reads it."""

from datetime import timedelta
from typing import Any

import pytest

from avouch import errors
from avouch.api import workflow
from avouch.controlplane.model import workflowspecs


@pytest.mark.parametrize(
    ("spec", "rules"),
    [
        (None, workflowspecs.Rules()),
        ({}, workflowspecs.Rules(False, False, False, timedelta(hours=24))),
        ({"suspend": True, "gate": True}, workflowspecs.Rules(suspend=True, gate=True)),
        ({"olderRevisions": True, "runExpiry": "90m"}, workflowspecs.Rules(False, True, False, timedelta(minutes=90))),
        ({"tekton": {}}, workflowspecs.Rules(external_runs=False)),
        ({"tekton": {}, "externalRuns": True}, workflowspecs.Rules(external_runs=True)),
        ({"externalRuns": False}, workflowspecs.Rules(external_runs=False)),
        (
            {"attesters": {"serviceAccounts": ["sa"]}},
            workflowspecs.Rules(attesters=workflow.Attesters(service_accounts=["sa"])),
        ),
    ],
)
def test_rules_are_read_and_left_out_ones_have_defaults(
    spec: dict[str, Any] | None, rules: workflowspecs.Rules
) -> None:
    assert workflowspecs.read(spec, "build") == rules


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"runExpiry": "soon"}, "spec.runExpiry"),
        ({"olderRevisions": "true"}, "spec.olderRevisions"),
        ({"suspend": 1}, "spec.suspend"),
        ({"gate": None}, "spec.gate"),
        ({"externalRuns": "yes"}, "spec.externalRuns"),
    ],
)
def test_a_field_of_another_type_is_refused_by_its_name(said: dict[str, Any], field: str) -> None:
    with pytest.raises(errors.Invalid, match="Workflow build: ") as refused:
        workflowspecs.read(said, "build")
    assert refused.value.field == field
