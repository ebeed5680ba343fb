from typing import Any

import pytest

from avouch.controlplane.intake import oidc_claims
from avouch.controlplane.model import identities
from avouch.runners import table

SHA = "ace3ab241dd4de68d4075c629a123f3541b0e7ca"
GITHUB = {
    "repository": "acme/app",
    "sha": SHA,
    "run_id": "42",
    "runner_environment": "github-hosted",
    "job_workflow_ref": "acme/app/.github/workflows/ci.yml@refs/heads/main",
}
GITLAB = {
    "project_path": "acme/app",
    "sha": SHA,
    "runner_environment": "self-hosted",
    "ci_config_ref_uri": "git.example/acme/app//.gitlab-ci.yml@refs/heads/main",
}


def identity(runner: str, **claims: Any) -> identities.OidcIdentity:
    return identities.OidcIdentity("https://issuer.example", "avouch", "s", claims, runner)


def test_a_token_tells_of_its_runner() -> None:
    github = oidc_claims.facts(identity("GITHUB_ACTION", **GITHUB))
    url = "https://issuer.example/acme/app/actions/runs/42"
    assert github == oidc_claims.Facts("GITHUB_ACTION", "managed", GITHUB["job_workflow_ref"], "acme/app", SHA, url)
    gitlab = oidc_claims.facts(identity("GITLAB_PIPELINE", **GITLAB))
    assert gitlab == oidc_claims.Facts(
        "GITLAB_PIPELINE", "self-hosted", GITLAB["ci_config_ref_uri"], "acme/app", SHA, ""
    )


def test_the_same_claims_of_another_issuer_tell_nothing() -> None:
    assert oidc_claims.facts(identity("", **GITHUB)) is None
    assert oidc_claims.contradictions(identity("", **GITHUB), "GITHUB_ACTION", {"GITHUB_SHA": "x"}) == ()


@pytest.mark.parametrize("value", [None, 1.5, True, ["acme/app"], {}])
def test_claims_of_another_kind_say_nothing(value: Any) -> None:
    found = oidc_claims.facts(identity("GITHUB_ACTION", repository=value, runner_environment=value))
    assert found is not None
    assert (found.repository, found.hosting.value) == ("", "unknown")


@pytest.mark.parametrize(
    ("runner", "said", "names"),
    [
        ("GITHUB_ACTION", {"GITHUB_REPOSITORY": "acme/app", "GITHUB_SHA": SHA, "GITHUB_RUN_ID": "42"}, []),
        ("GITHUB_ACTION", {"GITHUB_REPOSITORY": "acme/other"}, ["GITHUB_REPOSITORY"]),
        ("GITHUB_ACTION", {"GITHUB_SHA": "0" * 40, "GITHUB_RUN_ID": "43"}, ["GITHUB_SHA", "GITHUB_RUN_ID"]),
        ("GITHUB_ACTION", {"GITHUB_REPOSITORY": "Acme/App"}, ["GITHUB_REPOSITORY"]),
        ("GITLAB_PIPELINE", {}, ["runner type"]),
        ("TEKTON_PIPELINE", {"GITHUB_SHA": "x"}, ["runner type", "GITHUB_SHA"]),
        ("DAGGER_PIPELINE", {}, []),
        ("", {}, []),
    ],
)
def test_a_contradiction_is_named(runner: str, said: dict[str, str], names: list[str]) -> None:
    found = oidc_claims.contradictions(identity("GITHUB_ACTION", **GITHUB), runner, said)
    assert [each.name for each in found] == names


def test_gitlabs_variables_are_compared_too() -> None:
    said = {"CI_PROJECT_PATH": "acme/other", "CI_COMMIT_SHA": SHA}
    (found,) = oidc_claims.contradictions(identity("GITLAB_PIPELINE", **GITLAB), "GITLAB_PIPELINE", said)
    assert str(found) == "CI_PROJECT_PATH is 'acme/other', but the verified token says 'acme/app'"


