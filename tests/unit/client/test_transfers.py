import os
from pathlib import Path

import pytest

from avouch import digests, errors
from avouch.client import ingest, transfers
from avouch.crafting import run as crafting_run
from avouch.crafting import uploads
from tests.crafting import builders, server

CONTENT = os.urandom(3_000_000)
DIGEST = digests.of_bytes(CONTENT)


quiet = uploads.quiet


def source(path: Path, content: bytes = CONTENT) -> uploads.Source:
    path.write_bytes(content)
    return uploads.Source(DIGEST, len(CONTENT), path)


@pytest.fixture
def run(api: ingest.Ingest) -> str:
    return api.open("skynet", "build-small", crafting_run.RunRequest(builders.RUN)).id


def test_bytes_arrive_and_are_not_sent_twice(api: ingest.Ingest, memory: server.Memory, run: str, tmp_path: Path):
    seen: list[int] = []
    assert api.upload(run, source(tmp_path / "a"), seen.append)
    assert not api.upload(run, source(tmp_path / "a"), quiet)
    assert memory.stored[str(DIGEST)] == CONTENT
    assert len(memory.asked("^PUT")) == 1
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)


def test_a_large_file_goes_in_parts_and_what_broke_off_goes_on_with_the_part_it_was_at(
    api: ingest.Ingest, memory: server.Memory, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(transfers, "PART", 1_000_000)
    seen: list[int] = []
    first = digests.of_bytes(CONTENT[:1_000_000])
    memory.stored[str(first)] = CONTENT[:1_000_000]  # an earlier upload came this far
    assert api.upload(run, source(tmp_path / "a"), seen.append)
    assert memory.stored[str(DIGEST)] == CONTENT
    assert len(memory.asked("^PUT .*/parts/")) == 2
    assert (seen, seen[-1]) == (sorted(seen), len(CONTENT))
    assert not api.upload(run, source(tmp_path / "a"), quiet)


def test_a_large_file_that_changes_while_it_is_sent_is_never_joined(
    api: ingest.Ingest, memory: server.Memory, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(transfers, "PART", 1_000_000)
    with pytest.raises(errors.Invalid, match="changed while it was sent"):
        api.upload(run, source(tmp_path / "a", CONTENT[:-1] + b"\0"), quiet)
    assert str(DIGEST) not in memory.stored
    assert not memory.asked("^POST .*/materials/")


@pytest.mark.parametrize("other", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"\0", b""])
def test_a_file_that_changed_since_it_was_hashed_is_never_completed(
    api: ingest.Ingest, memory: server.Memory, run: str, tmp_path: Path, other: bytes
):
    with pytest.raises(errors.Invalid, match="changed while it was sent"):
        api.upload(run, source(tmp_path / "a", other), quiet)
    assert memory.stored == {}


def test_a_file_that_vanished_is_told_and_not_tried_again(api: ingest.Ingest, run: str, time: object):
    with pytest.raises(errors.Invalid, match="cannot be read"):
        api.upload(run, uploads.Source(DIGEST, 5, Path("/nowhere/a")), quiet)


def test_an_upload_that_breaks_is_sent_from_the_start(
    api: ingest.Ingest, memory: server.Memory, run: str, tmp_path: Path
):
    memory.failures = [server.Failure(matching="^PUT"), server.Failure(503, matching="^PUT")]
    assert api.upload(run, source(tmp_path / "a"), quiet)
    assert memory.stored[str(DIGEST)] == CONTENT


def fetched(api: ingest.Ingest, target: Path, digest: digests.Digest = DIGEST) -> int:
    return api.download_artifact(digest, target, quiet)


def test_a_downloaded_file_has_the_permissions_that_files_of_this_user_have(
    api: ingest.Ingest, memory: server.Memory, tmp_path: Path
):
    memory.stored[str(DIGEST)] = CONTENT
    fetched(api, tmp_path / "a")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_download_gets_its_name_when_it_is_whole(api: ingest.Ingest, memory: server.Memory, tmp_path: Path):
    memory.stored[str(DIGEST)] = CONTENT
    assert fetched(api, tmp_path / "a") == len(CONTENT)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [each.name for each in tmp_path.glob("*.part")] == []


def test_a_download_that_breaks_goes_on_where_it_was(api: ingest.Ingest, memory: server.Memory, tmp_path: Path):
    memory.stored[str(DIGEST)] = CONTENT
    memory.failures = [server.Failure(after=1_000_000), server.Failure(after=500_000)]
    assert fetched(api, tmp_path / "a") == len(CONTENT)
    ranges = [headers.get("range") for line, headers, _ in memory.requests if line.startswith("GET")]
    assert ranges == [None, "bytes=1000000-", "bytes=1500000-"]


def test_a_part_of_an_earlier_process_is_used(api: ingest.Ingest, memory: server.Memory, tmp_path: Path):
    memory.stored[str(DIGEST)] = CONTENT
    (tmp_path / f"a.{DIGEST.hex[:12]}.part").write_bytes(CONTENT[:2_999_999])
    fetched(api, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert memory.requests[0][1]["range"] == "bytes=2999999-"


def test_a_part_that_is_complete_already_is_used(api: ingest.Ingest, memory: server.Memory, tmp_path: Path):
    memory.stored[str(DIGEST)] = CONTENT
    (tmp_path / f"a.{DIGEST.hex[:12]}.part").write_bytes(CONTENT)
    assert fetched(api, tmp_path / "a") == len(CONTENT)


@pytest.mark.parametrize("part", [b"wrong" * 10, CONTENT + b"more"])
def test_a_part_that_is_wrong_is_never_given_the_name_and_thrown_away(
    api: ingest.Ingest, memory: server.Memory, tmp_path: Path, part: bytes
):
    memory.stored[str(DIGEST)] = CONTENT
    (tmp_path / f"a.{DIGEST.hex[:12]}.part").write_bytes(part)
    with pytest.raises(errors.Corrupt):
        fetched(api, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    fetched(api, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["symbolic", "hard", "dangling", "pipe"])
def test_a_part_that_is_none_of_ours_is_neither_written_nor_read(
    api: ingest.Ingest, memory: server.Memory, tmp_path: Path, kind: str
):
    """A repository knows the digests of its artifacts, and may hold a link of that name."""
    memory.stored[str(DIGEST)] = CONTENT
    victim, part = tmp_path / "bashrc", tmp_path / f"a.{DIGEST.hex[:12]}.part"
    victim.write_bytes(b"# mine\n")
    if kind == "hard":
        part.hardlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(part)
    else:
        part.symlink_to(victim if kind == "symbolic" else tmp_path / "new")
    with pytest.raises(errors.Invalid, match=r"\.part") as raised:
        fetched(api, tmp_path / "a")
    assert raised.value.fix == "remove it"
    assert victim.read_bytes() == b"# mine\n"
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "a").exists()


def test_bytes_that_are_not_what_was_asked_for_are_refused(api: ingest.Ingest, memory: server.Memory, tmp_path: Path):
    memory.stored[str(DIGEST)] = b"something else"
    with pytest.raises(errors.Corrupt, match="instead of"):
        fetched(api, tmp_path / "a")
    assert list(tmp_path.glob("a*")) == []


def test_a_server_that_never_gets_on_is_given_up_and_the_part_is_kept(
    api: ingest.Ingest, memory: server.Memory, tmp_path: Path
):
    memory.stored[str(DIGEST)] = CONTENT
    memory.failures = [server.Failure(after=1000), *(server.Failure(after=0) for _ in range(20))]
    with pytest.raises(errors.Unavailable, match="is kept"):
        fetched(api, tmp_path / "a")
    assert next(tmp_path.glob("*.part")).stat().st_size == 1000


def test_another_file_of_that_name_is_not_overwritten(api: ingest.Ingest, memory: server.Memory, tmp_path: Path):
    memory.stored[str(DIGEST)] = CONTENT
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(errors.Conflict):
        fetched(api, tmp_path / "a")
    (tmp_path / "a").write_bytes(CONTENT)
    assert fetched(api, tmp_path / "a") == len(CONTENT)


def test_a_directory_that_is_not_there_is_told_at_once(api: ingest.Ingest, memory: server.Memory, tmp_path: Path):
    memory.stored[str(DIGEST)] = CONTENT
    with pytest.raises(errors.Invalid, match="cannot be written"):
        fetched(api, tmp_path / "none" / "a")
    assert len(memory.requests) == 1


def test_what_nobody_stored_is_not_found(api: ingest.Ingest, tmp_path: Path):
    with pytest.raises(errors.NotFound):
        fetched(api, tmp_path / "a")
