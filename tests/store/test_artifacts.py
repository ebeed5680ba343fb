"""The map of artifacts, the references of runs and garbage collection, against a real PostgreSQL."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avouch import digests, errors
from avouch.cas import filesystem, remote
from avouch.controlplane.artifacts import routing
from avouch.controlplane.model import artifacts as artifact_model
from avouch.controlplane.model import contracts, runs, verdicts, workflowspecs
from avouch.processes import artifact_reading
from avouch.store import artifact_references, artifacts, database, inline, tables, workflows
from avouch.store import runs as run_store
from tests.store import conftest as make

pytestmark = pytest.mark.postgres

GRACE = timedelta(hours=24)
EPOCH = 1_000
TEAM = artifact_model.Owner("team-a", "uid-team-a")


class Folders:
    """An opener over folders: one for each backend."""

    def __init__(self, root: Path) -> None:
        self.root = root

    async def open(self, uid: str) -> artifact_model.BlobStore:
        return filesystem.FileSystem(self.root / uid)


@pytest.fixture
def known(opened: database.Database) -> artifacts.Artifacts:
    return artifacts.Artifacts(opened)


@pytest.fixture
def routed(known: artifacts.Artifacts, tmp_path: Path) -> routing.Routed:
    return routing.Routed(known, Folders(tmp_path), artifact_model.Destination("default", "default", 10**6))


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def put(routed: routing.Routed, content: bytes, run: runs.Run | None, **more: str) -> digests.Digest:
    namespace = more.get("namespace", "team-a")
    owner = artifact_model.Owner(namespace, f"uid-{namespace}", run.id if run else None)
    digest = digests.of_bytes(content)
    await routed.put(pieces(content), expected=digest, limit=10**6, owner=owner)
    return digest


async def opened_run(opened: database.Database, **changes: str) -> runs.Run:
    store = run_store.Runs(opened)
    run = await store.open(make.a_run(**changes))
    await store.close()
    return run


async def age(opened: database.Database, digest: digests.Digest, hours: int) -> None:
    stored = tables.artifacts
    past = sa.func.now() - sa.text(f"interval '{hours} hours'")
    async with opened.transaction() as connection:
        await connection.execute(sa.update(stored).where(stored.c.digest == str(digest)).values(used_at=past))
        checks = tables.artifact_checks  # whose time comes with the artifact's
        await connection.execute(sa.update(checks).where(checks.c.digest == str(digest)).values(due=sa.func.now()))


async def marked(known: artifacts.Artifacts, digest: digests.Digest) -> bool:
    await known.mark_garbage(GRACE)
    return not (await known.where(digest)).known


async def delete_run(opened: database.Database, run: runs.Run) -> None:
    async with opened.transaction() as connection:
        await connection.execute(sa.delete(tables.runs).where(tables.runs.c.id == run.id))


async def removed(known: artifacts.Artifacts, routed: routing.Routed, of: digests.Digest | None = None) -> int:
    """What the server's maintenance does with garbage; how many pieces went, all of them or those of one digest."""
    count = 0
    for one in await known.take_garbage(1000):
        async with known.removing(one) as alone:
            if alone:
                await (await routed.opener.open(one.backend)).delete(one.digest)
                count += of in (None, one.digest)
    return count


async def test_what_a_run_refers_to_stays_however_old(opened, known, routed) -> None:
    run = await opened_run(opened)
    digest = await put(routed, os.urandom(20), run)
    await age(opened, digest, 10_000)
    assert not await marked(known, digest)


async def test_what_no_run_refers_to_goes_after_the_grace_and_not_before(opened, known, routed) -> None:
    run = await opened_run(opened)
    digest = await put(routed, os.urandom(20), run)
    await delete_run(opened, run)
    await age(opened, digest, 23)
    assert not await marked(known, digest)
    await age(opened, digest, 25)
    assert await marked(known, digest)
    assert await removed(known, routed, digest) == 1
    with pytest.raises(errors.NotFound):
        assert [piece async for piece in routed.get(digest)]