def test_a_number_in_a_token_is_the_number_in_a_variable() -> None:
    token = identity("GITHUB_ACTION", **{**GITHUB, "run_id": 42})
    assert oidc_claims.contradictions(token, "GITHUB_ACTION", {"GITHUB_RUN_ID": "42"}) == ()


def test_claims_do_not_show_in_what_is_printed() -> None:
    assert "acme/app" not in repr(identity("GITHUB_ACTION", **GITHUB))


def test_runners_whose_tokens_say_something_are_the_same_for_the_server_and_for_the_documentation() -> None:
    telling = {runner for runner in oidc_claims.RUNNERS if oidc_claims.proven(identity(runner, **(GITHUB | GITLAB)))}
    assert telling == {row.name for row in table.RUNNERS if row.claims}


def test_every_runner_that_a_token_can_prove_says_how_and_no_other_does() -> None:
    proven = {row.name for row in table.RUNNERS if row.proof} - {"TEKTON_PIPELINE"}
    assert set(oidc_claims.RUNNERS) == proven
    assert "`" not in "".join(table.how_to_prove(name) for name in proven)


@pytest.mark.parametrize(
    ("issuer", "runner", "claims", "url"),
    [
        ("https://token.actions.githubusercontent.com", "GITHUB_ACTION", GITHUB, "https://github.com/acme/app/actions/runs/42"),
        ("https://ghe.example/_services/token", "GITHUB_ACTION", GITHUB, "https://ghe.example/acme/app/actions/runs/42"),
        ("https://token.actions.acme.ghe.com", "GITHUB_ACTION", GITHUB, "https://acme.ghe.com/acme/app/actions/runs/42"),
        ("https://git.example", "GITLAB_PIPELINE", {**GITLAB, "job_id": 7}, "https://git.example/acme/app/-/jobs/7"),
        ("https://git.example", "GITLAB_PIPELINE", GITLAB, ""),
        ("https://ci.example", "JENKINS_JOB", {**GITHUB, **GITLAB}, ""),
        ("/", "GITHUB_ACTION", GITHUB, ""),  # of no server
    ],
)  # fmt: skip
def test_the_page_of_a_job_is_told_by_issuer_and_claims_alone(
    issuer: str, runner: str, claims: dict[str, Any], url: str
) -> None:
    found = oidc_claims.facts(identities.OidcIdentity(issuer, "avouch", "s", claims, runner))
    assert found is not None
    assert found.url == url


def test_gitlabs_verified_commit_is_proven_and_compared_as_githubs_is() -> None:
    for runner, claims, variable in (
        ("GITHUB_ACTION", GITHUB, "GITHUB_SHA"),
        ("GITLAB_PIPELINE", GITLAB, "CI_COMMIT_SHA"),
    ):
        token = identity(runner, **claims)
        assert oidc_claims.proven(token)[variable] == SHA
        assert oidc_claims.contradictions(token, runner, {variable: SHA}) == ()
        (lie,) = oidc_claims.contradictions(token, runner, {variable: "0" * 40})
        assert (lie.name, lie.token) == (variable, SHA)


def test_a_token_proves_what_it_says_and_nothing_where_its_issuer_runs_nothing() -> None:
    assert oidc_claims.proven(identity("GITHUB_ACTION", sha=SHA, run_id=42, repository=["acme/app"])) == {
        "GITHUB_SHA": SHA,
        "GITHUB_RUN_ID": "42",
    }
    assert oidc_claims.proven(identity("", **GITHUB)) == {}
    assert oidc_claims.proven(identity("JENKINS_JOB", **GITHUB)) == {}


def test_what_a_token_does_not_say_is_contradicted_by_nothing() -> None:
    said = {"GITHUB_REPOSITORY": "acme/other", "GITHUB_SHA": SHA}
    assert oidc_claims.contradictions(identity("GITHUB_ACTION", sha=SHA), "GITHUB_ACTION", said) == ()
