"""`avouch run list`, `show` and `watch`: from whatever names a build to what became of it."""

import json

import pytest

from avouch import errors
from avouch.cli.runs import finding
from tests.unit.cli import line
from tests.unit.cli.runs import cluster
from tests.unit.cli.runs.cluster import COMMIT, FINDING, IMAGE, Cluster, a_run


def run(known: Cluster, *arguments: str) -> line.Answer:
    return line.run("run", *arguments, adapters=line.Adapters(cluster=known))


def names(answer: line.Answer) -> list[str]:
    assert answer.code == 0, answer.err
    return [each.rpartition("/")[2] for each in answer.out.split()]


def two() -> Cluster:
    found = {f"status.digest={IMAGE}": ["release-2"], f"status.commit={COMMIT}": ["release-1", "release-2"]}
    return Cluster(
        a_run("release-1", minute=1),
        a_run("release-2", "PipelineRun/second", 2, verdict="Failed", findings=[FINDING]),
        found=found,
    )


def test_a_list_has_the_newest_first_and_the_first_finding() -> None:
    answer = run(two(), "list")
    head, newest, oldest = answer.out.splitlines()
    assert head.split() == ["NAME", "WORKFLOW", "RUN", "OF", "VERDICT", "REASON", "EVIDENCE", "MATERIALS", "OPENED"]
    assert newest.split()[:5] == ["release-2", "release", "PipelineRun/second", "Failed", "MaterialMissing"]
    assert oldest.split()[0] == "release-1"


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--pipelinerun", "first"], ["release-1"]),
        (["--verdict", "Failed"], ["release-2"]),
        (["--verdict", "!Failed"], ["release-1"]),
        (["--workflow", "other"], []),
        (["--digest", f"registry.example/app@{IMAGE}"], ["release-2"]),
        (["--commit", COMMIT.upper(), "--verdict", "Failed"], ["release-2"]),
        (["--taskrun", "second"], ["release-2"]),
    ],
)
def test_options_narrow_the_list(arguments: list[str], found: list[str]) -> None:
    assert names(run(two(), "list", *arguments, "-o", "name")) == found


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--taskrun", "lint", "--verdict", "Failed"], ["release-2"]),
        (["--taskrun", "lint", "--verdict", "Passed"], []),
        (["--taskrun", "lint"], ["release-2"]),
    ],
)
def test_the_runs_of_a_taskrun_are_its_own_and_its_pipelineruns_each_once(
    arguments: list[str], found: list[str]
) -> None:
    known = two()
    of_pipelinerun = {"kind": "PipelineRun", "name": "second", "uid": "uid-second", "controller": True}
    others = [
        {**of_pipelinerun, "uid": "uid-first", "controller": False},
        {"kind": "CustomRun", "name": "first", "uid": "uid-first", "controller": True},
    ]
    owners = {"uid": "uid-second", "ownerReferences": [of_pipelinerun, *others]}
    known.objects["taskruns.tekton.dev/lint"] = {"metadata": owners}
    answer = run(known, "list", *arguments, "-l", "team=core", "-o", "json")
    assert [each["metadata"]["name"] for each in json.loads(answer.out)] == found
    assert all(query["labelSelector"] == "team=core" for _, query in known.asked)


def test_a_list_is_of_a_pipelinerun_or_of_a_taskrun() -> None:
    answer = run(two(), "list", "--taskrun", "lint", "--pipelinerun", "second")
    assert (answer.code, "give --pipelinerun or --taskrun" in answer.err) == (1, True)


def test_more_runs_than_are_looked_at_are_told_of_and_as_many_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "MOST", 3)
    for number, told in ((3, False), (4, True)):
        known = Cluster(*(a_run(f"release-{each}", minute=each) for each in range(number)))
        answer = run(known, "list", "-o", "name")
        assert (len(names(answer)), "there are more than 3 runs" in answer.err) == (3, told)