async def test_what_a_run_refers_to_is_looked_at_once_and_again_when_the_run_goes(opened, known, routed) -> None:
    while (await known.mark_garbage(GRACE)).checked:
        pass
    run = await opened_run(opened)
    digest = await put(routed, os.urandom(20), run)
    assert (await known.mark_garbage(GRACE)).checked == 0  # too young to be garbage whatever refers to it
    await age(opened, digest, 25)
    assert await known.mark_garbage(GRACE) == artifacts.Marked(checked=1, gone=0)
    assert (await known.mark_garbage(GRACE)).checked == 0
    await delete_run(opened, run)
    assert await known.mark_garbage(GRACE) == artifacts.Marked(checked=1, gone=1)


async def test_two_runs_of_one_artifact_both_keep_it(opened, known, routed) -> None:
    content = os.urandom(20)
    first, second = await opened_run(opened), await opened_run(opened)
    digest = await put(routed, content, first)
    await put(routed, content, second)
    await delete_run(opened, first)
    await age(opened, digest, 10_000)
    assert not await marked(known, digest)
    await delete_run(opened, second)
    assert await marked(known, digest)


async def test_another_namespace_keeps_the_bytes_that_both_stored(opened, known, routed) -> None:
    content = os.urandom(20)
    mine, theirs = await opened_run(opened), await opened_run(opened, namespace="team-b")
    digest = await put(routed, content, mine)
    await put(routed, content, theirs, namespace="team-b")
    await delete_run(opened, mine)
    await age(opened, digest, 10_000)
    await known.mark_garbage(GRACE)
    assert await removed(known, routed, digest) == 0
    assert b"".join([piece async for piece in routed.get(digest, namespace_uid="uid-team-b")]) == content
    with pytest.raises(errors.NotFound):
        assert [piece async for piece in routed.get(digest, namespace_uid="uid-team-a")]


async def users(opened: database.Database, digest: digests.Digest) -> list[str]:
    """Namespaces whose Workflows' runs refer to it: who may attest for one of those may read it."""
    record = contracts.WorkflowRecord("", "", "build", "w", 1, {}, {})
    for namespace in ("team-a", "team-b", "elsewhere"):
        here = replace(record, namespace=namespace, namespace_uid=f"uid-{namespace}")
        await workflows.Workflows(opened).upsert(here, epoch=EPOCH)
    return [use.namespace async for use in artifact_references.Uses(opened).of(digest)]


async def test_who_knows_a_digest_of_another_namespace_does_not_get_its_bytes(opened, known, routed) -> None:
    run = await opened_run(opened)
    digest = await put(routed, os.urandom(20), run)
    assert await routed.has(digest, namespace_uid="uid-team-a")
    assert not await routed.has(digest, namespace_uid="uid-elsewhere")
    assert await users(opened, digest) == ["team-a"]


async def test_every_workflow_that_used_an_artifact_is_found_however_many_there_are(
    opened, known, routed, monkeypatch
) -> None:
    monkeypatch.setattr(artifact_references, "_PAGE", 2)
    digest, names = digests.of_bytes(os.urandom(20)), [f"app-{number}" for number in range(5)]
    declared = workflows.Workflows(opened)
    for name in names:
        record = contracts.WorkflowRecord("shared", "uid-shared", name, f"w-{name}", 1, {}, {})
        await declared.upsert(record, epoch=EPOCH)
        key = runs.RunKey(f"w-{name}", os.urandom(8).hex())
        run = make.a_run("shared", id=key.id, name=key.name(name), key=key, workflow=name)
        await run_store.Runs(opened).open(run)
        await known.record(digest, artifact_model.Owner("shared", "uid-shared", run.id), "default", 20)
    uses = artifact_references.Uses(opened)
    assert [use.workflow async for use in uses.of(digest)] == names
    assert [use.workflow async for use in uses.of(digest, "shared")] == names
    assert [use.workflow async for use in uses.of(digest, "team-a")] == []


