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
    assert github == oidc_claims.Facts("GITHUB_ACTION", "managed", GITHUB["job_workflow_ref"], "acme/app", SHA)
    gitlab = oidc_claims.facts(identity("GITLAB_PIPELINE", **GITLAB))
    assert gitlab == oidc_claims.Facts("GITLAB_PIPELINE", "self-hosted", GITLAB["ci_config_ref_uri"], "acme/app", SHA)


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
    assert set(oidc_claims.RUNNERS) == {row.name for row in table.RUNNERS if row.claims}