def test_labels_and_all_namespaces_are_the_api_servers_to_select() -> None:
    known = two()
    run(known, "list", "-l", "team in (core)", "-A")
    assert known.asked == [
        ("/apis/runs.avouch.dev/v1alpha1/workflowruns", {"limit": "500", "labelSelector": "team in (core)"})
    ]


def test_pages_are_followed_and_what_is_not_shown_is_told() -> None:
    known = Cluster(*(a_run(f"release-{number}", minute=number) for number in range(5)))
    known.page = 2
    assert len(names(run(known, "list", "-o", "name"))) == 5
    answer = run(known, "list", "--limit", "2", "-o", "name")
    assert names(answer) == ["release-4", "release-3"]
    assert "3 older runs are not shown" in answer.err


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("release-1", ["release-1"]),
        ("workflowrun.runs.avouch.dev/release-1", ["release-1"]),
        ("second", ["release-2"]),
        ("pipelinerun/second", ["release-2"]),
        ("pr/second", ["release-2"]),
        ("taskrun/second-test", ["release-2"]),
        ("second-test", ["release-2"]),
        (IMAGE, ["release-2"]),
        (f"registry.example/app:1@{IMAGE}", ["release-2"]),
        (COMMIT, ["release-2", "release-1"]),
        (f"pr/{COMMIT}", ["release-3"]),
    ],
)
def test_whatever_names_a_build_leads_to_its_runs(text: str, found: list[str]) -> None:
    known = two()
    known.states[0].append(a_run("release-3", f"PipelineRun/{COMMIT}"))
    owner = {"kind": "PipelineRun", "name": "second", "uid": "uid-second", "controller": True}
    known.objects["taskruns.tekton.dev/second-test"] = {"metadata": {"uid": "t", "ownerReferences": [owner]}}
    assert names(run(known, "show", text, "-o", "name")) == found


@pytest.mark.parametrize("text", ["nobody", "taskrun/gone", "pr/release-1", IMAGE.replace("4e", "5f"), "ab" * 20])
def test_a_build_without_runs_is_an_error_that_says_where_to_look(text: str) -> None:
    answer = run(two(), "show", text)
    assert answer.code == 1
    assert "avouch run list" in answer.err


@pytest.mark.parametrize("text", ["pod/first", "../secrets", "A B", "x?watch=1"])
def test_what_can_name_no_run_is_refused_before_anything_is_asked(text: str) -> None:
    known = two()
    answer = run(known, "show", text)
    assert (answer.code, known.asked) == (1, [])
    assert "names no run" in answer.err


def test_what_happened_within_one_second_is_shown_in_the_order_in_which_it_happened() -> None:
    at = "2026-01-12T09:05:00Z"
    shown = run(Cluster(a_run("release-1", verdict="Failed", finishedAt=at, judgedAt=at)), "show", "first").out
    assert shown.index("the build ended") < shown.index("judged: Failed")


def test_a_run_that_waits_for_its_verdict_says_whether_its_build_has_ended() -> None:
    assert (
        "Not judged yet: avouch run watch" in run(Cluster(a_run("release-1", verdict="Pending")), "show", "first").out
    )
    ended = Cluster(a_run("release-1", verdict="Pending", finishedAt="2026-01-12T09:05:00Z"))
    assert "avouch-worker" in run(ended, "show", "first").out


