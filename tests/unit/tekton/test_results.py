"""From which object a value is read, where several have one of its name."""

from typing import Any

import pytest

from avouch import image_references, plan
from avouch.tekton import results
from tests.unit.tekton import pods

DIGEST = "sha256:" + "a" * 64
PARAM, RESULT, ENV = plan.From.PARAM, plan.From.RESULT, plan.From.ENV
OF_RUN = {
    "metadata": {"annotations": {"key": "of the run"}},
    "spec": {"params": [{"name": "v", "value": "of the run"}]},
    "status": {"pipelineSpec": {"params": [{"name": "d", "default": "default of the run"}]}},
}


def taskrun(task: str = "build", **status: Any) -> dict[str, Any]:
    """A TaskRun with a param and a result of the same name, and an annotation."""
    found = pods.taskrun(
        task,
        spec={"params": [{"name": "v", "value": f"of {task}"}]},
        status={"results": [{"name": "v", "value": f" result of {task}\n"}], **status},
    )
    found["metadata"]["annotations"] = {"key": f"of {task}"}
    return found


def text(kind: plan.From, name: str = "v", task: str = "", step: str = "") -> plan.PlannedMaterial:
    return plan.PlannedMaterial("v", "STRING", plan.Source(kind, task, name, step=step))


def values(found: tuple[results.Lookup, ...]) -> list[str]:
    assert None not in found
    return [one.value for one in found if isinstance(one, results.Found)]


@pytest.mark.parametrize(
    ("material", "run", "expected"),
    [
        (text(PARAM), OF_RUN, ["of the run"]),
        (text(PARAM, "d"), OF_RUN, ["default of the run"]),
        (text(PARAM, "other"), OF_RUN, []),
        (text(PARAM), {}, ["of build", "of test"]),
        (text(PARAM), None, ["of build", "of test"]),
        (text(PARAM, task="test"), OF_RUN, ["of test"]),
        (text(RESULT), OF_RUN, ["result of build", "result of test"]),
        (text(RESULT, task="build"), OF_RUN, ["result of build"]),
        (text(RESULT, task="none"), OF_RUN, []),
        (text(RESULT, "other"), OF_RUN, []),
        (text(plan.From.CONVENTION, ""), OF_RUN, ["result of build", "result of test"]),
        (text(plan.From.WORKSPACE), OF_RUN, []),
        (text(plan.From.ARTIFACT), OF_RUN, []),
        (plan.PlannedMaterial("v", "SBOM_CYCLONEDX_JSON"), OF_RUN, []),
    ],
)
def test_a_material_is_read_from_its_own_task_and_an_unplaced_param_from_the_run(
    material: plan.PlannedMaterial, run: dict[str, Any] | None, expected: list[str]
) -> None:
    assert values(results.of_material(material, [taskrun("build"), taskrun("test")], run)) == expected


@pytest.mark.parametrize(
    ("source", "run", "expected"),
    [
        (plan.Source(plan.From.ANNOTATION, name="key"), OF_RUN, ["of the run"]),
        (plan.Source(plan.From.ANNOTATION, name="key"), None, ["of build"]),
        (plan.Source(plan.From.ANNOTATION, name="other"), OF_RUN, []),
        (plan.Source(PARAM, name="v"), OF_RUN, ["of the run"]),
        (plan.Source(PARAM, name="v"), {}, []),
        (plan.Source(PARAM, name="v"), None, ["of build", "of test"]),
        (plan.Source(PARAM, "test", "v"), OF_RUN, ["of test"]),
        (plan.Source(RESULT, "test", "v"), OF_RUN, ["result of test"]),
        (plan.Source(RESULT, name="v"), OF_RUN, ["result of build", "result of test"]),
        (plan.Source(name="v"), OF_RUN, []),
    ],
)
def test_an_annotation_is_read_from_the_run_itself_where_no_task_is_named(
    source: plan.Source, run: dict[str, Any] | None, expected: list[str]
) -> None:
    assert values(results.of_annotation(source, [taskrun("build"), taskrun("test")], run)) == expected
    assert values(results.of_annotation(source, [], run)) == [each for each in expected if each == "of the run"]


def test_a_taskrun_that_stands_alone_is_the_one_that_is_named() -> None:
    (found,) = results.of_material(text(RESULT, task="build"), [taskrun("")])
    assert found == results.Found("result of", taskrun="build")


def test_a_text_is_no_image_and_says_where_it_was_read() -> None:
    (found,) = results.of_material(text(RESULT), [taskrun()])
    assert found == results.Found("result of build", "build", "build")


def test_a_param_without_a_default_or_a_value_is_none() -> None:
    run = pods.taskrun(
        spec={"params": [{"name": "given", "value": "x"}]},
        status={
            "taskSpec": {"params": [{"name": "bare"}, {"name": "given", "default": "y"}, {"name": "d", "default": "z"}]}
        },
    )
    assert results.params(run) == {"given": "x", "d": "z"}


def test_of_two_results_of_one_name_the_last_one_counts() -> None:
    listed = [{"name": "r", "value": "1"}, {"name": "r", "value": "2"}]
    assert results.task_results({"status": {"results": listed}}) == {"r": "2"}


