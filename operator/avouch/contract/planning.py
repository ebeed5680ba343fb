"""From a Workflow and one revision of its Contract to the plan: the materials of a run and their sources.

A material that the Workflow does not map keeps the source `convention`, which is resolved like this:
CONTAINER_IMAGE by Tekton's type hints (results IMAGE_URL and IMAGE_DIGEST, also prefixed with the material's name),
STRING by the result of that name, files by their name in a workspace.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from avouch import digests, plan
from avouch.api import durations
from avouch.api import workflow as workflow_kind
from avouch.contract import model, owed, revisions


class Workflow(Protocol):
    """What planning needs of a Workflow; `spec` is the Workflow's spec as JSON holds it."""

    @property
    def name(self) -> str:
        """Name of the object."""

    @property
    def uid(self) -> str:
        """UID of the object."""

    @property
    def namespace(self) -> str:
        """Namespace of the Workflow."""

    @property
    def generation(self) -> int:
        """The object's metadata.generation."""

    @property
    def spec(self) -> dict[str, Any]:
        """The spec, in camelCase."""


class Revision(Protocol):
    """What planning needs of a contract's revision; `canonical` is what `revisions.canonical` wrote."""

    @property
    def namespace(self) -> str:
        """Namespace of the contract."""

    @property
    def namespace_uid(self) -> str:
        """UID of that namespace."""

    @property
    def name(self) -> str:
        """Name of the object."""

    @property
    def revision(self) -> int:
        """Number of the revision."""

    @property
    def digest(self) -> digests.Digest:
        """Digest of the canonical form."""

    @property
    def canonical(self) -> bytes:
        """The canonical form."""

    @property
    def resolved(self) -> bytes:
        """What it owes with its policies looked up, in the form of `owed`; b"" where it has none."""


def labels_of(workflow: Workflow) -> tuple[str, ...]:
    """Keys of the labels that a run takes from its PipelineRun or TaskRun. Raises errors.Invalid."""
    declared = _declared(workflow)
    return tuple(declared.tekton.run_labels) if declared.tekton else ()


def plan_of(workflow: Workflow, revision: Revision) -> plan.Plan:
    """Compute the plan: equal arguments give equal plans.

    Raises:
        Invalid: the Workflow's spec breaks the rules of its kind.
        Corrupt: the revision's bytes are not a canonical form.
    """
    declared = _declared(workflow)
    contract = revisions.restore(revision.canonical)
    asked = owed.of(contract, revision.resolved)
    tekton = declared.tekton or workflow_kind.Tekton()
    sources = {material.name: _source(material) for material in tekton.materials}
    values = {(value.material or "", value.name): _value_source(value) for value in tekton.annotations}
    return plan.Plan(
        workflow=workflow.name,
        workflow_uid=workflow.uid,
        namespace=workflow.namespace,
        contract=revision.name,
        revision=revision.revision,
        contract_digest=str(revision.digest),
        materials=tuple(
            _material(material, asked.origin(material.name).line, sources.get(material.name), values)
            for material in asked.materials
        ),
        annotations=tuple(_annotations(contract, values)),
        env=contract.env_allow_list,
        runner=contract.runner,
        inject=tekton.inject or "auto",
        has_policies=contract.has_policies,
        project=workflow.namespace,
        team=declared.team,
        contract_namespace=revision.namespace,
        contract_namespace_uid=revision.namespace_uid,
        attest_within=_seconds(tekton.attest_within),
        generation=workflow.generation,
    )


