"""Requests to the API of a forge; the caller sends them.

The forge is detected from the variables of its own CI, also inside Dagger; other runners have none.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from avouch.runners import links

_GITHUB_API = "https://api.github.com"
_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_NUMBER = re.compile(r"[0-9]+", re.ASCII)


class Question(NamedTuple):
    """A GET. `token` names the variable whose value goes into `header`, after `scheme`, where it has one."""

    url: str
    token: str
    header: str
    scheme: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Forge(NamedTuple):
    """Where a project lives: `base` is the address of its API there."""

    platform: str  # GitHub or GitLab
    base: str

    def commit(self, sha: str) -> Question:
        """The state of a commit's signature: for `commits.github_answer` and `commits.gitlab_answer`."""
        found = quote(sha, safe="")
        if self.platform == "GitHub":
            return self._question(f"/commits/{found}")
        return self._question(f"/repository/commits/{found}/signature")

    def requested_reviewers(self, number: str) -> Question:
        """GitHub: the requested reviewers of a pull request."""
        return self._question(f"/pulls/{quote(number, safe='')}/requested_reviewers")

    def reviews(self, number: str) -> Question:
        """GitHub: the first page of a pull request's reviews; the others follow its `Link` header."""
        return self._question(f"/pulls/{quote(number, safe='')}/reviews?per_page=100")

    def merge_request(self, number: str) -> Question:
        """GitLab: author and reviewers of a merge request."""
        return self._question(f"/merge_requests/{quote(number, safe='')}")

    def _question(self, path: str) -> Question:
        if self.platform == "GitLab":
            return Question(f"{self.base}{path}", "CI_JOB_TOKEN", "JOB-TOKEN")
        said = (("Accept", "application/vnd.github+json"), ("X-GitHub-Api-Version", "2022-11-28"))
        return Question(f"{self.base}{path}", "GITHUB_TOKEN", "Authorization", "Bearer", said)


def forge_of(environment: Mapping[str, str]) -> Forge | None:
    """The forge whose CI this is, or None."""
    if environment.get("GITHUB_REPOSITORY") and environment.get("GITHUB_RUN_ID"):
        return _github(environment)
    if environment.get("GITLAB_CI") and environment.get("CI_JOB_URL"):
        return _gitlab(environment, environment.get("CI_PROJECT_PATH", ""))
    return None


def merge_request_of(environment: Mapping[str, str]) -> Question | None:
    """GitLab: the question about this run's merge request, sent to the target project."""
    number = environment.get("CI_MERGE_REQUEST_IID", "")
    project = environment.get("CI_MERGE_REQUEST_PROJECT_PATH") or environment.get("CI_PROJECT_PATH", "")
    forge = _gitlab(environment, project)
    return forge.merge_request(number) if forge and _NUMBER.fullmatch(number) else None


def _github(environment: Mapping[str, str]) -> Forge | None:
    owner, slash, repository = environment["GITHUB_REPOSITORY"].partition("/")
    base = links.web(environment.get("GITHUB_API_URL") or _GITHUB_API).rstrip("/")
    if not (base and slash and _fits(owner) and _fits(repository)):
        return None
    return Forge("GitHub", f"{base}/repos/{owner}/{repository}")


def _gitlab(environment: Mapping[str, str], project: str) -> Forge | None:
    base = links.web(environment.get("CI_SERVER_URL", "")).rstrip("/")
    return Forge("GitLab", f"{base}/api/v4/projects/{quote(project, safe='')}") if base and project else None


def _fits(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name not in (".", "..")
