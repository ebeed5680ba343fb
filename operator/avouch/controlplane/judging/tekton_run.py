"""The evidence of one run in Tekton: its Done snapshot, its claims and its documents. Pure; time is an argument.

1. No snapshot: Pending. One that could not be stored: Error. A subject that was stopped: Canceled. One that nobody
   saw Done: Unobserved, and nothing else is said of it.
2. Claims of tries that a retry superseded are kept, but not judged. Those of the pods that the TaskRuns name count,
   whichever container pushed them: the token proves the pod. Those of other pods are findings.
3. An injected sidecar is waited for until it has ended, whoever spoke before it, or until `runs.grace` after Done. One
   from which nothing came is a finding.
4. TaskRuns that the PipelineRun does not list are none of it; listed ones are held against its Pipeline
   (`tekton.children`). Where listed ones are gone the record is not whole: Unobserved, unless what is left contradicts.
   What it does not show accuses nobody.
5. What a finding makes of the verdict stands in the table of `avouch.findings`; the strongest one decides.

`verdict.judge` makes the verdict of it, as of the evidence of external runs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from avouch import errors, plan, refusals, rfc3339, storable
from avouch.attestation import predicate
from avouch.contract import completeness
from avouch.controlplane.judging import cluster_record
from avouch.controlplane.judging import materials as judged_materials
from avouch.controlplane.judging.cluster_record import Standing
from avouch.controlplane.judging.examination import (
    Case,
    Examined,
    ReadClaim,
    WaitUntil,
    result_of,
    unexamined,
)
from avouch.controlplane.model import runs, verdicts
from avouch.controlplane.model.verdicts import Evidence, VerdictResult
from avouch.findings import CODES, Effect, Finding, ordered, several
from avouch.tekton import children, decision, ending, labels, objects, outcome, pod, workspaces

_FAILED = 3  # TaskRuns that the finding about a failed run tells of
_LONG = 1000  # characters of a text with words of Tekton's
_OF_A_WHOLE = (Effect.FAILED, Effect.NOTHING)  # what a record that is not whole cannot show


@dataclass(frozen=True, slots=True)
class Record:
    """The cluster's record of a run beside what was claimed of it: what `CHECKS` look at."""

    case: Case
    ended: outcome.Outcome
    view: judged_materials.View
    strays: tuple[Finding, ...]  # claims that do not count
    silent: tuple[str, ...]  # pods whose sidecar never spoke
    weighed: Mapping[plan.PlannedMaterial, judged_materials.Weighed]
    annotations: Mapping[str, str]
    contradicted: tuple[Finding, ...]  # annotations


def examine(case: Case, now: datetime) -> Examined | verdicts.Verdict | WaitUntil:
    """Weigh the evidence of one run. The module docstring is the specification."""
    if case.snapshot is None:
        return verdicts.Verdict(case.run.id, VerdictResult.PENDING, Evidence.NONE, (), (), {}, {}, now)
    if case.snapshot.refused:
        text = f"the cluster's record of the run cannot be stored: {case.snapshot.refused}"
        return unexamined(case, Finding("RecordNotStored", text, fix="run it again without what is refused"), now)
    ended = outcome.of(case.snapshot.subject)
    runs = cluster_record.executions(case.snapshot)
    counting, strays = _counting(case, runs)
    until = _deadline(case)
    if case.snapshot.working and not _canceled(ended) and until is not None and now < until:
        return WaitUntil(until)
    silent = _silent(case.snapshot, runs, case.said)
    injected, uninjected = frozenset(case.snapshot.injected), case.snapshot.uninjected
    cut = frozenset(case.snapshot.cut)
    view = judged_materials.View(runs, counting, case.documents, case.snapshot.subject, injected, uninjected, cut)
    weighed = judged_materials.weigh(case.plan.materials, view)
    annotations, contradicted = _annotations(case, view)
    record = Record(case, ended, view, strays, silent, weighed, annotations, contradicted)
    materials = tuple(material for one in weighed.values() for material in one.materials)
    env = cluster_record.variables(case.plan.env, view.subject, runs)
    idle = _Idle(view)
    unheard = _unheard(record)
    absent = {
        asked.name: idle.of_material(asked.source, one.why or unheard.get(asked.name, ""))
        for asked, one in weighed.items()
    }
    absent |= {found.material: errors.with_fix(found.message, found.fix) for found in refused_evidence(record)}
    findings, evidence = tuple(finding for check in CHECKS for finding in check(record)), _evidence(view, silent)
    if stands := _of_a_part(case, findings):
        return verdicts.Verdict(case.run.id, result_of(stands), evidence, stands, materials, annotations, env, now)
    return Examined(
        evidence=evidence,
        materials=materials,
        annotations=annotations,
        env=env,
        delivered=completeness.Evidence(materials, annotations, env, absent, idle.of_annotations(case.plan)),
        findings=findings,
    )


