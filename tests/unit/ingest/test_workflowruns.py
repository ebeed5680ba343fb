"""A run as Kubernetes shows it: what kubectl describe begins with, and nothing empty."""

from datetime import datetime
from typing import Any

from avouch.ingest.aggregated import objects, workflowruns

RUN: dict[str, Any] = {
    "id": "1", "name": "release-1", "namespace": "shop", "workflow": "release", "subjectKind": "TaskRun",
    "subjectName": "build", "subjectUid": "", "contract": "evidence", "revision": 2, "contractDigest": "sha256:a",
    "result": "Failed", "evidence": "taskrun", "createdAt": "2026-01-01T00:00:00Z", "finishedAt": None,
    "judgedAt": None, "labels": {}, "resourceVersion": 7, "materialsFound": 0, "materialsAsked": 1, "reason": "",
}  # fmt: skip
FINDING = {"code": "MaterialMissing", "message": "no sbom", "line": "", "fix": "write it", "material": ""}


def whole(**changes: Any) -> dict[str, Any]:
    deep = {"findings": [], "materials": [], "annotations": {}, "env": {}, "deliveries": [], "attestationBundle": ""}
    return workflowruns.KIND.resource({**RUN, **deep, **changes})


def test_the_verdict_and_each_finding_with_its_fix_are_an_annotation() -> None:
    annotations = whole(findings=[FINDING])["metadata"]["annotations"]
    assert annotations == {"avouch.dev/verdict": "Failed\nMaterialMissing: no sbom (fix: write it)"}


def test_many_findings_are_not_repeated_without_end() -> None:
    said = whole(findings=[FINDING] * 40)["metadata"]["annotations"]["avouch.dev/verdict"].splitlines()
    assert len(said) == 12
    assert said[-1] == "and 30 more: see status.findings"


def test_a_row_of_a_table_has_no_annotation_because_it_knows_no_findings() -> None:
    assert "annotations" not in workflowruns.KIND.partial(RUN)["metadata"]


def test_nothing_empty_is_shown_and_no_number_is_lost() -> None:
    shown = whole(findings=[FINDING])
    assert shown["status"] == {
        "verdict": "Failed", "evidence": "taskrun", "materialsFound": 0, "materialsAsked": 1,
        "findings": [{"code": "MaterialMissing", "message": "no sbom", "fix": "write it"}],
    }  # fmt: skip
    assert shown["spec"]["subject"] == {"kind": "TaskRun", "name": "build"}
    assert "labels" not in shown["metadata"]


def test_emptiness_is_looked_for_at_every_depth() -> None:
    told = {"a": [{}, {"b": ""}, {"c": False}], "d": {"e": {"f": None}}, "g": 0}
    assert objects.without_empty(told) == {"a": [{"c": False}], "g": 0}


def test_a_text_and_an_image_have_no_size_and_an_empty_file_has() -> None:
    materials = [{"name": "commit", "value": "abc", "size": 0}, {"name": "empty", "filename": "x", "size": 0}]
    shown = whole(materials=materials)["status"]["materials"]
    assert shown == [{"name": "commit", "value": "abc"}, {"name": "empty", "filename": "x", "size": 0}]


def test_a_list_says_whose_run_it_is_and_why_it_failed() -> None:
    document = {**RUN, "reason": "MaterialMissing", "finding": "no sbom"}
    row = dict(zip([column.name for column in workflowruns.KIND.columns], _cells(document), strict=True))
    assert (row["Run of"], row["Reason"], row["Finding"]) == ("TaskRun/build", "MaterialMissing", "no sbom")
    assert [column.name for column in workflowruns.KIND.columns if column.priority] == ["Contract", "Finding"]


def _cells(document: dict[str, Any]) -> list[Any]:
    return workflowruns.KIND.cells(document, datetime.fromisoformat("2026-01-01T00:01:00Z"))
