"""What each claim of a batch is answered."""

import datetime
import uuid

import pytest

from avouch import digests, errors
from avouch.controlplane.model import runs
from avouch.store import artifacts, claims

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
RUN, OTHER, CLAIM = (uuid.UUID(int=number) for number in (1, 2, 3))
DIGEST = digests.of_bytes(b"bundle")


def a_claim(run_id: uuid.UUID = RUN) -> runs.Claim:
    return runs.Claim(
        run_id=run_id, digest=DIGEST, bundle=b"bundle", pod_uid="p", taskrun_uid="t", taskrun="tr",
        pipeline_task="build", service_account="sa", received_at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize("late", [False, True])
def test_of_one_bundle_twice_in_a_batch_the_first_is_created_and_late_at_most(late: bool) -> None:
    found = claims.receipts([a_claim(), a_claim()], {str(DIGEST): (CLAIM, RUN, late)}, {})
    assert found == [runs.Receipt(CLAIM, DIGEST, True, late), runs.Receipt(CLAIM, DIGEST, False, False)]


def test_a_batch_that_refers_to_no_artifact_writes_no_reference() -> None:
    assert artifacts.references_of([]) == {}
    assert artifacts.references_of([(RUN, "a"), (RUN, "b")]) == {"run": [RUN, RUN], "digest": ["a", "b"]}


def test_a_resend_is_no_creation() -> None:
    found = claims.receipts([a_claim()], {}, {str(DIGEST): (CLAIM, RUN, False)})
    assert found == [runs.Receipt(CLAIM, DIGEST, False, False)]


def test_a_bundle_of_another_run_is_refused_and_leaves_the_one_that_it_is_of_its_answer() -> None:
    refused, created = claims.receipts([a_claim(OTHER), a_claim()], {str(DIGEST): (CLAIM, RUN, False)}, {})
    assert isinstance(refused, errors.Conflict)
    assert str(RUN) in str(refused)
    assert created == runs.Receipt(CLAIM, DIGEST, True, False)


def test_a_claim_of_a_run_that_is_not_there_is_told_so() -> None:
    (answer,) = claims.receipts([a_claim()], {}, {})
    assert isinstance(answer, errors.NotFound)
