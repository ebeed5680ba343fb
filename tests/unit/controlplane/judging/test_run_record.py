"""What policies are shown of a run: every field of the shape, always; nothing that a build says as the cluster's."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avouch import errors
from avouch.attestation import identity
from avouch.controlplane.judging import examination, run_record
from avouch.controlplane.model import runs
from tests.unit.controlplane.judging import run_records as made
from tests.unit.controlplane.judging import tekton_cases as cases
from tests.unit.controlplane.judging import test_external_run as outside

Json = dict[str, Any]
RUN = {"kind", "namespace", "name", "params", "results", "tasks", "attester"}
TASK = {"name", "taskRun", "resolver", "reference", "uri", "digest", "steps", "params", "results"}


def recorded(snapshot: runs.Snapshot | None, **changes: Any) -> Json:
    return dict(run_record.shown(cases.case(cases.planned(), snapshot, **changes)))


def of_task(taskrun: Json) -> Json:
    (task,) = recorded(made.stored(taskrun))["tasks"]
    return dict(task)


def shaped(record: Json) -> bool:
    """Whether a record has every field of the shape, of its type, and no other."""
    assert record.keys() == RUN
    assert record["attester"].keys() == {"uris", "proven"}
    assert all(isinstance(record[each], str) for each in ("kind", "namespace", "name"))
    assert all(isinstance(record[each], dict) for each in ("params", "results"))
    for task in record["tasks"]:
        assert task.keys() == TASK
        assert all(isinstance(task[each], str) for each in ("name", "taskRun", "resolver", "uri", "digest"))
        assert all(isinstance(task[each], dict) for each in ("reference", "params", "results"))
        assert all(step.keys() == {"name", "image", "declared"} for step in task["steps"])
        assert all(isinstance(text, str) for step in task["steps"] for text in step.values())
    return True


def test_all_that_the_record_has_is_shown() -> None:
    record = recorded(made.stored(made.taskrun(), params=[{"name": "mode", "value": "fast"}]))
    assert shaped(record)
    assert (record["kind"], record["namespace"], record["name"]) == ("PipelineRun", "team-a", "pr")
    assert record["params"] == {"mode": "fast"}
    assert record["results"] == {"digest": made.DIGEST}
    assert record["tasks"] == [
        {
            "name": "build",
            "taskRun": "build-1",
            "resolver": "git",
            "reference": {"url": "https://git.example/tasks", "revision": "main", "pathInRepo": "build.yaml"},
            "uri": "git+https://git.example/tasks.git",
            "digest": f"sha1:{made.COMMIT}",
            "steps": [
                {"name": "compile", "image": f"registry.example/go@{made.DIGEST}", "declared": "registry.example/go:1"}
            ],
            "params": {"flags": ["-a", "-b"], "mode": "fast", "target": {"os": "linux"}},
            "results": {"digest": made.DIGEST},
        }
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
PLACES = (
    ("status", "steps"), ("status", "taskSpec"), ("status", "taskSpec", "steps"), ("status", "results"),
    ("status", "provenance"), ("status", "provenance", "refSource"), ("status", "provenance", "refSource", "digest"),
    ("status",), ("spec", "taskRef"), ("spec", "taskRef", "params"), ("spec", "params"), ("spec",),
)  # fmt: skip


@given(st.sampled_from(PLACES), JSON, st.booleans())
def test_every_field_is_always_there_whatever_the_cluster_has_recorded(
    place: tuple[str, ...], value: object, of_subject: bool
) -> None:
    snapshot = made.stored(made.taskrun())
    at: Any = snapshot.subject if of_subject else snapshot.taskruns[0]
    for key in place[:-1]:
        at = at.setdefault(key, {})
    at[place[-1]] = value
    assert shaped(recorded(snapshot))


@pytest.mark.parametrize(
    "snapshot", [None, runs.Snapshot({}, ()), runs.Snapshot({}, (), refused="too large"), cases.snapshot()]
)
def test_a_run_without_a_record_has_no_tasks(snapshot: runs.Snapshot | None) -> None:
    record = recorded(snapshot)
    assert shaped(record)
    assert (record["tasks"], record["params"], record["results"]) == ([], {}, {})


def test_an_older_record_has_empty_fields() -> None:
    (task,) = recorded(cases.snapshot(cases.taskrun()))["tasks"]
    assert task == {
        "name": "build", "taskRun": "build-1", "resolver": "", "reference": {"name": "build"}, "uri": "", "digest": "",
        "steps": [], "params": {}, "results": {},
    }  # fmt: skip


EMPTY = {"resolver": "", "reference": {}, "uri": "", "digest": "", "steps": [], "params": {}, "results": {}}


def test_a_task_whose_taskrun_was_deleted_is_there_with_its_name_alone() -> None:
    snapshot = made.stored(made.taskrun())
    assert recorded(replace(snapshot, taskruns=()))["tasks"] == [{"name": "build", "taskRun": "build-1", **EMPTY}]


def test_a_child_of_another_kind_is_there_with_its_name_alone() -> None:
    snapshot = made.stored(made.taskrun())
    snapshot.subject["status"]["childReferences"] = [
        {"kind": "CustomRun", "name": "build-1", "pipelineTaskName": "wait"}
    ]
    assert recorded(snapshot)["tasks"] == [{"name": "wait", "taskRun": "", **EMPTY}]


def test_a_taskrun_that_the_pipelinerun_does_not_list_is_none_of_its_tasks() -> None:
    snapshot = made.stored(made.taskrun())
    foreign = made.taskrun(name="sneaked-in")
    assert recorded(replace(snapshot, taskruns=(*snapshot.taskruns, foreign))) == recorded(snapshot)


def test_each_taskrun_of_a_matrix_and_of_finally_is_a_task() -> None:
    several = [made.taskrun(name=name, task=task) for name, task in (("a", "t"), ("b", "t"), ("last", "report"))]
    found = recorded(made.stored(*several))["tasks"]
    assert [(task["name"], task["taskRun"]) for task in found] == [("t", "a"), ("t", "b"), ("report", "last")]


def test_a_taskrun_that_stands_alone_is_its_own_task() -> None:
    taskrun = made.taskrun(task="")
    record = recorded(runs.Snapshot(taskrun, (taskrun,)), subject_kind="TaskRun", subject_name="build-1")
    assert (record["kind"], record["name"], record["results"]) == ("TaskRun", "build-1", {"digest": made.DIGEST})
    (task,) = record["tasks"]
    assert (task["name"], task["taskRun"], task["resolver"]) == ("", "build-1", "git")


@pytest.mark.parametrize(
    ("spec", "resolver", "reference"),
    [
        ({"taskRef": {"name": "lint", "kind": "Task"}}, "", {"name": "lint"}),
        ({"taskSpec": {"steps": []}}, "", {}),
        ({"taskRef": {"resolver": "hub", "params": [{"name": "name", "value": "a"}]}}, "hub", {"name": "a"}),
    ],
)
def test_where_a_task_was_asked_for(spec: Json, resolver: str, reference: Json) -> None:
    task = of_task({**made.taskrun(), "spec": spec})
    assert (task["resolver"], task["reference"]) == (resolver, reference)


SHA256 = "b" * 64


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"sha256": SHA256, "sha1": made.COMMIT}, f"sha256:{SHA256}"),
        ({"sha1": made.COMMIT, "sha256": "latest"}, f"sha1:{made.COMMIT}"),
        ({"sha1": "main"}, ""),
        ({"md5": "d" * 32}, ""),
        ({"sha256": SHA256.upper()}, ""),
        ({"sha256": f"{SHA256}\n"}, ""),
        ({}, ""),
        (SHA256, ""),
    ],
)
def test_a_digest_is_one_or_nothing(said: object, shown: str) -> None:
    taskrun = made.taskrun()
    taskrun["status"]["provenance"]["refSource"]["digest"] = said
    assert of_task(taskrun)["digest"] == shown


@pytest.mark.parametrize(
    ("image_id", "shown"),
    [
        (f"registry.example/go@{made.DIGEST}", f"registry.example/go@{made.DIGEST}"),
        (f"docker-pullable://registry.example:5000/go@{made.DIGEST}", f"registry.example:5000/go@{made.DIGEST}"),
        (f"registry.example/go:1@{made.DIGEST}", f"registry.example/go@{made.DIGEST}"),
        (made.DIGEST, ""),  # of the image's configuration: nothing that a registry has by that name
        (f"@{made.DIGEST}", ""),
        ("registry.example/go:1", ""),
        (f"registry.example/go@{made.DIGEST} evil", ""),
        (f"https://a.example/docker://registry.example/go@{made.DIGEST}", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_an_image_is_the_containers_by_its_digest_or_nothing(image_id: object, shown: str) -> None:
    taskrun = made.taskrun()
    taskrun["status"]["steps"][0]["imageID"] = image_id
    assert of_task(taskrun)["steps"] == [{"name": "compile", "image": shown, "declared": "registry.example/go:1"}]


def test_steps_that_did_not_run_and_steps_that_the_task_does_not_have_are_there() -> None:
    taskrun = made.taskrun()
    taskrun["status"]["taskSpec"] = {
        "stepTemplate": {"image": "registry.example/base"},
        "steps": [{"image": "a"}, {"name": "compile"}, {"name": "never", "image": "c"}],
    }
    ran = {"name": "unnamed-0", "imageID": f"registry.example/a@{made.DIGEST}"}
    taskrun["status"]["steps"] += [ran, {"name": "more", "imageID": ""}]
    assert [(step["name"], bool(step["image"]), step["declared"]) for step in of_task(taskrun)["steps"]] == [
        ("unnamed-0", True, "a"),
        ("compile", True, "registry.example/base"),
        ("never", False, "c"),
        ("more", False, ""),
    ]


def test_what_a_build_writes_is_under_results_and_nowhere_else() -> None:
    taskrun = made.taskrun()
    lies = ("resolver", "uri", "digest", "steps", "image", "tasks", "avouch")
    taskrun["status"]["results"] = [{"name": name, "value": f"lie of {name}"} for name in lies]
    for step in taskrun["status"]["steps"]:
        step["results"] = taskrun["status"]["results"]
        step["terminated"] = {"message": json.dumps([{"key": name, "value": f"lie of {name}"} for name in lies])}
    task = of_task(taskrun)
    assert task.pop("results") == {name: f"lie of {name}" for name in lies}
    assert "lie of" not in json.dumps(task)


def test_the_attester_of_a_run_in_the_cluster_is_each_pod_whose_claim_counts() -> None:
    shot = cases.snapshot(cases.taskrun(), cases.taskrun("lint-1", "lint"))
    told = (cases.said(), cases.said(taskrun="lint-1"), cases.said(facts=False), cases.said(taskrun="foreign"))
    record = dict(run_record.shown(cases.case(cases.planned(), shot, *told)))
    pods = [
        identity.PodIdentity("team-a", "default", f"{name}-pod-uid", f"{name}-uid").uris()
        for name in ("build-1", "lint-1")
    ]
    assert record["attester"] == {"uris": sorted({uri for pod in pods for uri in pod}), "proven": {}}


def test_an_external_run_has_no_tasks_and_the_attester_who_opened_it_with_what_its_token_proves() -> None:
    runner = replace(outside.extra().runner, type="GITHUB_ACTION", proven={"GITHUB_SHA": made.COMMIT})
    told = outside.said(outside.facts(env={"GITHUB_SHA": "a lie", "MORE": "said, not proven"}))
    run = cases.run(subject_kind=runs.EXTERNAL, subject_name="its-id")
    case = examination.Case(run, cases.planned(), None, (told,), external=outside.extra(runner=runner))
    record = dict(run_record.shown(case))
    assert shaped(record)
    assert (record["kind"], record["name"], record["tasks"]) == ("External", "its-id", [])
    assert record["attester"] == {"uris": list(outside.ATTESTER.uris), "proven": {"GITHUB_SHA": made.COMMIT}}


def test_a_record_that_is_too_large_is_not_shown_in_part() -> None:
    taskrun = made.taskrun()
    taskrun["status"]["results"] = [{"name": "long", "value": "a" * run_record.MOST}]
    with pytest.raises(errors.TooLarge, match="policies are shown at most"):
        recorded(made.stored(taskrun))
