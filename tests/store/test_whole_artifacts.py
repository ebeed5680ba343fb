"""An artifact whose bytes lie in the database: stored, recorded and referred to in one transaction, or not at all."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from avouch import digests, errors
from avouch.controlplane.artifacts import routing
from avouch.controlplane.model import artifacts as artifact_model
from avouch.store import artifacts, database, inline
from avouch.store import runs as run_store
from tests.store import conftest

pytestmark = pytest.mark.postgres


class BuiltIn:
    """Opens the one backend that there is."""

    def __init__(self, backend: artifact_model.BlobStore) -> None:
        self.backend = backend

    async def open(self, uid: str) -> artifact_model.BlobStore:
        return self.backend


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content[:3]
    yield content[3:]


@pytest.fixture
def kept(opened: database.Database) -> routing.Routed:
    return routing.Routed(artifacts.Artifacts(opened), BuiltIn(inline.Inline(opened)))


@pytest.fixture
async def owner(opened: database.Database) -> artifact_model.Owner:
    repository = run_store.Runs(opened)
    run = await repository.open(conftest.a_run())
    return artifact_model.Owner(run.namespace, run.namespace_uid, run.id)


def content() -> tuple[bytes, digests.Digest]:
    made = uuid.uuid4().bytes
    return made, digests.of_bytes(made)


async def rows(opened: database.Database, table: str, digest: digests.Digest) -> int:
    async with opened.statements() as connection:
        found = await connection.execute(
            sa.text(f"SELECT count(*) FROM {table} WHERE digest = :digest"),  # noqa: S608
            {"digest": str(digest)},
        )
        return int(found.scalar_one())


async def test_bytes_place_and_reference_come_with_one_statement(
    opened: database.Database, kept: routing.Routed, owner: artifact_model.Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, digest = content()
    asked: list[object] = []
    run = opened.run

    async def counted(statement: bytes, parameters: Mapping[str, Any]) -> Sequence[Any]:
        asked.append(statement)
        return await run(statement, parameters)

    monkeypatch.setattr(opened, "run", counted)
    sa.event.listen(opened._engine.sync_engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    assert await kept.put(pieces(made), expected=digest, limit=1000, owner=owner) == (digest, len(made))
    assert len(asked) == 2  # where the namespace's artifacts go, and the artifact
    assert b"".join([piece async for piece in kept.get(digest, namespace_uid=owner.namespace_uid)]) == made
    assert await kept.use(digest, owner)
    assert await rows(opened, "run_artifacts", digest) == 1
    assert await kept.put(pieces(made), expected=digest, limit=1000, owner=owner) == (digest, len(made))
    assert await rows(opened, "artifacts", digest) == 1


async def test_without_a_run_nothing_refers_to_it(
    opened: database.Database, kept: routing.Routed, owner: artifact_model.Owner
) -> None:
    made, digest = content()
    ours = artifact_model.Owner(owner.namespace, owner.namespace_uid)
    await kept.put(pieces(made), expected=digest, limit=1000, owner=ours)
    assert await kept.has(digest, namespace_uid=owner.namespace_uid)
    assert await rows(opened, "run_artifacts", digest) == 0


@pytest.mark.parametrize(("limit", "problem"), [(1000, errors.Invalid), (5, errors.TooLarge)])
async def test_what_is_refused_leaves_nothing(
    opened: database.Database, kept: routing.Routed, owner: artifact_model.Owner, limit: int, problem: type[Exception]
) -> None:
    made, digest = content()
    with pytest.raises(problem):
        await kept.put(pieces(made + b"x"), expected=digest, limit=limit, owner=owner)
    for table in ("blobs", "artifacts", "run_artifacts"):
        assert await rows(opened, table, digest) == 0


async def test_an_upload_waits_for_the_removal_of_the_same_bytes_and_brings_them_back(
    opened: database.Database, kept: routing.Routed, owner: artifact_model.Owner
) -> None:
    made, digest = content()
    backend = inline.Inline(opened)
    known = artifacts.Artifacts(opened)
    await backend.put(pieces(made), expected=digest, limit=1000)
    async with known.removing(artifacts.Garbage(digest, artifact_model.BUILT_IN)) as unwanted:
        assert unwanted
        upload = asyncio.create_task(kept.put(pieces(made), expected=digest, limit=1000, owner=owner))
        await _waits_for_a_lock(opened)
        await backend.delete(digest)
        assert not upload.done()
    await upload
    assert b"".join([piece async for piece in kept.get(digest, namespace_uid=owner.namespace_uid)]) == made


async def test_what_is_stored_again_is_no_longer_garbage(
    opened: database.Database, kept: routing.Routed, owner: artifact_model.Owner
) -> None:
    made, digest = content()
    ours = artifact_model.Owner(owner.namespace, owner.namespace_uid)
    await kept.put(pieces(made), expected=digest, limit=1000, owner=ours)
    async with opened.statements() as connection:
        old = sa.text("UPDATE artifacts SET used_at = now() - interval '9 hours' WHERE digest = :digest")
        await connection.execute(old, {"digest": str(digest)})
        due = sa.text("UPDATE artifact_checks SET due = now() WHERE digest = :digest")
        await connection.execute(due, {"digest": str(digest)})
    while (await artifacts.Artifacts(opened).mark_garbage(timedelta(hours=3))).checked:
        pass
    assert await rows(opened, "garbage", digest) == 1
    await kept.put(pieces(made), expected=digest, limit=1000, owner=owner)
    assert await rows(opened, "garbage", digest) == 0
    assert await rows(opened, "artifacts", digest) == 1


async def _waits_for_a_lock(opened: database.Database) -> None:
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with asyncio.timeout(4), opened.statements() as connection:
        while not (await connection.execute(waiting)).scalar_one():
            await asyncio.sleep(0.01)
