"""Which TaskRuns are a PipelineRun's own, by its record and the Pipeline that it ran."""

from typing import Any

import pytest

from avouch.tekton import children

GIT = {"resolver": "git", "params": [{"name": "url", "value": "https://g/r"}, {"name": "revision", "value": "abc"}]}
ANY = {"resolver": "git", "params": [{"name": "url", "value": "https://g/r"}, {"name": "revision", "value": "$(x)"}]}
ELSE = {"name": "revision", "value": "x"}
ACTION = {"name": "s", "ref": {"name": "act"}}
STEP = {"name": "s", "image": "reg/builder@sha256:1", "script": "make", "args": ["a", "b"]}


def param(name: str, value: Any) -> dict[str, Any]:
    return {"name": name, "value": value}


GO = {"taskRef": {"name": "go", "kind": "Task"}}
STRICT = param("strict", "true")


def taskrun(name: str = "t", task: str = "build", **spec: Any) -> dict[str, Any]:
    found = spec or {"taskRef": {"name": "go", "kind": "Task"}}
    return {"metadata": {"name": name, "labels": {"tekton.dev/pipelineTask": task}}, "spec": found}


def pipelinerun(*names: str, task: str = "build", part: str = "tasks", **asked: Any) -> dict[str, Any]:
    spec = {"name": "build", **(asked or {"taskRef": {"name": "go"}})}
    listed = [{"kind": "TaskRun", "name": name, "pipelineTaskName": task} for name in names or ("t",)]
    return {"kind": "PipelineRun", "status": {"childReferences": listed, "pipelineSpec": {part: [spec]}}}


def inline(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"taskSpec": {"steps": list(steps)}}


