"""Who a CI job is by a verified OIDC token, what the token says of its runner, and where the job said otherwise.

GitHub and GitLab tell in their tokens what the environment of a job only claims. Where both speak they must agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avouch.api import vocabulary
from avouch.controlplane.model.identities import OidcIdentity
from avouch.runners import detection


@dataclass(frozen=True, slots=True)
class Facts:
    """What a verified token says of the runner. `workflow_file` is the file that defines the job, with its revision."""

    type: str
    hosting: detection.Hosting
    workflow_file: str
    repository: str
    sha: str


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
    """Names of the claims of one kind of runner; `variables` and the claims that they repeat."""

    workflow_file: str
    repository: str
    variables: tuple[tuple[str, str], ...]


_CLAIMS = {
    str(vocabulary.RunnerType.GITHUB_ACTION): _Claims(
        "job_workflow_ref",
        "repository",
        (("GITHUB_REPOSITORY", "repository"), ("GITHUB_SHA", "sha"), ("GITHUB_RUN_ID", "run_id")),
    ),
    str(vocabulary.RunnerType.GITLAB_PIPELINE): _Claims(
        "ci_config_ref_uri",
        "project_path",
        (("CI_PROJECT_PATH", "project_path"), ("CI_COMMIT_SHA", "sha")),
    ),
}
RUNNERS = tuple(_CLAIMS)  # types of runner whose tokens say something of them
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
    )


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
