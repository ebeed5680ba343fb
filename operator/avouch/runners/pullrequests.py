"""The pull or merge request of a run, and the content of the material CHAINLOOP_PR_INFO that describes it.

Read from GitHub's event file or GitLab's variables. What a forge's API adds (reviews, the type of an author) is passed
in as JSON.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from avouch.runners import credentials, links

EVIDENCE = "CHAINLOOP_PR_INFO"
SCHEMA = "https://schemas.chainloop.dev/prinfo/1.3/pr-info.schema.json"
ANNOTATION = "chainloop.dev/is-pull-request"  # of the attestation, "true"
_GITHUB_EVENTS = ("pull_request", "pull_request_target")
_GITLAB_SOURCE = "merge_request_event"
_STATES = frozenset({"APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED", "PENDING"})
_HEAD = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)


class Person(NamedTuple):
    """An account of the forge: `type` is User, Bot or unknown."""

    login: str
    type: str = "unknown"


class Reviewer(NamedTuple):
    """Somebody who was asked for a review, or gave one unasked."""

    person: Person
    requested: bool
    status: str = ""  # APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED, PENDING, or nothing yet


class Texts(NamedTuple):
    """What people wrote: title and description, both possibly withheld."""

    title: str = ""
    description: str = ""
    source_branch: str = ""
    target_branch: str = ""


class PullRequest(NamedTuple):
    """A pull request of GitHub or a merge request of GitLab."""

    platform: str
    type: str
    number: str
    url: str
    texts: Texts = Texts()
    author: Person | None = None
    reviewers: tuple[Reviewer, ...] = ()

    @property
    def material(self) -> str:
        """Name of the material."""
        return f"pr-metadata-{self.number}"


def is_pull_request(environment: Mapping[str, str]) -> bool:
    """True if the run is for a pull or merge request: GitHub, GitLab, and Dagger inside one of them."""
    github = environment.get("GITHUB_EVENT_NAME") in _GITHUB_EVENTS
    return github or bool(_gitlab_number(environment))


def head_of(environment: Mapping[str, str], event: Mapping[str, Any]) -> str:
    """Hash of the head of a GitHub pull request, empty if the checked-out commit is the one that was built.

    pull_request_target builds the base branch on purpose, so the head is ignored.
    """
    if environment.get("GITHUB_EVENT_NAME") != "pull_request":
        return ""
    head = _text(_mapping(_mapping(event.get("pull_request")).get("head")), "sha")
    return head if _HEAD.fullmatch(head) else ""


def of_github(environment: Mapping[str, str], event: Mapping[str, Any]) -> PullRequest | None:
    """The pull request of GitHub's event file; None if the run is not for one, or the event does not name it."""
    pull = _mapping(event.get("pull_request"))
    number, url = _text(pull, "number"), links.web(_text(pull, "html_url"))
    if environment.get("GITHUB_EVENT_NAME") not in _GITHUB_EVENTS or not (number and url):
        return None
    return PullRequest(
        platform="github",
        type="pull_request",
        number=number,
        url=url,
        texts=_texts(
            _text(pull, "title"),
            _text(pull, "body"),
            environment.get("GITHUB_HEAD_REF", ""),
            environment.get("GITHUB_BASE_REF", ""),
        ),
        author=_github_person(pull.get("user")),
        reviewers=tuple(Reviewer(person, requested=True) for person in _github_people(pull.get("requested_reviewers"))),
    )


def github_reviewers(
    known: Iterable[Reviewer], requested: Mapping[str, Any], reviews: Iterable[Mapping[str, Any]]
) -> tuple[Reviewer, ...]:
    """Reviewers of the event, then those the API calls requested, then those who reviewed; the last review holds.

    Args:
        known: reviewers from the event.
        requested: answer of GET /repos/{owner}/{repo}/pulls/{number}/requested_reviewers.
        reviews: all pages of GET /repos/{owner}/{repo}/pulls/{number}/reviews, in order.
    """
    found = {reviewer.person.login: reviewer for reviewer in known}
    for person in _github_people(requested.get("users")):
        found.setdefault(person.login, Reviewer(person, requested=True))
    for review in reviews:
        author, state = _github_person(review.get("user")), _text(review, "state")
        if author is not None and state in _STATES:
            asked = found.get(author.login, Reviewer(author, requested=False))
            found[author.login] = Reviewer(asked.person, asked.requested, state)
    return tuple(found.values())


