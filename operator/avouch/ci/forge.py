"""What a forge's API adds to what a job knows anyway: is the commit's signature good, who reviews the pull request.

Best effort, ten seconds for all questions of one asker: a forge that is down or that will not answer is a status in the
attestation, never an error.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from avouch import errors, https
from avouch.runners import commits, forges, pullrequests

SECONDS = 10.0
_MOST_PAGES = 10  # of reviews, a hundred each
_LARGEST_EVENT = 32 * 1024 * 1024  # bytes; GitHub's own limit is 25 MB
_NEXT = re.compile(r'<([^<>]{1,2048})>\s*;\s*rel="next"')

Get = Callable[[https.Resource, float], https.Answer]


class Found(NamedTuple):
    """A pull request, as far as it is known, and what could not be asked."""

    pull_request: pullrequests.PullRequest | None
    notes: tuple[str, ...] = ()


class Asker:
    """Asks the forge of this job. The time starts with the first question."""

    def __init__(self, environment: Mapping[str, str], get: Get = https.get, seconds: float = SECONDS) -> None:
        self._environment = environment
        self._get = get
        self._seconds = seconds
        self._until = 0.0

    def verification(self, sha: str) -> commits.Verification | None:
        """The forge's verification of a commit's signature; None if the job has no forge."""
        forge = forges.forge_of(self._environment)
        if forge is None:
            return None
        try:
            status, body = self._ask(forge.commit(sha))
        except errors.Unavailable as exc:
            return commits.unreachable(forge.platform, f"{forge.platform} API error: {exc}")
        found = body if isinstance(body, Mapping) else {}
        if status == 200 and not found:
            return commits.unreachable(forge.platform, "Failed to parse response")
        judge = commits.github_answer if forge.platform == "GitHub" else commits.gitlab_answer
        return judge(status, found)

    def pull_request(self) -> Found:
        """The pull or merge request of this job, with its reviewers if the forge names them."""
        gitlab = pullrequests.of_gitlab(self._environment)
        if gitlab is not None:
            return self._merge_request(gitlab)
        read, note = event(self._environment)
        found = pullrequests.of_github(self._environment, read)
        if found is None:
            asked = pullrequests.is_pull_request(self._environment)
            return Found(None, (note or "the event does not say which pull request",) if asked else ())
        return self._reviewed(found)

    def _merge_request(self, known: pullrequests.PullRequest) -> Found:
        question = forges.merge_request_of(self._environment)
        if question is None or not self._environment.get(question.token):
            return Found(known, ("reviewers are not known: GitLab cannot be asked here",))
        try:
            status, body = self._ask(question)
        except errors.Unavailable as exc:
            return Found(known, (f"reviewers are not known: {exc}",))
        if status != 200 or not isinstance(body, Mapping):
            return Found(known, (f"reviewers are not known: GitLab answers {status}",))
        return Found(pullrequests.of_gitlab(self._environment, body))

    def _reviewed(self, known: pullrequests.PullRequest) -> Found:
        forge = forges.forge_of(self._environment)
        if forge is None or not self._environment.get("GITHUB_TOKEN"):
            return Found(known, ("reviews are not known: give the step GITHUB_TOKEN",))
        notes: list[str] = []
        (requested, *_), failed = self._pages(forge.requested_reviewers(known.number), 1)
        notes += [f"requested reviewers are not known: {failed}"] if failed else []
        pages, failed = self._pages(forge.reviews(known.number), _MOST_PAGES)
        notes += [f"reviews are not all known: {failed}"] if failed else []
        reviews = [review for page in pages if isinstance(page, list) for review in page if isinstance(review, Mapping)]
        asked = requested if isinstance(requested, Mapping) else {}
        reviewers = pullrequests.github_reviewers(known.reviewers, asked, reviews)
        return Found(known._replace(reviewers=reviewers), tuple(notes))

    def _pages(self, question: forges.Question, most: int) -> tuple[list[Any], str]:
        """Bodies of an answer's pages, at least one, and why there are no more; what came before a failure counts."""
        pages: list[Any] = []
        base, url = urlsplit(question.url), question.url
        while url:
            if len(pages) >= max(most, 1):
                return pages, "" if most == 1 else f"only {most} pages were read"
            try:
                answer = self._send(question, url)
            except errors.Unavailable as exc:
                return pages or [None], str(exc)
            if answer.status != 200:
                return pages or [None], f"{base.hostname} answers {answer.status}"
            pages.append(_parsed(answer.body))
            url = _next(answer.headers.get("link", ""), (base.scheme, base.netloc))
        return pages, ""

    def _ask(self, question: forges.Question) -> tuple[int, Any]:
        answer = self._send(question, question.url)
        return answer.status, _parsed(answer.body)

    def _send(self, question: forges.Question, url: str) -> https.Answer:
        now = time.monotonic()
        self._until = self._until or now + self._seconds
        if now >= self._until:
            raise errors.Unavailable(f"no time left: {self._seconds:g} s for all questions")
        headers = dict(question.headers)
        token = self._environment.get(question.token, "")
        if token and token.isascii() and token.isprintable():
            headers[question.header] = f"{question.scheme} {token}".strip()
        return self._get(https.Resource(url, headers, environment=self._environment), self._until - now)


def event(environment: Mapping[str, str]) -> tuple[Mapping[str, Any], str]:
    """The content of GitHub's event file, and why it could not be read."""
    path = environment.get("GITHUB_EVENT_PATH", "")
    if not path:
        return {}, "GITHUB_EVENT_PATH is not set"
    try:
        with Path(path).open("rb") as opened:
            content = opened.read(_LARGEST_EVENT + 1)
    except (OSError, ValueError) as exc:
        return {}, f"the event file cannot be read: {type(exc).__name__}"
    found = _parsed(content) if len(content) <= _LARGEST_EVENT else None
    return (found, "") if isinstance(found, dict) else ({}, "the event file is not a JSON object of at most 32 MiB")


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _next(link: str, origin: tuple[str, str]) -> str:
    """The next page, if it is on the same server: our token is sent there."""
    found = _NEXT.search(link[:16_384])
    if found is None:
        return ""
    try:
        parts = urlsplit(found[1])
    except ValueError:
        return ""
    return found[1] if (parts.scheme, parts.netloc) == origin else ""
