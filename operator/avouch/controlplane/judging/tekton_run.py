"""Judging one run: from the Done snapshot, its claims and its documents to a verdict. Pure; time is an argument.

1. No snapshot: Pending. A subject that was stopped: Canceled.
2. Claims of tries that a retry superseded are kept, but not judged; all others count, whoever pushed them.
3. An injected pod that has not spoken is waited for until `GRACE` after Done; then it is a finding.
4. What a finding makes of the verdict stands in the table of `avouch.findings`; the strongest one decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from avouch import findings as table
from avouch import plan
from avouch.attestation import predicate
from avouch.contract import completeness
from avouch.controlplane.judging import cluster_record
from avouch.controlplane.judging import materials as judged_materials
from avouch.controlplane.judging.materials import Said
from avouch.controlplane.model import external, runs, verdicts
from avouch.controlplane.model.artifacts import Checked
from avouch.controlplane.model.verdicts import Evidence, VerdictResult
from avouch.findings import Finding
from avouch.tekton import outcome

GRACE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Case:
    """All that judging needs. `documents` is keyed by (digest, material type)."""

    run: runs.Run
    plan: plan.Plan
    snapshot: runs.Snapshot | None
    said: tuple[Said, ...] = ()
    documents: Mapping[tuple[str, str], Checked] = field(default_factory=dict)
    outside: external.ExternalPart | None = None  # of a run outside Tekton (`outsidejudgement`)


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Not yet: judge again at this time."""

    at: datetime


def judge(case: Case, now: datetime) -> verdicts.Verdict | WaitUntil:
    """Decide one run. The module docstring is the specification."""
    if case.snapshot is None:
        return _verdict(case, VerdictResult.PENDING, (), now)
    ended = outcome.of(case.snapshot.subject)
    runs = cluster_record.executions(case.snapshot)
    counting, strays = _counting(case, runs)
    silent = _silent(case.snapshot, runs, case.said)
    until = _deadline(case)
    if silent and not _canceled(ended) and until is not None and now < until:
        return WaitUntil(until)
    view = _view(case, case.snapshot, runs, counting)
    weighed = {asked: judged_materials.material(asked, view) for asked in case.plan.materials}
    annotations, contradicted = _annotations(case, view)
    env = cluster_record.variables(case.plan.env, view.subject, runs)
    evidence = completeness.Evidence(
        materials=tuple(material for one in weighed.values() for material in one.materials),
        annotations=annotations,
        env=env,
        absent={asked.name: one.why for asked, one in weighed.items()},
    )
    findings = (
        *strays,
        *(finding for said, _ in counting for finding in _refused(said, case.plan)),
        *(finding for one in weighed.values() for finding in one.findings),
        *judged_materials.guessed_twice(weighed),
        *contradicted,
        *completeness.owed(case.plan, evidence),
        *(_sidecar_missing(pod, runs) for pod in silent),
        *_outcome(ended),
        *policies(case.plan),
    )
    return verdicts.Verdict(
        run_id=case.run.id,
        result=result_of(findings),
        evidence=Evidence.MISSING if silent else Evidence.SIDECAR if counting else Evidence.TASKRUN,
        findings=findings,
        materials=tuple(material for one in weighed.values() for material in one.materials),
        annotations=annotations,
        env=env,
        judged_at=now,
    )


def failed(case: Case, reason: str, now: datetime) -> verdicts.Verdict:
    """The verdict on a run that could not be judged: never passed."""
    finding = Finding("JudgingFailed", reason, fix="read the worker's log; the run can be judged again")
    return _verdict(case, result_of((finding,)), (finding,), now)


def result_of(findings: tuple[Finding, ...]) -> VerdictResult:
    """The verdict that these findings make, by the table of codes. No finding at all, or only notes: Passed."""
    makes = table.verdict(findings)
    return VerdictResult.PASSED if makes is table.Makes.NOTHING else VerdictResult(makes.value)


def counting_claims(case: Case) -> tuple[Said, ...]:
    """The claims that are judged: what the signed documents list as inputs."""
    if case.snapshot is None:
        return case.said if case.outside is not None else ()
    return tuple(said for said, _ in _counting(case, cluster_record.executions(case.snapshot))[0])


def _verdict(case: Case, result: VerdictResult, findings: tuple[Finding, ...], now: datetime) -> verdicts.Verdict:
    return verdicts.Verdict(case.run.id, result, Evidence.NONE, findings, (), {}, {}, now)


