from typing import Any

import pytest

from avouch import errors
from avouch.api import vocabulary
from avouch.runners import detection, table
from tests.unit.runners.machines import OPTIONAL, POD, REQUIRED, TYPES, found, machine

LINKS = {
    "GITHUB_ACTION": "https://github.com/acme/app/actions/runs/42",
    "GITLAB_PIPELINE": "https://git.example/acme/app/-/jobs/7",
    "AZURE_PIPELINE": "https://dev.azure.example/acme/Our%20App/_build/results?buildId=42&j=j1&view=logs",
    "JENKINS_JOB": "https://ci.example/job/app/7/",
    "CIRCLECI_BUILD": "https://circleci.example/gh/acme/app/7",
    "DAGGER_PIPELINE": "",
    "TEAMCITY_PIPELINE": "https://tc.example/build/7",
    "TEKTON_PIPELINE": "tekton://ci/pipelineruns/build-1",
    "CHAINLOOP_SANDBOX": "",
    "": "",
}


def row(kind: str) -> table.RunnerType:
    return next(each for each in table.RUNNERS if each.name == kind)


def test_the_table_holds_every_runner_that_a_contract_can_ask_for_and_the_generic_one_last():
    numbers = {str(each.name): each.number for each in table.RUNNERS}
    assert numbers == {str(name): index for index, name in enumerate(["", *vocabulary.RunnerType])}
    assert table.RUNNERS[-1].name == ""


@pytest.mark.parametrize("kind", TYPES)
def test_a_runner_is_recognised_by_what_it_sets(kind):
    assert found(kind, machine(kind)).type == kind


@pytest.mark.parametrize("kind", TYPES)
def test_a_runner_lets_exactly_its_own_variables_be_recorded(kind):
    runner = found(kind, machine(kind))
    assert dict(runner.variables) == {**REQUIRED[kind], **OPTIONAL[kind]}
    assert (runner.missing, runner.refused) == ((), ())


@pytest.mark.parametrize("kind", TYPES)
def test_the_table_says_which_variables_are_required(kind):
    variables = row(kind).variables
    assert {each.name for each in variables if each.required} == set(REQUIRED[kind])
    if kind != "TEKTON_PIPELINE":
        assert {each.name for each in variables if not each.required} == set(OPTIONAL[kind])
    assert len({each.name for each in variables}) == len(variables)


@pytest.mark.parametrize("kind", TYPES)
def test_optional_variables_may_be_absent(kind):
    environment = machine(kind, optional=False)
    environment.pop("CI_MERGE_REQUEST_IID", None)
    runner = found(kind, environment)
    assert runner.type == kind
    assert runner.missing == ()
    assert set(REQUIRED[kind]) <= set(detection.recorded(runner, environment))


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in TYPES for name in sorted(REQUIRED[kind]) if kind != "TEKTON_PIPELINE"],
)
def test_a_required_variable_without_value_is_missed_by_name_or_the_runner_is_not_recognised(kind, name):
    environment = machine(kind, **{name: ""})
    runner = found(kind, environment)
    marks = {mark.name for mark in row(kind).marks}
    if name in marks:
        assert runner.type != kind
        return
    assert runner.missing == (name,)
    with pytest.raises(errors.Invalid, match=f'not present "{name}"'):
        detection.recorded(runner, environment)


@pytest.mark.parametrize("kind", TYPES)
def test_a_run_has_a_link(kind):
    assert found(kind, machine(kind)).url == LINKS[kind]


@pytest.mark.parametrize(
    ("kind", "changes", "link"),
    [
        ("GITHUB_ACTION", {"GITHUB_SERVER_URL": "https://ghe.example/"}, "https://ghe.example/acme/app/actions/runs/42"),
        ("GITHUB_ACTION", {"GITHUB_SERVER_URL": "javascript:x"}, ""),
        ("GITLAB_PIPELINE", {"CI_JOB_URL": "https://u:p@git.example/-/jobs/7"}, "https://git.example/-/jobs/7"),
        ("GITLAB_PIPELINE", {"CI_JOB_URL": "file:///etc/passwd"}, ""),
        ("AZURE_PIPELINE", {"SYSTEM_TEAMFOUNDATIONSERVERURI": ""}, ""),
        ("JENKINS_JOB", {"BUILD_URL": "https://["}, ""),
        ("TEKTON_PIPELINE", {"TEKTON_DASHBOARD_URL": "https://t.example/"}, "https://t.example/#/namespaces/ci/pipelineruns/build-1"),
    ],
)  # fmt: skip
def test_a_link_is_a_web_address_without_credentials_or_nothing(kind, changes, link):
    assert found(kind, machine(kind, **changes)).url == link


