"""External runs in a real database: one end each, versions, and what clients remember."""

import asyncio
import datetime
import uuid
from dataclasses import replace

import pytest
import sqlalchemy as sa

from avouch import digests, errors
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import external, quotas, verdicts
from avouch.controlplane.model import runs as run_model
from avouch.controlplane.model.verdicts import VerdictResult
from avouch.store import artifacts, database, external_runs, jobs, tables
from avouch.store import runs as run_store
from tests.store.conftest import NOW, a_claim, a_run, a_verdict, case, decide, waits_for_a_lock

pytestmark = pytest.mark.postgres
HOUR = datetime.timedelta(hours=1)
ATTESTER = external.Attester("AUTH_TYPE_API_TOKEN", "team-a/ci", ("https://avouch.dev/namespaces/team-a/tokens/ci/u",))


def crafted(**changes: object) -> tuple[run_model.Run, external.ExternalPart]:
    namespace = str(changes.pop("namespace", f"ns-{uuid.uuid4().hex[:8]}"))
    key = run_model.RunKey("w", str(uuid.uuid4()), external=True)
    run = a_run(namespace, id=key.id, key=key, name=key.name("build"), subject_kind=run_model.EXTERNAL)
    made = external.ExternalPart(run.id, ATTESTER, external.Runner("GITHUB_ACTION"), "acme", NOW + HOUR, HOUR, "v1")
    return run, replace(made, **changes)  # type: ignore[arg-type]


async def opened_run(store: external_runs.ExternalRuns, **changes: object) -> run_model.Run:
    run, extra = crafted(**changes)
    assert await store.open(run, extra, mark_latest=True)
    return run


async def waiting(connected: database.Database, run_id: uuid.UUID) -> list[datetime.datetime | None]:
    query = sa.text("SELECT scheduled_at FROM procrastinate_jobs WHERE queueing_lock = :lock")
    async with connected.transaction() as connection:
        return [row.scheduled_at for row in (await connection.execute(query, {"lock": f"judge:{run_id}"})).all()]


async def test_a_run_comes_back_as_it_was_opened_and_is_looked_at_when_it_expires(opened: database.Database) -> None:
    store, (run, extra) = external_runs.ExternalRuns(opened), crafted()
    assert await store.open(run, extra, mark_latest=True)
    assert not await store.open(run, extra, mark_latest=True)
    found = await store.find(run.id)
    assert found is not None
    assert (found.external, found.run.key.external, found.run.key.id) == (extra, True, run.id)
    assert await store.of(run.id) == extra
    assert await waiting(opened, run.id) == [extra.expires_at]


