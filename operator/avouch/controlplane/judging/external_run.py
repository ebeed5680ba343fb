"""The evidence of one external run: its claim, or the lack of one. Pure.

Only its attester saw such a run, so there is no record to compare the claim with, except for what a verified
token of the runner proves. What the server can look at itself (bytes, types, completeness) it does.

1. A reset run: Canceled, or Failed where the attester reported a failed build.
2. No claim: Expired once its time is over; before, it is waited for.
3. One claim ends the run. Whatever the contract asks for is checked; each finding keeps the verdict from being Passed.
4. Materials that the contract does not name are kept, and must be what they are called, too.

`verdict.judge` makes the verdict of it, as of the evidence of runs in Tekton.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from avouch import plan
from avouch.attestation import materials, predicate
from avouch.contract import completeness
from avouch.controlplane.judging import examination
from avouch.controlplane.judging import materials as judged_materials
from avouch.controlplane.model import artifacts, verdicts
from avouch.controlplane.model import external as external_model
from avouch.controlplane.model.verdicts import Evidence
from avouch.findings import Finding
from avouch.materials import types as material_types

CLI = "cli"  # where a judged material comes from
CANCELLATION = "cancellation"


@dataclass(frozen=True, slots=True)
class Record:
    """What the server knows of a run beside what its attestation says: what `CHECKS` look at."""

    case: examination.Case
    external: external_model.ExternalPart
    facts: predicate.AttestationFacts

    def asked(self, name: str) -> plan.PlannedMaterial | None:
        """The contract's material of this name."""
        return next((material for material in self.case.plan.materials if material.name == name), None)


def examine(
    case: examination.Case, external: external_model.ExternalPart, now: datetime
) -> examination.Examined | verdicts.Verdict | examination.WaitUntil:
    """Weigh the evidence of one run. The module docstring is the specification."""
    if external.reset is not None:
        return _given_up(case, external.reset, now)
    if not case.said:
        if now < external.expires_at:
            return examination.WaitUntil(external.expires_at)
        return examination.unexamined(case, _expired(external), now)
    said = case.said[0]  # the store takes no second one
    if said.facts is None:
        finding = Finding("ClaimNotVerified", f"claim {said.claim.digest}: {said.problem}")
        return examination.unexamined(case, finding, now)
    return _examined(Record(case, external, said.facts))


def _examined(record: Record) -> examination.Examined:
    case, facts = record.case, record.facts
    found = tuple(_material(one, record.asked(one.name), case) for one in facts.materials)
    annotations = _fixed(case.plan.annotations, facts.annotations)
    types = {material.name: material.type for material in case.plan.materials}
    accepted = tuple(one for one in found if types.get(one.name, one.type) == one.type)
    return examination.Examined(
        evidence=Evidence.CLI,
        materials=found,
        annotations=annotations,
        env=facts.env,
        delivered=completeness.Evidence(accepted, annotations, facts.env),
        findings=tuple(finding for check in CHECKS for finding in check(record)),
        advice=completeness.COMMAND_LINE,
    )


def _given_up(case: examination.Case, reset: external_model.Reset, now: datetime) -> verdicts.Verdict:
    canceled = reset.trigger == CANCELLATION
    text = reset.reason or ("the attester canceled the run" if canceled else "the attester reported a failed build")
    finding = Finding("RunCanceled" if canceled else "RunFailed", text)
    return examination.unexamined(case, finding, now)


def _expired(external: external_model.ExternalPart) -> Finding:
    text = f"no attestation arrived within {external.lifetime} of the last request of its client"
    return Finding("RunExpired", text, "", "set a longer spec.runExpiry in the Workflow, or push earlier")


def contradicted_variables(record: Record) -> Iterator[Finding]:
    """Variables that the attestation states and the runner's verified token contradicts."""
    env = record.facts.env
    for name, proven in sorted(record.external.runner.proven.items()):
        if env.get(name, proven) != proven:
            text = f"the attestation says {name}={env[name][:200]!r}, the runner's token proves {proven[:200]!r}"
            yield Finding("RunnerContradicted", text, fix="attest from the job that the token was issued to")


