"""What Tekton's own record says: results, params, environment, outcomes."""

from typing import Any

import pytest

from avouch import plan
from avouch.tekton import hints, outcome, results
from tests.unit.tekton import pods

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def reporting(**found: Any) -> dict[str, Any]:
    listed = [{"name": name.replace("__", "-"), "value": value} for name, value in found.items()]
    return pods.taskrun(status={"results": listed})


def image(kind: plan.From = plan.From.RESULT, name: str = "", digest: str = "") -> plan.PlannedMaterial:
    return plan.PlannedMaterial("app", "CONTAINER_IMAGE", plan.Source(kind, name=name, digest=digest))


@pytest.mark.parametrize(
    ("material", "run", "expected"),
    [
        (
            image(name="url", digest="dig"),
            reporting(url="reg:5000/app:1\n", dig=f" {DIGEST}"),
            f"reg:5000/app:1@{DIGEST}",
        ),
        (image(name="IMAGE_URL"), reporting(IMAGE_URL="reg/app", IMAGE_DIGEST=DIGEST), f"reg/app@{DIGEST}"),
        (image(name="ref"), reporting(ref=f"reg/app@{DIGEST}"), f"reg/app@{DIGEST}"),
        (image(plan.From.CONVENTION), reporting(IMAGE_URL="reg/app", IMAGE_DIGEST=DIGEST), f"reg/app@{DIGEST}"),
        (
            image(plan.From.CONVENTION),
            reporting(app__IMAGE_URL="reg/app", app__IMAGE_DIGEST=DIGEST, IMAGE_URL="x", IMAGE_DIGEST=OTHER),
            f"reg/app@{DIGEST}",
        ),
        (image(plan.From.CONVENTION), reporting(IMAGES=f"reg/a@{DIGEST}"), f"reg/a@{DIGEST}"),
        (image(plan.From.CONVENTION), reporting(IMAGES=f"reg/a@{DIGEST},\nreg/b@{OTHER}"), None),
        (image(plan.From.CONVENTION), reporting(IMAGE_URL="reg/app"), None),
        (plan.PlannedMaterial("v", "STRING"), reporting(v=["a", "b"]), '["a","b"]'),
    ],
)
def test_results_are_read_by_name_by_pair_or_by_convention(
    material: plan.PlannedMaterial, run: dict[str, Any], expected: str | None
) -> None:
    found = results.of_material(material, [run])
    assert [one.value for one in found if isinstance(one, results.Found)] == ([expected] if expected else [])


def test_a_matrix_gives_one_value_for_each_taskrun_and_other_tasks_none() -> None:
    material = plan.PlannedMaterial("v", "STRING", plan.Source(plan.From.RESULT, task="build", name="v"))
    found = results.of_material(material, [reporting(v="1"), reporting(v="2"), pods.taskrun("test")])
    assert [one.value for one in found if isinstance(one, results.Found)] == ["1", "2"]


def spec(*env: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return pods.taskrun(
        spec={"params": [{"name": "version", "value": "7"}]},
        status={"taskSpec": {"steps": [{"name": "s", "env": list(env)}], **fields}},
    )


ENV = plan.PlannedMaterial("e", "STRING", plan.Source(plan.From.ENV, name="E", step="s"))


def test_literal_environment_is_read_with_params_filled_in() -> None:
    (found,) = results.of_material(ENV, [spec({"name": "E", "value": "v$(params.version)-$(params['version'])"})])
    assert isinstance(found, results.Found)
    assert found.value == "v7-7"


@pytest.mark.parametrize(
    "entry", [{"valueFrom": {"secretKeyRef": {"name": "n", "key": "k"}}}, {"value": "$(tasks.a.results.b)"}]
)
def test_environment_from_elsewhere_is_refused_by_name(entry: dict[str, Any]) -> None:
    (found,) = results.of_material(ENV, [spec({"name": "E", **entry})])
    assert isinstance(found, results.Refused)
    assert "environment variable E" in found.why


def test_params_fall_back_to_the_declared_default() -> None:
    run = spec(params=[{"name": "version", "default": "1"}, {"name": "mode", "default": "fast"}])
    assert results.params(run) == {"version": "7", "mode": "fast"}


def test_annotations_come_from_the_pipelinerun_and_its_params() -> None:
    run = {"metadata": {"annotations": {"a/b": "v"}}, "spec": {"params": [{"name": "p", "value": "w"}]}}
    assert results.of_annotation(plan.Source(plan.From.ANNOTATION, name="a/b"), [], run) == (results.Found("v"),)
    assert results.of_annotation(plan.Source(plan.From.PARAM, name="p"), [], run) == (results.Found("w"),)


def test_a_material_from_an_unplaced_param_is_the_pipelineruns_own_where_it_has_it() -> None:
    source = plan.Source(plan.From.PARAM, name="version")
    run = {"spec": {"params": [{"name": "version", "value": "of the run"}]}}
    of_run = results.of_material(plan.PlannedMaterial("v", "STRING", source), [spec()], run)
    of_task = results.of_material(plan.PlannedMaterial("v", "STRING", source), [spec()], {"spec": {}})
    assert [found.value for found in of_run if isinstance(found, results.Found)] == ["of the run"]
    assert [found.value for found in of_task if isinstance(found, results.Found)] == ["7"]


def test_a_material_from_a_param_of_a_named_task_is_never_the_pipelineruns() -> None:
    asked = plan.PlannedMaterial("v", "STRING", plan.Source(plan.From.PARAM, name="other", task="build"))
    assert results.of_material(asked, [spec()], {"spec": {"params": [{"name": "other", "value": "x"}]}}) == ()


def test_env_allow_list_means_params_then_literal_environment() -> None:
    found = results.environment("version", [spec()]) + results.environment("E", [spec({"name": "E", "value": "x"})])
    assert [one.value for one in found if isinstance(one, results.Found)] == ["7", "x"]


def test_image_pairs_follow_chains_rules() -> None:
    found = hints.pairs({"a-IMAGE_URL": "u", "a-IMAGE_DIGEST": DIGEST, "IMAGE_URL": "v", "IMAGE_DIGEST": ""})
    assert {marker: str(image) for marker, image in found.items()} == {"a-": f"u@{DIGEST}"}


def condition(status: str, reason: str = "") -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "Succeeded", "status": status, "reason": reason}]}}


@pytest.mark.parametrize(
    ("obj", "state"),
    [
        ({}, outcome.State.RUNNING),
        (condition("Unknown", "ToBeRetried"), outcome.State.RUNNING),
        (condition("Unknown", "CancelledRunningFinally"), outcome.State.RUNNING),
        (condition("True", "Completed"), outcome.State.SUCCEEDED),
        (condition("False", "Failed"), outcome.State.FAILED),
        (condition("False", "TaskRunTimeout"), outcome.State.FAILED),
        (condition("False", "PipelineRunTimeout"), outcome.State.FAILED),
        (condition("False", "Cancelled"), outcome.State.CANCELED),
        (condition("False", "TaskRunCancelled"), outcome.State.CANCELED),
    ],
)
def test_the_outcome_is_the_succeeded_condition(obj: dict[str, Any], state: outcome.State) -> None:
    assert outcome.of(obj).state is state


def test_retries_are_attempts_oldest_first() -> None:
    earlier = {"podName": "p0", **condition("False", "Failed")["status"]}
    run = pods.taskrun(status={"podName": "p1", "retriesStatus": [earlier], **condition("True", "Succeeded")["status"]})
    assert [(a.pod, a.outcome.state.value) for a in outcome.attempts(run)] == [("p0", "Failed"), ("p1", "Succeeded")]
