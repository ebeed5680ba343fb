"""Who a CI job is by a verified OIDC token, what the token says of its runner, and where the job said otherwise.

GitHub and GitLab tell in their tokens what the environment of a job only claims. Where both speak they must agree.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avouch.api import vocabulary
from avouch.controlplane.model.identities import OidcIdentity
from avouch.runners import detection


@dataclass(frozen=True, slots=True)
class Facts:
    """What a verified token says of the runner.

    `workflow_file` is the file that defines the job, with its revision; `url` the page of the job.
    """

    type: str
    hosting: detection.Hosting
    workflow_file: str
    repository: str
    sha: str
    url: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What the job said, and what its token says."""

    name: str
    said: str
    token: str

    def __str__(self) -> str:
        return f"{self.name} is {self.said[:200]!r}, but the verified token says {self.token[:200]!r}"


@dataclass(frozen=True, slots=True)
class _Claims:
    """Names of the claims of one kind of runner; `variables` and the claims that they repeat.

    `page` is the path of the job's page on its server, of claims alone.
    """

    workflow_file: str = ""
    repository: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    page: str = ""


_CLAIMS = {
    str(vocabulary.RunnerType.GITHUB_ACTION): _Claims(
        "job_workflow_ref",
        "repository",
        (("GITHUB_REPOSITORY", "repository"), ("GITHUB_SHA", "sha"), ("GITHUB_RUN_ID", "run_id")),
        "/{repository}/actions/runs/{run_id}",
    ),
    str(vocabulary.RunnerType.GITLAB_PIPELINE): _Claims(
        "ci_config_ref_uri",
        "project_path",
        (("CI_PROJECT_PATH", "project_path"), ("CI_COMMIT_SHA", "sha")),
        "/{project_path}/-/jobs/{job_id}",
    ),
    # Their tokens prove who issued them, and no more that is known here.
    str(vocabulary.RunnerType.AZURE_PIPELINE): _Claims(),
    str(vocabulary.RunnerType.CIRCLECI_BUILD): _Claims(),
    str(vocabulary.RunnerType.JENKINS_JOB): _Claims(),
    str(vocabulary.RunnerType.TEAMCITY_PIPELINE): _Claims(),
}
RUNNERS = tuple(_CLAIMS)  # types of runner that an issuer's tokens can prove
_PLACE = re.compile(r"\{(\w+)\}")
_GITHUB_ISSUER = "https://token.actions."
_GITHUB_SERVER_ISSUER = "/_services/token"  # of GitHub Enterprise Server, below the server's own address
_INSIDE = frozenset({"", str(vocabulary.RunnerType.DAGGER_PIPELINE)})  # runs inside another runner, with its token


def facts(identity: OidcIdentity) -> Facts | None:
    """What the identity's token says of the runner; None where its issuer runs none."""
    names = _CLAIMS.get(identity.runner)
    if names is None:
        return None
    claims = identity.claims
    return Facts(
        type=identity.runner,
        hosting=detection.hosting_of(_text(claims, "runner_environment")),
        workflow_file=_text(claims, names.workflow_file),
        repository=_text(claims, names.repository),
        sha=_text(claims, "sha"),
        url=_page(identity, names.page),
    )


def _page(identity: OidcIdentity, path: str) -> str:
    """The job's page, if its issuer tells the server's address and the token all that the path needs."""
    server, said = _server(identity.issuer), {name: _text(identity.claims, name) for name in _PLACE.findall(path)}
    return f"{server}{path.format(**said)}" if server and path and all(said.values()) else ""


def _server(issuer: str) -> str:
    """The web address of the server whose jobs have this issuer's tokens.

    >>> _server("https://token.actions.githubusercontent.com/acme"), _server("https://gitlab.example.com")
    ('https://github.com', 'https://gitlab.example.com')
    >>> _server("https://token.actions.acme.ghe.com"), _server("https://ghe.example.com/_services/token")
    ('https://acme.ghe.com', 'https://ghe.example.com')
    """
    if issuer.startswith(_GITHUB_ISSUER):
        host = issuer.removeprefix(_GITHUB_ISSUER).partition("/")[0]
        return "https://github.com" if host == "githubusercontent.com" else f"https://{host}"
    return issuer.rstrip("/").removesuffix(_GITHUB_SERVER_ISSUER)


def proven(identity: OidcIdentity) -> dict[str, str]:
    """The variables that the identity's token vouches for, such as GITHUB_SHA, with its values."""
    names = _CLAIMS.get(identity.runner)
    found = {name: _text(identity.claims, claim) for name, claim in (names.variables if names else ())}
    return {name: value for name, value in found.items() if value}


def contradictions(identity: OidcIdentity, runner: str, variables: Mapping[str, str]) -> tuple[Contradiction, ...]:
    """Where the job's own words differ from its verified token; what only one of them says is no contradiction.

    Args:
        identity: from the token.
        runner: the type of runner that the job says it is.
        variables: what it recorded of its environment.
    """
    names = _CLAIMS.get(identity.runner)
    if names is None:
        return ()
    pairs = [("runner type", "" if runner in _INSIDE else runner, identity.runner)]
    pairs += [(name, variables.get(name, ""), _text(identity.claims, claim)) for name, claim in names.variables]
    return tuple(Contradiction(*pair) for pair in pairs if pair[1] and pair[2] and pair[1] != pair[2])


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