async def test_a_use_is_of_the_workflow_that_the_run_is_of_and_has_its_rules(opened, known) -> None:
    declared, store, used = workflows.Workflows(opened), run_store.Runs(opened), []
    record = contracts.WorkflowRecord("team-a", "uid-team-a", "build", "mine", 1, {"suspend": True}, {})
    unreadable = replace(record, name="unreadable", uid="u", spec={"attesters": 7})
    for one in (record, replace(record, name="other", uid="o", spec={}), unreadable):
        await declared.upsert(one, epoch=EPOCH)
    elsewhere = replace(record, namespace="team-b", namespace_uid="uid-team-b", uid="theirs", spec={})
    for one in (elsewhere, replace(elsewhere, name="twin", uid="mine")):  # which has the uid of a Workflow of team-a
        await declared.upsert(one, epoch=EPOCH)
    # What ran for the predecessors of "build" and of "twin" lets nobody in, who declared those anew.
    for namespace, name, uid in (
        ("team-a", "build", "mine"), ("team-a", "build", "before"), ("team-a", "unreadable", "u"),
        ("team-b", "twin", "o"),
    ):  # fmt: skip
        key = runs.RunKey(uid, os.urandom(8).hex())
        run = make.a_run(namespace, id=key.id, name=key.name(name), key=key, workflow=name)
        await store.open(run)
        used.append(digests.of_bytes(os.urandom(20)))
        await known.record(used[-1], artifact_model.Owner(namespace, f"uid-{namespace}", run.id), "default", 20)
    await store.close()
    found = [[use async for use in artifact_references.Uses(opened).of(digest)] for digest in used]
    rules = workflowspecs.read(record.spec, "build")
    assert rules != workflowspecs.read({}, "build")
    assert found == [
        [artifact_model.Use("team-a", "uid-team-a", "build", rules)],
        [],
        [artifact_model.Use("team-a", "uid-team-a", "unreadable", None)],
        [],
    ]


async def test_the_size_of_an_artifact_is_that_of_what_the_namespace_stored(opened, known) -> None:
    digest, other, coming = (digests.of_bytes(os.urandom(20)) for _ in range(3))
    await known.record(other, TEAM, "default", 7)
    await known.record(digest, TEAM, "default", 20)
    await known.record(other, artifact_model.Owner("team-b", "uid-team-b"), "default", 7)
    await known.reserve(coming, TEAM, "default")
    size = artifact_references.Uses(opened).size
    assert [await size(digest, owner) for owner in ("uid-team-a", "uid-team-b", "")] == [20, None, 20]
    assert [await size(other, owner) for owner in ("uid-team-a", "uid-team-b", "uid-nobody")] == [7, 7, None]
    assert [await size(coming, owner) for owner in ("uid-team-a", "")] == [None, None]


async def test_what_a_namespace_stored_is_found_however_many_others_stored_the_same_bytes(
    opened, known, routed
) -> None:
    content = os.urandom(20)
    run = await opened_run(opened)
    digest = await put(routed, content, run)
    for other in range(1000):
        await put(routed, content, None, namespace=f"other-{other}")
    assert await known.where(digest, "uid-team-a") == artifact_model.Places(("default",), known=True, sound=True)
    assert await known.where(digest, "uid-other-0") == artifact_model.Places(("default",), known=True, sound=True)
    assert await known.where(digest, "uid-nobody") == artifact_model.Places(known=True)
    assert await known.where(digest) == artifact_model.Places(("default",), known=True, sound=True)
    assert b"".join([piece async for piece in routed.get(digest, namespace_uid="uid-team-a")]) == content