def held_to(pinned: plan.Plan, workflow: Workflow, revision: Revision) -> plan.Plan:
    """The plan of a past run, as it is when the run is held to another revision than it was opened under.

    What the run was told stays: where each value that its plan names was to be found, and how long its sidecar had.
    Sources of what its plan does not name come from the Workflow as it is now.

    Raises:
        Invalid, Corrupt: as `plan_of`.
    """
    now = plan_of(workflow, revision)
    before = {material.name: material for material in pinned.materials}
    return dataclasses.replace(
        pinned,
        contract=now.contract,
        revision=now.revision,
        contract_digest=now.contract_digest,
        materials=tuple(_as_told(material, before.get(material.name)) for material in now.materials),
        annotations=_annotations_as_told(now.annotations, pinned.annotations),
        env=now.env,
        runner=now.runner,
        has_policies=now.has_policies,
        contract_namespace=now.contract_namespace,
        contract_namespace_uid=now.contract_namespace_uid,
    )


def _as_told(asked: plan.PlannedMaterial, before: plan.PlannedMaterial | None) -> plan.PlannedMaterial:
    if before is None:
        return asked
    annotations = _annotations_as_told(asked.annotations, before.annotations)
    return dataclasses.replace(asked, source=before.source, annotations=annotations)


def _annotations_as_told(
    asked: tuple[plan.PlannedAnnotation, ...], before: tuple[plan.PlannedAnnotation, ...]
) -> tuple[plan.PlannedAnnotation, ...]:
    sources = {each.name: each.source for each in before if each.source is not None}
    return tuple(
        each if each.value else dataclasses.replace(each, source=sources.get(each.name, each.source)) for each in asked
    )


def _seconds(within: str | None) -> int:
    return int(durations.read(within).total_seconds()) if within else plan.ATTEST_WITHIN


def _declared(workflow: Workflow) -> workflow_kind.WorkflowSpec:
    return workflow_kind.WorkflowSpec.read(workflow.spec, f"Workflow {workflow.name}")


def _source(material: workflow_kind.MaterialSource) -> plan.Source:
    task = material.task or ""
    if material.result:
        named, step = material.result, material.result.step or ""
        return plan.Source(plan.From.RESULT, task, named.name, digest=named.digest or "", step=step)
    if material.artifact:
        return plan.Source(plan.From.ARTIFACT, task, material.artifact.name)
    if material.workspace:
        return plan.Source(plan.From.WORKSPACE, task, material.workspace.name, path=material.workspace.path)
    if material.param:
        return plan.Source(plan.From.PARAM, task, material.param.name)
    if material.env:
        return plan.Source(plan.From.ENV, task, material.env.name, step=material.env.step)
    return plan.Source(task=task)


def _value_source(value: workflow_kind.AnnotationSource) -> plan.Source:
    if value.param:
        return plan.Source(plan.From.PARAM, name=value.param)
    if value.result:
        return plan.Source(plan.From.RESULT, value.result.task or "", value.result.name, step=value.result.step or "")
    return plan.Source(plan.From.ANNOTATION, name=value.annotation or "")


_Values = Mapping[tuple[str, str], plan.Source]


def _material(material: model.Material, line: str, source: plan.Source | None, values: _Values) -> plan.PlannedMaterial:
    return plan.PlannedMaterial(
        name=material.name,
        type=material.type,
        source=source or plan.Source(),
        optional=material.optional,
        output=material.output,
        skip_upload=material.skip_upload,
        group=material.group,
        annotations=tuple(_annotation(each.name, each.value, material.name, values) for each in material.annotations),
        line=line,
    )


def _annotations(contract: model.ContractSpec, values: _Values) -> Iterator[plan.PlannedAnnotation]:
    """Those of spec.annotations, and the bare keys of metadata.annotations, which Chainloop reads as such too."""
    said = {key: value for key, value in contract.metadata if "/" not in key}
    said.update((annotation.name, annotation.value) for annotation in contract.annotations)
    for name, value in sorted(said.items()):
        yield _annotation(name, value, "", values)


def _annotation(name: str, value: str, material: str, values: _Values) -> plan.PlannedAnnotation:
    if value:
        return plan.PlannedAnnotation(name, value)
    return plan.PlannedAnnotation(name, source=values.get((material, name)) or values.get(("", name)))
