"""The setting that names the issuers."""

import pytest

from avouch import errors
from avouch.controlplane.intake.oidc_claims import RUNNERS
from avouch.oidc import allowed


@pytest.mark.parametrize(
    "url",
    [
        "http://x.example",
        "x.example",
        "https://",
        "https://u:p@x",
        "https://x?y",
        "https://x#y",
        "https://x y",
        "*",
        "https://x:0",
        "https://x:99999",
        "https://*.x",
        "https://é",
        "https://x/\x7f",
    ],
)
def test_only_an_https_address_is_an_issuer(url: str) -> None:
    with pytest.raises(errors.Invalid):
        allowed.Issuer(url)


def test_issuers_are_read_from_a_setting() -> None:
    found = allowed.parse(
        "https://token.actions.githubusercontent.com=GITHUB_ACTION, https://git.example/\nhttps://x:8443", RUNNERS
    )
    assert [(each.url, each.runner) for each in found] == [
        ("https://token.actions.githubusercontent.com", "GITHUB_ACTION"),
        ("https://git.example/", ""),
        ("https://x:8443", ""),
    ]
    assert allowed.parse(" ,\n", RUNNERS) == ()


@pytest.mark.parametrize(
    "text",
    [
        "https://x=TEKTON_PIPELINE",
        "https://x=DAGGER_PIPELINE",
        "x=GITHUB_ACTION",
        "=GITHUB_ACTION",
        "https://x https://x",
        "https://*/=",
    ],
)
def test_a_setting_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(errors.Invalid):
        allowed.parse(text, RUNNERS)


def test_the_two_public_forges_need_no_type_of_runner() -> None:
    found = allowed.parse("https://gitlab.com https://token.actions.githubusercontent.com", RUNNERS)
    assert [each.runner for each in found] == ["GITLAB_PIPELINE", "GITHUB_ACTION"]


def test_an_address_of_keys_may_have_a_query_and_an_issuer_may_not() -> None:
    assert allowed.is_address("https://x/keys?version=2", query=True)
    assert not allowed.is_address("https://x/keys?version=2")
    assert not allowed.is_address("http://x/keys?version=2", query=True)