async def test_places_that_one_namespace_made_hide_nothing_of_another(opened, known) -> None:
    digest = digests.of_bytes(os.urandom(20))
    await known.record(digest, artifact_model.Owner("team-a", "uid-team-a"), "mine", 20)
    for made in range(200):
        await known.record(digest, artifact_model.Owner("team-b", "uid-team-b"), f"backend-{made}", 20)
    assert await known.where(digest, "uid-team-a") == artifact_model.Places(("mine",), known=True, sound=True)
    assert len((await known.where(digest)).backends) == 201


async def test_a_damaged_copy_is_asked_for_again_and_whole_after_the_next_upload(
    opened, known, routed, tmp_path: Path
) -> None:
    content = os.urandom(20)
    run, theirs = await opened_run(opened), await opened_run(opened, namespace="team-b")
    mine, other = (
        artifact_model.Owner(f"team-{at}", f"uid-team-{at}", of.id) for at, of in (("a", run), ("b", theirs))
    )
    digest = await put(routed, content, run)
    await put(routed, content, theirs, namespace="team-b")
    (file,) = [path for path in tmp_path.rglob(digest.hex) if path.is_file()]
    file.write_bytes(os.urandom(20))
    assert await routed.has(digest, namespace_uid="uid-team-a")  # nobody has read it yet
    for _ in range(2):
        with pytest.raises(errors.Corrupt):
            assert [piece async for piece in routed.get(digest, namespace_uid="uid-team-a")]
        for owner in (mine, other):
            assert not await routed.has(digest, namespace_uid=owner.namespace_uid)
            assert not await routed.use(digest, owner)
    await put(routed, content, theirs, namespace="team-b")
    for owner in (mine, other):
        assert await routed.has(digest, namespace_uid=owner.namespace_uid)
        assert await routed.use(digest, owner)
    assert b"".join([piece async for piece in routed.get(digest, namespace_uid="uid-team-a")]) == content


async def test_a_copy_that_is_gone_is_asked_for_again(opened, routed, tmp_path: Path) -> None:
    content = os.urandom(20)
    digest = await put(routed, content, await opened_run(opened))
    (file,) = [path for path in tmp_path.rglob(digest.hex) if path.is_file()]
    file.unlink()
    with pytest.raises(errors.NotFound):
        assert [piece async for piece in routed.get(digest, namespace_uid="uid-team-a")]
    assert not await routed.has(digest, namespace_uid="uid-team-a")
    await put(routed, content, await opened_run(opened))
    assert b"".join([piece async for piece in routed.get(digest, namespace_uid="uid-team-a")]) == content


async def test_what_never_lay_in_a_store_is_not_marked_as_gone(opened, routed) -> None:
    never = digests.of_bytes(os.urandom(20))
    with pytest.raises(errors.NotFound):
        assert [piece async for piece in routed.get(never)]
    async with opened.transaction() as connection:
        marks = sa.select(tables.damaged_artifacts.c.digest).where(tables.damaged_artifacts.c.digest == str(never))
        assert (await connection.execute(marks)).first() is None


async def test_where_one_copy_is_damaged_another_one_is_read(opened, known, routed, tmp_path: Path) -> None:
    content = os.urandom(20)
    digest = await put(routed, content, await opened_run(opened))
    await known.record(digest, artifact_model.Owner("team-a", "uid-team-a"), "other", 20)
    await (await routed.opener.open("other")).put(pieces(content), expected=digest, limit=20)
    newest = (await known.where(digest)).backends[0]
    (file,) = [path for path in (tmp_path / newest).rglob(digest.hex) if path.is_file()]
    file.write_bytes(os.urandom(20))
    assert b"".join([piece async for piece in routed.get(digest, namespace_uid="uid-team-a")]) == content
    assert await routed.has(digest, namespace_uid="uid-team-a")


