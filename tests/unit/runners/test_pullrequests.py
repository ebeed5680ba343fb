import json
from typing import Any

import jsonschema_rs
import pytest

from avouch.runners import pullrequests
from tests.unit.runners import machines

HEAD = "ace3ab241dd4de68d4075c629a123f3541b0e7ca"
GITHUB = {**machines.REQUIRED["GITHUB_ACTION"], **machines.PULL_REQUEST}
GITLAB = {**machines.REQUIRED["GITLAB_PIPELINE"], **machines.MERGE_REQUEST}
ACCOUNT = {"login": {"type": "string"}, "type": {"enum": ["User", "Bot", "unknown"]}}
STATES = ["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED", "PENDING"]
# What the reference says of schema 1.3.
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["platform", "type", "number", "url"],
    "properties": {
        "platform": {"enum": ["github", "gitlab"]},
        "type": {"enum": ["pull_request", "merge_request"]},
        "number": {"type": "string"},
        "url": {"type": "string", "format": "uri"},
        **{name: {"type": "string"} for name in ("title", "description", "source_branch", "target_branch")},
        "author": {"type": "object", "required": [*ACCOUNT], "properties": ACCOUNT, "additionalProperties": False},
        "reviewers": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [*ACCOUNT, "requested"],
                "properties": {**ACCOUNT, "requested": {"type": "boolean"}, "review_status": {"enum": STATES}},
                "additionalProperties": False,
            },
        },
    },
}


def event(**changes: Any) -> dict[str, Any]:
    pull = {
        "number": 7,
        "title": "Add it",
        "body": "Because",
        "html_url": "https://github.com/acme/app/pull/7",
        "user": {"login": "ann", "type": "User"},
        "head": {"sha": HEAD},
        "requested_reviewers": [{"login": "bob", "type": "User"}, {"login": "odd", "type": "Mannequin"}],
    }
    return {"pull_request": {**pull, **changes}}


def data(request: pullrequests.PullRequest | None) -> dict[str, Any]:
    assert request is not None
    body = json.loads(pullrequests.content(request))
    assert body["chainloop.material.evidence.id"] == "CHAINLOOP_PR_INFO"
    assert body["schema"] == "https://schemas.chainloop.dev/prinfo/1.3/pr-info.schema.json"
    jsonschema_rs.Draft7Validator(SCHEMA).validate(body["data"])
    found: dict[str, Any] = body["data"]
    return found


def test_githubs_event_tells_of_the_pull_request():
    request = pullrequests.of_github(GITHUB, event())
    assert request is not None
    assert request.material == "pr-metadata-7"
    assert data(request) == {
        "platform": "github",
        "type": "pull_request",
        "number": "7",
        "url": "https://github.com/acme/app/pull/7",
        "title": "Add it",
        "description": "Because",
        "source_branch": "feature",
        "target_branch": "main",
        "author": {"login": "ann", "type": "User"},
        "reviewers": [
            {"login": "bob", "type": "User", "requested": True},
            {"login": "odd", "type": "unknown", "requested": True},
        ],
    }


def test_gitlabs_variables_tell_of_the_merge_request():
    assert data(pullrequests.of_gitlab(GITLAB)) == {
        "platform": "gitlab",
        "type": "merge_request",
        "number": "3",
        "url": "https://git.example/acme/app/-/merge_requests/3",
        "title": "Add it",
        "description": "Because",
        "source_branch": "feature",
        "target_branch": "main",
        "author": {"login": "ann", "type": "unknown"},
    }


def test_gitlabs_answer_adds_author_and_reviewers():
    answer = {
        "author": {"username": "robot", "bot": True},
        "reviewers": [{"username": "bob", "bot": False}, {"username": "eve"}, {"name": "nobody"}],
    }
    found = data(pullrequests.of_gitlab(GITLAB, answer))
    assert found["author"] == {"login": "robot", "type": "Bot"}
    assert found["reviewers"] == [
        {"login": "bob", "type": "User", "requested": True},
        {"login": "eve", "type": "unknown", "requested": True},
    ]


def test_the_last_review_of_each_holds_and_those_who_were_not_asked_are_told_apart():
    known = [pullrequests.Reviewer(pullrequests.Person("bob", "User"), requested=True)]
    reviews = [
        {"user": {"login": "bob", "type": "User"}, "state": "COMMENTED"},
        {"user": {"login": "eve", "type": "Bot"}, "state": "CHANGES_REQUESTED"},
        {"user": {"login": "bob", "type": "User"}, "state": "APPROVED"},
        {"user": {"login": "eve", "type": "Bot"}, "state": "INVENTED"},
        {"user": None, "state": "APPROVED"},
    ]
    requested = {"users": [{"login": "bob", "type": "User"}, {"login": "kim", "type": "User"}]}
    found = pullrequests.github_reviewers(known, requested, reviews)
    assert [(each.person.login, each.requested, each.status) for each in found] == [
        ("bob", True, "APPROVED"),
        ("kim", True, ""),
        ("eve", False, "CHANGES_REQUESTED"),
    ]


@pytest.mark.parametrize(
    "environment",
    [GITHUB, {**GITHUB, "GITHUB_EVENT_NAME": "pull_request_target"}, GITLAB, machines.OPTIONAL["DAGGER_PIPELINE"]],
)
def test_a_run_for_a_pull_request_is_known_as_such(environment):
    assert pullrequests.is_pull_request(environment)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {**GITHUB, "GITHUB_EVENT_NAME": "push"},
        {**GITLAB, "CI_PIPELINE_SOURCE": "push"},
        {**GITLAB, "CI_MERGE_REQUEST_IID": ""},
        {**GITLAB, "CI_MERGE_REQUEST_IID": "../7"},
    ],
)
def test_any_other_run_is_not(environment):
    assert not pullrequests.is_pull_request(environment)
    assert pullrequests.of_github(environment, event()) is None
    assert pullrequests.of_gitlab(environment) is None


def test_only_in_an_untrusted_pull_request_the_head_stands_for_the_merge():
    assert pullrequests.head_of(GITHUB, event()) == HEAD
    assert pullrequests.head_of({**GITHUB, "GITHUB_EVENT_NAME": "pull_request_target"}, event()) == ""
    assert pullrequests.head_of(GITHUB, event(head={"sha": "main"})) == ""


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"pull_request": None},
        {"pull_request": []},
        event(number=None),
        event(number=True),
        event(html_url="javascript:x"),
        event(html_url=None),
    ],
)
def test_an_event_that_does_not_say_which_is_none(broken):
    assert pullrequests.of_github(GITHUB, broken) is None


@pytest.mark.parametrize("odd", [event(user=7, requested_reviewers="x", title=None, body=["x"]), event(user={})])
def test_an_event_of_an_odd_shape_tells_what_it_can(odd):
    assert data(pullrequests.of_github(GITHUB, odd))["number"] == "7"


def test_what_people_wrote_is_withheld_where_it_holds_a_credential():
    request = pullrequests.of_github(GITHUB, event(body="try https://u:hunter2@git.example"))
    assert data(request)["description"] == "[withheld: it looks like a URL with a password]"


def test_the_same_request_is_the_same_bytes_and_odd_characters_do_not_stop_it():
    odd = event(title="\ud800 é")
    first, second = (pullrequests.of_github(GITHUB, odd) for _ in range(2))
    assert first is not None
    assert second is not None
    assert pullrequests.content(first) == pullrequests.content(second)