def test_a_page_says_why_what_arrived_when_and_who_was_told() -> None:
    material = {"name": "image", "type": "CONTAINER_IMAGE", "origin": "taskrun", "value": "app:1", "digest": IMAGE}
    late = {"taskRun": "first-lint", "receivedAt": "2026-01-12T09:09:00Z"}
    sent = {"attachment": "hook", "state": "failed", "attempts": 3, "lastError": "503"}
    times = {"finishedAt": "2026-01-12T09:05:00Z", "judgedAt": "2026-01-12T09:05:02Z"}
    told = {"findings": [FINDING], "materials": [material], "lateClaims": [late], "deliveries": [sent]}
    known = Cluster(a_run("release-1", verdict="Failed", **times, **told))
    shown = run(known, "show", "first").out
    wanted = (
        "Run of:     PipelineRun/first", "Verdict:    Failed", "Labels:     team=core",
        "  MaterialMissing: material sbom was not delivered", '    asked by: spec.materials[name="sbom"]',
        "    fix: let task build write sbom.cdx.json",
        "image      CONTAINER_IMAGE   taskrun   app:1   sha256:4e4e4e4e4e4e...",
        "hook       failed   3       503",
    )  # fmt: skip
    for text in wanted:
        assert text in shown, shown
    order = ["the run was opened", "the build ended", "judged: Failed", "a claim of TaskRun first-lint came after"]
    assert [shown.index(text) for text in order] == sorted(shown.index(text) for text in order)


def test_a_page_cuts_what_is_long_and_says_what_a_later_claim_made_of_the_verdict() -> None:
    values = {"fits": "v" * 60, "long": "w" * 61}
    materials = [{"name": name, "value": value} for name, value in values.items()]
    earlier = {"verdict": "Passed", "judgedAt": "2026-01-12T09:05:00Z"}
    late = [{"taskRun": "first-lint", "receivedAt": "2026-01-12T09:06:00Z"}]
    later = {"judgedAt": "2026-01-12T09:07:00Z", "lateClaims": late}
    known = a_run("release-1", verdict="Rejected", materials=materials, superseded=earlier, **later)
    shown = run(Cluster(known), "show", "first").out
    assert ("v" * 60 in shown, "w" * 57 + "..." in shown, "w" * 58 in shown) == (True, True, False)
    order = ["judged: Passed, which no longer holds", "a claim of TaskRun first-lint came after", "judged: Rejected"]
    assert [shown.index(text) for text in order] == sorted(shown.index(text) for text in order)


def test_a_build_of_several_workflows_is_shown_run_by_run() -> None:
    known = Cluster(*(a_run(f"w{number}-1", minute=number) for number in range(7)))
    answer = run(known, "show", "first")
    assert answer.out.count("Run of:") == 5
    assert "2 older runs are not shown: w1-1, w0-1" in answer.err


def test_nothing_that_a_job_wrote_commands_the_terminal() -> None:
    shown = run(Cluster(a_run("release-1", findings=[{**FINDING, "message": "\x1b[2J"}])), "show", "first").out
    assert "\x1b" not in shown


def test_a_build_is_followed_from_before_its_run_to_its_verdict() -> None:
    pending, ended = a_run("release-1", verdict="Pending"), a_run("release-1", verdict="Pending", finishedAt="x")
    known = Cluster()
    known.states = [[], [pending], [pending], [ended], [a_run("release-1")]]
    adapters = line.Adapters(cluster=known)
    answer = line.run("run", "watch", "pipelinerun/first", adapters=adapters)
    assert (answer.code, answer.out) == (0, "release-1: Passed\nNothing was found wrong.\n")
    assert answer.err.splitlines() == [
        "waiting for a run of pipelinerun/first",
        "run release-1 of PipelineRun/first: Pending",
        "run release-1 of PipelineRun/first: Pending, the build has ended",
        "run release-1 of PipelineRun/first: Passed",
    ]
    assert adapters.waited == 8.0