def wrong_runner(record: Record) -> Iterator[Finding]:
    """A runner of another type than the one that opened the run."""
    said, opened = record.facts.runner, record.external.runner
    if said.type != opened.type:
        text = f"the attestation says runner {said.type or 'generic'}, the run was opened by {opened.type or 'generic'}"
        yield Finding("RunnerContradicted", text, fix="open and push a run in the same job")


def wrong_materials(record: Record) -> Iterator[Finding]:
    """Materials of another type, with other annotations, or without their content."""
    for material in record.facts.materials:
        yield from _defects(material, record.asked(material.name), record.case)


def contradicted_annotations(record: Record) -> Iterator[Finding]:
    """Annotations of the run that the contract fixes to another value."""
    return _overridden("spec.annotations", "", record.case.plan.annotations, record.facts.annotations)


def _defects(
    found: materials.Material, asked: plan.PlannedMaterial | None, case: examination.Case
) -> Iterator[Finding]:
    """What is wrong with one material."""
    line = asked.line if asked else ""
    if asked is not None and found.type != asked.type:
        text = f"the attestation calls {found.name} {found.type}, the contract asks for {asked.type}"
        yield Finding("MaterialTypeMismatch", text, line, f"add {found.name} as {asked.type}", found.name)
        return
    if asked is not None:
        yield from _overridden(line, found.name, asked.annotations, found.annotations)
    if found.type in material_types.VALUE_TYPES:
        return
    checked = case.documents.get((str(found.digest), found.type), artifacts.Checked(False))
    if checked.problem:
        yield examination.unsuitable(checked, line, found.name)
    elif not checked.stored and not (asked is not None and asked.skip_upload):
        text = f"material {found.name} ({found.digest}) was claimed, but its content was not uploaded"
        fix = f"avouch attestation add --name {found.name} --value FILE, before the push"
        yield Finding("MaterialNotUploaded", text, line, fix, found.name)


def _overridden(
    line: str,
    material: str,
    asked: tuple[plan.PlannedAnnotation, ...],
    said: Mapping[str, str],
) -> Iterator[Finding]:
    """Annotations that the contract fixes and the attestation gives another value."""
    for each in asked:
        if each.value and said.get(each.name, each.value) != each.value:
            text = (
                f"annotation {each.name} is {each.value!r} in the contract and {said[each.name][:200]!r} in the claim"
            )
            yield Finding("AnnotationContradicted", text, line, f"leave {each.name} as it is", material)


def _fixed(asked: tuple[plan.PlannedAnnotation, ...], said: Mapping[str, str]) -> dict[str, str]:
    """What was said, and what the contract fixes."""
    return {**said, **{each.name: each.value for each in asked if each.value}}


def _material(
    found: materials.Material, asked: plan.PlannedMaterial | None, case: examination.Case
) -> verdicts.JudgedMaterial:
    plain = found.type in material_types.VALUE_TYPES
    checked = case.documents.get((str(found.digest), found.type), artifacts.Checked(False))
    return verdicts.JudgedMaterial(
        name=found.name,
        type=found.type,
        digest=str(found.digest),
        value=judged_materials.value_of(found) if plain else "",
        filename="" if plain else found.resource,
        size=found.size or 0,
        origin=CLI,
        output=asked.output if asked is not None else False,
        uploaded=found.storage == "uploaded" and checked.stored,
        annotations=_fixed(asked.annotations if asked else (), found.annotations),
        extracted=dict(checked.extracted),
    )


CHECKS: tuple[Callable[[Record], Iterable[Finding]], ...] = (
    contradicted_variables,  # RunnerContradicted
    wrong_runner,  # RunnerContradicted
    wrong_materials,  # MaterialTypeMismatch, AnnotationContradicted, MaterialNotUploaded
    contradicted_annotations,  # AnnotationContradicted
)
