"""The report of a finished attestation, cut to the size that a runner accepts."""

import re

RESULT = "attestation-report"  # the Task result; it only surfaces where the Task declares it
RESULT_LIMIT = 3500  # bytes: Tekton's 4,096 for all results of a TaskRun, less the others and their frame
_TITLE = "Chainloop Attestation Report\n\n"
LIMIT = 512 * 1024  # bytes of a summary: GitHub takes 1 MiB of a step, others' text included
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TICKS = re.compile(r"`+")
_CUT = "\n... (truncated)"


def tekton_result(table: str, link: str = "") -> str:
    """The text of the Task result: title, link, table; only the table is cut, and never inside a character.

    The link comes first, so that it is never cut.

    >>> tekton_result("passed", "https://avouch.example/runs/1").splitlines()[2]
    'View details: https://avouch.example/runs/1'
    """
    head = _head(link)
    if _size(head) + len(_CUT) > RESULT_LIMIT:
        head = _TITLE  # a link of that length is useless
    left = RESULT_LIMIT - _size(head)
    if _size(table) <= left:
        return head + table
    kept = table.encode("utf-8", "replace")[: left - len(_CUT)].decode("utf-8", "ignore")
    return f"{head}{kept}{_CUT}"


def summary(table: str, link: str = "") -> str:
    """Markdown for GitHub's step summary: with the unchanged table."""
    text = _bounded(plain(table))
    fence = "`" * max(3, 1 + max(map(len, _TICKS.findall(text)), default=0))
    return f"## {_head(link)}{fence}\n{text}\n{fence}\n\n"


def whole(table: str, link: str = "") -> str:
    """The text of a report file."""
    return f"{_head(link)}{_bounded(plain(table))}\n"


def plain(text: str) -> str:
    r"""A table without colours and other terminal escape sequences.

    >>> plain("\x1b[1;32mpassed\x1b[0m")
    'passed'
    """
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def _head(link: str) -> str:
    return f"{_TITLE}View details: {link}\n\n" if link else _TITLE


def _bounded(text: str) -> str:
    if _size(text) <= LIMIT:
        return text
    return text.encode("utf-8", "replace")[:LIMIT].decode("utf-8", "ignore") + _CUT


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