async def test_each_run_has_its_own_part_and_one_that_nobody_opened_has_none(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    every = [await opened_run(store) for _ in range(3)]
    for run in every:
        part = await store.of(run.id)
        assert part is not None
        assert part.run_id == run.id
    assert await store.of(uuid.uuid4()) is None


async def test_a_run_is_found_with_what_its_own_workflow_says_and_its_own_verdict_found(
    opened: database.Database,
) -> None:
    store = external_runs.ExternalRuns(opened)
    run, other = await opened_run(store, namespace="here"), await opened_run(store, namespace="bare")
    for namespace, name, uid, expiry in (("there", "build", "w", "1h"), ("here", "test", "t", "2h"),
                                         ("here", "build", "w", "3h")):  # fmt: skip
        spec = {"runExpiry": expiry}
        told = {"namespace": namespace, "namespace_uid": f"uid-{namespace}", "name": name, "uid": uid,
                "generation": 1, "spec": spec, "labels": {}, "contract_namespace": "", "contract_name": "",
                "version": 0}  # fmt: skip
        async with opened.transaction() as connection:
            await connection.execute(sa.insert(tables.workflows).values(told))
    missing = verdicts.Finding("MaterialMissing", "sbom is missing", fix="add it")
    for judged, findings in ((other, ()), (run, (missing,))):
        signed = a_verdict(judged, VerdictResult.FAILED)
        await decide(opened, replace(signed, verdict=replace(signed.verdict, findings=findings)), [])
    found, bare = await store.find(run.id), await store.find(other.id)
    assert found is not None
    assert bare is not None
    assert found.rules is not None
    assert (found.run.id, found.external.run_id, found.rules.expiry) == (run.id, run.id, 3 * HOUR)
    assert ([one.code for one in found.findings], bare.findings, bare.rules) == (["MaterialMissing"], (), None)
    assert await store.find(uuid.uuid4()) is None


async def test_a_run_of_the_cluster_is_ended_by_no_push_and_no_reset_of_an_external_one(
    opened: database.Database,
) -> None:
    store, repository = external_runs.ExternalRuns(opened), run_store.Runs(opened)
    run = await repository.open(a_run())
    await repository.close()
    assert await store.of(run.id) is None
    with pytest.raises(errors.NotFound, match="no such external run"):
        await store.reset(run.id, external.Reset("failure"), NOW)
    with pytest.raises(errors.NotFound, match="no such external run"):
        await store.accept(a_claim(run, b"bundle"))
    assert (await case(opened, run.id))[0].finished_at is None


async def test_every_change_that_a_list_shows_has_a_version_of_its_own(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    pushed, given_up = await opened_run(store), await opened_run(store)
    seen = [await version_of(opened, run) for run in (pushed, given_up)]
    await store.accept(a_claim(pushed, b"bundle"))
    await store.reset(given_up.id, external.Reset("failure"), NOW)
    seen += [await version_of(opened, run) for run in (pushed, given_up)]
    assert seen[0] > 0
    assert seen == sorted(set(seen))


async def version_of(connected: database.Database, run: run_model.Run) -> int:
    async with connected.transaction() as connection:
        row = (await connection.execute(sa.select(tables.runs).where(tables.runs.c.id == run.id))).one()
    return int(row.resource_version)


async def test_what_ends_or_extends_one_run_changes_no_other(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    pushed, given_up, dropped, extended, left = [await opened_run(store, namespace="one") for _ in range(5)]
    for run in (pushed, given_up, dropped, left):
        await store.put_state(run.id, b"state", instead_of="")
    await store.accept(a_claim(pushed, b"bundle"))
    await store.reset(given_up.id, external.Reset("failure"), NOW)
    await store.drop_state(dropped.id)
    await store.extend(extended.id, NOW + 2 * HOUR)
    was = str(digests.of_bytes(b"state"))
    with pytest.raises(errors.Conflict):
        await store.put_state(dropped.id, b"other", instead_of=was)
    found = await store.find(left.id)
    assert found is not None
    assert (found.run.finished_at, found.external.reset, found.external.expires_at) == (None, None, NOW + HOUR)
    assert await store.state(left.id) == (was, b"state")
    ended = await store.find(pushed.id)
    assert ended is not None
    assert (ended.run.finished_at, ended.external.reset) == (NOW, None)
    assert await store.put_state(left.id, b"other", instead_of=was)


async def test_a_run_that_was_judged_when_it_expired_takes_no_bundle_any_more(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    run = await opened_run(store)
    await decide(opened, a_verdict(run, VerdictResult.FAILED), [])
    with pytest.raises(errors.Conflict, match="has ended"):
        await store.accept(a_claim(run, b"bundle"))
    with pytest.raises(errors.Conflict, match="has ended"):
        await store.reset(run.id, external.Reset("failure"), NOW)


async def test_what_a_pushed_bundle_refers_to_is_kept_for_its_run(opened: database.Database) -> None:
    store, digest = external_runs.ExternalRuns(opened), digests.of_bytes(b"sbom")
    run, other = await opened_run(store, namespace="one"), await opened_run(store, namespace="one")
    owner = artifact_model.Owner(other.namespace, other.namespace_uid, other.id)
    await artifacts.Artifacts(opened).record(digest, owner, "default", 4)
    await store.accept(a_claim(run, b"bundle", artifacts=(digest,)))
    mine = sa.select(tables.run_artifacts.c.digest).where(tables.run_artifacts.c.run_id == run.id)
    async with opened.transaction() as connection:
        assert (await connection.execute(mine)).scalars().all() == [str(digest)]


async def test_a_run_is_not_opened_in_a_version_whose_release_is_being_written(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    releasing = await opened_run(store, namespace="shop", version="v1", release=True)
    run, extra = crafted(namespace="shop", version="v1")
    async with opened.transaction() as judging:
        await external_runs.release(judging, releasing.id, NOW)
        opening = asyncio.create_task(store.open(run, extra, mark_latest=False))
        await waits_for_a_lock(opened)
    with pytest.raises(errors.Conflict, match="released and immutable"):
        await opening


async def test_a_bundle_waits_for_what_ends_its_run_at_the_same_moment(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    run = await opened_run(store)
    async with opened.transaction() as other:
        await other.execute(sa.update(tables.runs).where(tables.runs.c.id == run.id).values(finished_at=NOW))
        pushing = asyncio.create_task(store.accept(a_claim(run, b"bundle")))
        await waits_for_a_lock(opened)
    with pytest.raises(errors.Conflict, match="has ended"):
        await pushing


async def test_the_first_release_of_a_version_is_the_one_that_counts(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    first, second = [await opened_run(store, namespace="shop", version="v1", release=True) for _ in range(2)]
    for run, days in ((first, 0), (second, 1)):
        signed = a_verdict(run)
        verdict = replace(signed.verdict, judged_at=NOW + datetime.timedelta(days))
        await decide(opened, replace(signed, verdict=verdict), [])
    async with opened.transaction() as connection:
        released = sa.select(tables.project_versions.c.released_at)
        assert (await connection.execute(released)).scalars().all() == [NOW]


async def test_no_two_external_runs_of_a_namespace_have_one_name(opened: database.Database) -> None:
    store, first, second = external_runs.ExternalRuns(opened), crafted(namespace="shop"), crafted(namespace="shop")
    same = replace(second[0], name=first[0].name)
    answers = await asyncio.gather(
        store.open(*first, mark_latest=True), store.open(same, second[1], mark_latest=True), return_exceptions=True
    )
    assert sorted(map(repr, answers))[1:] == ["True"]
    (refused,) = [one for one in answers if isinstance(one, errors.Conflict)]
    assert "choose a new id" in str(refused)
    elsewhere, part = crafted(namespace="other")
    assert await store.open(replace(elsewhere, name=first[0].name), part, mark_latest=True)


async def test_a_sign_of_life_moves_the_expiry_and_never_back(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    run = await opened_run(store)
    await store.extend(run.id, NOW + 2 * HOUR)
    await store.extend(run.id, NOW + HOUR)
    found = await store.of(run.id)
    assert found is not None
    assert found.expires_at == NOW + 2 * HOUR


async def test_the_first_bundle_ends_the_run_a_resend_is_no_second_and_another_is_refused(
    opened: database.Database,
) -> None:
    store = external_runs.ExternalRuns(opened)
    run, other = await opened_run(store), await opened_run(store)
    await store.put_state(run.id, b"state", instead_of="")
    bundle = uuid.uuid4().bytes
    first = await store.accept(a_claim(run, bundle))
    again = await store.accept(a_claim(run, bundle))
    assert (first.created, again.created, first.id) == (True, False, again.id)
    with pytest.raises(errors.Conflict, match="has ended"):
        await store.accept(a_claim(run, uuid.uuid4().bytes))
    with pytest.raises(errors.Conflict, match=str(run.id)):
        await store.accept(a_claim(other, bundle))
    with pytest.raises(errors.Conflict, match="has ended"):
        await store.reset(run.id, external.Reset("failure"), NOW)
    assert await waiting(opened, run.id) == [None]
    assert await store.state(run.id) is None


async def test_of_many_different_bundles_at_once_exactly_one_ends_the_run(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    run = await opened_run(store)
    pushes = [store.accept(a_claim(run, uuid.uuid4().bytes)) for _ in range(6)]
    answers = await asyncio.gather(*pushes, return_exceptions=True)
    assert sum(isinstance(answer, run_model.Receipt) for answer in answers) == 1
    assert sum(isinstance(answer, errors.Conflict) for answer in answers) == 5


async def test_a_reset_ends_the_run_and_doing_so_again_changes_nothing(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    run = await opened_run(store)
    await store.reset(run.id, external.Reset("failure", "red"), NOW)
    await store.reset(run.id, external.Reset("failure", "red"), NOW)
    with pytest.raises(errors.Conflict):
        await store.reset(run.id, external.Reset("cancellation"), NOW)
    found = await store.find(run.id)
    assert found is not None
    assert (found.external.reset, found.run.finished_at) == (external.Reset("failure", "red"), NOW)


async def test_a_version_of_one_project_is_none_of_another(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    here = await opened_run(store, namespace="here", version="v1", release=True)
    there = await opened_run(store, namespace="there", version="v1")
    await opened_run(store, namespace="there", version="v2")
    await decide(opened, a_verdict(here), [])
    assert await store.version(here.namespace_uid, "v1") == external.Version("v1", prerelease=False, latest=True)
    assert await store.version(there.namespace_uid, "v1") == external.Version("v1", prerelease=True, latest=False)
    assert await store.version(there.namespace_uid, "") == external.Version("v2", latest=True)
    assert await store.version(here.namespace_uid, "v2") is None
    await opened_run(store, namespace="here", version="v0")  # the latest of `here` alone
    assert await store.version(there.namespace_uid, "") == external.Version("v2", latest=True)
    await opened_run(store, namespace="there", version="v0")
    await opened_run(store, namespace="here", version="v2")
    assert await store.version(there.namespace_uid, "") == external.Version("v0", latest=True)
    await opened_run(store, namespace="there", version="v1")  # its row comes after the one of `here` from now on
    assert (await store.accept(a_claim(there, uuid.uuid4().bytes))).created


async def test_only_one_version_is_the_latest_and_a_released_one_takes_no_more_runs(opened: database.Database) -> None:
    store, repository = external_runs.ExternalRuns(opened), run_store.Runs(opened)
    namespace = f"ns-{uuid.uuid4().hex[:8]}"
    await opened_run(store, namespace=namespace, version="v1")
    releasing = await opened_run(store, namespace=namespace, version="v2", release=True)
    late = await opened_run(store, namespace=namespace, version="v2")
    uid = releasing.namespace_uid
    assert await store.version(uid, "") == external.Version("v2", latest=True)
    assert await store.version(uid, "v1") == external.Version("v1")
    assert await store.version(uid, "v3") is None
    await decide(opened, a_verdict(releasing), [])
    assert await store.version(uid, "v2") == external.Version("v2", prerelease=False, latest=True)
    run, extra = crafted(namespace=namespace, version="v2")
    with pytest.raises(errors.Conflict, match="released and immutable"):
        await store.open(run, extra, mark_latest=False)
    with pytest.raises(errors.Conflict, match="released and immutable"):
        await store.accept(a_claim(late, uuid.uuid4().bytes))
    await repository.close()


async def test_a_release_is_of_its_own_project_and_version_and_of_no_other(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    here, there = (f"ns-{uuid.uuid4().hex[:8]}" for _ in range(2))
    releasing = await opened_run(store, namespace=here, version="v1", release=True)
    other = await opened_run(store, namespace=there, version="v1", release=True)
    sibling = await opened_run(store, namespace=here, version="v2")
    await decide(opened, a_verdict(releasing), [])
    told = external.Version("v1", latest=True), external.Version("v2", latest=True)
    assert (await store.version(other.namespace_uid, "v1"), await store.version(here_uid(here), "v2")) == told
    # Neither the other project nor the other version is closed by it.
    again, extra = crafted(namespace=there, version="v1")
    assert await store.open(again, extra, mark_latest=False)
    assert (await store.accept(a_claim(other, uuid.uuid4().bytes))).created
    assert (await store.accept(a_claim(sibling, uuid.uuid4().bytes))).created
    await decide(opened, a_verdict(other), [])
    assert await store.version(other.namespace_uid, "v1") == external.Version("v1", prerelease=False, latest=True)


def here_uid(namespace: str) -> str:
    return f"uid-{namespace}"


@pytest.mark.parametrize(("mark", "new", "old"), [(None, True, False), (True, True, True), (False, False, False)])
async def test_a_new_version_becomes_the_latest_unless_it_is_said_otherwise(
    opened: database.Database, mark: bool | None, new: bool, old: bool
) -> None:
    store = external_runs.ExternalRuns(opened)
    for version, before, expected in (("v1", True, old), ("v2", None, new)):
        namespace = f"ns-{uuid.uuid4().hex[:8]}"
        if before:
            await opened_run(store, namespace=namespace, version=version)
            await opened_run(store, namespace=namespace, version="newer")
        run, extra = crafted(namespace=namespace, version=version)
        assert await store.open(run, extra, mark_latest=mark)
        found = await store.version(run.namespace_uid, version)
        assert found is not None
        assert found.latest is expected


async def test_a_run_that_did_not_pass_or_did_not_ask_releases_nothing(opened: database.Database) -> None:
    store, repository = external_runs.ExternalRuns(opened), run_store.Runs(opened)
    failed = await opened_run(store, version="v1", release=True)
    silent = await opened_run(store, version="v1")
    await decide(opened, a_verdict(failed, VerdictResult.FAILED), [])
    await decide(opened, a_verdict(silent), [])
    for run in (failed, silent):
        assert await store.version(run.namespace_uid, "v1") == external.Version("v1", latest=True)
    await repository.close()


async def test_a_state_is_only_replaced_by_whoever_read_the_present_one(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    run = await opened_run(store)
    assert await store.state(run.id) is None
    first = await store.put_state(run.id, b"one", instead_of="")
    assert first == str(digests.of_bytes(b"one"))
    with pytest.raises(errors.Conflict):
        await store.put_state(run.id, b"other", instead_of="")
    second = await store.put_state(run.id, b"two", instead_of=first)
    with pytest.raises(errors.Conflict):
        await store.put_state(run.id, b"three", instead_of=first)
    assert await store.state(run.id) == (second, b"two")
    await store.drop_state(run.id)
    assert await store.state(run.id) is None


async def test_an_expired_run_whose_job_was_lost_is_judged_all_the_same(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    run = await opened_run(store)  # it expired long ago: NOW is a day in the past
    async with opened.transaction() as connection:
        gone = sa.text("DELETE FROM procrastinate_jobs WHERE queueing_lock = :lock")
        await connection.execute(gone, {"lock": f"judge:{run.id}"})
    assert await jobs.Jobs(opened).judge_forgotten() >= 1
    assert await waiting(opened, run.id) == [None]


async def test_all_of_a_run_goes_with_it(opened: database.Database) -> None:
    store = external_runs.ExternalRuns(opened)
    run = await opened_run(store)
    await store.put_state(run.id, b"state", instead_of="")
    async with opened.transaction() as connection:
        await connection.execute(sa.delete(tables.runs).where(tables.runs.c.id == run.id))
    assert await store.of(run.id) is None
    assert await store.state(run.id) is None


async def test_a_namespace_has_no_more_open_runs_than_its_quota_and_another_has_its_own(
    opened: database.Database,
) -> None:
    store, namespace = external_runs.ExternalRuns(opened, quotas.Quotas(open_runs=2)), f"full-{uuid.uuid4().hex[:8]}"
    first, _ = await opened_run(store, namespace=namespace), await opened_run(store, namespace=namespace)
    run, extra = crafted(namespace=namespace)
    with pytest.raises(errors.Denied, match="2 open runs") as refused:
        await store.open(run, extra, mark_latest=True)
    assert refused.value.field == "quotas.openRuns"
    assert await store.find(run.id) is None
    await opened_run(store)
    assert not await store.open(*_again(first), mark_latest=True)  # a resend is no other run
    await store.reset(first.id, external.Reset("cancellation", ""), NOW)
    assert await store.open(run, extra, mark_latest=True)


def _again(run: run_model.Run) -> tuple[run_model.Run, external.ExternalPart]:
    return run, external.ExternalPart(run.id, ATTESTER, external.Runner(""), "acme", NOW + HOUR, HOUR, "v1")


async def test_the_states_of_a_namespace_have_a_quota_that_ends_of_runs_free(opened: database.Database) -> None:
    store, namespace = external_runs.ExternalRuns(opened, quotas.Quotas(state_bytes=100)), f"st-{uuid.uuid4().hex[:8]}"
    first, second = await opened_run(store, namespace=namespace), await opened_run(store, namespace=namespace)
    kept = await store.put_state(first.id, b"x" * 60, instead_of="")
    with pytest.raises(errors.Denied, match="more than 100 bytes") as refused:
        await store.put_state(second.id, b"y" * 60, instead_of="")
    assert "--remote-state" in refused.value.fix
    assert await store.state(second.id) is None
    assert await store.put_state(first.id, b"z" * 100, instead_of=kept)
    other = await opened_run(store)
    assert await store.put_state(other.id, b"o" * 100, instead_of="")
    await store.reset(first.id, external.Reset("cancellation", ""), NOW)
    assert await store.put_state(second.id, b"y" * 100, instead_of="")


async def test_an_external_run_whose_id_is_the_uid_of_a_pipelinerun_is_not_about_it(opened: database.Database) -> None:
    store, repository = external_runs.ExternalRuns(opened), run_store.Runs(opened)
    external_run, extra = crafted()
    uid = external_run.key.subject_uid  # its client chose it
    assert await store.open(external_run, extra, mark_latest=True)
    of_pipelinerun = a_run(key=run_model.RunKey("w", uid), id=run_model.RunKey("w", uid).id)
    await repository.open(of_pipelinerun)
    assert [run.id for run in await repository.of_subject(uid)] == [of_pipelinerun.id]
    await repository.finish(of_pipelinerun.id, run_model.Snapshot({}, ()), NOW, epoch=0)
    assert await repository.ended([uid]) == {uid}
    other, its_extra = crafted()
    assert await store.open(other, its_extra, mark_latest=True)
    await store.reset(other.id, external.Reset("failure", ""), NOW)
    assert not await repository.ended([other.key.subject_uid])
    await repository.close()