def with_env(
    *steps: dict[str, Any], template: tuple[dict[str, Any], ...] = (), place: str = "status"
) -> dict[str, Any]:
    found = pods.taskrun()
    found["spec"] = {"params": [{"name": "p", "value": "7"}]}
    spec = {"taskSpec": {"steps": list(steps), "stepTemplate": {"env": list(template)}}}
    found[place] = {**found.get(place, {}), **spec}
    return found


def step(name: str, value: str = "", **entry: Any) -> dict[str, Any]:
    return {"name": name, "env": [{"name": "E", **({"value": value} if value else {}), **entry}]}


BARE = {"name": "b"}
TEMPLATE = ({"name": "E", "value": "of the template"},)


@pytest.mark.parametrize(
    ("run", "asked", "expected"),
    [
        (with_env(step("a", "1"), step("b", "2")), "b", ["2"]),
        (with_env(step("a", "1"), step("b", "2")), "", ["1"]),
        (with_env(step("a", "1")), "b", []),
        (with_env(step("a", "1"), BARE), "b", []),
        (with_env(step("a", "1"), BARE, template=TEMPLATE), "b", ["of the template"]),
        (with_env(step("a", "1"), BARE, template=TEMPLATE), "a", ["1"]),
        (with_env(step("a", "1"), template=TEMPLATE), "b", []),
        (with_env(step("a", "1"), place="spec"), "a", ["1"]),
        (with_env(step("a", "v$(params.p)$(params['p'])$(params[\"p\"])")), "a", ["v777"]),
        (with_env(step("a")), "a", []),
    ],
)
def test_an_environment_variable_is_the_literal_of_its_step_or_of_the_template(
    run: dict[str, Any], asked: str, expected: list[str]
) -> None:
    found = results.of_material(text(ENV, "E", step=asked), [run])
    assert values(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"valueFrom": {"fieldRef": {}}}, "comes from valueFrom: only literal values are recorded"),
        ({"valueFrom": {}}, "comes from valueFrom: only literal values are recorded"),
        ({"value": "$(params.q)"}, "refers to $(params.q), which is not a param"),
        ({"value": "$(params.p) $(context.taskRun.name)"}, "refers to $(context.taskRun.name), which is not a param"),
    ],
)
@pytest.mark.parametrize("type_", ["STRING", "CONTAINER_IMAGE"])
def test_an_environment_variable_that_is_no_literal_is_refused_whatever_it_is_for(
    entry: dict[str, Any], why: str, type_: str
) -> None:
    asked = plan.PlannedMaterial("v", type_, plan.Source(ENV, name="E"))
    (found,) = results.of_material(asked, [with_env(step("a", **entry))])
    assert found == results.Refused(f"environment variable E {why}", "build", "build")


def test_a_listed_variable_is_a_param_before_it_is_environment_in_each_taskrun() -> None:
    both = with_env({"name": "a", "env": [{"name": "p", "value": "of the step"}]})
    only = with_env(step("a", "1"))
    assert values(results.environment("p", [both, only])) == ["7", "7"]
    assert values(results.environment("E", [both, only])) == ["1"]


def test_an_image_by_a_param_is_read_as_one_text() -> None:
    image = plan.PlannedMaterial("app", "CONTAINER_IMAGE", plan.Source(PARAM, name="v"))
    run = {"spec": {"params": [{"name": "v", "value": f"reg/app@{DIGEST}"}]}}
    (found,) = results.of_material(image, [], run)
    assert found == results.Found(f"reg/app@{DIGEST}", image=image_references.pinned(f"reg/app@{DIGEST}"))


def test_an_image_by_results_keeps_what_all_of_them_say() -> None:
    image = plan.PlannedMaterial("app", "CONTAINER_IMAGE")
    listed = [{"name": "IMAGES", "value": f"a@{DIGEST} b@{DIGEST}"}]
    (found,) = results.of_material(image, [pods.taskrun(status={"results": listed})])
    assert isinstance(found, results.Found)
    assert isinstance(found.image, image_references.Unusable)
    assert (found.image.fix, found.guessed) == ("separate images by commas or line ends", True)


def test_a_result_of_a_step_is_that_steps_alone_and_the_task_s_is_no_other() -> None:
    ours = [{"name": "v", "value": " of one\n"}, {"name": "list", "value": ["b", "a"]}]
    found = taskrun(steps=[{"name": "one", "results": ours}, {"name": "two", "results": [{"name": "w", "value": "2"}]}])
    read = {name: values(results.of_material(text(RESULT, name, step="one"), [found])) for name in ("v", "list", "w")}
    assert read == {"v": ["of one"], "list": ['["b","a"]'], "w": []}
    assert values(results.of_material(text(RESULT), [found])) == ["result of build"]
    assert values(results.of_annotation(plan.Source(RESULT, name="w", step="two"), [found], None)) == ["2"]


def test_an_image_is_read_from_the_results_of_the_step_that_is_named() -> None:
    source = plan.Source(RESULT, name="IMAGE_URL", step="push")
    listed = [{"name": "IMAGE_URL", "value": "reg/app"}, {"name": "IMAGE_DIGEST", "value": DIGEST}]
    found = taskrun(steps=[{"name": "push", "results": listed}])
    asked = plan.PlannedMaterial("app", "CONTAINER_IMAGE", source)
    assert values(results.of_material(asked, [found])) == [f"reg/app@{DIGEST}"]
