"""A file is evidence only if it stayed as it was while it was hashed."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from avouch import digests, errors
from avouch.sidecar import files

LONG_AGO = (1, 1)  # seconds: a clock of a few milliseconds cannot hide what comes later
WHOLE = b"a" * 100


def written_meanwhile(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Let something happen to the file once its content was read."""
    read = files.pieces

    def pieces(descriptor: int, limit: int, path: str) -> Iterator[bytes]:
        yield from read(descriptor, limit, path)
        change()

    monkeypatch.setattr(files, "pieces", pieces)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "report"
    path.write_bytes(WHOLE)
    os.utime(path, LONG_AGO)
    return path


def rewrite(path: Path, content: bytes) -> None:
    with path.open("r+b") as opened:
        opened.truncate()
        opened.write(content)


def rewrite_and_hide(path: Path) -> None:
    rewrite(path, b"b" * 100)
    os.utime(path, LONG_AGO)  # the time of its last change of metadata cannot be set


@pytest.mark.parametrize(
    "change",
    [
        lambda path: rewrite(path, b"b" * 100),
        lambda path: rewrite(path, b"b" * 101),
        lambda path: rewrite(path, b""),
        rewrite_and_hide,
    ],
    ids=["same size", "longer", "emptied", "same size and time"],
)
def test_a_file_that_is_written_while_it_is_hashed_is_refused(
    monkeypatch: pytest.MonkeyPatch, file: Path, change: Callable[[Path], object]
) -> None:
    before = file.stat().st_ctime_ns
    while file.stat().st_ctime_ns == before:  # until the clock of the file system has moved on
        os.utime(file, LONG_AGO)
    written_meanwhile(monkeypatch, lambda: change(file))
    with pytest.raises(errors.Invalid, match="report changed while it was read"):
        files.hashed(file.parent, "report", 1000)


def test_a_file_that_was_not_read_to_its_end_is_refused(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setattr(files, "pieces", lambda *_: iter([WHOLE[:-1]]))
    with pytest.raises(errors.Invalid, match="report changed while it was read"):
        files.hashed(file.parent, "report", 1000)


def test_a_file_may_be_as_large_as_the_limit(file: Path) -> None:
    assert files.hashed(file.parent, "report", 100) == files.Hashed(
        digests.of_bytes(WHOLE), 100, files.hashed(file.parent, "report", 100).stamp
    )
    assert files.text(file.parent, "report", 100) == WHOLE.decode()
    with pytest.raises(errors.TooLarge, match="report has 100 bytes, at most 99 are collected"):
        files.hashed(file.parent, "report", 99)


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        ("report", None, ""),
        ("folder/none", errors.NotFound, "folder/none does not exist"),
        ("none/report", errors.NotFound, "none/report does not exist"),
        ("report/none", errors.Refused, "report is no folder"),
        ("folder", errors.Refused, "not a regular file"),
        ("x" * 300, errors.Invalid, "was refused: File name too long"),
    ],
)
def test_what_cannot_be_opened_says_why_and_leaves_nothing_open(
    file: Path, path: str, error: type[errors.AvouchError] | None, said: str
) -> None:
    (file.parent / "folder").mkdir()
    before = os.listdir("/proc/self/fd")
    with contextlib.ExitStack() as stack:
        if error:
            stack.enter_context(pytest.raises(error, match=said))
        files.hashed(file.parent, path, 1000)
    assert os.listdir("/proc/self/fd") == before


def test_a_directory_that_is_not_there_holds_no_file(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound, match="report does not exist"):
        files.text(tmp_path / "none", "report", 10)


def test_a_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(b"\xff")
    with pytest.raises(errors.Invalid, match="r is not UTF-8 text"):
        files.text(tmp_path, "r", 10)


def as_the_kubelet_writes(root: Path, **content: str) -> Path:
    """A volume of these files, as the kubelet's atomic writer lays it out."""
    version = root / "..2026_01_01_00_00_00.123"
    version.mkdir(parents=True)
    (root / "..data").symlink_to(version.name)
    for name, text in content.items():
        (version / name).write_text(text)
        (root / name).symlink_to(f"..data/{name}")
    return root


def test_a_file_of_a_config_map_is_read_without_following_a_link(tmp_path: Path) -> None:
    root = as_the_kubelet_writes(tmp_path / "volume", report="x")
    with pytest.raises(errors.Refused):
        files.text(root, "report", 10)
    assert files.text(files.published(root), "report", 10) == "x"


def test_where_the_kubelet_mounts_one_folder_of_such_a_volume_the_files_lie_in_it(tmp_path: Path) -> None:
    assert files.published(tmp_path) == tmp_path


@pytest.mark.parametrize("target", ["..", ".", "/etc", "../etc", "..a/b", "plain", "...", "..other"])
def test_a_link_that_leads_out_of_the_volume_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "..data").symlink_to(target)
    (tmp_path / "..other").symlink_to("/etc")
    with pytest.raises(errors.Refused, match="leads out of the volume") as caught:
        files.published(tmp_path)
    assert caught.value.cause == "Link"


def test_a_folder_in_place_of_the_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    with pytest.raises(errors.Refused, match="Invalid argument") as caught:
        files.published(tmp_path)
    assert caught.value.cause == "Unusable"


def test_a_link_below_the_published_folder_is_not_followed(tmp_path: Path) -> None:
    root = as_the_kubelet_writes(tmp_path / "volume")
    (root / "..data" / "report").symlink_to("/etc/hostname")
    with pytest.raises(errors.Refused, match="symbolic link"):
        files.text(files.published(root), "report", 100)