def of_gitlab(environment: Mapping[str, str], answer: Mapping[str, Any] | None = None) -> PullRequest | None:
    """The merge request of GitLab's variables; None if the run is not for one.

    Args:
        environment: all variables of the process.
        answer: GitLab's answer about the merge request (author and reviewers), if it was fetched.
    """
    number = _gitlab_number(environment)
    project = links.web(environment.get("CI_MERGE_REQUEST_PROJECT_URL", "")).rstrip("/")
    if not (number and project):
        return None
    said = answer or {}
    login = environment.get("GITLAB_USER_LOGIN", "")
    return PullRequest(
        platform="gitlab",
        type="merge_request",
        number=number,
        url=f"{project}/-/merge_requests/{number}",
        texts=_texts(
            environment.get("CI_MERGE_REQUEST_TITLE", ""),
            environment.get("CI_MERGE_REQUEST_DESCRIPTION", ""),
            environment.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", ""),
            environment.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", ""),
        ),
        author=_gitlab_person(said.get("author")) or (Person(login) if login else None),
        reviewers=tuple(
            Reviewer(person, requested=True) for person in map(_gitlab_person, _list(said.get("reviewers"))) if person
        ),
    )


def content(request: PullRequest) -> bytes:
    """Bytes of the material: the same request gives the same bytes."""
    body = {"chainloop.material.evidence.id": EVIDENCE, "schema": SCHEMA, "data": _data(request)}
    return json.dumps(body, sort_keys=True, indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _data(request: PullRequest) -> dict[str, object]:
    texts = request.texts
    said: dict[str, object] = {
        "platform": request.platform,
        "type": request.type,
        "number": request.number,
        "url": request.url,
        "title": texts.title,
        "description": texts.description,
        "source_branch": texts.source_branch,
        "target_branch": texts.target_branch,
        "author": _account(request.author) if request.author else None,
        "reviewers": [_reviewer(reviewer) for reviewer in request.reviewers],
    }
    return {key: value for key, value in said.items() if value}


def _reviewer(reviewer: Reviewer) -> dict[str, object]:
    said: dict[str, object] = {**_account(reviewer.person), "requested": reviewer.requested}
    return {**said, "review_status": reviewer.status} if reviewer.status else said


def _account(person: Person) -> dict[str, str]:
    return {"login": person.login, "type": person.type}


def _texts(title: str, description: str, source: str, target: str) -> Texts:
    return Texts(credentials.withheld(title), credentials.withheld(description), source, target)


def _gitlab_number(environment: Mapping[str, str]) -> str:
    if environment.get("CI_PIPELINE_SOURCE") != _GITLAB_SOURCE:
        return ""
    number = environment.get("CI_MERGE_REQUEST_IID", "")
    return number if number.isascii() and number.isdigit() else ""


def _github_people(value: object) -> tuple[Person, ...]:
    return tuple(person for person in map(_github_person, _list(value)) if person)


def _github_person(value: object) -> Person | None:
    account = _mapping(value)
    login, kind = _text(account, "login"), _text(account, "type")
    return Person(login, kind if kind in ("User", "Bot") else "unknown") if login else None


def _gitlab_person(value: object) -> Person | None:
    account = _mapping(value)
    login, bot = _text(account, "username"), account.get("bot")
    kind = {True: "Bot", False: "User"}.get(bot, "unknown") if isinstance(bot, bool) else "unknown"
    return Person(login, kind) if login else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
