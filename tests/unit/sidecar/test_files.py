"""A file is evidence only if it stayed as it was while it was hashed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from avouch import errors
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


def test_a_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(b"\xff")
    with pytest.raises(errors.Invalid, match="r is not UTF-8 text"):
        files.text(tmp_path, "r", 10)
