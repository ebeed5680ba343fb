"""What a runner's own token is worth when a run is opened: a proof, nothing, or a refusal."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from avouch import digests, errors, plan
from avouch.contract import reading, revisions
from avouch.controlplane.intake import authorization, external_opening
from avouch.controlplane.model import contracts, external, identities, runs, workflowspecs

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
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CONTRACT = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "evidence"}, "spec": {}}
CANONICAL = revisions.canonical(reading.read(CONTRACT))


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


async def test_a_token_proves_the_runner_that_it_was_issued_to_and_none_inside_it() -> None:
    inner = await opened_by(external.RunnerRequest("DAGGER_PIPELINE", "", SAID.token))
    assert (inner[0].type, inner[0].authenticated, inner[0].proven["GITHUB_SHA"]) == (
        "DAGGER_PIPELINE",
        False,
        "0" * 40,
    )
    unnamed = await opened_by(external.RunnerRequest("", "", SAID.token))
    assert (unnamed[0].type, unnamed[0].authenticated) == ("GITHUB_ACTION", True)


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


class World:
    """A namespace with one Workflow and no Organization; remembers what was opened."""

    def __init__(self, contract: bytes = CANONICAL, **spec: object) -> None:
        self.workflow = contracts.WorkflowRecord(
            "team-a", "ns-uid", "build", "wf-uid", 1, spec, {}, "team-a", "evidence"
        )
        self.revision = contracts.ContractRevision(
            "team-a", "ns-uid", "evidence", "c-uid", 1, digests.of_bytes(contract), contract, NOW
        )
        self.stored: list[external.ExternalPart] = []
        self.opened: dict[uuid.UUID, external.Stored] = {}
        self.older: dict[int, contracts.ContractRevision] = {}
        self.versions: dict[str, external.Version] = {}  # by name; "" is the latest
        self.lost = False
        self.federation = Federation()

    @property
    def opener(self) -> external_opening.Opener:
        return external_opening.Opener(self, self, self, self, self, Backends(), self)  # type: ignore[arg-type]  # what is used

    async def get(self, namespace: str, name: str, number: int = 0) -> object:
        """A Workflow, or a revision of the Contract."""
        if number:
            return self.older.get(number) if (namespace, name) == ("team-a", "evidence") else None
        return self.workflow if (namespace, name) == ("team-a", "build") else None

    async def of_namespace(self, namespace: str) -> None:
        return None

    async def newest(self, namespace: str, name: str) -> contracts.ContractRevision | None:
        return self.revision if (namespace, name) == ("team-a", "evidence") else None

    async def version(self, namespace_uid: str, name: str) -> external.Version | None:
        assert namespace_uid == "ns-uid"
        return self.versions.get(name)

    async def open(self, run: runs.Run, extra: external.ExternalPart, *, mark_latest: bool | None) -> bool:
        if run.id in self.opened or self.lost:
            return False
        self.stored.append(extra)
        self.opened[run.id] = external.Stored(run, extra, workflowspecs.Rules())
        return True

    async def find(self, run_id: uuid.UUID) -> external.Stored | None:
        return self.opened.get(run_id)

    def now(self) -> datetime:
        return NOW


def wish(workflow: str = "build", **said: object) -> external.RunRequest:
    return external.RunRequest(uuid.uuid4(), "team-a", workflow, **said)  # type: ignore[arg-type]  # tests name the fields


@pytest.mark.parametrize("spec", [{}, {"tekton": {}, "externalRuns": True}], ids=["no tekton", "it says so"])
async def test_a_workflow_that_takes_external_runs_gets_one(spec: dict[str, object]) -> None:
    world = World(**spec)
    assert (await world.opener.open(SOMEBODY, wish())).created
    assert len(world.stored) == 1


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("spec", [{"tekton": {}}, {"externalRuns": False}], ids=["tekton", "it says so"])
async def test_a_workflow_of_tekton_takes_external_runs_only_where_it_says_so(
    spec: dict[str, object], dry_run: bool
) -> None:
    world = World(**spec)
    with pytest.raises(errors.Denied, match="takes no external runs") as refused:
        await world.opener.open(SOMEBODY, wish(dry_run=dry_run))
    assert (refused.value.field, "externalRuns: true" in refused.value.fix) == ("spec.externalRuns", True)
    assert world.stored == []


async def test_whether_a_workflow_takes_external_runs_is_for_its_attesters_to_know() -> None:
    with pytest.raises(errors.NotFound):
        await World(tekton={}).opener.open(authorization.ServiceAccount("elsewhere", "ci"), wish())


async def test_the_id_of_a_run_that_somebody_else_opened_is_refused_and_ones_own_is_answered_again() -> None:
    world, asked = World(), wish()
    assert (await world.opener.open(SOMEBODY, asked)).created
    again = await world.opener.open(SOMEBODY, asked)
    assert (again.created, again.stored.external.attester.id) == (False, "team-a/ci")
    for other in (authorization.ServiceAccount("team-a", "other"), token("Project")):
        with pytest.raises(errors.Conflict, match="another run already has this id"):
            await world.opener.open(other, asked)
    world.opened.clear()
    world.lost = True  # deleted between the two questions
    with pytest.raises(errors.Conflict):
        await world.opener.open(SOMEBODY, asked)


async def test_what_was_opened_just_now_or_is_only_tried_is_told_without_reading_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(World, "find", lambda self, run_id: pytest.fail("it was read back"))
    for dry_run in (False, True):
        world = World()
        opened = await world.opener.open(SOMEBODY, wish(dry_run=dry_run))
        assert (opened.created, opened.stored.external.expires_at) == (
            not dry_run,
            NOW + opened.stored.external.lifetime,
        )
        assert len(world.stored) == (not dry_run)


async def test_a_workflow_without_a_contract_has_none_to_open_a_run_under() -> None:
    world = World()
    world.workflow = replace(world.workflow, contract_namespace="", contract_name="")
    with pytest.raises(errors.NotFound, match="has no Contract yet"):
        await world.opener.open(SOMEBODY, wish())


async def test_an_issuer_of_no_runner_proves_nobody_and_breaks_nothing() -> None:
    who = replace(JOB, runner="")
    assert await opened_by(external.RunnerRequest(SAID.type, SAID.url), who) == (TOLD, [])


def token(scope: str) -> authorization.Token:
    record = identities.TokenRecord("id", "ci", "team-a", "ns-uid", "uid", scope, "build", b"", NOW)
    return authorization.Token(record)


async def test_a_token_of_one_workflow_may_not_release_a_version_of_the_project() -> None:
    world = World()
    with pytest.raises(errors.Denied, match="closes the version for every Workflow") as refused:
        await world.opener.open(token("Workflow"), wish(release=True))
    assert (refused.value.field, world.stored) == ("release", [])
    await world.opener.open(token("Workflow"), wish())
    await world.opener.open(token("Project"), wish(release=True))
    await world.opener.open(SOMEBODY, wish(release=True))
    assert [extra.release for extra in world.stored] == [False, True, True]


GITHUB_ONLY = revisions.canonical(reading.read({**CONTRACT, "spec": {"runner": {"type": "GITHUB_ACTION"}}}))


async def test_a_runner_that_the_contract_asks_for_and_nothing_proves_is_told_while_it_can_be_proven() -> None:
    world = World(GITHUB_ONLY)
    unproven = external.RunnerRequest("GITHUB_ACTION")
    opened = await world.opener.open(SOMEBODY, wish(runner=unproven))
    (told,) = opened.unproven
    assert (told.code, told.line) == ("RunnerNotProven", "spec.runner.type")
    assert "the run cannot pass" in told.message
    assert "id-token: write" in told.fix
    assert (await world.opener.open(SOMEBODY, wish(runner=SAID))).unproven == ()
    assert (await World().opener.open(SOMEBODY, wish(runner=unproven))).unproven == ()


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


async def test_a_suspended_workflow_opens_no_run() -> None:
    world = World(suspend=True)
    with pytest.raises(errors.Conflict, match="Workflow build is suspended"):
        await world.opener.open(SOMEBODY, wish())
    assert world.stored == []


async def test_a_workflow_that_is_not_there_is_one_that_one_may_not_attest_for() -> None:
    for workflow, who in (("other", SOMEBODY), ("build", authorization.ServiceAccount("elsewhere", "ci"))):
        with pytest.raises(errors.NotFound, match=f"no Workflow {workflow} in team-a that .*/ci may attest for"):
            await World().opener.open(who, wish(workflow))


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_run_is_opened_as_it_was_wished_and_a_look_at_it_leaves_no_trace(dry_run: bool) -> None:
    world, asked = World(runExpiry="2h"), wish(dry_run=dry_run)
    opened = await world.opener.open(SOMEBODY, asked)
    assert (opened.created, len(world.stored), len(world.opened)) == (not dry_run, not dry_run, not dry_run)
    run, extra = opened.stored.run, opened.stored.external
    assert (run.id, run.subject_kind, run.subject_name) == (extra.run_id, runs.EXTERNAL, str(asked.id))
    assert (run.workflow, run.contract, run.revision, opened.latest) == ("build", "evidence", 1, 1)
    assert (extra.expires_at - NOW, extra.lifetime) == (timedelta(hours=2), timedelta(hours=2))
    assert (extra.version, extra.organization, extra.attester.id) == ("v0", "", "team-a/ci")


async def test_a_contract_without_a_revision_is_told_and_opens_no_run() -> None:
    for changes in ({"contract_name": ""}, {"contract_name": "other"}):
        world = World()
        world.workflow = replace(world.workflow, **changes)
        with pytest.raises(errors.NotFound, match="Workflow build has no Contract yet"):
            await world.opener.open(SOMEBODY, wish())


def of_two_revisions(**spec: object) -> World:
    """The newest is 2; 1 is kept."""
    world = World(**spec)
    world.older = {1: world.revision}
    world.revision = replace(world.revision, revision=2)
    return world


@pytest.mark.parametrize(("number", "older", "opened"), [(0, False, 2), (2, False, 2), (1, True, 1), (2, True, 2)])
async def test_a_run_is_opened_under_the_newest_revision_or_an_older_one_where_the_workflow_allows_it(
    number: int, older: bool, opened: int
) -> None:
    found = await of_two_revisions(olderRevisions=older).opener.open(SOMEBODY, wish(revision=number))
    assert (found.stored.run.revision, found.latest) == (opened, 2)


async def test_an_older_revision_is_refused_where_the_workflow_does_not_allow_it_and_where_there_is_none() -> None:
    with pytest.raises(errors.Denied, match="is not its newest, 2") as refused:
        await of_two_revisions().opener.open(SOMEBODY, wish(revision=1))
    assert refused.value.field == "spec.olderRevisions"
    with pytest.raises(errors.NotFound, match="has no revision 3; the newest is 2"):
        await of_two_revisions(olderRevisions=True).opener.open(SOMEBODY, wish(revision=3))


V1, LATEST = external.Version("v1"), external.Version("v2", latest=True)


@pytest.mark.parametrize(
    ("wanted", "opened"),
    [
        (external.VersionRequest(), "v0"),
        (external.VersionRequest("v1"), "v1"),
        (external.VersionRequest("v1", existing=True), "v1"),
        (external.VersionRequest("new"), "new"),
        (external.VersionRequest(latest=True), "v2"),
        (external.VersionRequest("v1", latest=True), "v2"),
    ],
)
async def test_a_run_is_of_the_version_that_was_wished(wanted: external.VersionRequest, opened: str) -> None:
    world = World()
    world.versions = {"v1": V1, "": LATEST, "v2": LATEST}
    assert (await world.opener.open(SOMEBODY, wish(version=wanted))).stored.external.version == opened


@pytest.mark.parametrize(
    ("wanted", "refusal", "said"),
    [
        (external.VersionRequest("v1", existing=True), errors.NotFound, 'project version "v1" not found'),
        (external.VersionRequest(existing=True), errors.NotFound, 'project version "v0" not found'),
        (external.VersionRequest(latest=True), errors.NotFound, "project latest version not found"),
        (external.VersionRequest("out"), errors.Conflict, 'version "out" is released'),
    ],
)
async def test_a_version_that_is_not_there_or_is_released_opens_no_run(
    wanted: external.VersionRequest, refusal: type[errors.AvouchError], said: str
) -> None:
    world = World()
    world.versions = {"out": external.Version("out", prerelease=False)}
    with pytest.raises(refusal, match=said):
        await world.opener.open(SOMEBODY, wish(version=wanted))
    assert world.stored == []


async def test_the_contracts_runner_is_enforced_when_a_run_is_opened() -> None:
    world = World(GITHUB_ONLY)
    with pytest.raises(errors.Invalid):
        await world.opener.open(SOMEBODY, wish(runner=external.RunnerRequest("JENKINS_JOB")))
    with pytest.raises(errors.Invalid):
        await world.opener.open(SOMEBODY, wish())
    assert world.stored == []


async def test_a_run_knows_the_organization_of_its_namespace() -> None:
    world = World()
    organization = identities.Organization("acme", "home", skip_runner_variables=True)

    async def of_namespace(namespace: str) -> identities.Organization:
        return organization

    world.of_namespace = of_namespace  # type: ignore[method-assign,assignment]
    opened = await world.opener.open(SOMEBODY, wish())
    assert (opened.stored.external.organization, opened.skip_runner_variables) == ("acme", True)
