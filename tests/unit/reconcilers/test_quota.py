"""Where a ResourceQuota keeps the sidecar out, and only there, the run's author hears of it at the start."""

from typing import Any

import pytest

from avouch import plan
from avouch.controlplane.intake import planning
from avouch.controlplane.model import contracts
from avouch.reconcilers import tektonruns
from avouch.tekton import matching

FILE = plan.PlannedMaterial("sbom", "SBOM_CYCLONEDX_JSON")
TEXT = plan.PlannedMaterial("version", "STRING", plan.Source(plan.From.RESULT, name="version"))


def owed(material: plan.PlannedMaterial, inject: str = "auto") -> planning.Owed:
    workflow = contracts.WorkflowRecord("team", "ns", "build", "uid", 1, {}, {})
    obj: dict[str, Any] = {"metadata": {"name": "run", "uid": "u"}}
    whole = plan.Plan("build", "uid", "team", "release", 1, "sha256:0", materials=(material,), inject=inject)
    return planning.Owed(workflow, None, matching.subject("PipelineRun", obj), whole)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([owed(FILE)], True),
        ([owed(TEXT)], False),  # needs no sidecar
        ([owed(FILE, "always")], False),  # gets one nevertheless
        ([owed(FILE, "never")], False),  # asked for none
        ([owed(FILE), owed(TEXT, "always")], False),
        ([], False),
    ],
)
def test_only_a_sidecar_that_would_be_there_without_the_quota_is_held_back(
    asked: list[planning.Owed], expected: bool
) -> None:
    assert (tektonruns.held_back(asked) is not None) is expected
