"""A shell as a reader of a page has one: variables and directories last from one command to the next.

And a comparison of what a page shows with what came: what differs from run to run is set aside, nothing else.
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_KEEP = '{ export -p > "$TERMINAL_KEEP/environment"; pwd > "$TERMINAL_KEEP/directory"; }'
# In this order: an id inside an address is gone with it.
_VARYING = (
    (re.compile(r"https://[0-9.]+:30443"), "SERVER"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"sha256:[0-9a-f]{64}"), "DIGEST"),
    (re.compile(r"sha256:[0-9a-f]{12}\.\.\."), "SHORT-DIGEST"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "COMMIT"),
    (re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"), "TIME"),
    (re.compile(r"\b(build-and-test)-[0-9a-f]{10}\b"), r"\1-NUMBER"),
    (re.compile(r"(?<= )[0-9]+(s|m)(?=$| )"), "AGE"),
    (re.compile(r"(?<= )/\S+/"), "FOLDER/"),
)
# What a command says only where an answer lets it wait, so on a busy machine more often than on the page's.
_PATIENCE = re.compile(r"note: waiting up to [0-9]+ s for .*")
ANYTHING = "..."


@dataclass(frozen=True)
class Answer:
    """What a command said, on both streams as a terminal shows them, and its exit code."""

    code: int
    output: str


class Terminal:
    """One shell."""

    def __init__(self, keep: Path, directory: Path, environment: Mapping[str, str]) -> None:
        """Args: a folder of its own, where it begins, and all of its variables."""
        keep.mkdir(parents=True, exist_ok=True)
        self._keep = keep
        self._environment = {**environment, "TERMINAL_KEEP": str(keep)}
        (keep / "environment").write_text("")
        (keep / "directory").write_text(f"{directory}\n")

    def __call__(self, command: str, *, options: str = "", stdin: str = "", patience: float = 300.0) -> Answer:
        """Run a command; `options` are those of the shell, such as `-e`."""
        script = f'. "$TERMINAL_KEEP/environment"; cd "$(cat "$TERMINAL_KEEP/directory")"; trap \'{_KEEP}\' EXIT\n'
        done = subprocess.run(
            ["bash", *options.split(), "-c", f"{script}{command}"], env=self._environment, input=stdin, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=patience,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout)


def differs(shown: str, came: str) -> str:
    """Where what came is not what a page shows; empty where it is.

    `...` alone in a line of the page stands for any lines, within a line for any characters.
    """
    wanted, found = _settled(shown), _settled(came)
    if _matches(wanted, found):
        return ""
    return "\n".join(["the page shows:", *wanted, "this came:", *found])


def _settled(text: str) -> list[str]:
    lines = [" ".join(line.split()) for line in text.strip().splitlines() if not _PATIENCE.fullmatch(line)]
    for pattern, word in _VARYING:
        lines = [pattern.sub(word, line) for line in lines]
    return lines


def _matches(wanted: Sequence[str], found: Sequence[str]) -> bool:
    if not wanted:
        return not found
    if wanted[0] == ANYTHING:
        return any(_matches(wanted[1:], found[skipped:]) for skipped in range(len(found) + 1))
    return bool(found) and _line_matches(wanted[0], found[0]) and _matches(wanted[1:], found[1:])


def _line_matches(wanted: str, found: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, wanted.split(ANYTHING))), found) is not None