async def test_a_damaged_row_is_written_anew_by_the_upload_that_follows(opened, known, tmp_path: Path) -> None:
    content, rows = os.urandom(20), inline.Inline(opened)
    digest, owner = digests.of_bytes(content), artifact_model.Owner("team-a", "uid-team-a")
    await rows.keep(pieces(content), expected=digest, limit=20, owner=owner)
    blobs = tables.blobs
    async with opened.transaction() as connection:
        damage = sa.update(blobs).where(blobs.c.digest == str(digest)).values(content=os.urandom(20))
        await connection.execute(damage)
    reading = artifact_reading.NearestContent(known, remote.Remote("https://nobody.invalid", tmp_path, tmp_path), rows)
    with pytest.raises(errors.Corrupt):
        assert [piece async for piece in reading.get(digest, namespace_uid="uid-team-a")]
    assert not (await known.where(digest, "uid-team-a")).sound
    await rows.keep(pieces(content), expected=digest, limit=20, owner=owner)
    assert (await known.where(digest, "uid-team-a")).sound
    assert [piece async for piece in reading.get(digest, namespace_uid="uid-team-a")] == [content]


async def test_a_row_that_is_gone_is_asked_for_again(opened, known, tmp_path: Path) -> None:
    content, rows = os.urandom(20), inline.Inline(opened)
    digest, owner = digests.of_bytes(content), artifact_model.Owner("team-a", "uid-team-a")
    await rows.keep(pieces(content), expected=digest, limit=20, owner=owner)
    async with opened.transaction() as connection:
        await connection.execute(sa.delete(tables.blobs).where(tables.blobs.c.digest == str(digest)))
    reading = artifact_reading.NearestContent(known, remote.Remote("https://nobody.invalid", tmp_path, tmp_path), rows)
    with pytest.raises(errors.NotFound):
        assert [piece async for piece in reading.get(digest, namespace_uid="uid-team-a")]
    assert not (await known.where(digest, "uid-team-a")).sound


async def test_the_mark_of_a_damaged_copy_goes_with_it(opened, known, routed) -> None:
    run = await opened_run(opened)
    digest = await put(routed, os.urandom(20), run)
    await known.damaged(digest, "default")
    await delete_run(opened, run)
    await age(opened, digest, 25)
    assert await marked(known, digest)
    assert await removed(known, routed, digest) == 1
    async with opened.transaction() as connection:
        marks = sa.select(tables.damaged_artifacts.c.digest).where(tables.damaged_artifacts.c.digest == str(digest))
        assert (await connection.execute(marks)).first() is None


async def test_a_claim_keeps_what_another_run_uploaded(opened, known, routed) -> None:
    uploader, claiming = await opened_run(opened), await opened_run(opened)
    digest = await put(routed, os.urandom(20), uploader)
    await age(opened, digest, 25)
    store = run_store.Runs(opened)
    await store.accept(make.a_claim(claiming, os.urandom(20), artifacts=(digest,)))
    await store.close()
    await delete_run(opened, uploader)
    assert not await marked(known, digest)
    await age(opened, digest, 10_000)
    assert not await marked(known, digest)


async def test_a_claim_of_another_namespace_keeps_nothing_here_and_sees_nothing(opened, known, routed) -> None:
    mine, theirs = await opened_run(opened), await opened_run(opened, namespace="team-b")
    digest = await put(routed, os.urandom(20), mine)
    store = run_store.Runs(opened)
    await store.accept(make.a_claim(theirs, os.urandom(20), artifacts=(digest,)))
    await store.close()
    assert await users(opened, digest) == ["team-a"]


async def test_a_verdict_keeps_what_it_speaks_of(opened, known, routed) -> None:
    run = await opened_run(opened)
    digest = await put(routed, os.urandom(20), None)
    signed = make.a_verdict(run)
    material = verdicts.JudgedMaterial(name="sbom", type="ARTIFACT", digest=str(digest), uploaded=True)
    verdict = verdicts.Verdict(
        run.id, signed.verdict.result, signed.verdict.evidence, (), (material,), {}, {}, make.NOW
    )
    store = run_store.Runs(opened)
    await make.decide(opened, verdicts.SignedVerdict(verdict, make.documents()), ())
    await store.close()
    await age(opened, digest, 10_000)
    assert not await marked(known, digest)


