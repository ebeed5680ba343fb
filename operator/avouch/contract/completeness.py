"""Compares the plan with what was accepted. Every finding names the contract line and the fix.

The fix depends on the kind of run: in Tekton it is a line of the Workflow, elsewhere a command (`Advice`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Protocol

from avouch import errors, plan
from avouch.findings import Finding
from avouch.materials import types as material_types
from avouch.values import dataclass


class Delivered(Protocol):
    """One accepted material, as the judge knows it."""

    @property
    def name(self) -> str:
        """Its name in the contract."""
        ...

    @property
    def annotations(self) -> Mapping[str, str]:
        """The values of its annotations."""
        ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was accepted of a run.

    `absent` says by material why evidence was not accepted, `unfilled` by material ("" for the run's own) and
    annotation why that has no value. Where it has a fix of its own, that is told instead of the general advice.
    """

    materials: tuple[Delivered, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    unfilled: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def of(self, name: str) -> Delivered | None:
        """The accepted material of this name; the last one counts, as in Chainloop."""
        return next((material for material in reversed(self.materials) if material.name == name), None)


@dataclass(frozen=True, slots=True)
class Advice:
    """How to fix a missing material, annotation (of a material; "" for the run's own) or variable."""

    deliver: Callable[[plan.PlannedMaterial], str]
    fill: Callable[[plan.PlannedAnnotation, str], str]
    resolve: Callable[[str], str]


def owed(asked: plan.Plan, evidence: Evidence, advice: Advice | None = None) -> tuple[Finding, ...]:
    """Everything that the run has not delivered; empty if its evidence is complete. `advice` is Tekton's by default."""
    return tuple(found for check in CHECKS for found in check(asked, evidence, advice or TEKTON))


def missing_materials(asked: plan.Plan, evidence: Evidence, advice: Advice) -> Iterator[Finding]:
    """Required materials that were not delivered, except those of groups."""
    for material in asked.materials:
        if not (material.optional or material.group or evidence.of(material.name)):
            yield Finding(
                "MaterialMissing",
                f"material {material.name} ({material.type}) was not delivered{_because(material, evidence)}",
                material.line,
                _fix(material, evidence) or advice.deliver(material),
                material.name,
            )


def unsatisfied_groups(asked: plan.Plan, evidence: Evidence, advice: Advice) -> Iterator[Finding]:
    """Groups of which no member was delivered; a member's own `optional` has no effect."""
    groups: dict[str, list[plan.PlannedMaterial]] = {}
    for material in asked.materials:
        if material.group:
            groups.setdefault(material.group, []).append(material)
    for group, members in sorted(groups.items()):
        if not any(evidence.of(member.name) for member in members):
            names = ", ".join(member.name for member in members)
            reasons = "".join(_because(member, evidence) for member in members)
            message = f"group {group} needs at least one of {names}{reasons}"
            fix = next(filter(None, (_fix(member, evidence) for member in members)), "") or advice.deliver(members[0])
            yield Finding("GroupUnsatisfied", message, members[0].line, fix)


def missing_annotations(asked: plan.Plan, evidence: Evidence, advice: Advice) -> Iterator[Finding]:
    """Annotations that the contract leaves empty and the run did not fill: its own, then its materials'."""
    for annotation in asked.annotations:
        if not (annotation.value or evidence.annotations.get(annotation.name)):
            why, fix = errors.parted(evidence.unfilled.get(("", annotation.name), ""))
            message = f'annotation "{annotation.name}" is required for the attestation and has no value'
            line = f'spec.annotations[name="{annotation.name}"]'
            yield Finding("AnnotationMissing", _joined(message, why), line, fix or advice.fill(annotation, ""))
    for material in asked.materials:
        found = evidence.of(material.name)
        if found is None:
            continue
        for annotation in material.annotations:
            if not (annotation.value or found.annotations.get(annotation.name)):
                why, fix = errors.parted(evidence.unfilled.get((material.name, annotation.name), ""))
                message = _joined(f'annotations ["{annotation.name}"] required for material "{material.name}"', why)
                line = f'{material.line}.annotations[name="{annotation.name}"]'
                fix = fix or advice.fill(annotation, material.name)
                yield Finding("AnnotationMissing", message, line, fix, material.name)


def missing_env(asked: plan.Plan, evidence: Evidence, advice: Advice) -> Iterator[Finding]:
    """Variables of envAllowList without a value: each listed one is mandatory."""
    for name in asked.env:
        if not evidence.env.get(name):
            message = f"variable {name} has no value"
            yield Finding("EnvironmentMissing", message, "spec.envAllowList", advice.resolve(name))


CHECKS: tuple[Callable[[plan.Plan, Evidence, Advice], Iterator[Finding]], ...] = (
    missing_materials,  # each required material is there
    unsatisfied_groups,  # at least one of each group is there
    missing_annotations,  # each empty annotation was filled
    missing_env,  # each listed variable has a value
)

_WHERE = {
    plan.From.RESULT: "let {task} write the result {name}",
    plan.From.ARTIFACT: "let {task} write the output artifact {name}",
    plan.From.WORKSPACE: "let {task} write {path} in workspace {name}",
    plan.From.PARAM: "give {task} the param {name}",
    plan.From.ENV: "give step {step} of {task} the literal environment variable {name}",
}


def _joined(message: str, why: str) -> str:
    return f"{message}; {why}" if why else message


def _because(material: plan.PlannedMaterial, evidence: Evidence) -> str:
    why, _ = errors.parted(evidence.absent.get(material.name, ""))
    return f"; {material.name}: {why}" if why else ""


def _fix(material: plan.PlannedMaterial, evidence: Evidence) -> str:
    return errors.parted(evidence.absent.get(material.name, ""))[1]


def _deliver(material: plan.PlannedMaterial) -> str:
    source = material.source
    said = _WHERE.get(source.kind)
    if said is None:
        return f"name the source of {material.name} in the Workflow's spec.tekton.materials"
    task = f"task {source.task}" if source.task else "the run" if source.kind is plan.From.PARAM else "a task"
    return said.format(task=task, name=source.name, path=source.path, step=source.step)


def _fill(annotation: plan.PlannedAnnotation, _: str) -> str:
    source = annotation.source
    if source is None:
        return f"name the source of {annotation.name} in the Workflow's spec.tekton.annotations"
    if source.kind is plan.From.ANNOTATION:
        return f"add the annotation {source.name} to the run"
    if source.kind is plan.From.PARAM:
        return f"give the run the param {source.name}"
    return f"let task {source.task or 'of any name'} write the result {source.name}"


def _resolve(name: str) -> str:
    return f"give the run a param {name}, or a step the literal environment variable {name}"


_VALUES = {material_types.STRING: "TEXT", material_types.IMAGE: "REFERENCE"}


def _command(material: plan.PlannedMaterial) -> str:
    return f"avouch attestation add --name {material.name} --value {_VALUES.get(material.type, 'FILE')}"


def _option(annotation: plan.PlannedAnnotation, material: str) -> str:
    if material:
        return f"avouch attestation add --name {material} --value ... --annotation {annotation.name}=VALUE"
    return f"avouch attestation push --annotation {annotation.name}=VALUE"


def _variable(name: str) -> str:
    return f"set {name} in the environment of avouch attestation init"


TEKTON = Advice(_deliver, _fill, _resolve)
COMMAND_LINE = Advice(_command, _option, _variable)
