"""From a run's evidence to its verdict: one pipeline, whether the run was in Tekton or elsewhere. Pure.

Two sources weigh the evidence (`tekton_run.examine` for Tekton, `external_run.examine` for all else) and say what
was delivered and what is wrong with it. What holds for every run stands here, once, in `CHECKS`.
"""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeAlias

from avouch import findings as finding_table
from avouch.api import vocabulary
from avouch.contract import completeness
from avouch.controlplane.judging import clientpolicies, examination, exceptions, external_run, tekton_run
from avouch.controlplane.model import policies, verdicts
from avouch.findings import CODES, Effect, Finding, several
from avouch.runners import table
from avouch.tekton import decision

_DELIVERED_BY_PODS = ("MaterialMissing", "GroupUnsatisfied", "SidecarMissing")
_SHOWN = 5  # violations of one policy that a finding tells
_INPUTS = 200  # characters of its inputs, with which all of them are told
_UNEVALUATED = "correct the policy: avouch policy eval shows what it does with a material"
TEKTON = str(vocabulary.RunnerType.TEKTON_PIPELINE)


Evidence: TypeAlias = examination.Examined | verdicts.Verdict | examination.WaitUntil
"""What the evidence of a run shows; or its verdict, or until when it is waited for, where that is not looked at."""


def judge(case: examination.Case, now: datetime) -> verdicts.Verdict | examination.WaitUntil:
    """Decide one run. Only a run without any finding but notes passes."""
    return decide(case, examine(case, now), now)


def decide(case: examination.Case, examined: Evidence, now: datetime) -> verdicts.Verdict | examination.WaitUntil:
    """Decide one run, of which it is known what its evidence shows: that takes no word of its policies."""
    if not isinstance(examined, examination.Examined):
        return examined
    case = exceptions.applied(clientpolicies.beside(case), now)
    findings = _excused(case, finding_table.ordered(finding for check in CHECKS for finding in check(case, examined)))
    return verdicts.Verdict(
        run_id=case.run.id,
        result=examination.result_of(findings),
        evidence=examined.evidence,
        findings=finding_table.told(findings),
        materials=examined.materials,
        annotations=dict(examined.annotations),
        env=dict(examined.env),
        judged_at=now,
        evaluations=case.evaluations or (),
    )


