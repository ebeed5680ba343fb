"""The room that a container of ours takes from the results of a task, and whether results were lost to it."""

from typing import Any

import pytest

from avouch.tekton import pod, termination


@pytest.mark.parametrize(
    ("containers", "share", "taken"), [(1, 4096, 0), (2, 4096, 0), (3, 4096, 1024), (5, 2457, 409)]
)
def test_each_container_has_the_same_share_of_12_kib_and_at_most_4096_bytes(
    containers: int, share: int, taken: int
) -> None:
    assert (termination.share(containers), termination.taken(containers)) == (share, taken)


@pytest.mark.parametrize(
    ("containers", "results", "each", "expected"),
    [
        (3, 5, 512, True),  # 256 + 5 * 512 = 2816 of 3072
        (3, 6, 512, False),
        (3, 1, 2816, True),
        (3, 1, 2817, False),
        (3, 1, 4096, False),
    ],
)
def test_results_have_room_where_each_gets_what_it_is_expected_to_need(
    containers: int, results: int, each: int, expected: bool
) -> None:
    assert termination.enough(containers, results, each) is expected


def ended(*messages: str, others: int, step: str = "step-a", sidecar: str = "avouch-sidecar") -> dict[str, Any]:
    """A pod of one step for each message, and so many init containers, the last of them ours."""
    init = [{"name": f"init-{n}"} for n in range(others - 1)] + [{"name": sidecar}]
    statuses = [{"name": step, "state": {"terminated": {"message": each}}} for each in messages]
    return {
        "metadata": {"name": "p", "uid": "u"},
        "spec": {"containers": [{"name": step} for _ in messages], "initContainers": init},
        "status": {"containerStatuses": statuses},
    }


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (ended("x" * 3072, others=3), True),
        (ended("x" * 3071, others=3), False),
        (ended("é" * 1536, others=3), True),  # bytes count
        (ended("", "x" * 2457, others=3), True),
        (ended("x" * 4096, others=2), False),  # a whole share: without us it would be cut as well
        (ended("x" * 3072, others=3, step="other"), False),
        (ended("x" * 3072, others=3, sidecar="theirs"), False),  # nothing of ours is there
    ],
)
def test_results_were_cut_where_a_step_filled_a_share_that_our_container_made_smaller(
    made: dict[str, Any], expected: bool
) -> None:
    assert pod.seen(made).cut is expected


def test_a_pod_of_nothing_was_not_cut() -> None:
    assert not termination.cut({})