@pytest.mark.parametrize(
    ("environment", "pod", "kind"),
    [
        ({**machine("GITLAB_PIPELINE"), **machine("DAGGER_PIPELINE")}, None, "DAGGER_PIPELINE"),
        ({**machine("GITHUB_ACTION"), **machine("DAGGER_PIPELINE")}, None, "DAGGER_PIPELINE"),
        ({**machine("GITHUB_ACTION"), "CHAINLOOP_SANDBOX": "1"}, None, "CHAINLOOP_SANDBOX"),
        ({**machine("DAGGER_PIPELINE"), "CHAINLOOP_SANDBOX": "1"}, None, "CHAINLOOP_SANDBOX"),
        (machine("GITHUB_ACTION"), POD, "TEKTON_PIPELINE"),
        ({**machine("TEAMCITY_PIPELINE"), "JENKINS_HOME": "/var/jenkins_home"}, None, "TEAMCITY_PIPELINE"),
        ({**machine("GITLAB_PIPELINE"), "JENKINS_HOME": "/var/jenkins_home"}, None, "GITLAB_PIPELINE"),
        (machine("CIRCLECI_BUILD", CIRCLECI="1"), None, ""),
        (machine("CIRCLECI_BUILD", CI="yes"), None, ""),
        ({"CHAINLOOP_SANDBOX": ""}, None, ""),
        ({}, None, ""),
        ({}, detection.Pod(), "TEKTON_PIPELINE"),
    ],
)
def test_where_several_would_fit_the_first_row_of_the_table_holds(environment, pod, kind):
    assert detection.discover(environment, pod).type == kind


def test_tekton_is_known_by_labels_and_not_by_variables_that_a_step_may_set():
    environment = machine("TEKTON_PIPELINE", TEKTON_TASKRUN_NAME="forged", TEKTON_PIPELINE_NAME="forged")
    values = dict(detection.discover(environment, POD).variables)
    assert values["TEKTON_TASKRUN_NAME"] == "build-1-compile"
    assert "TEKTON_PIPELINE_NAME" not in values


@pytest.mark.parametrize(
    ("pod", "dashboard", "link"),
    [
        (detection.Pod("ci"), "", "tekton://ci/taskruns/build-1-compile"),
        (detection.Pod("ci"), "https://t.example", "https://t.example/#/namespaces/ci/taskruns/build-1-compile"),
        (detection.Pod(""), "https://t.example", ""),
    ],
)
def test_without_labels_tekton_falls_back_to_the_pods_name(pod, dashboard, link):
    runner = detection.discover(machine("TEKTON_PIPELINE", TEKTON_DASHBOARD_URL=dashboard), pod)
    assert runner.url == link
    assert dict(runner.variables)["TEKTON_TASKRUN_NAME"] == "build-1-compile"


def test_tekton_without_labels_and_with_a_name_that_says_nothing_names_what_would_help():
    environment = machine("TEKTON_PIPELINE", HOSTNAME="debug")
    runner = detection.discover(environment, detection.Pod("ci"))
    assert runner.missing == ("TEKTON_TASKRUN_NAME",)
    with pytest.raises(errors.Invalid, match="get pods") as refused:
        detection.recorded(runner, environment)
    assert "TEKTON_TASKRUN_NAME" in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "changes", "hosting"),
    [
        ("GITHUB_ACTION", {"RUNNER_ENVIRONMENT": "github-hosted"}, "unknown"),
        ("TEKTON_PIPELINE", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "self-hosted"),
        ("TEKTON_PIPELINE", {"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token"}, "self-hosted"),
        ("TEKTON_PIPELINE", {"KUBERNETES_SERVICE_HOST": ""}, "unknown"),
        ("JENKINS_JOB", {}, "unknown"),
    ],
)
def test_who_hosts_a_runner_is_not_taken_from_its_variables(kind, changes, hosting):
    assert str(found(kind, machine(kind, **changes)).hosting) == hosting


@pytest.mark.parametrize(
    ("claim", "hosting"),
    [
        ("github-hosted", "managed"),
        ("gitlab-hosted", "managed"),
        ("self-hosted", "self-hosted"),
        ("", "unknown"),
        ("x", "unknown"),
    ],
)
def test_who_hosts_a_runner_is_taken_from_a_verified_claim(claim, hosting):
    assert str(detection.hosting_of(claim)) == hosting