SAME = {
    "by name, with Tekton's default of the kind": (pipelinerun(), taskrun()),
    "of finally": (pipelinerun(part="finally"), taskrun()),
    "by resolver": (pipelinerun(taskRef=GIT), taskrun(taskRef=GIT)),
    "by resolver with what Tekton substitutes": (pipelinerun(taskRef=ANY), taskrun(taskRef=GIT)),
    "with steps of its own": (pipelinerun(**inline(STEP)), taskrun(**inline(STEP))),
    "with a script that Tekton substitutes": (
        pipelinerun(**inline(STEP | {"script": "make $(tasks.a.results.b)"})), taskrun(**inline(STEP))),
    "with as many args as Tekton substitutes": (
        pipelinerun(**inline(STEP | {"args": ["$(params.flags[*])"]})), taskrun(**inline(STEP))),
    "with args around what Tekton substitutes": (
        pipelinerun(**inline(STEP | {"args": ["a", "$(params.f[*])", "$(params.g[*])", "z"]})),
        taskrun(**inline(STEP | {"args": ["a", "b", "c", "d", "z"]}))),
    "with nothing in the place of what Tekton substitutes": (
        pipelinerun(**inline(STEP | {"args": ["a", "$(params.f[*])", "b"]})), taskrun(**inline(STEP))),
    "with no script, however that is written": (
        pipelinerun(**inline(STEP | {"script": None})), taskrun(**inline(STEP | {"script": ""}))),
    "with Tekton's default of the kind written down": (
        pipelinerun(taskRef={"name": "go", "kind": "Task"}), taskrun(taskRef={"name": "go"})),
    "with a step of another Tekton object": (
        pipelinerun(**inline(ACTION)), taskrun(**inline(ACTION))),
    "with args that are no texts": (
        pipelinerun(**inline(STEP | {"args": [1, None]})), taskrun(**inline(STEP | {"args": [1, None]}))),
    "with a step of a Tekton object that Tekton substitutes": (
        pipelinerun(**inline({"name": "s", "ref": {"name": "$(params.act)"}})), taskrun(**inline(ACTION))),
    "with the params of the Pipeline, whatever Tekton substitutes": (
        pipelinerun(**GO, params=[STRICT, param("tag", "$(params.tag)"), param("all", ["$(params.a[*])"])]),
        taskrun(**GO, params=[param("all", []), param("tag", "v1"), STRICT])),
    "with the params of a matrix": (
        pipelinerun(**GO, params=[STRICT], matrix={
            "params": [param("os", ["a", "b"])], "include": [{"name": "i", "params": [param("arch", "arm")]}]}),
        taskrun(**GO, params=[param("os", "a"), param("arch", "arm"), STRICT])),
}  # fmt: skip
UNKNOWN = {
    "of a task that the Pipeline does not have": (pipelinerun(task="mine"), taskrun(task="mine")),
    "without a Pipeline in the record": (
        {**pipelinerun(), "status": {"childReferences": pipelinerun()["status"]["childReferences"]}}, taskrun()),
}  # fmt: skip
OTHER = {
    "of another Task": (pipelinerun(), taskrun(taskRef={"name": "mine", "kind": "Task"})),
    "of another kind of Task": (pipelinerun(), taskrun(taskRef={"name": "go", "kind": "ClusterTask"})),
    "by another resolver": (pipelinerun(taskRef=GIT), taskrun(taskRef=GIT | {"resolver": "http"})),
    "of another revision": (
        pipelinerun(taskRef=GIT), taskrun(taskRef=GIT | {"params": [GIT["params"][0], ELSE]})),
    "with a param more": (
        pipelinerun(taskRef=GIT), taskrun(taskRef=GIT | {"params": [*GIT["params"], {"name": "token", "value": "x"}]})),
    "with a param less": (pipelinerun(taskRef=GIT), taskrun(taskRef=GIT | {"params": GIT["params"][:1]})),
    "with steps in place of a Task": (pipelinerun(), taskrun(**inline(STEP))),
    "with a Task in place of steps": (pipelinerun(**inline(STEP)), taskrun()),
    "with a Task beside the steps": (pipelinerun(**inline(STEP)), taskrun(**inline(STEP), taskRef={"name": "go"})),
    "with another image": (pipelinerun(**inline(STEP)), taskrun(**inline(STEP | {"image": "mine"}))),
    "with another script": (pipelinerun(**inline(STEP)), taskrun(**inline(STEP | {"script": "exit 0"}))),
    "with other args": (pipelinerun(**inline(STEP)), taskrun(**inline(STEP | {"args": ["a", "c"]}))),
    "with another name of a step": (pipelinerun(**inline(STEP)), taskrun(**inline(STEP | {"name": "other"}))),
    "with another command": (pipelinerun(**inline(STEP)), taskrun(**inline(STEP | {"command": ["sh"]}))),
    "with another step of a Tekton object": (
        pipelinerun(**inline(ACTION)), taskrun(**inline(ACTION | {"ref": {"name": "mine"}}))),
    "with more of a Tekton object": (
        pipelinerun(**inline(ACTION)), taskrun(**inline(ACTION | {"ref": {"name": "act", "resolver": "git"}}))),
    "with an arg more": (pipelinerun(**inline(STEP)), taskrun(**inline(STEP | {"args": ["a", "b", "c"]}))),
    "with other args before what Tekton substitutes": (
        pipelinerun(**inline(STEP | {"args": ["make", "$(params.flags[*])"]})), taskrun(**inline(STEP))),
    "with other args after what Tekton substitutes": (
        pipelinerun(**inline(STEP | {"args": ["$(params.flags[*])", "--safe"]})), taskrun(**inline(STEP))),
    "with fewer args than stay": (
        pipelinerun(**inline(STEP | {"args": ["a", "$(params.flags[*])", "a"]})),
        taskrun(**inline(STEP | {"args": ["a"]}))),
    "with args for a star that Tekton does not substitute": (
        pipelinerun(**inline(STEP | {"args": ["ls[*]"]})), taskrun(**inline(STEP))),
    "with a text in place of args": (
        pipelinerun(**inline(STEP)), taskrun(**inline(STEP | {"args": "ab"}))),
    "with args in place of a text": (
        pipelinerun(**inline(STEP)), taskrun(**inline(STEP | {"script": ["make"]}))),
    "without its args": (
        pipelinerun(**inline(STEP)), taskrun(**inline(STEP | {"args": None}))),
    "with more args than one that Tekton substitutes": (
        pipelinerun(**inline(STEP | {"args": ["$(params.flag)"]})), taskrun(**inline(STEP))),
    "with a text in place of a Tekton object": (
        pipelinerun(**inline(ACTION)), taskrun(**inline(ACTION | {"ref": "act"}))),
    "with a Tekton object that nobody asks for": (
        pipelinerun(**inline({"name": "s"})), taskrun(**inline(ACTION))),
    "with args that nobody asks for": (
        pipelinerun(**inline({"name": "s"})), taskrun(**inline({"name": "s", "args": ["a"]}))),
    "without its Tekton object": (
        pipelinerun(**inline(ACTION)), taskrun(**inline({"name": "s"}))),
    "with a step more": (pipelinerun(**inline(STEP)), taskrun(**inline(STEP, STEP))),
    "without anything": (pipelinerun(**inline()), taskrun(**inline())),
}  # fmt: skip
GIVEN = {
    "with another value of a param": (
        pipelinerun(**GO, params=[STRICT]), taskrun(**GO, params=[param("strict", "false")])),
    "with a param that the Pipeline leaves to the Task": (
        pipelinerun(**GO), taskrun(**GO, params=[param("strict", "false")])),
    "without a param of the Pipeline": (pipelinerun(**GO, params=[STRICT]), taskrun(**GO)),
    "with a param twice": (
        pipelinerun(**GO, params=[STRICT]), taskrun(**GO, params=[param("strict", "false"), STRICT])),
    "with a param beside those of its matrix": (
        pipelinerun(**GO, matrix={"params": [param("os", ["a", "b"])]}),
        taskrun(**GO, params=[param("os", "a"), param("strict", "false")])),
}  # fmt: skip


