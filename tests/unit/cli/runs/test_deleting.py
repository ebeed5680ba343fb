"""`avouch run delete`: one run, for a reason, and only said to be gone when it is."""

from typing import Any

from avouch import errors
from tests.unit.cli import line
from tests.unit.cli.runs.cluster import ROOT, Cluster, a_run


def delete(known: Cluster, *arguments: str) -> tuple[line.Answer, line.Adapters]:
    adapters = line.Adapters(cluster=known)
    return line.run("run", "delete", *arguments, adapters=adapters), adapters


class Forgetting(Cluster):
    """The worker takes its time, then the run is gone."""

    looks = 0

    def get(self, kind, name):
        if self.posted:
            self.looks += 1
            if self.looks == 3:
                self.states = [[]]
        return super().get(kind, name)


def test_a_run_is_gone_when_the_command_says_so() -> None:
    known = Forgetting(a_run("release-1"))
    answer, adapters = delete(known, "first", "--reason", "holds a password")
    assert (answer.code, answer.out) == (0, "workflowrun.runs.avouch.dev/release-1 deleted\n"), answer.err
    assert known.posted == [(f"{ROOT}/release-1/deletion", {"spec": {"reason": "holds a password"}})]
    assert adapters.waited == 1.0


def test_a_run_that_stays_is_an_error_that_says_where_to_look() -> None:
    answer, _ = delete(Cluster(a_run("release-1")), "release-1", "--reason", "x", "--timeout", "2")
    assert answer.code == 1
    assert "kubectl get rundeletions" in answer.err


def test_a_run_that_may_not_be_looked_at_any_more_is_not_called_gone() -> None:
    known = Cluster(a_run("release-1"))
    look = known.get

    def denied(kind: str, name: str) -> dict[str, Any]:
        if known.posted:
            raise errors.Denied("workflowruns is forbidden")
        return look(kind, name)

    known.get = denied  # type: ignore[method-assign]
    answer, _ = delete(known, "release-1", "--reason", "x")
    assert (answer.code, "deleted" in answer.out) == (1, False)


def test_neither_without_a_reason_nor_where_several_are_meant_is_anything_deleted() -> None:
    known = Cluster(a_run("a-1"), a_run("b-1"))
    for arguments in (["a-1"], ["pr/first", "--reason", "x"]):
        answer, _ = delete(known, *arguments)
        assert (answer.code != 0, known.posted) == (True, [])
