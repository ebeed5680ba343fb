"""`avouch run reevaluate`: which runs are meant, who asks for them, and what became of each."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avouch import errors, rfc3339
from tests.unit.cli import line
from tests.unit.cli.runs.cluster import ROOT, Cluster, a_run

WHY = ["--reason", "it is banned"]


def request(state: str, message: str = "") -> dict[str, Any]:
    return {"reevaluationRequest": {"askedBy": "ann", "askedAt": "t", "state": state, "message": message}}


class Answering(Cluster):
    """The worker answers a run the third time that somebody looks; `refused` are runs that may not be asked for."""

    refused: Mapping[str, errors.AvouchError] = {}
    looks = 0

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        name = path.split("/")[-2]
        if name in self.refused:
            raise self.refused[name]
        if "?" not in path:
            next(run for run in self.states[0] if run["metadata"]["name"] == name)["status"] |= request("Waiting")
        return super().post(path, body)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found = super().get(kind, name)
        self.looks += found["status"].get("reevaluationRequest", {}).get("state") == "Waiting"
        if self.looks == 3:
            judged = {"contract": {"revision": 5}}
            answer = request("Replaced", "Passed by revision 3, Failed by revision 5")
            found["status"] |= {**answer, "verdict": "Failed", "reevaluation": judged}
            self.looks = 0
        return found


def again(known: Cluster, *arguments: str) -> tuple[line.Answer, line.Adapters]:
    adapters = line.Adapters(cluster=known)
    return line.run("run", "reevaluate", *arguments, adapters=adapters), adapters


def some() -> Answering:
    now = datetime.now(UTC)
    old, new, waits = a_run("old-1"), a_run("new-1", minute=1), a_run("new-2", minute=2, verdict="Pending")
    other = a_run("other-1", minute=3)
    other["spec"] |= {"workflow": "other", "contract": {"name": "strict", "revision": 1}}
    for run in (new, waits, other):
        run["metadata"]["creationTimestamp"] = rfc3339.to_seconds(now - timedelta(hours=1))
    return Answering(old, new, waits, other)


def asked(known: Cluster) -> list[str]:
    return [path.removeprefix(f"{ROOT}/") for path, _ in known.posted]


def test_named_runs_are_asked_for_and_what_became_of_each_is_shown() -> None:
    known = some()
    answer, adapters = again(known, "old-1", "new-1", "old-1", *WHY)
    assert answer.code == 0, answer.err
    assert known.posted == [(f"{ROOT}/{name}/reevaluation", {"spec": {"reason": "it is banned"}})
                            for name in ("old-1", "new-1")]  # fmt: skip
    head, first, second = answer.out.splitlines()
    assert head.split() == ["RUN", "WAS", "IS", "REVISION", "ANSWER"]
    assert first.split()[:5] == ["old-1", "Passed", "Failed", "5", "Replaced:"]
    assert second.split()[0] == "new-1"
    assert "run old-1: Replaced: Passed by revision 3, Failed by revision 5; 1 to go" in answer.err
    assert adapters.waited == 2.0


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--all"], {"old-1", "new-1", "other-1"}),
        (["--since", "24h"], {"new-1", "other-1"}),
        (["--workflow", "other"], {"other-1"}),
        (["--contract", "evidence"], {"old-1", "new-1"}),
        (["--since", "24h", "--contract", "evidence", "--workflow", "release"], {"new-1"}),
    ],
)
def test_a_dry_run_shows_the_runs_that_are_meant_and_asks_nobody(arguments: list[str], found: set[str]) -> None:
    known = some()
    answer, _ = again(known, *arguments, *WHY, "--dry-run", "-o", "json")
    assert answer.code == 0, answer.err
    assert {run["metadata"]["name"] for run in json.loads(answer.out)} == found
    assert known.posted == []


def test_a_dry_run_of_the_server_says_of_each_run_whether_it_may_be() -> None:
    known = some()
    known.refused = {"old-1": errors.Conflict("run old-1 is Rejected")}
    answer, _ = again(known, "--contract", "evidence", *WHY, "--dry-run=server")
    assert answer.code == 1
    assert asked(known) == ["new-1/reevaluation?dryRun=All"]
    assert "run old-1 is Rejected" in answer.out
    assert "would be judged again" in answer.out


def test_one_that_is_refused_keeps_no_other_from_being_asked_for_and_is_told() -> None:
    known = some()
    known.refused = {
        "old-1": errors.Conflict("run old-1 has no verdict yet"),
        "other-1": errors.Unavailable("500 wait"),
    }
    answer, _ = again(known, "--all", *WHY)
    assert answer.code == 1
    assert asked(known) == ["new-1/reevaluation"]
    assert all(said in answer.out for said in ("has no verdict yet", "500 wait", "Replaced"))


def test_who_may_not_ask_is_told_which_role_may() -> None:
    known = some()
    known.refused = {"old-1": errors.Denied("workflowruns is forbidden")}
    answer, _ = again(known, "old-1", *WHY)
    assert (answer.code, "avouch-run-reevaluator" in answer.err) == (1, True)


def test_what_is_not_answered_in_time_is_an_error_that_says_where_to_look() -> None:
    known = Cluster(a_run("release-1", **request("Waiting")))
    answer, _ = again(known, "release-1", *WHY, "--timeout", "0")
    assert answer.code == 1
    assert "1 runs were not judged again within 0 s" in answer.err
    assert "kubectl describe workflowrun" in answer.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no run is meant"),
        (["old-1", "--all"], "exclude each other"),
        (["--all", "--limit", "2"], "3 runs are meant, and --limit is 2"),
        (["--since", "soon"], "soon"),
    ],
)
def test_what_is_meant_is_said_and_is_no_more_than_the_limit(arguments: list[str], said: str) -> None:
    known = some()
    answer, _ = again(known, *arguments, *WHY)
    assert answer.code != 0
    assert said in answer.err
    assert known.posted == []


def test_without_a_reason_nobody_is_asked_and_nothing_to_do_is_said() -> None:
    known = some()
    answer, _ = again(known, "--all")
    assert (answer.code != 0, "--reason" in answer.err) == (True, True)
    answer, _ = again(known, "--workflow", "none", *WHY)
    assert (answer.code, "no run that has a verdict is meant" in answer.err) == (0, True)
    assert known.posted == []


def test_the_page_of_a_run_tells_who_asked_and_each_verdict_of_before() -> None:
    early = {"number": 1, "verdict": "Passed", "judgedAt": "2026-01-12T09:01:00Z"}
    last = {"number": 2, "verdict": "Failed", "judgedAt": "2026-01-12T09:02:00Z",
            "reevaluation": {"contract": {"revision": 4}}}  # fmt: skip
    about = {"contract": {"revision": 5}, "askedBy": "ann", "askedAt": "2026-01-12T09:03:00Z", "reason": "excepted"}
    kept = {"askedBy": "bob", "askedAt": "2026-01-12T09:04:00Z", "state": "Kept", "message": "its evidence is gone"}
    known = Cluster(a_run("release-1", earlier=[early], superseded=last, reevaluation=about, reevaluationRequest=kept))
    out = line.run("run", "describe", "release-1", adapters=line.Adapters(cluster=known)).out
    for said in (
        "evidence, revision 5 (opened under revision 3)",
        "for ann, who asked at 2026-01-12T09:03:00Z: excepted",
        "by bob at 2026-01-12T09:04:00Z: Kept: its evidence is gone",
        "2026-01-12T09:01:00Z  judged: Passed, which no longer holds",
        "2026-01-12T09:02:00Z  judged: Failed by revision 4, which no longer holds",
    ):
        assert said in " ".join(out.split()) or said in out, said


def test_what_was_signed_for_earlier_verdicts_is_saved_apart_and_verifies_by_itself(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Signed(Cluster):
        def raw(self, path: str, query: Mapping[str, str] | None = None) -> str:
            document = path.rpartition("/")[2]
            if document in ("vsa", "attestation"):
                return json.dumps({document: (query or {}).get("superseded", "now")})
            return super().raw(path, query)

    monkeypatch.chdir(tmp_path)
    known = Signed(a_run("release-1", earlier=[{"number": 1}], superseded={"number": 2}))
    answer = line.run("run", "bundle", "release-1", "--without-claims", adapters=line.Adapters(cluster=known))
    assert answer.code == 0, answer.err
    found = {str(path.relative_to(tmp_path / "release-1")): json.loads(path.read_text())
             for path in (tmp_path / "release-1").rglob("*.json")}  # fmt: skip
    assert found == {
        f"{folder}{name}.sigstore.json": {document: number}
        for folder, number in (("", "now"), ("superseded-1/", "1"), ("superseded-2/", "2"))
        for name, document in (("verdict", "vsa"), ("attestation", "attestation"))
    }