@pytest.mark.parametrize(("subject", "found"), SAME.values(), ids=SAME)
def test_a_taskrun_that_runs_what_the_pipeline_says_is_its_own(subject: dict[str, Any], found: dict[str, Any]) -> None:
    (child,) = children.of(subject, [found]).listed
    assert (child.task, child.problem) == ("build", "")


@pytest.mark.parametrize(("subject", "found"), UNKNOWN.values(), ids=UNKNOWN)
def test_a_listed_taskrun_of_no_task_of_the_pipeline_is_told(subject: dict[str, Any], found: dict[str, Any]) -> None:
    (child,) = children.of(subject, [found]).listed
    assert child.problem == f"the Pipeline has no task {child.task!r}"


def test_a_listed_taskrun_that_is_labelled_as_of_another_task_is_told() -> None:
    (child,) = children.of(pipelinerun(), [taskrun(task="lint")]).listed
    assert child.problem == "it is listed as task build and labelled 'lint'"


@pytest.mark.parametrize(("subject", "found"), OTHER.values(), ids=OTHER)
def test_a_listed_taskrun_that_runs_something_else_is_told(subject: dict[str, Any], found: dict[str, Any]) -> None:
    (child,) = children.of(subject, [found]).listed
    assert child.problem == "it does not run what the Pipeline says of task build"


@pytest.mark.parametrize(("subject", "found"), GIVEN.values(), ids=GIVEN)
def test_a_listed_taskrun_that_is_given_other_params_is_told(subject: dict[str, Any], found: dict[str, Any]) -> None:
    (child,) = children.of(subject, [found]).listed
    assert child.problem == "its params are not those that the Pipeline gives task build"


def test_several_taskruns_of_a_task_are_a_matrix_or_none_of_them_is_believed() -> None:
    both = [taskrun("one"), taskrun("two")]
    plain = children.of(pipelinerun("one", "two"), both).listed
    matrix = pipelinerun("one", "two", taskRef={"name": "go"}, matrix={"params": [{"name": "os", "value": ["a", "b"]}]})
    assert [child.problem for child in plain] == ["task build has 2 TaskRuns and no matrix"] * 2
    assert [child.problem for child in children.of(matrix, both).listed] == ["", ""]


def test_what_is_not_listed_is_foreign_what_is_listed_and_gone_is_absent_and_other_kinds_are_nobodys() -> None:
    subject = pipelinerun("t", "gone")
    subject["status"]["childReferences"].append({"kind": "CustomRun", "name": "custom", "pipelineTaskName": "wait"})
    found = children.of(subject, [taskrun(), taskrun("mine")])
    assert ([child.taskrun["metadata"]["name"] for child in found.listed]) == ["t"]
    assert (found.foreign, found.absent) == (("mine",), ("gone",))


def test_without_a_list_nothing_is_the_runs_own_and_everything_is_foreign() -> None:
    found = children.of({"kind": "PipelineRun", "status": {}}, [taskrun("b"), taskrun("a")])
    assert found == children.Children((), ("a", "b"))


def test_a_taskrun_that_stands_alone_is_its_own() -> None:
    alone = {"kind": "TaskRun", **taskrun(task="")}
    assert children.of(alone, [alone]) == children.Children((children.Child(alone, ""),))
