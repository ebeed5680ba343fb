"""One suite for every implementation of `artifacts.BlobStore`: real servers, real PostgreSQL, a real file system."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import obstore
import pytest
import sqlalchemy as sa
from obstore.store import MemoryStore

from avouch import digests, errors
from avouch.cas import backends, filesystem, objects
from avouch.controlplane.artifacts import backends as backend_rules
from avouch.controlplane.model import artifacts
from avouch.store import database, inline, migrate, tables
from tests import objectstores, postgres, registries

LARGE = 10**9
REMOTE = tuple(objectstores.SERVERS)


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    with postgres.running() as started:
        migrate.migrate(started.url)
        yield started


@pytest.fixture(scope="module")
def s3() -> Iterator[objectstores.Served]:
    yield from _served("s3")


@pytest.fixture(scope="module")
def gcs() -> Iterator[objectstores.Served]:
    yield from _served("gcs")


@pytest.fixture(scope="module")
def azure() -> Iterator[objectstores.Served]:
    yield from _served("azure")


@pytest.fixture(scope="module")
def oci() -> Iterator[objectstores.Served]:
    yield from _served("oci")


def _served(name: str) -> Iterator[objectstores.Served]:
    lack = objectstores.missing(name)
    if lack:
        pytest.skip(f"{name} is not tried on this machine, which lacks {lack}")
    with objectstores.SERVERS[name]() as running:
        yield running


@pytest.fixture(params=["filesystem", "memory", pytest.param("inline", marks=pytest.mark.postgres), *REMOTE])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[artifacts.BlobStore]:
    if request.param == "filesystem":
        yield filesystem.FileSystem(tmp_path)
    elif request.param == "memory":
        yield objects.Objects(MemoryStore(), prefix="a/b")
    elif request.param == "inline":
        async with database.Database(request.getfixturevalue("server").url) as opened:
            yield inline.Inline(opened)
    else:
        async for backend in _built(request.getfixturevalue(request.param)):
            yield backend


@pytest.fixture(params=["filesystem", "memory", *REMOTE])
async def large(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[artifacts.BlobStore]:
    """Those that take more than 500 KB."""
    if request.param == "filesystem":
        yield filesystem.FileSystem(tmp_path)
    elif request.param == "memory":
        yield objects.Objects(MemoryStore())
    else:
        async for backend in _built(request.getfixturevalue(request.param)):
            yield backend


async def _built(served: objectstores.Served) -> AsyncIterator[artifacts.BlobStore]:
    async with objectstores.installed() as offered:
        backend = backends.build(served.spec, served.secret, "uid-1", offered)
        yield backend
        await backend.close()


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def read(blobs: artifacts.BlobStore, digest: digests.Digest) -> bytes:
    return b"".join([piece async for piece in blobs.get(digest)])


@pytest.mark.parametrize("content", [b"", b"x", b"y" * 400_000], ids=["empty", "one byte", "small"])
async def test_what_goes_in_comes_out(blobs: artifacts.BlobStore, content: bytes) -> None:
    digest = digests.of_bytes(content)
    assert await blobs.put(pieces(content[:1], content[1:]), expected=digest, limit=LARGE) == (digest, len(content))
    assert await blobs.has(digest)
    assert await read(blobs, digest) == content


async def test_content_without_a_promised_digest_is_found_by_its_own_or_refused(blobs: artifacts.BlobStore) -> None:
    if not isinstance(blobs, filesystem.FileSystem | objects.Objects | inline.Inline):
        with pytest.raises(errors.Invalid, match="digest"):
            await blobs.put(pieces(b"unnamed"), expected=None, limit=LARGE)
        return
    digest, _ = await blobs.put(pieces(b"unnamed"), expected=None, limit=LARGE)
    assert await read(blobs, digest) == b"unnamed"


async def test_a_wrong_digest_keeps_nothing(blobs: artifacts.BlobStore) -> None:
    promised = digests.of_bytes(b"promised")
    with pytest.raises(errors.Invalid):
        await blobs.put(pieces(b"delivered"), expected=promised, limit=LARGE)
    assert not await blobs.has(promised)
    assert not await blobs.has(digests.of_bytes(b"delivered"))


async def test_too_much_keeps_nothing(blobs: artifacts.BlobStore) -> None:
    digest = digests.of_bytes(b"four+")
    with pytest.raises(errors.TooLarge):
        await blobs.put(pieces(b"four", b"+"), expected=digest, limit=4)
    assert not await blobs.has(digest)


async def test_unknown_content_is_not_found(blobs: artifacts.BlobStore) -> None:
    with pytest.raises(errors.NotFound):
        await read(blobs, digests.of_bytes(b"never stored"))


async def test_the_same_content_at_the_same_time_is_stored_for_both(blobs: artifacts.BlobStore) -> None:
    content = b"z" * 300_000
    digest = digests.of_bytes(content)
    puts = [blobs.put(pieces(content), expected=digest, limit=LARGE) for _ in range(4)]
    assert set(await asyncio.gather(*puts)) == {(digest, len(content))}
    assert await read(blobs, digest) == content


async def test_a_client_that_vanishes_leaves_nothing(blobs: artifacts.BlobStore) -> None:
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


def rot(folder: Path, content: bytes) -> None:
    """Change some bytes of content, wherever a server keeps it below its folder; size and name stay."""
    part, found = content[:500], 0
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        whole = path.read_bytes()
        if part in whole:
            path.write_bytes(whole.replace(part, bytes(len(part))))
            found += 1
    assert found, f"no file below {folder} holds the content"


async def rotten(blobs: artifacts.BlobStore, request: pytest.FixtureRequest, tmp_path: Path, content: bytes) -> None:
    """Damage what a store keeps, behind its back."""
    kind, digest = request.node.callspec.params.popitem()[1], digests.of_bytes(content)
    damaged = bytes(500) + content[500:]
    if isinstance(blobs, filesystem.FileSystem):
        rot(tmp_path, content)
    elif kind in REMOTE:
        rot(request.getfixturevalue(kind).folder, content)
    elif isinstance(blobs, inline.Inline):
        update = sa.update(tables.blobs).where(tables.blobs.c.digest == str(digest)).values(content=damaged)
        async with database.Database(request.getfixturevalue("server").url) as opened, opened.transaction() as changing:
            await changing.execute(update)
    elif isinstance(blobs, objects.Objects):
        await obstore.put_async(blobs._store, blobs._key(digest), damaged)
    with pytest.raises(errors.Corrupt):
        await read(blobs, digest)


async def healed(blobs: artifacts.BlobStore, content: bytes) -> None:
    """By an upload, or by the next one where the store has to remove the damaged copy first and says so."""
    digest, cut = digests.of_bytes(content), digests.CHUNK
    sent = [content[start : start + cut] for start in range(0, len(content), cut)]
    with contextlib.suppress(errors.Unavailable):
        await blobs.put(pieces(*sent), expected=digest, limit=LARGE)
    await blobs.put(pieces(*sent), expected=digest, limit=LARGE)
    assert await read(blobs, digest) == content


async def test_the_next_upload_heals_what_was_damaged(
    blobs: artifacts.BlobStore, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    content = os.urandom(1000)
    await blobs.put(pieces(content), expected=digests.of_bytes(content), limit=LARGE)
    await rotten(blobs, request, tmp_path, content)
    await healed(blobs, content)


async def test_the_next_upload_heals_what_was_damaged_of_many_parts(
    large: artifacts.BlobStore, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    content = os.urandom(11 * digests.CHUNK)
    await healed(large, content)
    await rotten(large, request, tmp_path, content)
    await healed(large, content)


async def test_a_layer_that_a_registry_lost_comes_again(oci: objectstores.Served) -> None:
    content = os.urandom(1000)
    async for backend in _built(oci):
        await healed(backend, content)
        (layer,) = [path for path in oci.folder.rglob("*") if path.is_file() and path.read_bytes() == content]
        layer.unlink()
        with pytest.raises(errors.Corrupt, match="has lost its layer"):
            await read(backend, digests.of_bytes(content))
        await healed(backend, content)


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
    assert await blobs.sweep() == 0
    assert await blobs.sweep(older_than=-1) == 1
    assert await read(blobs, digest) == b"kept"


async def test_parts_come_together_again(large: artifacts.BlobStore) -> None:
    content = [os.urandom(digests.CHUNK) for _ in range(12)]
    digest = digests.of_bytes(b"".join(content))
    assert await large.put(pieces(*content), expected=digest, limit=LARGE) == (digest, 12 * digests.CHUNK)
    assert await read(large, digest) == b"".join(content)


async def test_wrong_content_of_many_parts_is_never_visible(large: artifacts.BlobStore) -> None:
    content = [os.urandom(digests.CHUNK) for _ in range(12)]
    promised = digests.of_bytes(os.urandom(8))
    with pytest.raises(errors.Invalid):
        await large.put(pieces(*content), expected=promised, limit=LARGE)
    assert not await large.has(promised)


async def test_too_many_parts_keep_nothing(large: artifacts.BlobStore) -> None:
    content = [os.urandom(digests.CHUNK) for _ in range(12)]
    digest = digests.of_bytes(b"".join(content))
    with pytest.raises(errors.TooLarge):
        await large.put(pieces(*content), expected=digest, limit=12 * digests.CHUNK - 1)
    assert not await large.has(digest)


async def test_a_client_that_vanishes_between_parts_leaves_nothing(large: artifacts.BlobStore) -> None:
    started = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield bytes(digests.CHUNK)
        started.set()
        await asyncio.Event().wait()

    digest = digests.of_bytes(os.urandom(8))
    putting = asyncio.create_task(large.put(endless(), expected=digest, limit=LARGE))
    await started.wait()
    putting.cancel()
    await asyncio.gather(putting, return_exceptions=True)
    assert not await large.has(digest)


async def test_the_same_content_again_is_the_same(blobs: artifacts.BlobStore) -> None:
    content = os.urandom(1000)
    digest = digests.of_bytes(content)
    for _ in range(2):
        assert await blobs.put(pieces(content), expected=digest, limit=LARGE) == (digest, 1000)
    with pytest.raises(errors.Invalid):  # to have it already is no reason to believe whoever names it
        await blobs.put(pieces(b"something else"), expected=digest, limit=LARGE)
    assert await read(blobs, digest) == content


async def test_what_is_deleted_is_gone_and_can_come_again(blobs: artifacts.BlobStore) -> None:
    content = os.urandom(1000)
    digest = digests.of_bytes(content)
    await blobs.put(pieces(content), expected=digest, limit=LARGE)
    await blobs.delete(digest)
    assert not await blobs.has(digest)
    with pytest.raises(errors.NotFound):
        await read(blobs, digest)
    await blobs.delete(digest)
    await blobs.put(pieces(content), expected=digest, limit=LARGE)
    assert await read(blobs, digest) == content


async def test_a_check_really_writes_and_leaves_nothing(blobs: artifacts.BlobStore) -> None:
    assert await backend_rules.probe(blobs) == artifacts.Probed(True, True)
    assert await blobs.sweep() == 0


async def test_an_aborted_upload_leaves_no_part_in_the_bucket(s3: objectstores.Served) -> None:
    async for backend in _built(s3):
        await test_a_client_that_vanishes_between_parts_leaves_nothing(backend)
        assert not [path for path in s3.folder.rglob("multipart/*/*/[0-9]*")]


async def test_wrong_credentials_are_said_and_not_shown(s3: objectstores.Served) -> None:
    wrong = {**s3.secret, "secretAccessKey": b"not-the-secret"}
    async for backend in _built(objectstores.Served(s3.spec, wrong, s3.folder, s3.url)):
        found = await backend_rules.probe(backend)
        assert (found.reachable, found.writable) == (False, False)
        assert "not-the-secret" not in found.message
        assert "refuses" in found.message


async def test_a_bucket_that_is_not_there_is_not_writable(s3: objectstores.Served) -> None:
    spec = {"s3": {**s3.spec["s3"], "bucket": "nowhere"}}  # type: ignore[dict-item]
    async for backend in _built(objectstores.Served(spec, s3.secret, s3.folder, s3.url)):
        found = await backend_rules.probe(backend)
        assert not found.writable
        assert "refuses to read: not found" in found.message


async def test_an_image_that_somebody_else_put_there_is_refused(oci: objectstores.Served) -> None:
    content = os.urandom(100)
    digest = digests.of_bytes(content)
    _, _, path = str(oci.spec["oci"]["repository"]).partition("/")  # type: ignore[index]
    registry = oci.url.removeprefix("http://")
    repository = registries.Repository(registry, f"{path}/chainloop-{digest.hex}")
    layer = {"mediaType": "application/octet-stream", **repository.blob(content)}
    config = {"mediaType": registries.CONFIG, **repository.blob(b"{}")}
    repository.manifest(
        {"schemaVersion": 2, "mediaType": registries.IMAGE, "config": config, "layers": [layer]}, "latest"
    )
    repository.close()
    async for backend in _built(oci):
        with pytest.raises(errors.Corrupt, match="not made by avouch or Chainloop"):
            await read(backend, digest)


@pytest.mark.parametrize("size", [1, 999, digests.CHUNK, 5 * digests.CHUNK])
async def test_pieces_of_any_size_come_out_as_they_went_in(tmp_path: Path, size: int) -> None:
    blobs = filesystem.FileSystem(tmp_path)
    content = os.urandom(3000 if size < 1000 else 11 * digests.CHUNK + 7)
    cut = [content[start : start + size] for start in range(0, len(content), size)]
    digest, length = await blobs.put(pieces(b"", *cut, b""), expected=None, limit=LARGE)
    assert (digest, length) == (digests.of_bytes(content), len(content))
    assert await read(blobs, digest) == content


async def test_a_client_that_vanishes_while_a_thread_writes_leaves_nothing(tmp_path: Path) -> None:
    blobs = filesystem.FileSystem(tmp_path)
    for delay in (0.0, 0.001, 0.01):

        async def flowing() -> AsyncIterator[bytes]:
            while True:
                yield bytes(digests.CHUNK)

        putting = asyncio.create_task(blobs.put(flowing(), expected=None, limit=LARGE))
        await asyncio.wait({putting}, timeout=delay)
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
