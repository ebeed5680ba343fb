"""Storing artifacts: MB/s against the least that is as durable, and memory for 1 GiB.

On the file system, one after the other in one run:

  bare      sha256, write and fsync of the same bytes, 1 MiB at a time, in one thread
  store     `cas.filesystem.FileSystem.put`, content in pieces of 1 MiB
  store 64K the same in pieces of 64 KiB, as a TLS connection delivers them

In an S3 bucket (versitygw on this machine, which writes to the same disk), three ways to be sure of the digest before
anything is visible under it; the first is ours:

  checked   multipart straight to its own key, checked before its last part
  spooled   into a temporary file while hashing, then from there
  copied    to a temporary key, then copied and deleted by the store

Memory is the growth of a fresh process's peak while it stores 1 GiB.

Run: python -m bench.cas_upload [--rounds 5] [--megabytes 512]
"""

import asyncio
import hashlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import obstore
from obstore.store import S3Store

from avouch import digests
from avouch.cas import backends, filesystem, objects
from bench import measure
from tests import objectstores

MIB = 1024 * 1024
GIB = 1024  # MiB
BLOCK = os.urandom(MIB)


def _pieces(megabytes: int, salt: bytes) -> list[bytes]:
    """The content: one block over and over, with a first piece of its own."""
    return [salt.ljust(MIB, b"."), *([BLOCK] * (megabytes - 1))]


async def _flow(pieces: list[bytes], size: int = MIB) -> AsyncIterator[bytes]:
    for piece in pieces:
        for start in range(0, MIB, size):
            yield piece[start : start + size] if size < MIB else piece


def _timed(megabytes: int, folder: Path, act: Callable[[list[bytes], digests.Digest], Any]) -> float:
    """MB/s of one turn. What it wrote is removed; the disk is quiet before the clock starts."""
    pieces = _pieces(megabytes, os.urandom(16))
    digest = digests.of_chunks(pieces)[0]
    os.sync()
    started = time.perf_counter()
    act(pieces, digest)
    took = time.perf_counter() - started
    for path in folder.rglob("*"):
        if path.is_file() and "meta" not in path.parts:
            path.unlink()
    return megabytes * MIB / 1e6 / took


def _bare(folder: Path) -> Callable[[list[bytes], digests.Digest], None]:
    def act(pieces: list[bytes], digest: digests.Digest) -> None:
        hasher = hashlib.sha256()
        with (folder / "bare").open("wb", buffering=0) as file:
            for piece in pieces:
                hasher.update(piece)
                file.write(piece)
            os.fsync(file.fileno())
        assert hasher.hexdigest() == digest.hex

    return act


def _store(folder: Path, size: int) -> Callable[[list[bytes], digests.Digest], None]:
    store = filesystem.FileSystem(folder)

    def act(pieces: list[bytes], digest: digests.Digest) -> None:
        asyncio.run(_put(store.put(_flow(pieces, size), expected=digest, limit=1 << 40)))

    return act


async def _put(putting: Coroutine[Any, Any, object]) -> None:
    await putting


def _files(megabytes: int, rounds: int, root: Path) -> dict[str, list[float]]:
    folders = {name: root / name for name in ("bare", "store", "store 64K")}
    for folder in folders.values():
        folder.mkdir()
    acts = {
        "bare": _bare(folders["bare"]),
        "store": _store(folders["store"], MIB),
        "store 64K": _store(folders["store 64K"], 64 * 1024),
    }
    sides = [
        measure.Side(name, lambda name=name: _timed(megabytes, folders[name], acts[name]))  # type: ignore[misc]
        for name in acts
    ]
    return measure.take_turns(sides, rounds)