async def test_an_upload_takes_its_bytes_off_the_list_of_garbage(opened, known, routed) -> None:
    content = os.urandom(20)
    first = await opened_run(opened)
    digest = await put(routed, content, first)
    await delete_run(opened, first)
    await age(opened, digest, 25)
    assert await marked(known, digest)
    await put(routed, content, await opened_run(opened))
    assert await removed(known, routed, digest) == 0
    assert b"".join([piece async for piece in routed.get(digest)]) == content


async def test_an_upload_waits_for_the_removal_of_the_same_bytes(opened, known, routed) -> None:
    content = os.urandom(20)
    first = await opened_run(opened)
    digest = await put(routed, content, first)
    await delete_run(opened, first)
    await age(opened, digest, 25)
    assert await marked(known, digest)
    again = await opened_run(opened)
    (garbage,) = [one for one in await known.take_garbage(1000) if one.digest == digest]
    async with known.removing(garbage) as alone:
        assert alone
        uploading = asyncio.create_task(put(routed, content, again))
        done, _ = await asyncio.wait({uploading}, timeout=0.3)
        assert not done
        await (await routed.opener.open(garbage.backend)).delete(digest)
    await uploading
    assert b"".join([piece async for piece in routed.get(digest)]) == content
    await age(opened, digest, 10_000)
    assert not await marked(known, digest)


async def test_a_reference_on_its_way_holds_garbage_collection_up(opened, known, routed) -> None:
    """The claim's transaction is open when collection looks: it has to wait, and then finds the reference."""
    uploader, claiming = await opened_run(opened), await opened_run(opened)
    digest = await put(routed, os.urandom(20), uploader)
    await delete_run(opened, uploader)
    await age(opened, digest, 10_000)
    async with opened.transaction() as connection:
        await artifacts.refer(connection, [(claiming.id, str(digest))])
        collecting = asyncio.create_task(known.mark_garbage(GRACE))
        done, _ = await asyncio.wait({collecting}, timeout=0.3)
        assert not done
    await collecting
    assert await known.where(digest) == artifact_model.Places(("default",), known=True, sound=True)


async def test_bytes_that_never_arrived_are_swept_too(opened, known, routed) -> None:
    digest = digests.of_bytes(os.urandom(20))
    await known.reserve(digest, TEAM, "default")
    assert await known.where(digest) == artifact_model.Places()
    await age(opened, digest, 25)
    await known.mark_garbage(GRACE)
    assert digest in [one.digest for one in await known.take_garbage(1000)]


async def test_two_backends_of_one_repository_do_not_remove_each_others_artifacts(opened, known, routed) -> None:
    spec = {"oci": {"repository": "registry.example/team/artifacts"}}
    for uid in ("twin-1", "twin-2"):
        await known.upsert(
            artifact_model.BackendRecord(uid, "team-a", "uid-team-a", uid, 1, artifact_model.BackendSpec.read(spec)),
            epoch=EPOCH,
        )
    digest = digests.of_bytes(os.urandom(20))
    for uid in ("twin-1", "twin-2"):
        await known.reserve(digest, TEAM, uid)
        await known.record(digest, artifact_model.Owner("team-a", "uid-team-a"), uid, 20)
    async with opened.transaction() as connection:
        stored = tables.artifacts.c
        await connection.execute(
            sa.delete(tables.artifacts).where(stored.digest == str(digest), stored.backend_uid == "twin-1")
        )
    async with known.removing(artifacts.Garbage(digest, "twin-1")) as alone:
        assert not alone


