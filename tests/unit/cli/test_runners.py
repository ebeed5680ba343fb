import json

from tests.unit.cli import line

GITHUB = {
    "CI": "true", "GITHUB_REPOSITORY": "org/app", "GITHUB_RUN_ID": "7", "GITHUB_ACTOR": "jo", "GITHUB_REF": "r",
    "GITHUB_REPOSITORY_OWNER": "org", "GITHUB_SHA": "a" * 40, "RUNNER_NAME": "n", "RUNNER_OS": "Linux",
}  # fmt: skip


def show(environment, *arguments, **more):
    return line.run("runner", "show", *arguments, adapters=line.Adapters(environment, **more))


def test_what_is_recorded_of_a_github_job():
    answer = show(GITHUB)
    assert answer.code == 0
    assert "Type:         GITHUB_ACTION" in answer.out
    assert "https://github.com/org/app/actions/runs/7" in answer.out
    assert "GITHUB_ACTOR              recorded   jo" in answer.out


def test_a_missing_variable_is_told_and_fails_only_where_the_runner_was_asked_for():
    poor = {key: value for key, value in GITHUB.items() if key != "RUNNER_OS"}
    answer = show(poor, "-o", "json")
    assert (answer.code, json.loads(answer.out)["missing"]) == (0, ["RUNNER_OS"])
    asked = show(poor, "--runner", "GITHUB_ACTION")
    assert asked.code == 1
    assert "required variables not present: RUNNER_OS" in asked.err
    assert show(GITHUB, "--runner", "GITHUB_ACTION").code == 0


def test_another_runner_than_asked_for_fails_and_says_by_what_it_is_recognised():
    answer = show(GITHUB, "--runner", "GITLAB_PIPELINE")
    assert answer.code == 1
    assert "this is GitHub Actions, not GitLab" in answer.err
    assert "GITLAB_CI and CI_JOB_URL" in answer.err


def test_a_value_that_looks_like_a_credential_is_withheld_and_never_printed():
    secret = "ghp_" + "a1B2" * 9
    answer = show({**GITHUB, "GITHUB_HEAD_REF": secret})
    assert secret not in answer.out + answer.err
    assert "GITHUB_HEAD_REF" in answer.out
    assert "withheld" in answer.out
    assert secret not in show({**GITHUB, "GITHUB_HEAD_REF": secret}, "-o", "yaml").out


def test_in_a_step_of_tekton_the_pods_labels_tell():
    labels = {"tekton.dev/taskRun": "build-1", "tekton.dev/pipelineRun": "run-1"}
    told = json.loads(show({"HOSTNAME": "build-1-pod"}, "-o", "json", pod=("team-a", labels)).out)
    assert told["type"] == "TEKTON_PIPELINE"
    assert told["url"] == "tekton://team-a/pipelineruns/run-1"
    assert told["variables"]["TEKTON_TASKRUN_NAME"] == "build-1"


def test_outside_of_any_it_is_the_generic_one():
    answer = show({})
    assert answer.code == 0
    assert "Generic" in answer.out
