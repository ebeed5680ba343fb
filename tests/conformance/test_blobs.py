"""One suite for every implementation of `ports.Blobs`."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from avouch import digests, errors
from avouch.cas import filesystem, objects
from avouch.controlplane import ports
from avouch.store import database, inline, migrate
from tests import postgres

LARGE = 10**9


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    with postgres.running() as started:
        migrate.migrate(started.url)
        yield started


@pytest.fixture(params=["filesystem", "objects", pytest.param("inline", marks=pytest.mark.postgres)])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ports.Blobs]:
    if request.param == "filesystem":
        yield filesystem.FileSystem(tmp_path)
    elif request.param == "objects":
        yield objects.Objects(MemoryStore(), prefix="a/b")
    else:
        async with database.Database(request.getfixturevalue("server").url) as opened:
            yield inline.Inline(opened)


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def read(blobs: ports.Blobs, digest: digests.Digest) -> bytes:
    return b"".join([piece async for piece in blobs.get(digest)])


@pytest.mark.parametrize("content", [b"", b"x", b"y" * 400_000])
async def test_what_goes_in_comes_out(blobs: ports.Blobs, content: bytes) -> None:
    digest = digests.of_bytes(content)
    assert await blobs.put(pieces(content[:1], content[1:]), expected=digest, limit=LARGE) == (digest, len(content))
    assert await blobs.has(digest)
    assert await read(blobs, digest) == content


async def test_content_without_a_promised_digest_is_found_by_its_own(blobs: ports.Blobs) -> None:
    digest, _ = await blobs.put(pieces(b"unnamed"), expected=None, limit=LARGE)
    assert await read(blobs, digest) == b"unnamed"


async def test_a_wrong_digest_keeps_nothing(blobs: ports.Blobs) -> None:
    promised = digests.of_bytes(b"promised")
    with pytest.raises(errors.Invalid):
        await blobs.put(pieces(b"delivered"), expected=promised, limit=LARGE)
    assert not await blobs.has(promised)
    assert not await blobs.has(digests.of_bytes(b"delivered"))


async def test_too_much_keeps_nothing(blobs: ports.Blobs) -> None:
    digest = digests.of_bytes(b"four+")
    with pytest.raises(errors.TooLarge):
        await blobs.put(pieces(b"four", b"+"), expected=digest, limit=4)
    assert not await blobs.has(digest)


async def test_unknown_content_is_not_found(blobs: ports.Blobs) -> None:
    with pytest.raises(errors.NotFound):
        await read(blobs, digests.of_bytes(b"never stored"))


async def test_the_same_content_at_the_same_time_is_stored_for_both(blobs: ports.Blobs) -> None:
    content = b"z" * 300_000
    digest = digests.of_bytes(content)
    puts = [blobs.put(pieces(content), expected=digest, limit=LARGE) for _ in range(4)]
    assert set(await asyncio.gather(*puts)) == {(digest, len(content))}
    assert await read(blobs, digest) == content


async def test_a_client_that_vanishes_leaves_nothing(blobs: ports.Blobs) -> None:
    started = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"half"
        started.set()
        await asyncio.Event().wait()

    digest = digests.of_bytes(b"half of it")
    putting = asyncio.create_task(blobs.put(endless(), expected=digest, limit=LARGE))
    await started.wait()
    putting.cancel()
    await asyncio.gather(putting, return_exceptions=True)
    assert not await blobs.has(digest)


async def test_rotten_files_are_reported_before_their_last_piece(tmp_path: Path) -> None:
    blobs = filesystem.FileSystem(tmp_path)
    digest, _ = await blobs.put(pieces(b"sound"), expected=None, limit=LARGE)
    next(tmp_path.glob("sha256/*/*")).write_bytes(b"rotten")
    with pytest.raises(errors.Corrupt):
        await read(blobs, digest)


async def test_rotten_objects_are_reported_before_their_last_piece() -> None:
    store = MemoryStore()
    digest = digests.of_bytes(b"sound")
    await obstore.put_async(store, f"sha256/{digest.hex[:2]}/{digest.hex}", b"rotten")
    with pytest.raises(errors.Corrupt):
        await read(objects.Objects(store), digest)


async def test_no_temporary_file_survives_a_refused_upload(tmp_path: Path) -> None:
    blobs = filesystem.FileSystem(tmp_path)
    with pytest.raises(errors.TooLarge):
        await blobs.put(pieces(b"too much"), expected=None, limit=1)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_the_sweep_takes_only_what_a_killed_process_left(tmp_path: Path) -> None:
    blobs = filesystem.FileSystem(tmp_path)
    digest, _ = await blobs.put(pieces(b"kept"), expected=None, limit=LARGE)
    (tmp_path / "sha256" / "incoming-left").write_bytes(b"torn")
    assert blobs.sweep() == 0
    assert blobs.sweep(older_than=-1) == 1
    assert await read(blobs, digest) == b"kept"
