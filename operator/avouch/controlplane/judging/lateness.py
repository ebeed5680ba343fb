"""What a claim changes that comes after the verdict. Pure.

Only a contradiction changes anything: a late claim never makes a verdict better, and one that agrees makes none anew.
And only one from a pod that the run's own record names, in the try that counts: whoever may create pods or TaskRuns
beside a run that is over cannot take its verdict away. It is held against what the run was told when it was opened,
also where another revision has judged it since.
"""

from collections.abc import Collection
from dataclasses import replace

from avouch import rfc3339
from avouch.controlplane.judging import tekton_run
from avouch.controlplane.judging.examination import Case
from avouch.controlplane.model import verdicts
from avouch.controlplane.model.verdicts import VerdictResult
from avouch.findings import Finding, several


def judged(case: Case) -> bool:
    """Whether the run has a verdict."""
    return case.run.result is not VerdictResult.PENDING


def heard(case: Case, late: Collection[str]) -> Case:
    """The case without late claims of pods that are none of the run's, or of superseded tries."""
    own = tekton_run.from_own_pods(case)
    said = tuple(one for one in case.said if str(one.claim.digest) not in late or one in own)
    return replace(case, said=said)


def supersedes(case: Case, found: verdicts.Verdict) -> bool:
    """Whether this verdict, reached with the late claims, takes the place of the run's."""
    return found.result is VerdictResult.REJECTED and case.run.result is not VerdictResult.REJECTED


def told(case: Case, found: verdicts.Verdict, late: Collection[str]) -> verdicts.Verdict:
    """The superseding verdict, which says so after its other findings."""
    own = sorted(str(one.claim.digest) for one in case.said if str(one.claim.digest) in late)
    judged_at = case.run.judged_at if case.standing is None else case.standing.judged_at
    at = "" if judged_at is None else f" of {rfc3339.to_seconds(judged_at)}"
    text = f"supersedes the verdict {case.run.result}{at}: after it came claim {several(own)}"
    return replace(found, findings=(*found.findings, Finding("VerdictSuperseded", text)))
