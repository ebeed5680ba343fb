"""Who may read and keep artifacts: one of a run exists for its Workflow's attesters, the worker and a ticket."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from avouch import digests, errors
from avouch.api import workflow
from avouch.controlplane.artifacts import downloads
from avouch.controlplane.intake import authorization
from avouch.controlplane.model import artifacts, identities, workflowspecs

CONTENT = b"a report"
DIGEST = digests.of_bytes(CONTENT)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WORKER = authorization.ServiceAccount("avouch", "worker")
HERE = authorization.ServiceAccount("shop", "builder")
JOB = identities.OidcIdentity("https://gitlab.com", "avouch", "project_path:octo/app")
LISTS_JOB = workflowspecs.Rules(
    attesters=workflow.Attesters(oidc=[workflow.OidcAttester(issuer=JOB.issuer, subject=JOB.subject)])
)
LISTS_SIGNER = workflowspecs.Rules(attesters=workflow.Attesters(service_accounts=["signer"]))


def token(scope: str = "Project", workflow_name: str = "", namespace: str = "shop") -> authorization.Token:
    record = identities.TokenRecord("id", "ci", namespace, f"{namespace}-uid", "uid", scope, workflow_name, b"", NOW)
    return authorization.Token(record)


@dataclass
class World:
    """One artifact that one run used, and who calls."""

    caller: authorization.Attester
    rules: workflowspecs.Rules | None = field(default_factory=workflowspecs.Rules)
    used: bool = True
    ticket: str = ""  # the namespace (uid) that it opens
    workflows: tuple[str, ...] = ("release",)  # with runs that used it
    claimed: list[str] = field(default_factory=list)  # namespaces whose organization was asked for
    searched: list[str | None] = field(default_factory=list)  # namespaces that its uses were asked of
    known: int | None = None  # its size, where some run used it
    stored: set[str] = field(default_factory=lambda: {"shop-uid", "other-uid"})

    async def taken(self, token: str, artifact: digests.Digest, now: datetime) -> str | None:
        return self.ticket or None

    async def identify(self, token: str) -> authorization.Attester:
        return self.caller

    async def of_namespace(self, namespace: str) -> None:
        self.claimed.append(namespace)

    async def has(self, digest: digests.Digest, *, namespace_uid: str = "") -> bool:
        return digest == DIGEST and namespace_uid in self.stored

    async def namespace(self, name: str) -> dict[str, object] | None:
        return {"metadata": {"name": name, "uid": f"{name}-uid"}} if name in ("shop", "other") else None

    def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            yield CONTENT[:3]
            yield CONTENT[3:]

        return pieces()

    def now(self) -> datetime:
        return NOW

    @property
    def clock(self) -> "World":
        return self

    @property
    def cluster(self) -> "World":
        return self

    @property
    def downloads(self) -> downloads.Downloads:
        return downloads.Downloads(self, _Uses(self), self, self, self, "avouch/worker", 1024)  # type: ignore[arg-type]  # what is used


@dataclass
class _Uses:
    world: World

    async def of(self, digest: digests.Digest, namespace: str | None = None) -> AsyncIterator[artifacts.Use]:
        """Also those of other namespaces: who may read is not for the store to say."""
        self.world.searched.append(namespace)
        for name in self.world.workflows if self.world.used and digest == DIGEST else ():
            yield artifacts.Use("shop", "shop-uid", name, self.world.rules)

    async def size(self, digest: digests.Digest, namespace_uid: str) -> int | None:
        return self.world.known


MAY_READ = {
    "a ServiceAccount of the namespace": World(HERE),
    "a token of the project": World(token()),
    "a token of the Workflow": World(token("Workflow", "release")),
    "a job that the Workflow lists": World(JOB, LISTS_JOB),
}


@pytest.mark.parametrize("world", MAY_READ.values(), ids=MAY_READ)
async def test_an_attester_of_the_workflow_reads_what_its_run_used(world: World) -> None:
    found = await world.downloads.find("token", DIGEST)
    assert found.namespace_uid == "shop-uid"
    assert [piece async for piece in await world.downloads.read(found, 2)] == [CONTENT[2:3], CONTENT[3:]]


async def test_one_workflow_that_lets_the_attester_is_enough_and_each_namespace_is_looked_up_once() -> None:
    world = World(token("Workflow", "release"), workflows=("audit", "other", "release"))
    assert (await world.downloads.find("token", DIGEST)).namespace_uid == "shop-uid"
    assert world.claimed == ["shop"]


@pytest.mark.parametrize(
    ("who", "namespace"),
    [
        (HERE, "shop"),
        (token(), "shop"),
        (token("Workflow", "release"), "shop"),
        (token("Organization", namespace="home"), None),
        (JOB, None),
    ],
    ids=["ServiceAccount", "token", "token of one Workflow", "token of an organization", "OIDC"],
)
async def test_uses_are_looked_for_where_the_attester_can_be_let_in_at_all(
    who: authorization.Attester, namespace: str | None
) -> None:
    world = World(who, used=False)
    with pytest.raises(errors.NotFound):
        await world.downloads.find("token", DIGEST)
    assert world.searched == [namespace]


async def test_the_size_of_what_a_run_used_is_told_and_its_store_not_asked() -> None:
    for world, size in ((World(HERE, known=8, stored=set()), 8), (World(HERE), None)):
        assert (await world.downloads.find("token", DIGEST)).size == size
    with pytest.raises(errors.NotFound, match=r"^no such artifact$"):
        await World(HERE, stored=set()).downloads.find("token", DIGEST)


@pytest.mark.parametrize(
    ("start", "pieces"),
    [
        (0, [CONTENT[:3], CONTENT[3:]]),
        (2, [CONTENT[2:3], CONTENT[3:]]),
        (3, [CONTENT[3:]]),
        (4, [CONTENT[4:]]),
        (len(CONTENT), []),
        (99, []),
    ],
)
async def test_a_download_goes_on_where_it_broke_off(start: int, pieces: list[bytes]) -> None:
    world = World(HERE)
    found = await world.downloads.find("token", DIGEST)
    assert [piece async for piece in await world.downloads.read(found, start)] == pieces


MAY_NOT_READ = {
    "a ServiceAccount of another namespace": World(authorization.ServiceAccount("other", "builder")),
    "a ServiceAccount that is not listed": World(HERE, LISTS_SIGNER),
    "a token of another namespace": World(token(namespace="other")),
    "a token of another Workflow": World(token("Workflow", "audit")),
    "a job that no Workflow lists": World(JOB),
    "a job of another subject": World(
        identities.OidcIdentity("https://gitlab.com", "avouch", "project_path:octo/other"), LISTS_JOB
    ),
    "an attester of a Workflow that is gone": World(HERE, None),
    "an attester, where no run used it": World(HERE, used=False),
    "the worker's name in another namespace": World(authorization.ServiceAccount("other", "worker")),
    "another account of our namespace": World(authorization.ServiceAccount("avouch", "server")),
}


@pytest.mark.parametrize("world", MAY_NOT_READ.values(), ids=MAY_NOT_READ)
async def test_for_anybody_else_it_does_not_exist(world: World) -> None:
    with pytest.raises(errors.NotFound, match=r"^no such artifact$"):
        await world.downloads.find("token", DIGEST, "shop-uid")


async def test_the_worker_reads_what_the_namespace_that_it_names_stored() -> None:
    world = World(WORKER, used=False)
    assert (await world.downloads.find("token", DIGEST, "other-uid")).namespace_uid == "other-uid"
    world.stored = {"shop-uid"}
    with pytest.raises(errors.NotFound):
        await world.downloads.find("token", DIGEST, "other-uid")


async def test_a_ticket_opens_what_the_namespace_of_its_run_stored_whatever_the_request_names() -> None:
    world = World(JOB, used=False, ticket="shop-uid")
    assert (await world.downloads.find("ticket", DIGEST, "other-uid")).namespace_uid == "shop-uid"


@pytest.mark.parametrize("who", [HERE, token()], ids=["ServiceAccount", "token"])
async def test_whoever_belongs_to_a_namespace_stores_there(who: authorization.Attester) -> None:
    assert await World(who).downloads.owner("token", "shop") == artifacts.Owner("shop", "shop-uid")


@pytest.mark.parametrize(
    ("who", "namespace"),
    [
        (HERE, "other"),
        (token(), "other"),
        (token("Workflow", "release"), "shop"),
        (JOB, "shop"),
        (authorization.ServiceAccount("gone", "builder"), "gone"),
    ],
    ids=["ServiceAccount", "token", "token of one Workflow", "OIDC", "no such namespace"],
)
async def test_nobody_stores_in_a_namespace_that_is_not_theirs(who: authorization.Attester, namespace: str) -> None:
    with pytest.raises(errors.NotFound, match="in which you may store artifacts"):
        await World(who, LISTS_JOB).downloads.owner("token", namespace)


class Emptied(World):
    """The map says that it lies there, and the store no longer has it."""

    def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            raise errors.NotFound(f"no content {digest}")
            yield b""

        return pieces()


async def test_bytes_that_are_gone_are_told_before_an_answer_begins() -> None:
    world = Emptied(HERE)
    found = await world.downloads.find("token", DIGEST)
    with pytest.raises(errors.NotFound):
        await world.downloads.read(found)
