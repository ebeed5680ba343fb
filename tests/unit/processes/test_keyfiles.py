"""Keys are read once and again when their files change, as a mounted Secret does."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from avouch.processes import keyfiles


def kept(folder: Path) -> tuple[keyfiles.FileCache[bytes], list[int]]:
    made: list[int] = []

    def make(contents: Sequence[bytes]) -> bytes:
        made.append(len(contents))
        return b"".join(contents)

    return keyfiles.FileCache(lambda: sorted(folder.glob("*.pem")), make), made


def test_files_that_stay_as_they_are_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(b"one")
    value, made = kept(tmp_path)
    assert [value.get(), value.get()] == [b"one", b"one"]
    assert made == [1]


def test_a_file_that_is_replaced_by_another_of_the_same_size_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "..first").mkdir()
    (tmp_path / "..second").mkdir()
    (tmp_path / "..first/a.pem").write_bytes(b"one")
    (tmp_path / "..second/a.pem").write_bytes(b"two")
    data, new = tmp_path / "..data", tmp_path / "..new"
    data.symlink_to("..first")
    (tmp_path / "a.pem").symlink_to("..data/a.pem")
    value, _ = kept(tmp_path)
    assert value.get() == b"one"
    new.symlink_to("..second")
    new.rename(data)  # as the kubelet does it
    assert value.get() == b"two"


def test_a_file_more_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(b"one")
    value, _ = kept(tmp_path)
    assert value.get() == b"one"
    (tmp_path / "b.pem").write_bytes(b"two")
    assert value.get() == b"onetwo"


def test_a_file_that_is_gone_is_said_and_what_was_kept_is_not_used(tmp_path: Path) -> None:
    paths = [tmp_path / "a.pem"]
    paths[0].write_bytes(b"one")
    value = keyfiles.FileCache(lambda: paths, b"".join)
    value.get()
    paths[0].unlink()
    with pytest.raises(OSError, match=r"a\.pem"):
        value.get()
