"""The report of a finished attestation, where its runner shows it: a Task result, a step summary, a file."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from avouch.api import vocabulary
from avouch.runners import reports

RESULTS = Path("/tekton/results")
GITLAB_FILE = "chainloop-attestation-report.txt"


class Report(NamedTuple):
    """A report: a table of the attestation, and a link to the run if it has a page."""

    table: str
    link: str = ""


class Shown(NamedTuple):
    """The file that was written, if any, and a note for people."""

    where: str = ""
    note: str = ""


def show(
    runner: str, report: Report, environment: Mapping[str, str], directory: Path, results: Path = RESULTS
) -> Shown:
    """Write a report where the runner of this type shows it. A failure becomes a note, never an error.

    Args:
        runner: the type that was discovered.
        report: what to show.
        environment: all variables of the process.
        directory: the job's working directory.
        results: where Tekton collects results.
    """
    try:
        match runner:
            case vocabulary.RunnerType.TEKTON_PIPELINE:
                text = reports.tekton_result(reports.plain(report.table), report.link)
                return Shown(_write(results / reports.RESULT, text, os.O_TRUNC))
            case vocabulary.RunnerType.GITHUB_ACTION:
                return _summary(report, environment.get("GITHUB_STEP_SUMMARY", ""))
            case vocabulary.RunnerType.GITLAB_PIPELINE:
                where = _write(directory / GITLAB_FILE, reports.whole(report.table, report.link), os.O_TRUNC)
                return Shown(where, f"to see it in GitLab, list {GITLAB_FILE} under artifacts.paths of the job")
    except OSError as exc:
        return Shown(note=f"the report was not written: {exc.strerror or type(exc).__name__}")
    return Shown()


def _summary(report: Report, path: str) -> Shown:
    if not path:
        return Shown(note="the report was not written: GITHUB_STEP_SUMMARY is not set")
    return Shown(_write(Path(path), reports.summary(report.table, report.link), os.O_APPEND))


def _write(path: Path, text: str, how: int) -> str:
    """A link in place of the file is not followed: a checkout could hold one that points anywhere."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | how
    with open(os.open(path, flags, 0o600), "wb") as opened:
        opened.write(text.encode("utf-8", "replace"))
    return str(path)
