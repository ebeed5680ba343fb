"""What both sources of evidence share: the case of one run as it comes in, and what examining it shows. Pure.

`tekton_run` and `external_run` make an `Examined` of a `Case`; `verdict` makes the verdict of that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from avouch import findings as finding_table
from avouch import plan
from avouch.attestation import identity, predicate
from avouch.contract import completeness
from avouch.controlplane.model import external as external_model
from avouch.controlplane.model import policies, policyexceptions, runs, verdicts
from avouch.controlplane.model.artifacts import Checked
from avouch.controlplane.model.verdicts import Evidence, VerdictResult
from avouch.findings import Finding


@dataclass(frozen=True, slots=True)
class ReadClaim:
    """A claim with what its statement says, or with the reason why it is not believed."""

    claim: runs.Claim
    facts: predicate.AttestationFacts | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """All that judging needs. `documents` is keyed by (digest, material type)."""

    run: runs.Run
    plan: plan.Plan
    snapshot: runs.Snapshot | None
    said: tuple[ReadClaim, ...] = ()
    documents: Mapping[tuple[str, str], Checked] = field(default_factory=dict)
    external: external_model.ExternalPart | None = None  # of an external run (`external_run`)
    evaluations: tuple[policies.Evaluation, ...] | None = None  # None: its policies were not asked
    exceptions: tuple[policyexceptions.PolicyException, ...] = ()  # those that are declared for its Workflow
    standing: verdicts.Standing | None = None  # the verdict that it has
    reevaluation: verdicts.Reevaluation | None = None  # why it is judged again, where somebody asked


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Not yet: judge again at this time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Examined:
    """What the evidence of an ended run shows, wherever it was run."""

    evidence: Evidence  # where it came from
    materials: tuple[verdicts.JudgedMaterial, ...]
    annotations: Mapping[str, str]
    env: Mapping[str, str]
    delivered: completeness.Evidence  # what the contract is held against
    findings: tuple[Finding, ...] = ()  # what contradicts, is refused or went wrong
    advice: completeness.Advice = completeness.TEKTON  # how to deliver what is missing


def signer(case: Case, claim: runs.Claim) -> identity.Identity:
    """Whose certificate a claim is signed with, if it is believed. Raises errors.Invalid."""
    if case.external is not None:
        return identity.Recorded(case.external.attester.uris)
    return identity.PodIdentity(case.run.namespace, claim.service_account, claim.pod_uid, claim.taskrun_uid)


def result_of(findings: tuple[Finding, ...]) -> VerdictResult:
    """The verdict that these findings make, by the table of codes. No finding at all, or only notes: Passed."""
    effect = finding_table.verdict(findings)
    return VerdictResult.PASSED if effect is finding_table.Effect.NOTHING else VerdictResult(effect.value)


def unsuitable(checked: Checked, line: str, material: str) -> Finding:
    """The finding on a document that has a problem."""
    code = "MaterialTooLarge" if checked.exhausting else "MaterialTypeMismatch"
    return Finding(code, f"material {material}: {checked.problem}", line, checked.fix, material)


def unexamined(case: Case, finding: Finding, now: datetime) -> verdicts.Verdict:
    """The verdict on a run whose evidence is not looked at, because of this finding."""
    evidence = Evidence.CLI if case.external is not None and case.said else Evidence.NONE
    return verdicts.Verdict(case.run.id, result_of((finding,)), evidence, (finding,), (), {}, {}, now)


def failed(case: Case, reason: str, now: datetime) -> verdicts.Verdict:
    """The verdict on a run that could not be judged: never passed."""
    fix = "read the worker's log; the run can be judged again"
    return unexamined(case, Finding("JudgingFailed", reason, fix=fix), now)
