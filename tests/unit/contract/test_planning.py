import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from avouch import digests, errors, plan
from avouch.contract import completeness, model, owed, planning, reading, revisions

CONTRACT = {
    "materials": [
        {"name": "image", "type": "CONTAINER_IMAGE", "output": True, "annotations": [{"name": "asset"}]},
        {"name": "sbom", "type": "SBOM_CYCLONEDX_JSON", "group": "bill"},
        {"name": "spdx", "type": "SBOM_SPDX_JSON", "group": "bill"},
        {"name": "notes", "type": "ARTIFACT", "optional": True},
    ],
    "annotations": [{"name": "version", "value": "1"}, {"name": "commit"}],
    "envAllowList": ["STAGE"],
}


@dataclass(frozen=True)
class Workflow:
    spec: dict[str, Any] = field(default_factory=lambda: {"contractRef": {"name": "c"}})
    name: str = "build"
    uid: str = "w-1"
    namespace: str = "team"
    generation: int = 2


@dataclass(frozen=True)
class Revision:
    canonical: bytes
    resolved: bytes = b""
    name: str = "c"
    revision: int = 3
    namespace: str = "home"
    namespace_uid: str = "home-uid"

    @property
    def digest(self) -> digests.Digest:
        return digests.of_bytes(self.canonical)


def revision(spec: dict[str, Any] | None = None, **annotations: str) -> Revision:
    metadata = {"name": "c", "annotations": annotations}
    body = CONTRACT if spec is None else spec
    manifest = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": metadata, "spec": body}
    return Revision(revisions.canonical(reading.read(manifest)))


def planned(tekton: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **annotations: str) -> plan.Plan:
    workflow = Workflow({"contractRef": {"name": "c"}, "team": "core", "tekton": tekton or {}})
    return planning.plan_of(workflow, revision(spec, **annotations))


def material(found: plan.Plan, name: str) -> plan.PlannedMaterial:
    return next(material for material in found.materials if material.name == name)


@pytest.mark.parametrize(("said", "seconds"), [(None, 20), ("5s", 5), ("10m", 600)])
def test_the_time_to_attest_is_the_workflows_or_the_kubelets_own(said: str | None, seconds: int) -> None:
    assert planned({"attestWithin": said} if said else {}).attest_within == seconds


def test_a_plan_of_a_newer_version_is_read_without_what_is_not_known() -> None:
    found = planned()
    assert plan.Plan.from_json(json.dumps(json.loads(found.to_json()) | {"invented": {"later": 1}})) == found


def test_a_plan_pins_the_contract_and_names_lines_that_order_cannot_move():
    found = planned()
    assert (found.contract, found.revision, found.team, found.project) == ("c", 3, "core", "team")
    assert found.contract_digest == str(revision().digest)
    assert (found.namespace, found.contract_namespace, found.contract_namespace_uid) == ("team", "home", "home-uid")
    assert material(found, "sbom").line == 'spec.materials[name="sbom"]'
    assert plan.Plan.from_json(found.to_json()) == found


def test_a_plan_knows_the_generation_of_its_workflow_and_one_of_before_is_read_without() -> None:
    found = planned()
    assert found.generation == 2
    older = {key: value for key, value in json.loads(found.to_json()).items() if key != "generation"}
    assert plan.Plan.from_json(json.dumps(older)).generation == 0


def test_what_the_workflow_does_not_map_stays_by_convention():
    assert {each.source for each in planned().materials} == {plan.Source()}
    assert planned().inject == "auto"