def test_a_contract_is_content_with_its_runner_with_any_if_it_names_none_and_with_all_in_a_dry_run():
    generic = detection.discover({})
    detection.enforce("", generic)
    detection.enforce("GITHUB_ACTION", generic, dry_run=True)
    for kind in TYPES:
        detection.enforce(kind, found(kind, machine(kind)))


@pytest.mark.parametrize("wanted", [kind for kind in TYPES if kind])
@pytest.mark.parametrize("kind", TYPES)
def test_another_runner_is_refused_in_chainloops_words_with_what_was_found(wanted, kind):
    if wanted == kind:
        return
    runner = found(kind, machine(kind))
    with pytest.raises(errors.Invalid, match=f'runner of type "{wanted}" but couldn\'t be detected') as refused:
        detection.enforce(wanted, runner)
    assert refused.value.field == "spec.runner.type"
    assert runner.title in str(refused.value)
    assert detection.recognised_by(row(wanted)) in refused.value.fix


def test_a_runner_that_nobody_knows_is_refused_with_those_that_are_known():
    with pytest.raises(errors.Invalid, match="TEKTON_PIPELINE"):
        detection.enforce("TRAVIS", detection.discover({}))


def record(kind: str, allowed: tuple[str, ...] = (), skip: bool = False, **changes: str) -> dict[str, str]:
    environment = machine(kind, **changes)
    return detection.recorded(found(kind, environment), environment, allowed, skip_runner=skip)


def test_the_contracts_own_variables_are_recorded_beside_the_runners():
    assert record("DAGGER_PIPELINE", ("CUSTOM",), CUSTOM="x") == {
        **REQUIRED["DAGGER_PIPELINE"],
        **OPTIONAL["DAGGER_PIPELINE"],
        "CUSTOM": "x",
    }


def test_all_that_is_missing_is_named_at_once():
    with pytest.raises(errors.Invalid, match='not present "RUNNER_NAME", "RUNNER_OS", "CUSTOM"'):
        record("GITHUB_ACTION", ("CUSTOM", "CUSTOM"), RUNNER_NAME="", RUNNER_OS="")


def test_where_the_runners_variables_are_skipped_none_of_them_is_missed():
    assert record("GITHUB_ACTION", ("CUSTOM",), skip=True, RUNNER_OS="", CUSTOM="x") == {"CUSTOM": "x"}


def test_a_contract_may_list_a_variable_that_only_tekton_gives():
    assert record("TEKTON_PIPELINE", ("TEKTON_NAMESPACE",))["TEKTON_NAMESPACE"] == "ci"


ADDRESS = "https://token:hunter2@git.example/a"


def test_a_secret_that_the_contract_asks_for_is_refused_by_name_and_never_repeated():
    with pytest.raises(errors.Invalid, match="A_URL looks like a URL with a password; DEPLOY_TOKEN looks like") as no:
        record("GITHUB_ACTION", ("A_URL", "DEPLOY_TOKEN"), A_URL=ADDRESS, DEPLOY_TOKEN="hunter2")  # noqa: S106 - no secret
    assert "hunter2" not in f"{no.value}{no.value.fix}"


def test_a_secret_in_a_required_variable_of_the_runner_is_refused():
    with pytest.raises(errors.Invalid, match="CI_PROJECT_URL"):
        record("GITLAB_PIPELINE", CI_PROJECT_URL=ADDRESS)


def test_a_secret_in_an_optional_variable_of_the_runner_is_left_out_and_told():
    environment = machine("GITLAB_PIPELINE", CI_MERGE_REQUEST_TITLE=ADDRESS)
    runner = found("GITLAB_PIPELINE", environment)
    assert [str(each) for each in runner.refused] == ["CI_MERGE_REQUEST_TITLE looks like a URL with a password"]
    assert "CI_MERGE_REQUEST_TITLE" not in detection.recorded(runner, environment)
    with pytest.raises(errors.Invalid, match="CI_MERGE_REQUEST_TITLE"):
        detection.recorded(runner, environment, ("CI_MERGE_REQUEST_TITLE",))


def test_no_value_of_the_environment_but_those_of_the_table_is_kept():
    everything: dict[str, Any] = {f"OTHER_{index}": f"value-{index}" for index in range(20)}
    runner = found("GITHUB_ACTION", machine("GITHUB_ACTION", **everything))
    assert "value-" not in repr(runner)
