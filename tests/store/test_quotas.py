"""What a namespace may store, counted as it comes and goes, against a real PostgreSQL."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avouch import digests, errors
from avouch.cas import filesystem
from avouch.controlplane.artifacts import routing
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import external, identities, runs
from avouch.controlplane.model import quotas as quota_model
from avouch.processes import workermetrics
from avouch.store import (
    artifacts,
    database,
    external_runs,
    inline,
    namespaces,
    organizations,
    quotas,
    retention,
    tables,
)
from avouch.store import runs as run_store
from tests.store import conftest as make
from tests.store.test_external_runs import crafted, opened_run

pytestmark = pytest.mark.postgres

SMALL = quota_model.Quotas(artifact_bytes=100, artifact_count=3)
NAMESPACES = ("team-a", "team-b")
EPOCH = 1
KINDS = ("inline", "filesystem")


def owner(namespace: str = "team-a", run: runs.Run | None = None) -> artifact_model.Owner:
    return artifact_model.Owner(namespace, f"uid-{namespace}", run.id if run else None)


@dataclass
class One:
    """An opener of one backend, whichever is asked for."""

    backend: artifact_model.BlobStore

    async def open(self, uid: str) -> artifact_model.BlobStore:
        return self.backend


def store_of(
    kind: str, opened: database.Database, root: Path, limits: quota_model.Quotas = SMALL
) -> tuple[artifacts.Artifacts, routing.Routed]:
    known = artifacts.Artifacts(opened, limits)
    backend = inline.Inline(opened, limits=limits) if kind == "inline" else filesystem.FileSystem(root)
    return known, routing.Routed(known, One(backend), artifact_model.Destination("default", "default", 10**6))


@pytest.fixture(params=KINDS)
def routed(request: pytest.FixtureRequest, opened: database.Database, tmp_path: Path) -> routing.Routed:
    return store_of(request.param, opened, tmp_path)[1]


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def put(
    routed: routing.Routed, content: bytes, namespace: str = "team-a", run: runs.Run | None = None
) -> digests.Digest:
    digest = digests.of_bytes(content)
    await routed.put(pieces(content), expected=digest, limit=10**6, owner=owner(namespace, run))
    return digest


async def counted(opened: database.Database) -> dict[str, tuple[int, int]]:
    used = tables.artifact_usage.c
    async with opened.statements() as connection:
        rows = (await connection.execute(sa.select(used.namespace_uid, used.number, used.bytes))).all()
    return {row.namespace_uid: (row.number, row.bytes) for row in rows if row.number or row.bytes}


async def there(opened: database.Database) -> dict[str, tuple[int, int]]:
    stored = tables.artifacts.c
    query = sa.select(stored.namespace_uid, sa.func.count().label("number"), sa.func.sum(stored.size).label("bytes"))
    async with opened.statements() as connection:
        rows = (
            await connection.execute(query.where(stored.stored_at.is_not(None)).group_by(stored.namespace_uid))
        ).all()
    return {row.namespace_uid: (row.number, int(row.bytes)) for row in rows}


async def test_a_namespace_stores_no_more_bytes_than_its_quota_and_another_has_its_own(opened, routed) -> None:
    first = await put(routed, b"a" * 60)
    with pytest.raises(errors.Denied, match="60 of 100 bytes are used") as refused:
        await put(routed, b"b" * 41)
    assert refused.value.field == "quotas.artifactBytes"
    assert "spec.retention" in refused.value.fix
    assert "spec.settings.quotas" in refused.value.fix
    assert not await routed.has(digests.of_bytes(b"b" * 41), namespace_uid="uid-team-a")
    await put(routed, b"b" * 41, "team-b")
    await put(routed, b"c" * 40)
    assert await put(routed, b"a" * 60) == first  # what is stored already is no more
    assert await counted(opened) == {"uid-team-a": (2, 100), "uid-team-b": (1, 41)} == await there(opened)


async def test_a_namespace_stores_no_more_artifacts_than_its_quota_however_small(opened, routed) -> None:
    for content in (b"", b"1", b"2"):
        await put(routed, content)
    with pytest.raises(errors.Denied, match="3 of 3 artifacts are used") as refused:
        await put(routed, b"3")
    assert refused.value.field == "quotas.artifactCount"
    await put(routed, b"1")
    assert await counted(opened) == {"uid-team-a": (3, 2)}


@pytest.mark.parametrize("kind", KINDS)
async def test_0_is_no_limit(opened: database.Database, tmp_path: Path, kind: str) -> None:
    _, routed = store_of(kind, opened, tmp_path, quota_model.Quotas(artifact_bytes=0, artifact_count=0))
    for number in range(5):
        await put(routed, bytes([number]) * 50)
    assert await counted(opened) == {"uid-team-a": (5, 250)}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refused_upload_leaves_neither_bytes_nor_a_reference(
    opened: database.Database, tmp_path: Path, kind: str
) -> None:
    _, routed = store_of(kind, opened, tmp_path)
    store = run_store.Runs(opened)
    run = await store.open(make.a_run())
    await store.close()
    with pytest.raises(errors.Denied):
        await put(routed, b"x" * 101, run=run)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    async with opened.statements() as connection:
        for table in (tables.blobs, tables.run_artifacts):
            assert (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one() == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_of_many_at_the_same_moment_only_those_that_fit_are_stored(
    opened: database.Database, tmp_path: Path, kind: str
) -> None:
    _, routed = store_of(kind, opened, tmp_path)
    await put(routed, b"the first")
    ended = await asyncio.gather(*(put(routed, bytes([n]) * 40) for n in range(12)), return_exceptions=True)
    assert sum(isinstance(one, digests.Digest) for one in ended) == 2
    assert all(isinstance(one, (digests.Digest, errors.Denied)) for one in ended)
    assert await counted(opened) == {"uid-team-a": (3, 89)} == await there(opened)


async def test_an_upload_is_refused_before_it_comes_where_there_is_no_room_and_never_for_what_is_stored(
    opened: database.Database,
) -> None:
    generous, tight = artifacts.Artifacts(opened), artifacts.Artifacts(opened, SMALL)
    stored = [digests.of_bytes(bytes([number])) for number in range(5)]
    for digest in stored:
        assert await generous.reserve(digest, owner(), "default") is not None
        await generous.record(digest, owner(), "default", 1)
    with pytest.raises(errors.Denied, match="5 of 3 artifacts"):
        await tight.reserve(digests.of_bytes(b"one more"), owner(), "default")
    for digest in stored:
        assert await tight.reserve(digest, owner(), "default") is None
        await tight.record(digest, owner(), "default", 1)


async def test_bytes_that_arrived_and_no_longer_fit_go_after_the_least_grace(
    opened: database.Database, tmp_path: Path
) -> None:
    known, routed = store_of("filesystem", opened, tmp_path)
    late, content = digests.of_bytes(b"late" * 20), b"late" * 20
    assert (await known.reserve(late, owner(), "default")) is not None
    await put(routed, b"earlier" * 10)
    await routed.opener.backend.put(pieces(content), expected=late, limit=100)  # type: ignore[attr-defined]
    with pytest.raises(errors.Denied):
        await known.record(late, owner(), "default", len(content))
    stored, checks = tables.artifacts, tables.artifact_checks
    async with opened.transaction() as connection:
        age = sa.select(sa.func.now() - stored.c.used_at).where(stored.c.digest == str(late))
        assert (await connection.execute(age)).scalar_one() >= artifacts.GRACE - artifacts.LEAST_GRACE
        passed = {"used_at": stored.c.used_at - artifacts.LEAST_GRACE}
        await connection.execute(sa.update(stored).where(stored.c.digest == str(late)).values(passed))
        await connection.execute(sa.update(checks).values(due=sa.func.now()))
    assert (await known.mark_garbage(artifacts.GRACE)).gone == 1
    assert [one.digest for one in await known.take_garbage(10)] == [late]


async def test_an_organization_says_what_its_projects_may_keep(opened: database.Database, tmp_path: Path) -> None:
    said = {"artifactBytes": 10, "artifactCount": 0, "openRuns": 1, "stateBytes": 5}
    acme = identities.Organization("acme", "home", quotas=said)
    await organizations.Organizations(opened).record(acme, ["home", "team-a"], epoch=EPOCH)
    for kind in KINDS:
        _, routed = store_of(kind, opened, tmp_path)
        with pytest.raises(errors.Denied, match="0 of 10 bytes"):
            await put(routed, b"eleven bytes")
        await put(routed, kind.encode() * 6, "team-b")
    for number in range(4):  # one more than the other quota
        await put(routed, bytes([number]))
    store = external_runs.ExternalRuns(opened)
    only = await opened_run(store, namespace="team-a")
    with pytest.raises(errors.Denied, match="has 1 open runs"):
        await store.open(*crafted(namespace="team-a"), mark_latest=True)
    with pytest.raises(errors.Denied, match="more than 5 bytes"):
        await store.put_state(only.id, b"123456", instead_of="")
    await store.reset(only.id, external.Reset("cancellation", ""), make.NOW)


async def test_where_two_organizations_claim_a_namespace_neither_speaks_for_it(
    opened: database.Database, tmp_path: Path
) -> None:
    for name in ("acme", "rival"):
        organization = identities.Organization(name, f"{name}-home", quotas={"artifactBytes": 1})
        await organizations.Organizations(opened).record(organization, ["team-a"], epoch=EPOCH)
    for kind in KINDS:
        await put(store_of(kind, opened, tmp_path)[1], f"more than one byte: {kind}".encode())


async def test_counters_that_are_wrong_are_mended_and_told_of(
    opened: database.Database, routed: routing.Routed, caplog: pytest.LogCaptureFixture
) -> None:
    await put(routed, b"a" * 60)
    await put(routed, b"b" * 30, "team-b")
    used, usage = tables.artifact_usage, quotas.Usage(opened)
    assert not await usage.check()
    old = {"checked_at": sa.func.now() - timedelta(days=2)}
    async with opened.transaction() as connection:
        await connection.execute(sa.update(used).values(old))
        mine = sa.update(used).where(used.c.namespace_uid == "uid-team-a")
        await connection.execute(mine.values(number=7, bytes=7))
        await connection.execute(sa.insert(used).values(namespace_uid="uid-gone", number=1, bytes=1, **old))
    with caplog.at_level(logging.WARNING):
        while await usage.check():
            pass
    assert await counted(opened) == await there(opened)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert any("uid-team-a were counted as 7 with 7 bytes; there are 1 with 60" in text for text in told)


async def test_counters_that_are_right_are_looked_at_and_nothing_is_told(
    opened: database.Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known, routed = store_of("filesystem", opened, tmp_path)
    await put(routed, b"a" * 60)
    await known.reserve(digests.of_bytes(b"on its way"), owner(), "default")
    used, usage = tables.artifact_usage, quotas.Usage(opened)
    async with opened.transaction() as connection:
        await connection.execute(sa.update(used).values(checked_at=sa.func.now() - timedelta(days=2)))
    with caplog.at_level(logging.WARNING):
        assert [await usage.check(), await usage.check()] == [True, False]
    assert caplog.records == []
    assert await counted(opened) == {"uid-team-a": (1, 60)}


async def test_counters_that_another_process_looks_at_are_left_to_it_and_those_of_nothing_go(
    opened: database.Database,
) -> None:
    used, usage, old = tables.artifact_usage, quotas.Usage(opened), sa.func.now() - timedelta(days=2)
    async with opened.transaction() as connection:
        for uid in ("uid-held", "uid-free"):
            await connection.execute(sa.insert(used).values(namespace_uid=uid, number=0, bytes=0, checked_at=old))
    async with opened.transaction() as other:
        await other.execute(sa.select(used).where(used.c.namespace_uid == "uid-held").with_for_update())
        assert [await usage.check(), await usage.check()] == [True, False]
    async with opened.statements() as connection:
        assert (await connection.execute(sa.select(used.c.namespace_uid))).scalars().all() == ["uid-held"]


async def test_only_external_runs_that_go_on_are_open_ones(opened: database.Database) -> None:
    store, of_pods = external_runs.ExternalRuns(opened, quota_model.Quotas(open_runs=1)), run_store.Runs(opened)
    await of_pods.open(make.a_run("team-a"))
    await of_pods.close()
    for over in ({"finished_at": make.NOW}, {"result": "Passed"}):
        run = await opened_run(store, namespace="team-a")
        async with opened.transaction() as connection:
            await connection.execute(sa.update(tables.runs).where(tables.runs.c.id == run.id).values(over))
    await opened_run(store, namespace="team-a")
    with pytest.raises(errors.Denied, match="has 1 open runs"):
        await store.open(*crafted(namespace="team-a"), mark_latest=True)


async def test_0_is_no_limit_of_runs_and_states_either_and_what_is_allowed_may_be_used_up(
    opened: database.Database,
) -> None:
    free = external_runs.ExternalRuns(opened, quota_model.Quotas(open_runs=0, state_bytes=0))
    for _ in range(3):
        run = await opened_run(free, namespace="team-a")
        assert await free.put_state(run.id, b"x" * 100, instead_of="")
    tight = external_runs.ExternalRuns(opened, quota_model.Quotas(state_bytes=100))
    other = await opened_run(tight, namespace="team-b")
    with pytest.raises(errors.Denied, match="more than 100 bytes"):
        await tight.put_state(other.id, b"x" * 101, instead_of="")
    assert await tight.put_state(other.id, b"x" * 100, instead_of="")


async def test_a_quota_that_is_no_limit_is_never_nearly_full(opened: database.Database, routed: routing.Routed) -> None:
    await put(routed, b"a" * 90)
    async with opened.transaction() as connection:
        await connection.execute(sa.insert(tables.namespaces).values(name="team-a", uid="uid-team-a"))
    unlimited = quotas.Usage(opened, quota_model.Quotas(artifact_bytes=0, artifact_count=0))
    assert await unlimited.nearly_full(0.9, 10) == []
    both = quotas.Usage(opened, quota_model.Quotas(artifact_bytes=100, artifact_count=1))
    assert [one.quota for one in await both.nearly_full(0.9, 10)] == ["artifactBytes", "artifactCount"]
    assert [one.quota for one in await both.nearly_full(0.9, 1)] == ["artifactBytes"]


async def test_the_gauges_say_how_many_namespaces_have_used_most_of_a_quota(
    opened: database.Database, routed: routing.Routed
) -> None:
    await put(routed, b"a" * 80)
    await put(routed, b"b" * 79, "team-b")
    metrics = workermetrics.Metrics(SMALL)
    await metrics.look(opened)
    value = metrics.registry.get_sample_value
    assert value("avouch_artifacts") == 2
    assert value("avouch_artifact_bytes") == 159
    assert value("avouch_namespaces_near_quota", {"quota": "artifactBytes"}) == 1
    assert value("avouch_namespaces_near_quota", {"quota": "artifactCount"}) == 0


async def test_those_that_are_nearly_full_are_named_while_they_are_there(
    opened: database.Database, routed: routing.Routed
) -> None:
    await put(routed, b"a" * 90)
    await put(routed, b"b" * 95, "team-b")
    async with opened.transaction() as connection:
        present = [{"name": "team-a", "uid": "uid-team-a"}, {"name": "team-b", "uid": "made-anew"}]
        await connection.execute(sa.insert(tables.namespaces), present)
    found = await quotas.Usage(opened, SMALL).nearly_full(0.9, 10)
    assert found == [quota_model.NearlyFull("team-a", "uid-team-a", "artifactBytes", 90, 100)]
    assert await quotas.Usage(opened, SMALL).nearly_full(0.91, 10) == []


async def test_each_process_does_its_part_with_the_rights_that_it_has(server, tmp_path: Path) -> None:
    async with (
        database.Database(server.url_of("server")) as serving,
        database.Database(server.url_of("worker")) as working,
        database.Database(server.url_of("controller")) as leading,
    ):
        await namespaces.Namespaces(leading).record({"team-a": "uid-team-a", "old": ""}, epoch=EPOCH)
        for kind in KINDS:
            _, routed = store_of(kind, serving, tmp_path)
            await put(routed, kind.encode() * 4)
            with pytest.raises(errors.Denied):
                await put(routed, b"x" * 100)
        used = 4 * len("".join(KINDS))
        await workermetrics.Metrics(SMALL).look(working)
        found = await quotas.Usage(leading, quota_model.Quotas(artifact_bytes=used)).nearly_full(0.9, 10)
        assert [(one.namespace, one.used) for one in found] == [("team-a", used)]
        async with database.Database(server.url) as owned, owned.transaction() as connection:
            old = sa.func.now() - timedelta(days=2)
            await connection.execute(sa.update(tables.artifacts).values(used_at=old))
            await connection.execute(sa.update(tables.artifact_checks).values(due=old))
            await connection.execute(sa.update(tables.artifact_usage).values(checked_at=old))
        assert await quotas.Usage(working).check()
        assert (await artifacts.Artifacts(working).mark_garbage(artifacts.GRACE)).gone == 3  # with a reservation
        assert await counted(working) == {}
        assert await retention.Retention(working).forget_namespaces() == 0


@dataclass
class World:
    """A history of artifacts: what may happen to them, in any order."""

    opened: database.Database
    stores: dict[str, tuple[artifacts.Artifacts, routing.Routed]]
    open_runs: dict[str, list[runs.Run]] = field(default_factory=lambda: {name: [] for name in NAMESPACES})

    async def step(self, what: str, namespace: str, number: int) -> None:
        kind, content = KINDS[number % 2], bytes([number]) * (number * 7 % 50)
        await getattr(self, what)(*self.stores[kind], namespace, content)

    async def upload(self, _: artifacts.Artifacts, routed: routing.Routed, namespace: str, content: bytes) -> None:
        mine = self.open_runs[namespace]
        try:
            await put(routed, content, namespace, mine[-1] if mine else None)
        except errors.Denied:
            used = (await there(self.opened)).get(f"uid-{namespace}", (0, 0))
            assert used[0] >= 3 or used[1] + len(content) > 100

    async def run(self, _: artifacts.Artifacts, __: routing.Routed, namespace: str, ___: bytes) -> None:
        store = run_store.Runs(self.opened)
        self.open_runs[namespace].append(await store.open(make.a_run(namespace)))
        await store.close()

    async def end(self, _: artifacts.Artifacts, __: routing.Routed, namespace: str, ___: bytes) -> None:
        """All runs go: by their age, or with their namespace."""
        async with self.opened.transaction() as connection:
            for run in self.open_runs[namespace]:
                await connection.execute(sa.delete(tables.runs).where(tables.runs.c.id == run.id))
        self.open_runs[namespace].clear()

    async def damage(self, known: artifacts.Artifacts, _: routing.Routed, __: str, content: bytes) -> None:
        await known.damaged(digests.of_bytes(content), "default")

    async def killed(self, known: artifacts.Artifacts, _: routing.Routed, namespace: str, content: bytes) -> None:
        """Between the reservation and the record."""
        try:
            await known.reserve(digests.of_bytes(content + b"!"), owner(namespace), "default")
        except errors.Denied:
            assert await counted(self.opened)

    async def garbage(self, known: artifacts.Artifacts, *_: object) -> None:
        old = sa.func.now() - timedelta(hours=25)
        async with self.opened.transaction() as connection:
            await connection.execute(sa.update(tables.artifacts).values(used_at=old))
            await connection.execute(sa.update(tables.artifact_checks).values(due=sa.func.now()))
        await known.mark_garbage(artifacts.GRACE)
        for one in await known.take_garbage(100):
            async with known.removing(one) as alone:
                if alone:
                    for _, routed in self.stores.values():
                        await (await routed.opener.open(one.backend)).delete(one.digest)


STEPS = st.tuples(
    st.sampled_from(("upload", "upload", "upload", "run", "end", "garbage", "damage", "killed")),
    st.sampled_from(NAMESPACES),
    st.integers(0, 9),
)
_HISTORIES = itertools.count()


@given(history=st.lists(STEPS, min_size=5, max_size=25))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_the_counters_are_what_is_there(
    server, tmp_path: Path, history: Sequence[tuple[str, str, int]]
) -> None:
    async def live() -> None:
        root = tmp_path / str(next(_HISTORIES))
        async with database.Database(server.url) as opened:
            world = World(opened, {kind: store_of(kind, opened, root) for kind in KINDS})
            for what, namespace, number in history:
                await world.step(what, namespace, number)
                assert await counted(opened) == await there(opened)
            for namespace in NAMESPACES:  # all of it goes: nothing is counted any more
                await world.step("end", namespace, 0)
            await world.step("garbage", NAMESPACES[0], 0)
            assert await counted(opened) == {}

    asyncio.run(live())