async def test_what_is_only_on_its_way_is_neither_referred_to_nor_lies_anywhere(opened, known) -> None:
    digest, run = digests.of_bytes(os.urandom(20)), await opened_run(opened)
    owner = artifact_model.Owner("team-a", "uid-team-a", run.id)
    await known.reserve(digest, TEAM, "coming")
    assert not await known.use(digest, owner)
    assert await known.where(digest, "uid-team-a") == await known.where(digest) == artifact_model.Places()
    await known.record(digest, TEAM, "here", 20)
    there = artifact_model.Places(("here",), known=True, sound=True)
    assert await known.where(digest, "uid-team-a") == await known.where(digest) == there
    assert await references(opened, run) == []
    assert await known.use(digest, owner)
    assert await references(opened, run) == [str(digest)]


async def references(opened: database.Database, run: runs.Run) -> list[str]:
    mine = sa.select(tables.run_artifacts.c.digest).where(tables.run_artifacts.c.run_id == run.id)
    async with opened.statements() as connection:
        return sorted((await connection.execute(mine)).scalars())


async def test_a_sound_copy_of_others_does_not_make_ones_own_sound(opened, known) -> None:
    digest, other, run = digests.of_bytes(os.urandom(20)), digests.of_bytes(os.urandom(20)), await opened_run(opened)
    mine, theirs = artifact_model.Owner("team-a", "uid-team-a", run.id), artifact_model.Owner("team-b", "uid-team-b")
    for owner, backend in ((mine, "mine"), (theirs, "theirs"), (theirs, "more")):
        await known.record(digest, owner, backend, 20)
    await known.record(other, mine, "mine", 20)
    for backend in ("mine", "more"):
        await known.damaged(digest, backend)
    assert not (await known.where(digest, "uid-team-a")).sound
    assert (await known.where(digest, "uid-team-b")).sound
    assert not await known.use(digest, mine)
    assert await known.use(other, mine)
    await known.damaged(digest, "theirs")
    await known.record(digest, theirs, "theirs", 20)  # stored again: that copy is sound, and no other one
    assert (await known.where(digest, "uid-team-b")).sound
    await known.damaged(digest, "theirs")
    assert not (await known.where(digest, "uid-team-b")).sound
    assert (await known.where(other, "uid-team-a")).sound


async def test_what_is_being_referred_to_is_locked_until_the_reference_is_there(opened, known) -> None:
    digest, run = digests.of_bytes(os.urandom(20)), await opened_run(opened)
    await known.record(digest, TEAM, "default", 20)  # so young that it need not be touched
    held = sa.select(tables.artifacts.c.digest).where(tables.artifacts.c.digest == str(digest))
    async with opened.transaction() as connection:
        await artifacts.refer(connection, [(run.id, str(digest))])
        async with opened.statements() as other:
            assert (await other.execute(held.with_for_update(skip_locked=True))).all() == []
    async with opened.statements() as other:
        assert len((await other.execute(held.with_for_update(skip_locked=True))).all()) == 1


async def test_what_another_process_collects_is_left_to_it(opened, known) -> None:
    first, second = (digests.of_bytes(os.urandom(20)) for _ in range(2))
    for digest in (first, second):
        await known.record(digest, TEAM, "default", 20)
        await age(opened, digest, 25)

    def of(table: sa.Table) -> "sa.Select[tuple[str]]":
        return sa.select(table.c.digest).where(table.c.digest == str(first)).with_for_update()

    async with opened.transaction() as other:
        await other.execute(of(tables.artifact_checks))
        assert await known.mark_garbage(GRACE) == artifacts.Marked(1, 1)
    assert await known.mark_garbage(artifacts.LEAST_GRACE) == artifacts.Marked(1, 1)  # the least is long enough
    async with opened.transaction() as other:
        await other.execute(of(tables.garbage))
        assert await known.take_garbage(10) == [artifacts.Garbage(second, "default")]
    assert await known.take_garbage(10) == [artifacts.Garbage(first, "default")]