@dataclass(frozen=True, slots=True)
class _Idle:
    """Why tasks of the run left nothing: they failed, were skipped, or never ran."""

    view: judged_materials.View

    def of_material(self, source: plan.Source, why: str) -> str:
        """Why it is not there. What the values themselves tell (`why`) stands below a task that did not succeed."""
        told = self._of(source)
        return told if errors.parted(told)[0] else why or told

    def of_annotations(self, asked: plan.Plan) -> Mapping[tuple[str, str], str]:
        """By material ("" for the run's own) and annotation."""
        every = (("", asked.annotations), *((material.name, material.annotations) for material in asked.materials))
        return {(name, each.name): self._of(each.source) for name, found in every for each in found if each.source}

    def _of(self, source: plan.Source) -> str:
        given = source.kind in (plan.From.PARAM, plan.From.ENV)  # which a TaskRun has before it works
        if source.kind is plan.From.ANNOTATION or (given and not source.task):
            return ""
        runs = [(run.task, run.taskrun) for run in self.view.runs]
        return "" if given and source.task in dict(runs) else ending.idle(source.task, self.view.subject, runs)


def _of_a_part(case: Case, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """(1, 4) The findings on a record that is not whole; none where it is."""
    if case.snapshot is not None and not outcome.done(case.snapshot.subject):
        return (_never_done(case),)
    if not any(finding.code == "RecordNotWhole" for finding in findings):
        return ()
    return ordered(finding for finding in findings if CODES[finding.code].effect not in _OF_A_WHOLE)


def _never_done(case: Case) -> Finding:
    """(1) What is known of a run whose end nobody saw: what was deleted, when that was noticed, what it said last."""
    subject = {} if case.snapshot is None else case.snapshot.subject
    last, since = outcome.of(subject), objects.text(subject, "metadata", "deletionTimestamp")
    text = f"{_subject(case)} was deleted before anybody saw it Done{_noticed(case)}, so nothing could be checked"
    text += f"; its deletion began at {since}" if since else ""
    text += f"; it last said {last.reason}: {last.message}" if last.reason else ""
    fix = f"run it again, and delete a {case.run.subject_kind} only after it has its verdict"
    return Finding("RunNotDone", text[:_LONG], fix=fix)


def _subject(case: Case) -> str:
    return f"{case.run.subject_kind} {case.run.subject_name}"


def _noticed(case: Case) -> str:
    return "" if case.run.finished_at is None else f" (noticed at {rfc3339.to_seconds(case.run.finished_at)})"


def _evidence(view: judged_materials.View, silent: tuple[str, ...]) -> Evidence:
    if silent:
        return Evidence.MISSING
    if any(view.of_sidecar(said) for said, _ in view.claims):
        return Evidence.SIDECAR
    return Evidence.STEP if view.claims else Evidence.TASKRUN


def counting_claims(case: Case) -> tuple[ReadClaim, ...]:
    """The claims that are judged: what the signed documents list as inputs."""
    if case.snapshot is None:
        return ()
    return tuple(said for said, _ in _counting(case, cluster_record.executions(case.snapshot))[0])


def from_own_pods(case: Case) -> tuple[ReadClaim, ...]:
    """The claims that pods pushed which the record names, of the tries that count."""
    if case.snapshot is None:
        return ()
    by_uid = {run.uid: run for run in cluster_record.executions(case.snapshot)}
    return tuple(
        said for said in case.said if _standing(said, by_uid.get(said.claim.taskrun_uid), case.said) is Standing.OWN
    )


def _counting(
    case: Case, runs: tuple[cluster_record.Execution, ...]
) -> tuple[tuple[tuple[ReadClaim, cluster_record.Execution], ...], tuple[Finding, ...]]:
    """(2) Claims with their execution, in an order that does not depend on arrival, and what is wrong with others."""
    by_uid = {run.uid: run for run in runs}
    unrecorded = _unrecorded(case)
    standing = {id(said): _standing(said, by_uid.get(said.claim.taskrun_uid), case.said) for said in case.said}
    counting: list[tuple[ReadClaim, cluster_record.Execution]] = []
    findings: list[Finding] = []
    for said in sorted(case.said, key=lambda said: (said.claim.digest, said.claim.pod_uid)):
        run = by_uid.get(said.claim.taskrun_uid)
        if standing[id(said)] is Standing.SUPERSEDED or (standing[id(said)] is Standing.FOREIGN and unrecorded(said)):
            continue
        problem = _problem(case, said, run, standing[id(said)], runs)
        if problem is not None:
            findings.append(problem)
        elif run is not None:
            counting.append((said, run))
    return tuple(counting), tuple(findings)


def _unrecorded(case: Case) -> Callable[[ReadClaim], bool]:
    """(4) Whether the record cannot show where a claim came from.

    The run was deleted before its end, or that TaskRun before the record was taken. `RunNotDone` or `RecordNotWhole`
    says so, and nothing passes.
    """
    subject = {} if case.snapshot is None else case.snapshot.subject
    gone = () if case.snapshot is None else children.of(subject, case.snapshot.taskruns).absent
    return lambda said: not outcome.done(subject) or said.claim.taskrun in gone


def _standing(said: ReadClaim, run: cluster_record.Execution | None, every: tuple[ReadClaim, ...]) -> Standing:
    """Where the record places the pod of a claim. Of two that have the name of one that is gone, neither is proven."""
    if run is None:
        return Standing.FOREIGN
    found = run.standing(said.claim.pod, said.claim.pod_uid)
    if found is Standing.OWN and not run.pod_uid:
        same = {one.claim.pod_uid for one in every if (one.claim.taskrun_uid, one.claim.pod) == (run.uid, run.pod)}
        return found if len(same) == 1 else Standing.FOREIGN
    return found


def _problem(
    case: Case,
    said: ReadClaim,
    run: cluster_record.Execution | None,
    standing: Standing,
    runs: tuple[cluster_record.Execution, ...],
) -> Finding | None:
    claim = f"claim {said.claim.digest} of pod {said.claim.pod_uid}"
    if run is None:
        text = f"{claim} is about TaskRun {said.claim.taskrun}, which is not part of this run in the cluster"
        if said.claim.taskrun in {run.name for run in runs}:
            text += "; the one of that name is another, made after this one was deleted"
            return Finding("ClaimOfUnknownTaskRun", text, fix="run it again, and delete no TaskRun while a run works")
        return Finding("ClaimOfUnknownTaskRun", text, fix="find who made that TaskRun and its pod")
    if said.facts is None:
        fix = "restore the trust root that was in use when the claim arrived, or run it again"
        return Finding("ClaimNotVerified", f"{claim}: {said.problem}", fix=fix)
    if standing is Standing.FOREIGN:
        text = f"{claim} came from pod {said.claim.pod or said.claim.pod_uid}, which is none of TaskRun {run.name}"
        return Finding("ClaimOfForeignPod", text, fix="find who created that pod and gave it the TaskRun as owner")
    metadata = said.facts.metadata
    theirs = (metadata.workflow_run_id, metadata.workflow_name, metadata.contract_name, metadata.contract_version)
    # By the run, not by its plan: what was claimed under one revision may be judged by another one.
    ours = (str(case.run.id), case.run.workflow, case.run.contract, str(case.run.revision))
    if theirs != ours:
        text = f"{claim} is about {'/'.join(theirs)[:300]}, not {'/'.join(ours)}"
        return Finding("ClaimOfAnotherRun", text, fix="find the step that pushed it: a claim is valid for one run only")
    return None


def _silent(
    snapshot: runs.Snapshot, runs: tuple[cluster_record.Execution, ...], said: tuple[ReadClaim, ...]
) -> tuple[str, ...]:
    """(3) Injected pods of the tries that count, from which nothing came but what says that it is a step's."""
    spoke = {one.claim.pod_uid for one in said if not one.claim.explicit}
    superseded = {pod for run in runs for pod in run.superseded}
    return tuple(sorted(set(snapshot.injected) - spoke - superseded))


def _deadline(case: Case) -> datetime | None:
    return None if case.run.finished_at is None else case.run.finished_at + runs.grace(case.plan.attest_within)


def _annotations(case: Case, view: judged_materials.View) -> tuple[dict[str, str], tuple[Finding, ...]]:
    found: dict[str, str] = {}
    findings: list[Finding] = []
    for asked in case.plan.annotations:
        told = tuple(
            cluster_record.Seen(
                run.task, run.uid, f"the claim of TaskRun {run.name}", said.facts.annotations[asked.name]
            )
            for said, run in view.claims
            if said.facts is not None and said.facts.annotations.get(asked.name)
        )
        where = judged_materials.Where("spec.annotations")
        value, wrong = judged_materials.annotation(asked, where, told, view)
        findings += wrong
        if value:
            found[asked.name] = value
    return found, tuple(findings)


def _canceled(ended: outcome.Outcome) -> bool:
    return ended.state is outcome.State.CANCELED


def claims_that_do_not_count(record: Record) -> tuple[Finding, ...]:
    """Claims that are not verified, are about another run or an unknown TaskRun, or came from a foreign pod."""
    return record.strays


def wrong_taskruns(record: Record) -> Iterator[Finding]:
    """(4) TaskRuns that are not what the PipelineRun and its Pipeline say, or that are gone."""
    snapshot = record.case.snapshot
    if snapshot is None:
        return
    found = children.of(snapshot.subject, snapshot.taskruns)
    for child in found.listed:
        if child.problem:
            text = f"TaskRun {labels.name_of(child.taskrun)} is listed by the PipelineRun, but {child.problem}"
            yield Finding("TaskRunContradictsPipeline", text, fix="find who created that TaskRun")
    if found.absent:
        gone = f"TaskRun {several(found.absent)} of {_subject(record.case)} was deleted, or taken from it"
        text = f"{gone}, before the run was recorded, so not everything could be checked"
        if record.ended.state is outcome.State.FAILED:
            text += f"; Tekton says that the run failed: {record.ended.reason}: {record.ended.message}"
        fix = "run it again, and delete TaskRuns only with their PipelineRun, after it has its verdict"
        yield Finding("RecordNotWhole", text[:_LONG], fix=fix)
    if found.foreign:
        named = f"TaskRun {several(found.foreign)} names this PipelineRun as owner"
        text = f"{named}, which does not list it: nothing of it counts"
        yield Finding("TaskRunNotListed", text, fix="find who created it")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a sidecar signed of a material that it could not take."""

    taskrun: str
    uid: str  # of the TaskRun
    message: str
    fix: str  # what the sidecar, or the server, said; "" where the cause alone tells
    cause: str  # in `refusals.CAUSES`, or "" from an older sidecar


def refused_evidence(record: Record) -> Iterator[Finding]:
    """What is no evidence to a sidecar (a link, a file that changed, one that the server refused): it signed why.

    One finding a material, whoever refused it. What lacks of a material that may be absent is a note, but not where its
    own pod delivers it all the same: a step does not overrule its sidecar. That nothing is there, in one of the pods
    that might have had it, is no finding where another delivered it.
    """
    asked = {material.name: material for material in record.case.plan.materials}
    told_already = {a.name for a, one in record.weighed.items() if any(seen.unusable for seen in one.shown)}
    for name, found in sorted(_refusals(record.view).items()):
        material = asked.get(name) or plan.PlannedMaterial(name, cluster_record.STRING, optional=True)
        delivered = material in record.weighed and record.weighed[material].materials
        told = [one for one in found if not (delivered and refusals.is_absence(one.cause))]
        overruled = [one for one in told if delivered and one.uid in _claimants(name, record.view)]
        told = overruled or told
        if told and name not in told_already:
            who = f"TaskRun {several(list(dict.fromkeys(one.taskrun for one in told)))}"
            text = f"the sidecar of {who} refused {name}: {told[0].message}"
            code = "MaterialNotUsed" if material.may_lack and not overruled else "EvidenceRefused"
            yield Finding(code, text, material.line, _fix(material, told[0]), name)


def _refusals(view: judged_materials.View) -> Mapping[str, Sequence[Refusal]]:
    """By material, in an order that does not depend on who came first."""
    found: dict[str, list[Refusal]] = {}
    for said, run in view.claims:
        told = {} if said.facts is None else said.facts.annotations
        for key, why in told.items():
            name = key.removeprefix(predicate.FINDING)
            if key.startswith(predicate.FINDING) and name:
                cause = told.get(f"{predicate.CAUSE}{name}", "")
                found.setdefault(name, []).append(Refusal(run.name, run.uid, *errors.parted(why), cause))
    return {name: sorted(each, key=lambda one: (one.taskrun, one.message, one.cause)) for name, each in found.items()}


def _claimants(name: str, view: judged_materials.View) -> frozenset[str]:
    """UIDs of the TaskRuns whose pods claimed to deliver a material."""
    return frozenset(
        run.uid for said, run in view.claims if said.facts and name in {m.name for m in said.facts.materials}
    )


def _fix(material: plan.PlannedMaterial, refusal: Refusal) -> str:
    source = material.source
    return refusals.fix(
        refusal.cause,
        refusal.fix,
        task=f"task {source.task}" if source.task else "the step",
        file=source.path or source.name or material.name,
        workspace=source.name,
        material=material.name,
    )


def wrong_materials(record: Record) -> Iterator[Finding]:
    """Materials that contradict each other, are of another type, or lack their content."""
    for one in record.weighed.values():
        yield from one.findings


def ambiguous_images(record: Record) -> tuple[Finding, ...]:
    """Images that were found by convention and already stand for another material."""
    return judged_materials.guessed_twice(record.weighed)


def contradicted_annotations(record: Record) -> tuple[Finding, ...]:
    """Annotations of which two sources say different things."""
    return record.contradicted


def missing_sidecars(record: Record) -> Iterator[Finding]:
    """Injected pods from which nothing came, with the last word of their sidecar where the pod's status shows one."""
    said = {} if record.case.snapshot is None else record.case.snapshot.said
    for silent in record.silent:
        run = next((run for run in record.view.runs if run.pod_uid == silent), None)
        where = f"TaskRun {run.name}" if run else f"pod {silent}"
        text = f"the sidecar of {where} did not push its claim"
        ended = outcome.of(run.taskrun) if run else outcome.Outcome(outcome.State.RUNNING)
        last = said.get(silent, "")
        if ended.reason in outcome.POD_DELETED and last in ("", pod.DELETED):
            text += f": Tekton deleted its pod when the TaskRun ended ({ended.reason})"
            fix = f"mend what ended it: {ended.message[:300]}"
        elif last:
            why, fix = errors.parted(last)
            text, fix = f"{text}: {why}", fix or "see that its pods reach a server that is ready, then run it again"
        else:
            fix = f"look at container avouch-sidecar of {where} and at the server's log, then run it again"
        yield Finding("SidecarMissing", text, fix=fix)


def cut_results(record: Record) -> Iterator[Finding]:
    """Results that our own sidecar left no room for."""
    cut = () if record.case.snapshot is None else record.case.snapshot.cut
    if lost := [run.name for run in record.view.runs if run.pod_uid in cut]:
        text = judged_materials.NO_ROOM.format(several(lost))
        yield Finding("ResultsCut", text, fix=judged_materials.MORE_ROOM)


def _unheard(record: Record) -> Mapping[str, str]:
    """By material of which only a pod has the bytes: that the sidecar of its task's pod stayed silent, and the fix."""
    found = dict(zip(record.silent, missing_sidecars(record), strict=True))
    mute = [(run.task, found[run.pod_uid]) for run in record.view.runs if run.pod_uid in found]
    return {
        asked.name: errors.with_fix(told.message, told.fix)
        for asked in record.weighed
        for task, told in reversed(mute)
        if record.view.of_task(asked, task) and (asked.source.needs_pod or workspaces.by_convention(asked))
    }


def unsuccessful_run(record: Record) -> tuple[Finding, ...]:
    """A run that failed or was stopped."""
    ended = record.ended
    text = f"{ended.reason}: {ended.message}"[:_LONG]
    match ended.state:
        case outcome.State.CANCELED:
            return (Finding("RunCanceled", text),)
        case outcome.State.FAILED:
            return (_failed(record),)
        case _:
            return ()


def unseen_pods(record: Record) -> Iterator[Finding]:
    """Pods that were gone before any controller saw them, where the plan wants a sidecar: was one there?

    One that went among very many, which no build has, was hidden by somebody: its sidecar has to have spoken.
    """
    snapshot = record.case.snapshot
    if snapshot is None:
        return
    heard = {run.uid for said, run in record.view.claims if not (snapshot.crowded and said.claim.explicit)}
    for run in record.view.runs:
        if run.pod not in snapshot.unseen or run.uid in heard or not _wanted(record.case, run):
            continue
        if snapshot.crowded:
            text = (
                f"pod {run.pod} of TaskRun {run.name} is gone, and more pods said to be of TaskRuns than are remembered"
            )
            yield Finding("SidecarMissing", text, fix="find who makes pods in this namespace, then run it again")
        else:
            text = f"pod {run.pod} of TaskRun {run.name} was gone before avouch saw it, and no claim came from it"
            yield Finding("PodNotSeen", f"{text}: whether a sidecar stood in it is not known")


def _wanted(case: Case, run: cluster_record.Execution) -> bool:
    chosen = decision.decide([decision.Owed(case.plan, case.plan.of_task(run.task))], quota=False)
    return not isinstance(chosen, pod.Refusal)


def _failed(record: Record) -> Finding:
    """The TaskRuns that failed the run come first: the PipelineRun itself says no more than how many they are."""
    subject, own = record.view.subject, ending.said(record.view.subject)
    failed = ending.failures(subject, [(run.task, run.taskrun) for run in record.view.runs])
    alone = subject.get("kind") == "TaskRun"
    told = (
        [] if alone else [f"TaskRun {labels.name_of(each)} (task {task}): {ending.said(each)}" for task, each in failed]
    )
    more = [f"and {len(told) - _FAILED} more"] if len(told) > _FAILED else []
    if ending.timed_out(subject):
        fix = "give it more time (spec.timeouts of a PipelineRun, spec.timeout of a TaskRun), or make it faster"
        return Finding("RunTimedOut", "; ".join([own, *told[:_FAILED], *more]), fix=fix)
    if not told:
        return Finding("RunFailed", own, fix="fix the build: a failed run never passes")
    where = f"kubectl describe taskrun -n {record.case.run.namespace} {labels.name_of(failed[0][1])}"
    fix = f"fix task {failed[0][0]} ({where}): a failed run never passes"
    return Finding("RunFailed", "; ".join([*told[:_FAILED], *more, f"the run: {own}"]), fix=fix)


def cleaned_record(record: Record) -> Iterator[Finding]:
    """Text of the cluster's own record that was stored otherwise than it was: said, so that nobody wonders."""
    places = record.case.snapshot.cleaned if record.case.snapshot is not None else ()
    if places:
        told = several([place[:200] for place in places])
        text = f"U+FFFD stands for characters that cannot be recorded, such as U+0000, in {told}"
        yield Finding("RecordCleaned", text, fix=storable.FIX)


CHECKS: tuple[Callable[[Record], Iterable[Finding]], ...] = (
    unsuccessful_run,  # RunCanceled, RunFailed, RunTimedOut, RunNotDone: the cause before what follows from it
    claims_that_do_not_count,  # ClaimNotVerified, ClaimOfAnotherRun, ClaimOfUnknownTaskRun, ClaimOfForeignPod
    wrong_taskruns,  # TaskRunContradictsPipeline, RecordNotWhole, TaskRunNotListed
    refused_evidence,  # EvidenceRefused, MaterialNotUsed
    wrong_materials,  # MaterialContradicted, MaterialTypeMismatch, MaterialNotUploaded, MaterialAmbiguous, Image...
    ambiguous_images,  # MaterialAmbiguous
    contradicted_annotations,  # AnnotationContradicted
    missing_sidecars,  # SidecarMissing
    cut_results,  # ResultsCut
    unseen_pods,  # PodNotSeen, SidecarMissing
    cleaned_record,  # RecordCleaned
)