def _excused(case: examination.Case, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Where claims may be lost, what only a pod delivers is not called missing; what else is wrong stands."""
    why = "" if case.snapshot is None else case.snapshot.interrupted
    of_pods = {material.name for material in case.plan.materials if decision.needs_pod((material,))}
    lost = [one for one in findings if one.code in _DELIVERED_BY_PODS and (one.material or "") in {"", *of_pods}]
    if not why or not lost:
        return findings
    others = tuple(finding for finding in findings if finding not in lost)
    if examination.result_of(others) is not verdicts.VerdictResult.PASSED:
        return others
    named = several([one.material or one.message for one in lost])
    text = f"evidence may be lost, for {why} while the run worked; missing: {named}"
    return (*others, Finding("EvidenceLost", text, fix="run it again"))


def examine(case: examination.Case, now: datetime) -> Evidence:
    """What the evidence of a run shows, with its documents as far as they were looked at."""
    if case.external is not None:
        return external_run.examine(case, case.external, now)
    return tekton_run.examine(case, now)


def wrong_evidence(case: examination.Case, examined: examination.Examined) -> tuple[Finding, ...]:
    """What the source of the evidence found."""
    return examined.findings


def incomplete_evidence(case: examination.Case, examined: examination.Examined) -> Iterable[Finding]:
    """What the contract asks for and the run did not deliver, unless the source said of a material what is wrong."""
    told = {each.material for each in examined.findings if CODES[each.code].effect is not Effect.NOTHING}
    found = completeness.owed(case.plan, examined.delivered, examined.advice)
    return (each for each in found if each.code != "MaterialMissing" or each.material not in told)


def unproven_runner(case: examination.Case, examined: examination.Examined) -> Iterable[Finding]:
    """A contract that asks for a type of runner, which nothing proves: the word of a client is no proof."""
    wanted, external = case.plan.runner, case.external
    if external is not None:
        why = external.runner.lacks_proof_of(wanted)
    else:
        why = "" if wanted in ("", TEKTON) else f"this run was executed in {TEKTON}"
    if why:
        text = f"the contract asks for a runner of type {wanted}; {why}"
        how = table.how_to_prove(wanted)
        need = f"prove it by {how}" if how else f"nothing can prove {wanted}: ask for another type"
        yield Finding("RunnerMismatch", text, line="spec.runner.type", fix=f"{need}; or remove spec.runner")


def violated_policies(case: examination.Case, _examined: examination.Examined) -> Iterable[Finding]:
    """What policies say. Of one with a gate, a violation fails the run and an error is one, unless that is excepted.

    Of others it is a note.
    """
    if not case.plan.has_policies:
        return
    if case.evaluations is None:
        text = f"the policies of contract {case.plan.contract} were not evaluated"
        yield Finding("PoliciesNotEvaluated", text, line="spec.policies", fix="read the worker's log")
        return
    for one in case.evaluations:
        of = finding_table.of_policy(one.policy, one.material)
        if one.exception is not None:
            text = f"{of}: {_told(one)}; {exceptions.words(one.exception)}"
            yield Finding("PolicyExcepted", text, one.line, "", one.material)
        elif one.status is policies.Status.ERROR:
            code = "PolicyNotEvaluated" if one.gate else "PolicyNotEvaluatedUngated"
            yield Finding(code, f"{of}: {one.reason}", one.line, _UNEVALUATED, one.material)
        elif one.status is policies.Status.VIOLATED:
            code = "PolicyViolated" if one.gate else "PolicyViolatedUngated"
            yield Finding(code, f"{of}: {_violations(one)}{_given(one)}", one.line, _correct(one), one.material)


def bypass_without_exception(case: examination.Case, _examined: examination.Examined) -> Iterable[Finding]:
    """A client that asks to bypass what blocks: only a declared exception does."""
    blocking = sorted({one.policy for one in case.evaluations or () if one.gate and one.bad and one.exception is None})
    if not blocking or not clientpolicies.asked_to_bypass(case):
        return
    who = case.external.attester.id if case.external is not None else "a pod of the run"
    text = f"{who} asks to bypass policies, and no exception from {several(blocking)} is declared"
    fix = f"avouch exception create NAME --policy {blocking[0]} --workflow {case.run.workflow} --reason TEXT"
    yield Finding("PolicyBypassNotDeclared", text, "", f"have it declared: {fix}")


def _told(one: policies.Evaluation) -> str:
    return one.reason if one.status is policies.Status.ERROR else _violations(one)


def _violations(one: policies.Evaluation) -> str:
    more = len(one.violations) + one.more - len(one.violations[:_SHOWN])
    told = "; ".join(each.message for each in one.violations[:_SHOWN])
    return f"{told}; and {more} more" if more else told


def _given(one: policies.Evaluation) -> str:
    """The inputs of the policy, where they are short: often they are what has to be changed."""
    told = ", ".join(f"{name}={json.dumps(text, ensure_ascii=False)}" for name, text in one.inputs)
    return f" (given {told})" if told and len(told) <= _INPUTS else ""


def _correct(one: policies.Evaluation) -> str:
    what = f"material {one.material}" if one.material else "what it tells of"
    about = f"; what policy {one.policy} asks for: {one.description}" if one.description else ""
    return f"correct {what}, and run it again{about}"


CHECKS: tuple[Callable[[examination.Case, examination.Examined], Iterable[Finding]], ...] = (
    wrong_evidence,  # contradictions, refused evidence, a build that failed: the CHECKS of the source
    unproven_runner,  # RunnerMismatch
    incomplete_evidence,  # MaterialMissing, GroupUnsatisfied, AnnotationMissing, EnvironmentMissing
    clientpolicies.differences,  # PolicyEvaluationDiffers
    bypass_without_exception,  # PolicyBypassNotDeclared
    violated_policies,  # PolicyViolated, PolicyNotEvaluated, PoliciesNotEvaluated, and notes: excepted, without a gate
)
