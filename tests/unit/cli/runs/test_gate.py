"""`avouch run gate`: nothing but a verdict Passed of the Workflow that was named opens it."""

import pytest

from avouch import errors
from tests.unit.cli import line
from tests.unit.cli.runs.cluster import FINDING, IMAGE, ROOT, Cluster, a_run


def gate(known: Cluster, *arguments: str, name: str = "pr/first", workflow: str = "release") -> line.Answer:
    wanted = ("gate", name, "--workflow", workflow, *arguments)
    return line.run("run", *wanted, adapters=line.Adapters(cluster=known))


def test_what_passed_opens_the_gate() -> None:
    answer = gate(Cluster(a_run("release-1")))
    assert (answer.code, answer.out) == (0, "release-1: Passed\n")


@pytest.mark.parametrize("verdict", ["Failed", "Rejected", "Error", "Unobserved", "Expired", "Canceled", "Whatever"])
def test_any_other_verdict_keeps_it_closed_and_the_reasons_are_told(verdict: str) -> None:
    answer = gate(Cluster(a_run("release-1", verdict=verdict, findings=[FINDING])))
    assert (answer.code, answer.out) == (4, "")
    assert f"release-1: {verdict}" in answer.err
    assert "material sbom was not delivered" in answer.err
    assert "the gate is closed: 1 of 1 runs of pr/first did not pass" in answer.err


def test_one_run_that_passed_opens_it_for_no_other() -> None:
    answer = gate(Cluster(a_run("release-1"), a_run("release-2", verdict="Failed")))
    assert (answer.code, "1 of 2 runs" in answer.err) == (4, True)


def test_a_verdict_is_waited_for() -> None:
    known = Cluster()
    known.states = [[], [a_run("release-1", verdict="Pending")], [a_run("release-1")]]
    assert gate(known).code == 0


@pytest.mark.parametrize("runs", [[], [a_run("release-1", verdict="Pending")]], ids=["no run", "no verdict"])
def test_what_does_not_come_in_time_keeps_it_closed(runs: list[dict[str, object]]) -> None:
    answer = gate(Cluster(*runs), "--timeout", "4")
    assert (answer.code, answer.out) == (4, "")
    assert "has no verdict after 4 s" in answer.err


def test_what_another_workflow_says_of_the_same_image_opens_nothing() -> None:
    lax = a_run("lax-1")
    lax["spec"]["workflow"] = "lax"
    known = Cluster(lax, found={f"status.digest={IMAGE}": ["lax-1"]})
    answer = gate(known, "--timeout", "4", name=f"registry.example/app@{IMAGE}")
    assert (answer.code, answer.out) == (4, "")
    assert gate(known, name=f"registry.example/app@{IMAGE}", workflow="lax").code == 0


def test_whose_verdict_counts_is_said() -> None:
    answer = line.run("run", "gate", "first", adapters=line.Adapters(cluster=Cluster(a_run("release-1"))))
    assert (answer.code, "Missing option '--workflow'" in answer.err) == (2, True)


def test_who_may_not_read_runs_does_not_pass() -> None:
    known = Cluster(a_run("release-1"))
    known.documents[ROOT] = errors.Denied("you may not list workflowruns")
    answer = gate(known)
    assert (answer.code, answer.out) == (1, "")
