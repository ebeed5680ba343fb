"""The setting that names the issuers."""

import re

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
    with pytest.raises(errors.Invalid, match=f"^oidc.issuers: {re.escape(repr(url))} is not an issuer"):
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
    ("text", "told"),
    [
        ("https://x=TEKTON_PIPELINE", "'TEKTON_PIPELINE' is not a runner type that issues tokens"),
        ("https://x=DAGGER_PIPELINE", "'DAGGER_PIPELINE' is not a runner type that issues tokens"),
        ("x=GITHUB_ACTION", "'x' is not an issuer"),
        ("=GITHUB_ACTION", "'' is not an issuer"),
        ("https://x https://x", "'https://x' is listed twice"),
        ("https://x,https://x=GITHUB_ACTION", "'https://x' is listed twice"),
        ("https://*/=", "'https://*/' is not an issuer"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(text: str, told: str) -> None:
    with pytest.raises(errors.Invalid, match=f"^oidc.issuers: {re.escape(told)}"):
        allowed.parse(text, RUNNERS)


def test_a_type_of_runner_that_is_written_stands_above_the_one_that_is_known() -> None:
    (ours, theirs) = allowed.parse("https://git.example=GITLAB_PIPELINE,https://gitlab.com=GITHUB_ACTION", RUNNERS)
    assert (ours.runner, theirs.runner) == ("GITLAB_PIPELINE", "GITHUB_ACTION")


def test_the_two_public_forges_need_no_type_of_runner() -> None:
    found = allowed.parse("https://gitlab.com https://token.actions.githubusercontent.com", RUNNERS)
    assert [each.runner for each in found] == ["GITLAB_PIPELINE", "GITHUB_ACTION"]


def test_an_address_of_keys_may_have_a_query_and_an_issuer_may_not() -> None:
    assert allowed.is_address("https://x/keys?version=2", query=True)
    assert not allowed.is_address("https://x/keys?version=2")
    assert not allowed.is_address("http://x/keys?version=2", query=True)
