"""What a claim changes that comes after the verdict: who is heard then, and what supersedes what."""

from datetime import timedelta

import pytest

from avouch.controlplane.judging import lateness
from avouch.controlplane.model import verdicts
from avouch.findings import Finding
from tests.unit.controlplane.judging import tekton_cases as cases

V = verdicts.VerdictResult
PLAN = cases.planned(cases.asked())
SHOT = cases.snapshot(
    cases.taskrun(retries=["old"]), pods={"build-1-pod": "build-1-pod-uid", "old": "old-uid"}, injected=["old-uid"]
)
OWN = cases.said(cases.file())
FOREIGN = cases.said(cases.file(), pod="somebody", name="somebodys-pod")
UNKNOWN = cases.said(cases.file(), taskrun="ghost")
SUPERSEDED = cases.said(cases.file(), pod="old-uid", name="old")
EVERY = (OWN, FOREIGN, UNKNOWN, SUPERSEDED)


def of(*told):
    return {str(one.claim.digest) for one in told}


@pytest.mark.parametrize(
    ("late", "heard"),
    [
        ((), EVERY),
        (EVERY, (OWN,)),
        ((OWN,), EVERY),
        ((FOREIGN,), (OWN, UNKNOWN, SUPERSEDED)),
        ((UNKNOWN,), (OWN, FOREIGN, SUPERSEDED)),
        ((SUPERSEDED,), (OWN, FOREIGN, UNKNOWN)),
    ],
)
def test_after_the_verdict_only_pods_of_the_tries_that_count_are_heard(late, heard):
    assert lateness.heard(cases.case(PLAN, SHOT, *EVERY), of(*late)).said == heard


def test_after_the_verdict_nobody_is_heard_about_a_run_without_a_record():
    assert lateness.heard(cases.case(PLAN, None, OWN), of(OWN)).said == ()


@pytest.mark.parametrize("before", V)
@pytest.mark.parametrize("now", V)
def test_only_rejected_supersedes_and_only_what_is_not_rejected_yet(before, now):
    case = cases.case(PLAN, SHOT, OWN, result=before)
    found = verdicts.Verdict(cases.RUN, now, verdicts.Evidence.SIDECAR, (), (), {}, {}, cases.LATER)
    assert lateness.judged(case) is (before is not V.PENDING)
    assert lateness.supersedes(case, found) is (now is V.REJECTED and before is not V.REJECTED)


def told_by(number, **run):
    found = [cases.said(cases.file(), notes={"n": str(each)}, explicit=True) for each in range(number)]
    case = cases.case(PLAN, SHOT, OWN, *found, **run)
    verdict = cases.verdict(cases.case(PLAN, SHOT))
    return sorted(of(*found)), verdict, lateness.told(case, verdict, of(*found, FOREIGN))


def test_a_superseding_verdict_says_last_which_verdict_and_which_claims():
    at = cases.DONE + timedelta(hours=1)
    own, before, found = told_by(2, result=V.PASSED, judged_at=at)
    text = f"supersedes the verdict Passed of 2026-11-21T13:00:00Z: after it came claim {own[0]}, {own[1]}"
    assert found.findings == (*before.findings, Finding("VerdictSuperseded", text))
    assert before.findings


def test_a_superseding_verdict_names_ten_claims_and_counts_the_others():
    for number, end in ((10, ""), (11, " and 1 more")):
        own, _, found = told_by(number, result=V.FAILED)
        said = found.findings[-1].message
        assert said == f"supersedes the verdict Failed: after it came claim {', '.join(own[:10])}{end}"
