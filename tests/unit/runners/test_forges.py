import pytest

from avouch.runners import forges
from tests.unit.runners import machines

SHA = "ace3ab241dd4de68d4075c629a123f3541b0e7ca"
GITHUB = machines.machine("GITHUB_ACTION")
GITLAB = machines.machine("GITLAB_PIPELINE")


def forge(environment: dict[str, str]) -> forges.Forge:
    found = forges.forge_of(environment)
    assert found is not None
    return found


def test_github_is_asked_with_its_token_and_its_version():
    question = forge(GITHUB).commit(SHA)
    assert question.url == f"https://api.github.com/repos/acme/app/commits/{SHA}"
    assert (question.header, question.scheme, question.token) == ("Authorization", "Bearer", "GITHUB_TOKEN")
    assert dict(question.headers) == {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


def test_gitlab_is_asked_with_the_jobs_token():
    question = forge(GITLAB).commit(SHA)
    assert question.url == f"https://git.example/api/v4/projects/acme%2Fapp/repository/commits/{SHA}/signature"
    assert (question.header, question.scheme, question.token) == ("JOB-TOKEN", "", "CI_JOB_TOKEN")


def test_reviewers_are_asked_for_by_number():
    assert forge(GITHUB).requested_reviewers("7").url.endswith("/repos/acme/app/pulls/7/requested_reviewers")
    assert forge(GITHUB).reviews("7").url.endswith("/repos/acme/app/pulls/7/reviews?per_page=100")


def test_a_merge_request_is_asked_of_the_project_it_would_be_merged_into():
    fork = {**GITLAB, "CI_PROJECT_PATH": "ann/app"}
    question = forges.merge_request_of(fork)
    assert question is not None
    assert question.url == "https://git.example/api/v4/projects/acme%2Fapp/merge_requests/3"
    assert forges.merge_request_of({**GITLAB, "CI_MERGE_REQUEST_IID": "../3"}) is None
    assert forges.merge_request_of({**GITLAB, "CI_SERVER_URL": ""}) is None


def test_enterprise_servers_are_asked_themselves():
    assert forge({**GITHUB, "GITHUB_API_URL": "https://ghe.example/api/v3/"}).base == (
        "https://ghe.example/api/v3/repos/acme/app"
    )


def test_inside_dagger_the_forge_around_it_is_asked():
    dagger = machines.machine("DAGGER_PIPELINE")
    assert forge({**dagger, "GITHUB_REPOSITORY": "acme/app", "GITHUB_RUN_ID": "1"}).platform == "GitHub"
    assert forge({**dagger, "GITLAB_CI": "true", "CI_JOB_URL": "https://git.example/1"}).platform == "GitLab"
    assert forges.forge_of(dagger) is None


@pytest.mark.parametrize(
    "environment",
    [
        {},
        machines.machine("JENKINS_JOB"),
        {**GITHUB, "GITHUB_REPOSITORY": "app"},
        {**GITHUB, "GITHUB_REPOSITORY": "acme/app/more"},
        {**GITHUB, "GITHUB_REPOSITORY": "acme/.."},
        {**GITHUB, "GITHUB_REPOSITORY": "acme/a?b"},
        {**GITHUB, "GITHUB_API_URL": "file:///etc"},
        {**GITLAB, "CI_SERVER_URL": "ftp://git.example"},
        {**GITLAB, "CI_PROJECT_PATH": ""},
    ],
)
def test_where_no_forge_can_be_named_nobody_is_asked(environment):
    assert forges.forge_of(environment) is None
