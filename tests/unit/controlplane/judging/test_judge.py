"""Judging as an act: what does not answer now puts a run off, what kills workers ends it, never with a yes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from avouch import errors
from avouch.attestation import signing, trust
from avouch.controlplane.judging import documents
from avouch.controlplane.judging import judge as judging
from avouch.controlplane.model import verdicts
from tests.unit.controlplane.judging import tekton_cases as cases


class Stored:
    """One run, Done, that owes nothing; remembers what was decided."""

    def __init__(self) -> None:
        self.run = cases.run(plan=cases.planned().to_json())
        self.decided: list[verdicts.SignedVerdict] = []
        self.failure: errors.AvouchError | None = None

    async def case(self, run_id: object) -> object:
        if self.failure:
            raise self.failure
        return self.run, cases.snapshot(cases.taskrun()), ()

    async def decide(self, signed: verdicts.SignedVerdict, deliveries: object) -> bool:
        self.decided.append(signed)
        return True

    async def attachments(self, namespace: str) -> tuple[()]:
        return ()

    def now(self) -> object:
        return cases.LATER


def judge(stored: Stored) -> judging.Judging:
    key = signing.KeySigner.generate()
    keys = documents.Keys(key, key, key, "https://verifier.example.com")
    made: object = judging.Judging(stored, stored, stored, stored, stored, stored, trust.TrustRoot(()), keys)  # type: ignore[arg-type]
    assert isinstance(made, judging.Judging)
    return made


async def test_a_run_that_owes_nothing_passes_and_is_decided_once() -> None:
    stored = Stored()
    assert await judge(stored).judge(cases.RUN) is verdicts.VerdictResult.PASSED
    assert [signed.verdict.result for signed in stored.decided] == [verdicts.VerdictResult.PASSED]


async def test_a_run_over_which_workers_die_is_an_error_and_never_passes() -> None:
    stored = Stored()
    assert await judge(stored).judge(cases.RUN, crashes=judging.CRASHES) is verdicts.VerdictResult.ERROR
    (finding,) = stored.decided[0].verdict.findings
    assert finding.code == "JudgingFailed"
    assert "workers ended" in finding.message


async def test_what_does_not_answer_now_leaves_the_run_undecided_however_often() -> None:
    stored = Stored()
    stored.failure = errors.Unavailable("the database is away")
    for crashes in (0, judging.CRASHES):
        with pytest.raises(errors.Unavailable):
            await judge(stored).judge(cases.RUN, crashes=crashes)
    assert stored.decided == []


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (timedelta(0), timedelta(seconds=10)),
        (timedelta(minutes=4), timedelta(minutes=1)),
        (timedelta(days=3), timedelta(minutes=10)),
    ],
)
def test_the_older_an_unreadable_run_is_the_less_often_it_is_tried(age: timedelta, wait: timedelta) -> None:
    run = replace(cases.run(), finished_at=cases.DONE)
    assert judging.next_try(run, cases.DONE + age) == cases.DONE + age + wait
