"""A Workflow's spec as the intake reads it."""

from datetime import timedelta
from typing import Any

import pytest

from avouch import errors
from avouch.api import workflow
from avouch.api.vocabulary import Enforcement
from avouch.controlplane.model import workflowspecs


@pytest.mark.parametrize(
    ("spec", "rules"),
    [
        (None, workflowspecs.Rules()),
        ({}, workflowspecs.Rules(False, False, Enforcement.WARN, timedelta(hours=24))),
        ({"suspend": True, "gate": True}, workflowspecs.Rules(suspend=True, enforcement=Enforcement.GATE)),
        ({"enforcement": "observe"}, workflowspecs.Rules(enforcement=Enforcement.OBSERVE)),
        ({"enforcement": "gate"}, workflowspecs.Rules(enforcement=Enforcement.GATE)),
        ({"enforcement": "observe", "gate": True}, workflowspecs.Rules(enforcement=Enforcement.GATE)),
        (
            {"olderRevisions": True, "runExpiry": "90m"},
            workflowspecs.Rules(older_revisions=True, expiry=timedelta(minutes=90)),
        ),
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
        ({"enforcement": "Gate"}, "spec.enforcement"),
    ],
)
def test_a_field_of_another_type_is_refused_by_its_name(said: dict[str, Any], field: str) -> None:
    with pytest.raises(errors.Invalid, match="Workflow build: ") as refused:
        workflowspecs.read(said, "build")
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("spec", "takes"),
    [
        ({}, True),
        ({"tekton": {}}, False),
        ({"tekton": {"inject": "never"}}, False),
        ({"tekton": {}, "externalRuns": True}, True),
        ({"externalRuns": False}, False),
    ],
)
def test_external_runs_are_taken_where_the_workflow_says_so_or_has_nothing_to_do_with_tekton(
    spec: dict[str, Any], takes: bool
) -> None:
    assert workflowspecs.takes_external_runs(spec, "build") is takes


def test_a_workflow_that_is_not_understood_takes_no_external_run() -> None:
    with pytest.raises(errors.Invalid) as refused:
        workflowspecs.takes_external_runs({"externalRuns": "yes"}, "build")
    assert refused.value.field == "spec.externalRuns"
