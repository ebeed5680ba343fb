"""What a runner's own token is worth when a run is opened: a proof, nothing, or a refusal."""

from types import SimpleNamespace

import pytest

from avouch import errors, plan
from avouch.controlplane.intake import authorization, external_opening
from avouch.controlplane.model import external, identities

GITHUB = "https://token.actions.githubusercontent.com"
CLAIMS = {
    "job_workflow_ref": "octo-org/skynet/.github/workflows/w.yml@refs/heads/main",
    "repository": "octo-org/skynet",
    "sha": "0" * 40,
    "runner_environment": "github-hosted",
}
JOB = identities.OidcIdentity(GITHUB, authorization.AUDIENCE, "repo:octo-org/skynet", CLAIMS, "GITHUB_ACTION")
SOMEBODY = authorization.ServiceAccount("team-a", "ci")
SAID = external.RunnerRequest("GITHUB_ACTION", "https://github.com/octo-org/skynet/actions/runs/1", "a token")
TOLD = external.Runner(type=SAID.type, url=SAID.url)


class Federation:
    """Looks at tokens as it is told to."""

    def __init__(self, *, known: bool = True, fails: errors.AvouchError | None = None) -> None:
        self._known, self._fails = known, fails

    def knows(self, token: str) -> bool:
        return self._known

    async def verify(self, token: str, audience: str) -> identities.OidcIdentity:
        assert self._known, "a token of another issuer is never looked at"
        if self._fails:
            raise self._fails
        return JOB


async def opened_by(
    said: external.RunnerRequest, attester: authorization.Attester = SOMEBODY, **federation: object
) -> tuple[external.Runner, list[str]]:
    known = SimpleNamespace(federation=Federation(**federation))  # type: ignore[arg-type]
    opener = external_opening.Opener(None, known, None, None, None, None, None)  # type: ignore[arg-type]  # what is used
    runner, findings = await opener._runner(said, attester)
    return runner, [finding.code for finding in findings]


async def test_a_good_token_proves_the_runner() -> None:
    runner, findings = await opened_by(SAID)
    assert (runner.authenticated, runner.environment, findings) == (True, "managed", [])


async def test_a_job_that_comes_with_its_runners_token_alone_has_proven_it() -> None:
    runner, findings = await opened_by(external.RunnerRequest(SAID.type, SAID.url), JOB)
    assert (runner.authenticated, runner.environment, findings) == (True, "managed", [])
    with pytest.raises(errors.Invalid):
        await opened_by(external.RunnerRequest("JENKINS_JOB", SAID.url), JOB)


async def test_without_a_token_the_runner_is_as_told() -> None:
    assert await opened_by(external.RunnerRequest(SAID.type, SAID.url)) == (TOLD, [])


async def test_a_token_of_an_issuer_that_is_not_ours_to_look_at_proves_nothing_and_breaks_nothing() -> None:
    assert await opened_by(SAID, known=False) == (TOLD, ["RunnerNotProven"])


async def test_an_issuer_that_cannot_be_asked_proves_nothing_and_breaks_nothing() -> None:
    assert await opened_by(SAID, fails=errors.Unavailable("not reached")) == (TOLD, ["RunnerNotProven"])


async def test_a_wrong_token_is_refused() -> None:
    with pytest.raises(errors.Unauthenticated):
        await opened_by(SAID, fails=errors.Unauthenticated("its signature is wrong"))


async def test_the_token_of_another_runner_is_refused() -> None:
    with pytest.raises(errors.Invalid):
        await opened_by(external.RunnerRequest("JENKINS_JOB", SAID.url, SAID.token))


class Backends:
    """Knows of none."""

    async def of_namespace(self, namespace: str) -> None:
        return None


@pytest.mark.parametrize("skips", [True, False])
async def test_an_organization_may_keep_the_runners_own_variables_out(skips: bool) -> None:
    organization = identities.Organization("acme", "home", skip_runner_variables=skips)
    opener = external_opening.Opener(None, None, None, None, None, Backends(), None)  # type: ignore[arg-type]  # as above
    owed = plan.Plan("w", "u", "team-a", "c", 1, "")
    run = SimpleNamespace(namespace="team-a", plan=owed.to_json(), revision=1)
    stored = SimpleNamespace(run=run, external=None, rules=None, findings=())
    assert (await opener.opened(stored, organization)).skip_runner_variables is skips  # type: ignore[arg-type]