def _counting(
    case: Case, runs: tuple[cluster_record.Execution, ...]
) -> tuple[tuple[tuple[Said, cluster_record.Execution], ...], tuple[Finding, ...]]:
    """(2) Claims with their execution, in an order that does not depend on arrival, and what is wrong with others."""
    by_uid = {run.uid: run for run in runs}
    counting: list[tuple[Said, cluster_record.Execution]] = []
    findings: list[Finding] = []
    for said in sorted(case.said, key=lambda said: (said.claim.digest, said.claim.pod_uid)):
        run = by_uid.get(said.claim.taskrun_uid)
        if run is not None and not run.counts(said.claim.pod_uid):
            continue
        problem = _problem(case, said, run)
        if problem is not None:
            findings.append(problem)
        elif run is not None:
            counting.append((said, run))
    return tuple(counting), tuple(findings)


def _problem(case: Case, said: Said, run: cluster_record.Execution | None) -> Finding | None:
    claim = f"claim {said.claim.digest} of pod {said.claim.pod_uid}"
    if run is None:
        text = f"{claim} is about TaskRun {said.claim.taskrun}, which the cluster's record of this run does not know"
        return Finding("ClaimOfUnknownTaskRun", text)
    if said.facts is None:
        return Finding("ClaimNotVerified", f"{claim}: {said.problem}")
    metadata = said.facts.metadata
    theirs = (metadata.workflow_run_id, metadata.workflow_name, metadata.contract_name, metadata.contract_version)
    ours = (str(case.run.id), case.plan.workflow, case.plan.contract, str(case.plan.revision))
    if theirs != ours:
        return Finding("ClaimOfAnotherRun", f"{claim} is about {'/'.join(theirs)[:300]}, not {'/'.join(ours)}")
    return None


def _refused(said: Said, asked: plan.Plan) -> tuple[Finding, ...]:
    """What the sidecar itself refused (a link, a file that changed while it was read): it signed why."""
    lines = {material.name: material.line for material in asked.materials}
    told = {} if said.facts is None else said.facts.annotations
    return tuple(
        Finding(
            "EvidenceRefused",
            f"the sidecar of TaskRun {said.claim.taskrun} refused {name}: {why}",
            lines.get(name, ""),
            "let the step leave one regular file that nobody writes to after the last step",
            name,
        )
        for key, why in sorted(told.items())
        if key.startswith(predicate.FINDING) and (name := key.removeprefix(predicate.FINDING))
    )


def _silent(
    snapshot: runs.Snapshot, runs: tuple[cluster_record.Execution, ...], said: tuple[Said, ...]
) -> tuple[str, ...]:
    """(3) Injected pods of the tries that count, from which nothing came."""
    spoke = {one.claim.pod_uid for one in said if not one.claim.explicit}
    superseded = {pod for run in runs for pod in run.superseded}
    return tuple(sorted(set(snapshot.injected) - spoke - superseded))


def _deadline(case: Case) -> datetime | None:
    return None if case.run.finished_at is None else case.run.finished_at + GRACE


def _view(
    case: Case,
    snapshot: runs.Snapshot,
    runs: tuple[cluster_record.Execution, ...],
    counting: tuple[tuple[Said, cluster_record.Execution], ...],
) -> judged_materials.View:
    return judged_materials.View(runs, counting, case.documents, snapshot.subject)


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


def _sidecar_missing(pod: str, runs: tuple[cluster_record.Execution, ...]) -> Finding:
    name = next((run.name for run in runs if run.pod_uid == pod), "")
    where = f"TaskRun {name}" if name else f"pod {pod}"
    fix = f"look at container avouch-sidecar of {where} and at the server's log, then run it again"
    return Finding("SidecarMissing", f"the sidecar of {where} never delivered its claim", fix=fix)


def _canceled(ended: outcome.Outcome) -> bool:
    return ended.state is outcome.State.CANCELED


def _outcome(ended: outcome.Outcome) -> tuple[Finding, ...]:
    text = f"{ended.reason}: {ended.message}"[:1000]
    match ended.state:
        case outcome.State.SUCCEEDED:
            return ()
        case outcome.State.CANCELED:
            return (Finding("RunCanceled", text),)
        case outcome.State.FAILED:
            return (Finding("RunFailed", text, fix="mend the build: evidence of a failed run never passes"),)
        case _:
            gone = "the run was deleted before it finished, so nothing could be checked"
            return (Finding("RunNotDone", gone, fix="run it again, and delete it only after it finished"),)


def policies(asked: plan.Plan) -> tuple[Finding, ...]:
    """A contract that carries policies: they are not evaluated, so it is an error and never passed."""
    if not asked.has_policies:
        return ()
    text = f"contract {asked.contract} carries policies, which this version does not evaluate"
    fix = "take spec.policies and spec.policyGroups out of the contract, or wait for a version that evaluates them"
    return (Finding("PoliciesNotEvaluated", text, line="spec.policies", fix=fix),)
