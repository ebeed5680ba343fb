import pydantic
import pytest

from avouch.api import attachment, contract, integration, organization, workflow

STATUS = {"observedGeneration": 3, "conditions": []}


def test_a_contract_may_say_both_spellings_when_they_agree():
    material = contract.Material.model_validate(
        {"name": "a", "type": "STRING", "skip_upload": True, "skipUpload": True}
    )
    assert material.skip_upload


def test_a_contract_may_not_contradict_itself_in_two_spellings():
    with pytest.raises(pydantic.ValidationError, match="skipUpload and skip_upload are the same field and differ"):
        contract.Material.model_validate({"name": "a", "type": "STRING", "skip_upload": True, "skipUpload": False})


def test_a_material_type_by_number_is_refused():
    with pytest.raises(pydantic.ValidationError):
        contract.Material.model_validate({"name": "a", "type": 2})


def test_an_attachment_delivers_every_verdict_unless_told():
    spec = attachment.IntegrationAttachmentSpec.model_validate(
        {"integrationRef": {"name": "hook"}, "workflowRef": {"name": "build"}}
    )
    assert [str(verdict) for verdict in spec.verdicts][:2] == ["Passed", "Failed"]
    assert len(spec.verdicts) == 7


def test_unknown_fields_are_ignored_when_reading():
    read = integration.Integration.model_validate(
        {"kind": "Integration", "spec": {"type": "webhook", "webhook": {"url": "https://x"}, "new": 1}, "more": {}}
    )
    assert read.spec.webhook is not None
    assert read.spec.webhook.timeout_seconds is None


def test_objects_go_out_in_camel_case_without_what_was_not_said():
    spec = organization.OrganizationSpec.model_validate({"homeNamespace": "security"})
    assert spec.to_object() == {"suspend": False, "homeNamespace": "security"}


def test_a_workflow_reads_every_source():
    spec = workflow.WorkflowSpec.model_validate(
        {
            "contractRef": {"name": "c", "scope": "Organization"},
            "tekton": {
                "pipelines": [{"name": "build"}, {"matchLabels": {"app": "x"}}],
                "materials": [{"name": "m", "task": "t", "workspace": {"name": "w", "path": "a/b.json"}}],
                "annotations": [{"name": "commit", "result": {"task": "clone", "name": "sha"}}],
            },
        }
    )
    assert spec.tekton is not None
    assert spec.tekton.materials[0].workspace is not None
    assert spec.tekton.pipelines[1].match_labels == {"app": "x"}


@pytest.mark.parametrize("path", ["/etc/passwd", "./x", "a/./x", "../x", "a/..", "a//b", "a/", ".", ".."])
def test_a_path_has_one_spelling(path):
    with pytest.raises(pydantic.ValidationError, match="relative to its directory"):
        workflow.WorkspaceSource.model_validate({"name": "w", "path": path})


@pytest.mark.parametrize("path", ["x", "a/b.json", ".git/HEAD", "..x", "...", "a/.b", "a b/é.txt", "-", "a:b"])
def test_a_path_of_plain_names_is_taken(path):
    assert workflow.WorkspaceSource.model_validate({"name": "w", "path": path}).path == path


def test_a_workflow_status_goes_out_as_kubernetes_wants_it():
    status = workflow.WorkflowStatus.model_validate(
        {**STATUS, "lastRun": {"name": "r", "verdict": "Passed", "finishedAt": "2026-01-01T00:00:00Z"}}
    )
    assert status.to_object()["lastRun"]["finishedAt"] == "2026-01-01T00:00:00Z"
