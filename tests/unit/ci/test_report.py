import os
from pathlib import Path

import pytest

from avouch.ci import report
from avouch.runners import reports

TABLE = report.Report("\x1b[32mpassed\x1b[0m\nall", "https://avouch.example/runs/1")


def test_tekton_shows_a_result(tmp_path: Path) -> None:
    shown = report.show("TEKTON_PIPELINE", TABLE, {}, tmp_path, tmp_path)
    assert shown == report.Shown(str(tmp_path / "attestation-report"))
    text = (tmp_path / "attestation-report").read_text()
    assert text == "Chainloop Attestation Report\n\nView details: https://avouch.example/runs/1\n\npassed\nall"


def test_a_second_result_takes_the_place_of_the_first_and_stays_small(tmp_path: Path) -> None:
    for table in ("x" * 10_000, "short"):
        report.show("TEKTON_PIPELINE", report.Report(table), {}, tmp_path, tmp_path)
        assert (tmp_path / "attestation-report").stat().st_size <= reports.RESULT_LIMIT
    assert (tmp_path / "attestation-report").read_text().endswith("\n\nshort")


def test_github_gets_its_summary_behind_those_of_others(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("others\n")
    shown = report.show("GITHUB_ACTION", TABLE, {"GITHUB_STEP_SUMMARY": str(path)}, tmp_path)
    assert shown.where == str(path)
    text = path.read_text()
    assert text.startswith("others\n## Chainloop Attestation Report\n")
    assert "```\npassed\nall\n```" in text


def test_a_table_cannot_break_out_of_its_frame(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    evil = report.Report("````\n# Injected <script>")
    report.show("GITHUB_ACTION", evil, {"GITHUB_STEP_SUMMARY": str(path)}, tmp_path)
    assert "`````\n````\n# Injected <script>\n`````" in path.read_text()


def test_a_summary_is_bounded() -> None:
    assert len(reports.summary("é" * 600_000).encode()) < 530_000


def test_gitlab_gets_a_file_that_only_its_user_reads(tmp_path: Path) -> None:
    shown = report.show("GITLAB_PIPELINE", TABLE, {}, tmp_path)
    path = tmp_path / "chainloop-attestation-report.txt"
    assert shown.where == str(path)
    assert "artifacts.paths" in shown.note
    assert path.read_text().endswith("passed\nall\n")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_checkout_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("kept")
    (tmp_path / "chainloop-attestation-report.txt").symlink_to(target)
    shown = report.show("GITLAB_PIPELINE", TABLE, {}, tmp_path)
    assert (shown.where, target.read_text()) == ("", "kept")
    assert shown.note == f"the report was not written: {os.strerror(40)}"


@pytest.mark.parametrize(
    ("runner", "environment"),
    [
        ("TEKTON_PIPELINE", {}),
        ("GITHUB_ACTION", {}),
        ("GITHUB_ACTION", {"GITHUB_STEP_SUMMARY": "/nowhere/x"}),
    ],
)
def test_a_report_that_cannot_be_written_is_a_note(tmp_path: Path, runner: str, environment: dict[str, str]) -> None:
    shown = report.show(runner, TABLE, environment, tmp_path, tmp_path / "gone")
    assert shown.where == ""
    assert shown.note.startswith("the report was not written")


@pytest.mark.parametrize("runner", ["", "JENKINS_JOB", "CIRCLECI_BUILD"])
def test_other_runners_show_none(tmp_path: Path, runner: str) -> None:
    assert report.show(runner, TABLE, {}, tmp_path) == report.Shown()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("drawn", "text"),
    [
        ("\x1b[1;38;5;9mred\x1b[0m", "red"),
        ("\x1b]8;;https://x\x07link\x1b]8;;\x1b\\", "link"),
        ("a\x00\x08b\tc\n", "ab\tc\n"),
        ("\x1b[2K\x1b[1Gx", "x"),
        ("\x9b31mx", "31mx"),
        ("plain", "plain"),
    ],
)
def test_orders_to_a_terminal_are_taken_out(drawn: str, text: str) -> None:
    assert reports.plain(drawn) == text