@pytest.mark.parametrize(
    ("said", "source"),
    [
        (
            {"result": {"name": "IMAGE_URL", "digest": "IMAGE_DIGEST"}},
            plan.Source(plan.From.RESULT, "t", "IMAGE_URL", digest="IMAGE_DIGEST"),
        ),
        ({"artifact": {"name": "a"}}, plan.Source(plan.From.ARTIFACT, "t", "a")),
        ({"workspace": {"name": "w", "path": "x/y"}}, plan.Source(plan.From.WORKSPACE, "t", "w", path="x/y")),
        ({"param": {"name": "p"}}, plan.Source(plan.From.PARAM, "t", "p")),
        ({"env": {"step": "s", "name": "E"}}, plan.Source(plan.From.ENV, "t", "E", step="s")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_source_of_a_workflow_lands_in_the_plan(said, source):
    found = planned({"materials": [{"name": "sbom", "task": "t", **said}]})
    assert material(found, "sbom").source == source


def test_a_material_that_is_placed_in_a_task_only_is_looked_for_there_by_convention():
    assert material(planned({"materials": [{"name": "sbom", "task": "t"}]}), "sbom").source == plan.Source(task="t")


def test_empty_annotations_get_the_source_the_workflow_names_and_a_materials_own_wins():
    found = planned(
        {
            "annotations": [
                {"name": "commit", "result": {"task": "clone", "name": "sha"}},
                {"name": "asset", "param": "everywhere"},
                {"name": "asset", "material": "image", "annotation": "example.com/asset"},
            ]
        }
    )
    commit = next(each for each in found.annotations if each.name == "commit")
    assert commit.source == plan.Source(plan.From.RESULT, "clone", "sha")
    assert material(found, "image").annotations[0].source == plan.Source(plan.From.ANNOTATION, name="example.com/asset")


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ({"param": "p"}, plan.Source(plan.From.PARAM, name="p")),
        ({"result": {"name": "r"}}, plan.Source(plan.From.RESULT, name="r")),
        ({"result": {"name": "r", "task": "t"}}, plan.Source(plan.From.RESULT, "t", "r")),
        ({"annotation": "a/b"}, plan.Source(plan.From.ANNOTATION, name="a/b")),
    ],
)
def test_an_entry_without_a_material_is_for_the_run_and_every_material_of_that_annotation(said, source):
    found = planned({"annotations": [{"name": "asset", **said}, {"name": "commit", **said}]})
    assert material(found, "image").annotations == (plan.PlannedAnnotation("asset", source=source),)
    assert {each.name: each.source for each in found.annotations} == {"commit": source, "version": None}


def test_an_entry_of_one_material_is_for_no_other_and_not_for_the_run():
    found = planned({"annotations": [{"name": name, "material": "sbom", "param": "p"} for name in ("asset", "commit")]})
    assert material(found, "image").annotations == (plan.PlannedAnnotation("asset"),)
    assert plan.PlannedAnnotation("commit") in found.annotations


def test_a_value_that_the_contract_fixes_has_no_source():
    found = planned({"annotations": [{"name": "version", "param": "p"}]})
    assert plan.PlannedAnnotation("version", "1") in found.annotations


def test_bare_metadata_annotations_are_annotations_of_the_attestation():
    found = planned(owner="me", **{"chainloop.dev/description": "not one"})
    assert [(each.name, each.value) for each in found.annotations] == [
        ("commit", ""),
        ("owner", "me"),
        ("version", "1"),
    ]


def test_policies_are_seen():
    assert planned(spec={"policyGroups": [{"ref": "g"}]}).has_policies
    assert not planned().has_policies


def test_a_workflow_that_says_nothing_of_tekton_leaves_everything_to_convention():
    found = planning.plan_of(Workflow(), revision())
    assert ({each.source for each in found.materials}, found.inject) == ({plan.Source()}, "auto")


def test_a_workflow_that_breaks_its_rules_is_named():
    with pytest.raises(errors.Invalid, match="Workflow build"):
        planning.plan_of(Workflow({"team": 3}), revision())


@pytest.mark.parametrize("form", [b"", b"{}", b"[]", b'{"form":"other"}', b"[" * 100000])
def test_bytes_that_are_no_revision_are_corrupt(form):
    with pytest.raises(errors.Corrupt):
        revisions.restore(form)


@dataclass(frozen=True)
class Delivered:
    name: str
    annotations: dict[str, str] = field(default_factory=dict)


def codes(found: plan.Plan, evidence: completeness.Evidence) -> list[tuple[str, str]]:
    return [(owed.code, owed.line) for owed in completeness.owed(found, evidence)]


COMPLETE = completeness.Evidence(
    (
        Delivered("image", {"asset": "x"}),
        Delivered("spdx"),
    ),
    annotations={"commit": "abc"},
    env={"STAGE": "prod"},
)


def test_complete_evidence_owes_nothing_one_member_of_a_group_is_enough_and_optional_is_optional():
    assert completeness.owed(planned(), COMPLETE) == ()


def test_nothing_delivered_owes_everything_with_its_line_and_a_fix():
    found = completeness.owed(planned(), completeness.Evidence())
    assert [(each.code, each.line) for each in found] == [
        ("MaterialMissing", 'spec.materials[name="image"]'),
        ("GroupUnsatisfied", 'spec.materials[name="sbom"]'),
        ("AnnotationMissing", 'spec.annotations[name="commit"]'),
        ("EnvironmentMissing", "spec.envAllowList"),
    ]
    assert all(each.fix and each.message for each in found)


def test_a_delivered_material_owes_its_empty_annotations():
    bare = Delivered("image")
    evidence = completeness.Evidence((bare, COMPLETE.materials[1]), COMPLETE.annotations, COMPLETE.env)
    assert codes(planned(), evidence) == [
        ("AnnotationMissing", 'spec.materials[name="image"].annotations[name="asset"]')
    ]


def test_why_something_that_is_there_does_not_count_is_told():
    evidence = completeness.Evidence(absent={"image": "it comes from a Secret", "sbom": "only lint names it"})
    first, second, *_ = completeness.owed(planned(), evidence)
    assert first.message == "material image (CONTAINER_IMAGE) was not delivered; image: it comes from a Secret"
    assert second.message == "group bill needs at least one of sbom, spdx; sbom: only lint names it"


def test_the_fix_says_where_the_workflow_expects_the_piece():
    mapped = planned({"materials": [{"name": "image", "task": "build", "result": {"name": "IMAGE_URL"}}]})
    assert completeness.owed(mapped, completeness.Evidence())[0].fix == "let task build write the result IMAGE_URL"
    assert "spec.tekton.materials" in completeness.owed(planned(), completeness.Evidence())[0].fix


def of_group() -> Revision:
    """A contract of which a policy group asks for a scan, as resolution records it."""
    brought = {"scan": owed.Origin('spec.policyGroups[ref="security"].materials[0]', "security")}
    found = owed.Owed((model.Material("scan", "SARIF"), model.Material("notes", "ARTIFACT")), (), brought)
    asked = {"materials": [{"name": "notes", "type": "ARTIFACT"}], "policyGroups": [{"ref": "security"}]}
    return replace(revision(asked), resolved=owed.canonical(found))


def test_a_material_that_a_policy_group_brings_is_planned_like_those_of_the_contract() -> None:
    source = {"name": "scan", "task": "test", "workspace": {"name": "work", "path": "scan.sarif"}}
    workflow = Workflow({"contractRef": {"name": "c"}, "tekton": {"materials": [source]}})
    found = planning.plan_of(workflow, of_group())
    scan = material(found, "scan")
    assert scan.source == plan.Source(plan.From.WORKSPACE, "test", "work", path="scan.sarif")
    assert scan.source.needs_pod, "so a sidecar is injected for it"
    assert scan in found.of_task("test")
    assert scan.line == 'spec.policyGroups[ref="security"].materials[0]'
    assert material(found, "notes").line == 'spec.materials[name="notes"]'


def test_a_material_of_a_policy_group_that_is_missing_is_told_with_the_groups_line() -> None:
    found = completeness.owed(planning.plan_of(Workflow(), of_group()), completeness.Evidence())
    assert [(each.code, each.material, each.line) for each in found] == [
        ("MaterialMissing", "notes", 'spec.materials[name="notes"]'),
        ("MaterialMissing", "scan", 'spec.policyGroups[ref="security"].materials[0]'),
    ]


def test_a_past_run_is_held_to_another_revision_with_the_sources_that_it_was_told() -> None:
    mapped = {"materials": [{"name": "sbom", "task": "build", "result": {"name": "SBOM"}}], "attestWithin": "5m"}
    before = planned(mapped)
    spec = {
        "materials": [{"name": "sbom", "type": "SBOM_CYCLONEDX_JSON"}, {"name": "sarif", "type": "SARIF"}],
        "annotations": [{"name": "version", "value": "2"}, {"name": "commit"}],
        "runner": {"type": "TEKTON_PIPELINE"},
    }
    asked = revision(spec)
    now = Workflow(
        {
            "contractRef": {"name": "c"},
            "tekton": {
                "materials": [
                    {"name": "sbom", "task": "moved", "result": {"name": "OTHER"}},
                    {"name": "sarif", "task": "scan", "workspace": {"name": "out", "path": "scan.sarif"}},
                ],
                "annotations": [{"name": "commit", "param": "sha"}],
            },
        },
        generation=9,
    )
    held = planning.held_to(before, now, asked)
    assert material(held, "sbom").source == plan.Source(plan.From.RESULT, "build", "SBOM")
    assert material(held, "sbom").group == ""
    assert material(held, "sarif").source == plan.Source(plan.From.WORKSPACE, "scan", "out", path="scan.sarif")
    assert [each.name for each in held.materials] == ["sarif", "sbom"]
    assert {each.name: each.value for each in held.annotations} == {"version": "2", "commit": ""}
    assert (held.contract_digest, held.runner, held.env) == (str(asked.digest), "TEKTON_PIPELINE", ())
    assert (held.attest_within, held.generation, held.team) == (300, before.generation, "core")


def test_a_past_run_that_is_held_to_its_own_revision_has_the_plan_that_it_had() -> None:
    before = planned({"materials": [{"name": "sbom", "task": "build", "result": {"name": "SBOM"}}]})
    assert planning.held_to(before, Workflow(), revision()) == before
