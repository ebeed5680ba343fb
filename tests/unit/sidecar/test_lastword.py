"""What the sidecar leaves in its termination message: a sentence, then what it signed, within its share of bytes."""

from pathlib import Path

import pytest

from avouch.sidecar import lastword


def test_the_sentence_comes_first_in_one_line_and_the_digests_follow() -> None:
    assert lastword.text("it\nbroke", ["sbom sha256:1", "log sha256:2"]) == "it broke\nsbom sha256:1\nlog sha256:2"


def test_it_stays_within_its_share_and_cuts_no_character_in_two() -> None:
    cut = lastword.text("é" * lastword.MOST)
    assert cut == "é" * (lastword.MOST // 2)


def test_a_later_word_takes_the_place_of_an_earlier_longer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVOUCH_LAST_WORD", str(tmp_path / "word"))
    lastword.leave("a long beginning", ["sbom sha256:1"])
    lastword.leave("stored")
    assert (tmp_path / "word").read_text() == "stored"


def test_where_nobody_names_another_file_it_is_left_where_the_kubelet_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lastword.PATH == "/dev/termination-log"
    monkeypatch.setattr(lastword, "PATH", str(tmp_path / "log"))
    for said in ("", None):
        monkeypatch.delenv("AVOUCH_LAST_WORD", raising=False)
        if said is not None:
            monkeypatch.setenv("AVOUCH_LAST_WORD", said)
        lastword.leave(f"stored {said}")
        assert (tmp_path / "log").read_text() == f"stored {said}".strip()


def test_a_last_word_with_what_cannot_be_written_is_left_all_the_same() -> None:
    assert lastword.text("a \ud800 file") == "a ? file"
