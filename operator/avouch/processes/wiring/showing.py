"""Where a CI shows reports."""

from collections.abc import Mapping
from pathlib import Path

from avouch.ci import report


def build(environment: Mapping[str, str], runner: str, text: str) -> tuple[str, str]:
    """Where a report was written, and what people should know."""
    shown = report.show(runner, report.Report(text), environment, Path.cwd())
    return shown.where, shown.note