@pytest.mark.parametrize("text", ["first", "pr/first"])
def test_the_verdict_of_an_earlier_build_of_this_name_is_not_the_one_that_is_waited_for(text: str) -> None:
    before, now = a_run("release-1"), a_run("release-2", verdict="Failed")
    now["spec"]["subject"]["uid"] = "uid-of-now"
    known = Cluster(before)
    known.objects["pipelineruns.tekton.dev/first"] = {"metadata": {"name": "first", "uid": "uid-of-now"}}
    known.states = [[before], [before], [before, now]]
    answer = run(known, "watch", text)
    assert (answer.code, "release-1" in answer.out + answer.err) == (5, False)
    known = Cluster(before)
    known.objects["pipelineruns.tekton.dev/first"] = {"metadata": {"name": "first", "uid": "uid-of-now"}}
    assert run(known, "watch", text, "--timeout", "10").code == 1
    assert run(known, "watch", "release-1").code == 0  # who names the run means it
    del known.objects["pipelineruns.tekton.dev/first"]
    assert run(known, "watch", text).code == 0  # it was deleted, and nothing took its place


def test_the_exit_code_of_watch_is_the_worst_verdict() -> None:
    known = Cluster(a_run("a-1"), a_run("b-1", verdict="Failed", findings=[FINDING]))
    answer = run(known, "watch", "pr/first")
    assert answer.code == 5
    assert "fix: let task build write" in answer.out
    assert json.loads(run(known, "watch", "pr/first", "-o", "json").out)[0]["kind"] == "WorkflowRun"


def test_a_build_of_several_workflows_is_followed_until_each_run_has_its_verdict() -> None:
    passed = a_run("a-1")
    known = Cluster()
    known.states = [[passed, a_run("b-1", verdict="Pending")], [passed, a_run("b-1", verdict="Failed")]]
    answer = run(known, "watch", "pr/first")
    assert (answer.code, "b-1: Failed" in answer.out) == (5, True)


def test_of_several_runs_the_oldest_is_told_first() -> None:
    told = run(Cluster(a_run("old-1", minute=1), a_run("new-1", minute=2)), "watch", "pr/first").err.splitlines()
    assert [each.split()[1] for each in told] == ["old-1", "new-1"]


def test_a_page_of_a_run_without_a_verdict_says_how_to_follow_it() -> None:
    assert "avouch run watch follows it" in run(Cluster(a_run("release-1", verdict="Pending")), "show", "first").out


def test_a_verdict_that_does_not_come_is_an_error_with_another_code() -> None:
    answer = run(Cluster(a_run("release-1", verdict="Pending")), "watch", "pr/first", "--timeout", "10")
    assert answer.code == 1
    assert "has no verdict after 10 s" in answer.err


def test_a_server_that_is_away_for_a_while_is_waited_for() -> None:
    known = Cluster(a_run("release-1"))
    known.documents[cluster.ROOT] = errors.Unavailable("away")
    adapters = line.Adapters(cluster=known)
    adapters.wait = lambda _: known.documents.clear()  # type: ignore[method-assign]
    answer = line.run("run", "watch", "pr/first", adapters=adapters)
    assert (answer.code, answer.err.splitlines()[0]) == (0, "waiting: away")


def test_a_cluster_without_a_server_of_avouch_is_no_build_without_runs() -> None:
    known = Cluster(a_run("release-1"))
    text = "Error from server (NotFound): the server could not find the requested resource"
    known.documents[cluster.ROOT] = errors.NotFound(text)
    for arguments in (("list",), ("show", "pr/first")):
        answer = run(known, *arguments)
        assert answer.code == 1
        assert "no server of it has been ready" in answer.err
        assert "(fix: kubectl get pods -A -l" in answer.err
    adapters = line.Adapters(cluster=known)
    adapters.wait = lambda _: known.documents.clear()  # type: ignore[method-assign]
    assert line.run("run", "watch", "pr/first", adapters=adapters).code == 0


def test_a_build_without_runs_sends_to_those_that_were_deleted() -> None:
    assert "kubectl get rundeletions" in run(Cluster(), "show", "first").err


def test_chainloops_names_of_the_commands_are_known() -> None:
    adapters = line.Adapters(cluster=two())
    assert "release-2" in line.run("workflow", "run", "list", adapters=adapters).out
    assert "release-2" in line.run("wf", "run", "describe", "--name", "release-2", adapters=adapters).out