async def test_what_was_removed_or_is_stored_again_is_on_no_list(opened, known) -> None:
    gone, again = (digests.of_bytes(os.urandom(20)) for _ in range(2))
    async with opened.transaction() as connection:
        for digest in (gone, again):
            for backend in ("default", "other"):
                row = {"digest": str(digest), "backend_uid": backend}
                await connection.execute(sa.insert(tables.garbage).values(row))
                await connection.execute(sa.insert(tables.damaged_artifacts).values(row))
    async with known.removing(artifacts.Garbage(gone, "default")) as alone:
        assert alone
    with pytest.raises(errors.Unavailable):
        async with known.removing(artifacts.Garbage(gone, "other")):
            raise errors.Unavailable("it stays on the list")
    await known.reserve(again, TEAM, "default")

    async def listed(table: sa.Table) -> set[tuple[str, str]]:
        async with opened.statements() as connection:
            rows = (await connection.execute(sa.select(table.c.digest, table.c.backend_uid))).all()
        return {(row.digest, row.backend_uid) for row in rows}

    assert await listed(tables.garbage) == {(str(gone), "other"), (str(again), "other")}
    await known.record(again, TEAM, "default", 20)
    assert await listed(tables.damaged_artifacts) == {(str(gone), "other"), (str(again), "other")}


async def test_a_short_grace_is_refused(known) -> None:
    with pytest.raises(errors.Invalid, match="too short"):
        await known.mark_garbage(timedelta(minutes=5))


STORY = st.lists(
    st.one_of(
        st.tuples(st.just("upload"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("claim"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("delete"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("age"), st.just(0), st.integers(0, 3)),
        st.tuples(st.just("collect"), st.just(0), st.just(0)),
    ),
    min_size=4,
    max_size=30,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=STORY)
def test_no_story_takes_from_a_kept_run_what_it_refers_to(server, tmp_path: Path, story) -> None:
    asyncio.run(_told(server.url, tmp_path, story))


async def _told(url: str, folder: Path, story: list[tuple[str, int, int]]) -> None:
    async with database.Database(url) as opened:
        told = Told(opened, folder)
        for act, who, what in story:
            await getattr(told, act)(who, what)
            await told.check()
        await told.store.close()


class Told:
    """A story as it happens: `owed` is what the runs that are kept refer to."""

    def __init__(self, opened: database.Database, folder: Path) -> None:
        chosen = artifact_model.Destination("default", "default", 10**6)
        self.opened, self.known = opened, artifacts.Artifacts(opened)
        self.routed = routing.Routed(self.known, Folders(folder), chosen)
        self.store = run_store.Runs(opened)
        salt = os.urandom(8)
        self.contents = [salt + bytes([number]) for number in range(4)]
        self.runs: dict[int, runs.Run] = {}
        self.owed: dict[int, set[int]] = {}

    async def run(self, who: int) -> runs.Run:
        if who not in self.runs:
            self.runs[who], self.owed[who] = await self.store.open(make.a_run()), set()
        return self.runs[who]

    async def upload(self, who: int, what: int) -> None:
        await put(self.routed, self.contents[what], await self.run(who))
        self.owed[who].add(what)

    async def claim(self, who: int, what: int) -> None:
        run, digest = await self.run(who), digests.of_bytes(self.contents[what])
        there = await self.routed.has(digest, namespace_uid="uid-team-a")
        await self.store.accept(make.a_claim(run, os.urandom(20), artifacts=(digest,)))
        self.owed[who] |= {what} if there else set()

    async def delete(self, who: int, _: int) -> None:
        if who in self.runs:
            await delete_run(self.opened, self.runs.pop(who))
            self.owed.pop(who)

    async def age(self, _: int, what: int) -> None:
        await age(self.opened, digests.of_bytes(self.contents[what]), 25)

    async def collect(self, _: int, __: int) -> None:
        await self.known.mark_garbage(GRACE)
        await removed(self.known, self.routed)

    async def check(self) -> None:
        for number in {number for owed in self.owed.values() for number in owed}:
            found = [piece async for piece in self.routed.get(digests.of_bytes(self.contents[number]))]
            assert b"".join(found) == self.contents[number]