def _ways(served: objectstores.Served) -> dict[str, Callable[[list[bytes], digests.Digest], None]]:
    said: Any = served.spec["s3"]
    plain = S3Store(
        said["bucket"],
        endpoint=said["endpoint"],
        region=said["region"],
        access_key_id=objectstores.ACCESS,
        secret_access_key=objectstores.SECRET,
        client_options={"allow_http": True},
    )

    async def checked(pieces: list[bytes], digest: digests.Digest) -> None:
        async with objectstores.installed() as offered:
            store = backends.build(served.spec, served.secret, "bench", offered)
            await store.put(_flow(pieces), expected=digest, limit=1 << 40)

    async def spooled(pieces: list[bytes], digest: digests.Digest) -> None:
        with tempfile.TemporaryFile() as file:
            hasher = digests.Hasher()
            for piece in pieces:
                hasher.update(piece)
                await asyncio.to_thread(file.write, piece)
            assert hasher.digest() == digest
            file.seek(0)
            await obstore.put_async(plain, f"spooled/{digest.hex}", file, chunk_size=objects.PART, max_concurrency=2)

    async def copied(pieces: list[bytes], digest: digests.Digest) -> None:
        key = f"incoming/{digest.hex}"
        await obstore.put_async(plain, key, _flow(pieces), chunk_size=objects.PART, max_concurrency=2)
        await obstore.copy_async(plain, key, f"copied/{digest.hex}")
        await obstore.delete_async(plain, key)

    return {
        "checked": lambda pieces, digest: asyncio.run(checked(pieces, digest)),
        "spooled": lambda pieces, digest: asyncio.run(spooled(pieces, digest)),
        "copied": lambda pieces, digest: asyncio.run(copied(pieces, digest)),
    }


def _buckets(megabytes: int, rounds: int) -> dict[str, list[float]]:
    with objectstores.s3() as served:
        bucket = served.folder / objectstores.BUCKET
        sides = [
            measure.Side(name, lambda act=act: _timed(megabytes, bucket, act))  # type: ignore[misc]
            for name, act in _ways(served).items()
        ]
        return measure.take_turns(sides, rounds)


def _grown(kind: str) -> float:
    """MiB that the peak of a fresh process grows by while it stores 1 GiB."""
    command = [sys.executable, "-m", "bench.cas_upload", "--grow", kind]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _grow(kind: str) -> None:
    """In the fresh process: store 10 MiB to have everything loaded, then measure."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        if kind == "filesystem":
            print(asyncio.run(_growth(filesystem.FileSystem(Path(folder)))))
            return
        with objectstores.s3() as served:
            print(asyncio.run(_growth_of(served)))


async def _growth_of(served: objectstores.Served) -> float:
    async with objectstores.installed() as offered:
        return await _growth(backends.build(served.spec, served.secret, "bench", offered))


async def _growth(store: backends.Backend) -> float:
    for megabytes in (10, GIB):
        pieces = _pieces(megabytes, os.urandom(16))
        digest = digests.of_chunks(pieces)[0]
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = _peak()
        await store.put(_flow(pieces, 64 * 1024), expected=digest, limit=1 << 40)
    return (_peak() - before) / 1024


def _peak() -> int:
    """KiB of resident memory at its highest."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def main() -> None:
    parser = measure.arguments(__doc__, rounds=5)
    parser.add_argument("--megabytes", type=int, default=512, help="size of one artifact in MiB (%(default)s)")
    parser.add_argument("--grow", help="for the script itself: measure memory here")
    options = parser.parse_args()
    if options.grow:
        _grow(options.grow)
        return
    print(measure.machine())
    with tempfile.TemporaryDirectory(dir=".") as folder:
        found = _files(options.megabytes, options.rounds, Path(folder))
    rows = [
        (name, measure.spread(values, ".0f"), measure.spread(measure.ratios(found, name, "bare")))
        for name, values in found.items()
    ]
    measure.table(("file system", "MB/s", "of bare"), rows)
    ways = _buckets(options.megabytes, options.rounds)
    rows = [
        (name, measure.spread(values, ".0f"), measure.spread(measure.ratios(ways, name, "checked")))
        for name, values in ways.items()
    ]
    measure.table(("S3 (versitygw)", "MB/s", "of checked"), rows)
    for kind in ("filesystem", "s3"):
        print(f"memory for 1 GiB, {kind}: {statistics.median(_grown(kind) for _ in range(3)):.1f} MiB more")


if __name__ == "__main__":
    main()
