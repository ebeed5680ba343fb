"""Weighing one value: what status shows, what claims say, whether they agree, and what the contract still misses.

Pure. A claim is never believed over the cluster's record, and none is believed because it came first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avouch import errors, plan, spelling
from avouch.attestation import materials
from avouch.controlplane.judging import agreement, cluster_record
from avouch.controlplane.judging.cluster_record import SIDECAR, STRING, Seen
from avouch.controlplane.judging.examination import ReadClaim, unsuitable
from avouch.controlplane.model import artifacts, verdicts
from avouch.findings import CODES, Effect, Finding
from avouch.image_references import Flaw
from avouch.materials import types as material_types
from avouch.tekton import hints, objects, results, workspaces

# What these name lies in the TaskRun; where it is not there, a pod's word does not replace it.
_STATUS_ONLY = frozenset({plan.From.RESULT, plan.From.PARAM, plan.From.ENV})
_EVENTS = "kubectl get events shows why (SidecarNotInjected); without one, label the namespace"
NO_ROOM = "the results of TaskRun {} did not fit beside the sidecar, so Tekton recorded none of them"
MORE_ROOM = "write large results to a workspace, or let Tekton read them from logs (results-from: sidecar-logs)"
_OF_CLAIMS = ("MaterialTypeMismatch",)  # what somebody claimed, whether or not the material is needed
_UNUSABLE = {
    Flaw.REFERENCE_MISSING: "ImageReferenceMissing",
    Flaw.REFERENCE_INVALID: "ImageReferenceInvalid",
    Flaw.DIGEST_MISSING: "ImageDigestMissing",
    Flaw.DIGEST_AMBIGUOUS: "ImageDigestAmbiguous",
}


@dataclass(frozen=True, slots=True)
class Where:
    """The contract line and the material that findings about an annotation name."""

    line: str
    material: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """All that weighing one material needs; claims are those that count, with their execution."""

    runs: tuple[cluster_record.Execution, ...]
    claims: tuple[tuple[ReadClaim, cluster_record.Execution], ...]
    documents: Mapping[tuple[str, str], artifacts.Checked]
    subject: Mapping[str, Any]
    injected: frozenset[str] = frozenset()  # UIDs of pods with our sidecar
    uninjected: str = ""  # why the other pods have none
    cut: frozenset[str] = frozenset()  # UIDs of pods whose results our sidecar left no room for

    def of_task(self, asked: plan.PlannedMaterial, task: str) -> bool:
        """Whether what this task left may be the material. A TaskRun that stands alone is whatever task is named."""
        return asked.source.task in ("", task) or self.subject.get("kind") == "TaskRun"

    def of_sidecar(self, said: ReadClaim) -> bool:
        """Whether a claim came from a pod with our sidecar, by the cluster's record whatever the client says.

        Intake looks too, so a claim that is not `explicit` is of such a pod although the record no longer shows it.
        """
        return said.claim.pod_uid in self.injected or not said.claim.explicit


@dataclass(frozen=True, slots=True)
class Weighed:
    """The outcome for one material: none, one, or several where a matrix added."""

    materials: tuple[verdicts.JudgedMaterial, ...] = ()
    findings: tuple[Finding, ...] = ()
    shown: tuple[Seen, ...] = ()  # what the materials were taken from
    why: str = ""  # why there are none, where that is known; with a fix, as `errors.parted` takes it apart


@dataclass(frozen=True, slots=True)
class _Entry:
    """One material as one claim says it."""

    seen: Seen
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)


def weigh(asked: Iterable[plan.PlannedMaterial], view: View) -> Mapping[plan.PlannedMaterial, Weighed]:
    """Judge every material of the contract. A guess at an optional image that stands for another one is given up."""
    found = {each: material(each, view) for each in asked}
    return {each: _without_shared_guess(each, one, found) for each, one in found.items()}


def _without_shared_guess(
    asked: plan.PlannedMaterial, one: Weighed, found: Mapping[plan.PlannedMaterial, Weighed]
) -> Weighed:
    optional = asked.type == material_types.IMAGE and asked.optional and not asked.group
    ambiguous = _guessed_twice(asked, one, found) if optional else ()
    return _not_used(one, ambiguous[0]) if ambiguous else one


def _not_used(one: Weighed, why: Finding) -> Weighed:
    """An optional material as if it had not been delivered, with a note. What contradicts it stays a finding."""
    kept = tuple(each for each in one.findings if CODES[each.code].effect is Effect.REJECTED or each.code in _OF_CLAIMS)
    return Weighed(findings=(*kept, _note(why)), why=errors.with_fix(why.message, why.fix))


def _note(why: Finding) -> Finding:
    return Finding("MaterialNotUsed", why.message, why.line, why.fix, why.material)


def material(asked: plan.PlannedMaterial, view: View) -> Weighed:
    """Judge one material of the contract."""
    status = cluster_record.of_material(asked, view.subject, view.runs)
    entries = tuple(entry for said, run in view.claims for entry in _entries(asked, said, run, view))
    told = tuple(entry.seen for entry in entries)
    findings = [*_contradiction(asked, status, told), *_other_types(asked, entries)]
    eligible = tuple(e for e in entries if e.seen.type == asked.type and view.of_task(asked, e.seen.task))
    accepted, unusable = _parted(asked, _accepted(asked, status, eligible))
    ambiguous = _ambiguous(asked, status)
    findings += [*ambiguous, *map(_note, unusable)]
    shown = status or tuple(entry.seen for entry in eligible)
    if not accepted:
        why = errors.with_fix(unusable[0].message, unusable[0].fix) if unusable else _why_not(asked, told, view)
        return Weighed(findings=tuple(findings), shown=shown if unusable else (), why=why)
    notes, unresolved = _annotations(asked, entries, view)
    judged = tuple(_judged(asked, entry, view, notes) for entry in accepted)
    findings += [finding for entry in accepted for finding in _defects(asked, entry, view)]
    findings += _unheard(asked, view)
    whole = Weighed(judged, (*findings, *unresolved), shown=shown)
    guessed = asked.optional and not asked.group and any(seen.guessed for seen in shown)
    return _not_used(whole, ambiguous[0]) if ambiguous and guessed else whole


def _parted(asked: plan.PlannedMaterial, accepted: Mapping[str, _Entry]) -> tuple[Sequence[_Entry], Sequence[Finding]]:
    """What counts, and what is wrong with the images that do not: those without which a run may pass."""
    if asked.type != material_types.IMAGE or not asked.may_lack:
        return tuple(accepted.values()), ()
    defects = [(entry, _image_defects(asked, entry.seen)) for entry in accepted.values()]
    wrong = [finding for _, found in defects for finding in found]
    return [entry for entry, found in defects if not found], wrong


def guessed_twice(found: Mapping[plan.PlannedMaterial, Weighed]) -> tuple[Finding, ...]:
    """Images that were found by convention and already stand for another material: a guess never serves two."""
    return tuple(
        finding
        for asked, one in found.items()
        if asked.type == material_types.IMAGE
        for finding in _guessed_twice(asked, one, found)
        if not any(told.code == finding.code for told in one.findings)
    )


def _guessed_twice(
    asked: plan.PlannedMaterial, one: Weighed, found: Mapping[plan.PlannedMaterial, Weighed]
) -> tuple[Finding, ...]:
    guessed = {(seen.taskrun_uid, seen.digest): seen for seen in one.shown if seen.guessed and seen.digest}
    for other, another in found.items():
        same = [guessed[key] for s in another.shown if (key := (s.taskrun_uid, s.digest)) in guessed]
        if other != asked and other.type == material_types.IMAGE and same:
            text = f"{same[0].who} shows one image, {same[0]}, for both {asked.name} and {other.name}"
            fix = f"name the result of {asked.name} in the Workflow's spec.tekton.materials"
            return (_of(asked, "MaterialAmbiguous", text, fix),)
    return ()


def annotation(
    asked: plan.PlannedAnnotation, where: Where, told: tuple[Seen, ...], view: View
) -> tuple[str, tuple[Finding, ...]]:
    """The value of one annotation, or "", and what contradicts it. `where` lends line and material to the findings."""
    if asked.value:
        return asked.value, ()
    status = () if asked.source is None else cluster_record.of_value(asked.source, view.subject, view.runs)
    pair = agreement.disagreement(status, told, agreement.value_of)
    usable = status or (told if asked.source is None else ())
    value = min((seen.value for seen in usable), default="")
    if pair is None:
        return value, ()
    text = f"annotation {asked.name}: {agreement.both(pair)}"
    return value, (Finding("AnnotationContradicted", text, line=where.line, material=where.material),)


def _entries(
    asked: plan.PlannedMaterial, said: ReadClaim, run: cluster_record.Execution, view: View
) -> tuple[_Entry, ...]:
    who = f"the claim of TaskRun {run.name} (pod {said.claim.pod_uid})"
    found = () if said.facts is None else said.facts.materials
    return tuple(
        _Entry(
            Seen(
                run.task,
                run.uid,
                who,
                value=value_of(m),
                digest=str(m.digest),
                origin=SIDECAR,
                type=m.type,
                guessed=asked.source.kind is plan.From.CONVENTION and view.of_sidecar(said),
            ),
            m.size or 0,
            m.annotations,
        )
        for m in found
        if m.name == asked.name
    )


def value_of(told: materials.Material) -> str:
    """The text of a STRING, the reference of an image with its tag, or the name of a file."""
    if told.type == STRING:
        return (told.content or b"").decode("utf-8", "replace")
    return f"{told.resource}:{told.image_tag}" if told.image_tag else told.resource


def _contradiction(
    asked: plan.PlannedMaterial, status: tuple[Seen, ...], told: tuple[Seen, ...]
) -> tuple[Finding, ...]:
    identity = agreement.identity_of(asked.type)
    pair = agreement.disagreement(tuple(s for s in status if identity(s)), told, identity)
    if pair is None:
        return ()
    fix = "compare both digests with the registry; remove the step that reports the wrong one"
    return (_of(asked, "MaterialContradicted", f"material {asked.name}: {agreement.both(pair)}", fix),)


def _other_types(asked: plan.PlannedMaterial, entries: tuple[_Entry, ...]) -> list[Finding]:
    wrong = sorted({(e.seen.type, e.seen.who) for e in entries if e.seen.type != asked.type})
    return [
        _of(
            asked,
            "MaterialTypeMismatch",
            f"{who} calls {asked.name} {type_}, the contract asks for {asked.type}",
            f"attest {asked.name} as {asked.type}",
        )
        for type_, who in wrong
    ]


def _ambiguous(asked: plan.PlannedMaterial, status: tuple[Seen, ...]) -> list[Finding]:
    identity = agreement.identity_of(asked.type)
    by_task: dict[str, set[str]] = {}
    for seen in status:
        by_task.setdefault(seen.task, set()).add(identity(seen))
    if len({frozenset(found) for found in by_task.values()}) < 2:
        return []
    text = f"tasks {', '.join(sorted(by_task))} show different values of {asked.name}"
    return [_of(asked, "MaterialAmbiguous", text, "name the task in the Workflow's spec.tekton.materials")]


def _accepted(asked: plan.PlannedMaterial, status: tuple[Seen, ...], eligible: tuple[_Entry, ...]) -> dict[str, _Entry]:
    """What counts, by identity and in its order: status where it shows anything, else the claims."""
    identity = agreement.identity_of(asked.type)
    if status or (asked.source.kind in _STATUS_ONLY and asked.type in material_types.VALUE_TYPES):
        found = [_Entry(seen, 0) for seen in status]
    else:
        found = list(eligible)
    return {identity(e.seen): e for e in sorted(found, key=lambda e: (identity(e.seen), e.seen.who))}


def _why_not(asked: plan.PlannedMaterial, told: tuple[Seen, ...], view: View) -> str:
    elsewhere = f"only {min(seen.who for seen in told)} reports it, and that source does not count" if told else ""
    refused = cluster_record.refused(asked.source, asked.name, asked.type, view.runs)
    return (
        refused
        or _lost(asked, view)
        or _undeclared(asked, view)
        or elsewhere
        or _half(asked, view)
        or _unread(asked, view)
    )


def _lost(asked: plan.PlannedMaterial, view: View) -> str:
    """That its task wrote it, most likely, and that Tekton recorded no result of it for want of room."""
    if asked.source.kind not in (plan.From.RESULT, plan.From.CONVENTION) or workspaces.by_convention(asked):
        return ""
    lost = [run.name for run in _started(asked, view) if run.pod_uid in view.cut]
    return errors.with_fix(NO_ROOM.format(lost[0]), MORE_ROOM) if lost else ""


def _undeclared(asked: plan.PlannedMaterial, view: View) -> str:
    """That no Task which worked declares the result: its name in the Workflow, or in the Task, is another one."""
    source = asked.source
    if source.kind is not plan.From.RESULT or source.step:
        return ""
    specs = [(run, objects.mapping(run.taskrun, "status", "taskSpec")) for run in _started(asked, view)]
    known = [
        (run, [objects.text(each, "name") for each in objects.mappings(spec, "results")]) for run, spec in specs if spec
    ]
    if not known or any(source.name in names for _, names in known):
        return ""
    meant = spelling.nearest(source.name, {name for _, names in known for name in names})
    fix = f"write {meant} in" if meant else "declare the result in the Task and write it, or correct"
    text = f"the Task of TaskRun {known[0][0].name} declares no result {source.name}"
    return errors.with_fix(text, f"{fix} the Workflow's spec.tekton.materials")


def _half(asked: plan.PlannedMaterial, view: View) -> str:
    """That a task names an image by a tag alone, where an image is looked for by type hints."""
    if asked.type != material_types.IMAGE or asked.source.kind is not plan.From.CONVENTION:
        return ""
    for run in _started(asked, view):
        for url, digest in hints.without_digest(results.task_results(run.taskrun), asked.name):
            fix = f"write the digest of the image, as its registry has it, into the result {digest}"
            return errors.with_fix(f"TaskRun {run.name} has {url} and no {digest}", fix)
    return ""


def _unread(asked: plan.PlannedMaterial, view: View) -> str:
    """Why nobody looked for a file: no pod of its task had what reads files, a sidecar or a step that attests."""
    if not asked.source.needs_pod and not workspaces.by_convention(asked):
        return ""
    started = _started(asked, view)
    looked = {run.uid for _, run in view.claims}
    if not started or any(not run.pod_uid or run.pod_uid in view.injected or run.uid in looked for run in started):
        return ""
    text = f"no sidecar was in the pod of TaskRun {started[0].name}, so its files were not read"
    why, fix = errors.parted(view.uninjected)
    return errors.with_fix(f"{text}: {why}" if why else text, fix or _EVENTS)


def _started(asked: plan.PlannedMaterial, view: View) -> list[cluster_record.Execution]:
    return [run for run in view.runs if run.pod and view.of_task(asked, run.task)]


def _unheard(asked: plan.PlannedMaterial, view: View) -> Iterator[Finding]:
    """Combinations of a matrix whose file nobody looked for: what the others delivered says nothing of it.

    Where a sidecar stood and said nothing, `SidecarMissing` says so.
    """
    if asked.optional or asked.group or not asked.source.task or not asked.source.needs_pod:
        return
    heard = {run.uid for _, run in view.claims}
    for run in _started(asked, view):
        if run.uid not in heard and run.pod_uid not in view.injected:
            text = f"material {asked.name} of TaskRun {run.name} was not read: no sidecar was in its pod"
            text += f", and task {run.task} delivers it in each combination of its matrix"
            yield _of(asked, "MaterialMissing", text, _EVENTS)


def _defects(asked: plan.PlannedMaterial, entry: _Entry, view: View) -> tuple[Finding, ...]:
    """What is wrong with an accepted one."""
    if asked.type == STRING:
        return ()
    if asked.type == material_types.IMAGE:
        return _image_defects(asked, entry.seen)
    checked = view.documents.get((entry.seen.digest, asked.type))
    if asked.skip_upload and (checked is None or not checked.stored):
        return ()
    if checked is None or not checked.stored:
        text = f"material {asked.name} ({entry.seen.digest}) was claimed, but its content was not uploaded"
        return (_of(asked, "MaterialNotUploaded", text, "upload the file before the claim is pushed"),)
    return (unsuitable(checked, asked.line, asked.name),) if checked.problem else ()


def _image_defects(asked: plan.PlannedMaterial, seen: Seen) -> tuple[Finding, ...]:
    if seen.unusable is not None:
        text = f"{seen.who} shows {asked.name}: {seen.unusable.message}"
        return (_of(asked, _UNUSABLE[seen.unusable.flaw], text, seen.unusable.fix),)
    if not seen.value:  # a claim that was made by hand
        text = f"{seen.who} shows a digest of image {asked.name}, but no reference"
        return (_of(asked, "ImageReferenceMissing", text, "write the image's repository into the result, too"),)
    return ()


def _annotations(
    asked: plan.PlannedMaterial, entries: tuple[_Entry, ...], view: View
) -> tuple[dict[str, str], tuple[Finding, ...]]:
    notes: dict[str, str] = {}
    findings: list[Finding] = []
    for planned in asked.annotations:
        told = tuple(
            Seen(e.seen.task, e.seen.taskrun_uid, e.seen.who, value=e.annotations[planned.name])
            for e in entries
            if e.annotations.get(planned.name)
        )
        value, wrong = annotation(planned, Where(asked.line, asked.name), told, view)
        findings += wrong
        if value:
            notes[planned.name] = value
    return notes, tuple(findings)


def _judged(
    asked: plan.PlannedMaterial, entry: _Entry, view: View, notes: Mapping[str, str]
) -> verdicts.JudgedMaterial:
    checked = view.documents.get((entry.seen.digest, asked.type))
    plain = asked.type in material_types.VALUE_TYPES
    return verdicts.JudgedMaterial(
        name=asked.name,
        type=asked.type,
        digest=entry.seen.digest,
        value=entry.seen.value if plain else "",
        filename="" if plain else entry.seen.value,
        size=entry.size,
        origin=entry.seen.origin,
        output=asked.output,
        uploaded=checked is not None and checked.stored,
        annotations=dict(notes),
        extracted=dict(checked.extracted) if checked is not None else {},
    )


def _of(asked: plan.PlannedMaterial, code: str, message: str, fix: str = "") -> Finding:
    return Finding(code, message, line=asked.line, fix=fix, material=asked.name)
