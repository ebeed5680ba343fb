"""Short programs that do one thing and end."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.processes import clean_environment


def run(*command: str | Path, stdin: str | None = None, tolerate: bool = False) -> str:
    """Run a command and return what it printed; a failure is an error with its words, unless it is tolerated."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, input=stdin, env=clean_environment(), capture_output=True, text=True, check=False, errors="replace"
    )
    if done.returncode and not tolerate:
        raise ClusterError(f"{_short(words)} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def _short(words: Sequence[str]) -> str:
    return " ".join([Path(words[0]).name, *words[1:]])[:300]
