"""Run everything that `make test` promises, level by level; end with a table of what passed, failed and was skipped.

Levels that need an API server or a cluster wait for it most of the time: they run beside the others, and what a level
said is printed when it ends. A level that this machine cannot run is skipped loudly, with what is missing, and never
counts as passed. After the levels come the measurements of `bench/`, each as a short run that only shows that it works:
in turn, as many as the time budget allows (AVOUCH_TEST_MINUTES, 50); the others are named as left out. A level that is
named runs in any case.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTEST = (sys.executable, "-m", "pytest", "-q")
# Which order failed stands in the output: --random-order-seed=N repeats it.
SHUFFLED = ("--random-order", "--random-order-bucket=module")


@dataclass(frozen=True)
class Level:
    """One step: its name, command, and what it needs that a machine may lack ("" = nothing)."""

    name: str
    command: tuple[str, ...]
    needs: str = ""
    minutes: int = 0  # what an extra takes at most; 0 = not an extra


LEVELS = (
    Level("format", ("ruff", "format", "--check", "operator", "tests", "examples", "bench", ".ci")),
    Level("lint", ("ruff", "check", "operator", "tests", "examples", "bench", ".ci")),
    Level("types", ("mypy",)),
    Level("walls", ("lint-imports",)),
    Level("docstrings", ("interrogate", "-q", "operator/avouch")),
    Level("unit", (*PYTEST, "tests/unit", "tests/property", "tests/architecture")),
    Level("commands", (*PYTEST, "tests/commands")),
    Level("exhaustion", (*PYTEST, "tests/exhaustion")),
    Level("fuzz", (sys.executable, "-m", "tests.fuzz", "--seconds", "60"), needs="atheris"),
    Level("opa", (*PYTEST, "tests/opa"), needs="go"),
    Level("postgres", (*PYTEST, *SHUFFLED, "tests/store", "tests/conformance", "-m", "postgres or not postgres")),
    Level("apiserver", (*PYTEST, "tests/api", "-m", "apiserver"), needs="root"),
    Level("generated files", (sys.executable, ".ci/generate.py", "--check"), needs="helm"),
    Level("cluster", (*PYTEST, "tests/e2e", "-m", "cluster"), needs="cluster"),
)

BENCHES = (
    *("admission", "judging", "policies", "delivering", "durable_ingest", "sidecar_session", "restart", "end_to_end"),
    *("workflows_to_ready", "growth", "crafting", "idle_memory"),
)
# Files that the last commits changed. A draw of a few minutes shows no more than that something is badly held.
MUTATION = ("--minutes", "4", "--since", "HEAD~20", "--least", "60")
EXTRAS = (
    Level("mutation", (sys.executable, "-m", "tests.mutation", *MUTATION), minutes=10),
    Level("soak", (sys.executable, "-m", "tests.soak", "--minutes", "5"), needs="cluster", minutes=14),
    *(
        Level(f"bench {name}", (sys.executable, "-m", f"bench.{name}", "--quick"), needs="root", minutes=4)
        for name in BENCHES
    ),
)


def in_turn(day: int) -> tuple[Level, ...]:
    """The extras, another one first each day."""
    first = day % len(EXTRAS)
    return (*EXTRAS[first:], *EXTRAS[:first])


def missing(need: str) -> str:
    """What this machine lacks for a level, "" if nothing."""
    if need == "atheris" and importlib.util.find_spec("atheris") is None:
        return "atheris (it has wheels for CPython on Linux)"
    if need in ("go", "helm", "root", "cluster") and shutil.which("go") is None:
        return "Go >= 1.26 (Kubernetes and OPA are built from Go modules here)"
    if need in ("root", "cluster") and os.geteuid() != 0:
        return "root (a cluster of plain processes makes network namespaces and mounts)"
    if need == "cluster" and shutil.which("apt-get") is None:
        return "Debian packages containerd, runc, buildah and mmdebstrap"
    return ""


@dataclass
class Progress:
    """What runs now, since when; told every minute while several levels run beside each other."""

    since: dict[str, float] = field(default_factory=dict)
    told: threading.Lock = field(default_factory=threading.Lock)

    def until(self, over: threading.Event) -> None:
        """Tell of it until all is over."""
        while not over.wait(60):
            running = [f"{name} {time.monotonic() - began:.0f} s" for name, began in list(self.since.items())]
            self.print(f"... {', '.join(running)}")

    def print(self, text: str) -> None:
        """One text at a time."""
        with self.told:
            print(text, flush=True)


def run(level: Level, progress: Progress | None = None) -> tuple[str, str]:
    """Run one level. Returns outcome (passed | FAILED | SKIPPED) and a note.

    `progress`: of several that run beside each other: what the level says is printed when it ends.
    """
    lack = missing(level.needs)
    if lack:
        return "SKIPPED", f"this machine lacks {lack}"
    head = f"\n=== {level.name}: {' '.join(level.command)}"
    command = (
        shutil.which(level.command[0], path=os.path.dirname(sys.executable)) or level.command[0],
        *level.command[1:],
    )
    start = time.monotonic()
    path = os.pathsep.join([str(ROOT / "operator"), str(ROOT)])  # this tree, wherever the package is installed from
    environment = {**os.environ, "PYTHONPATH": path}
    if progress is None:
        print(head, flush=True)
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    else:
        progress.since[level.name] = start
        with tempfile.TemporaryFile("w+", errors="replace") as said:
            code = subprocess.run(
                command, cwd=ROOT, env=environment, check=False, stdout=said, stderr=subprocess.STDOUT
            ).returncode
            said.seek(0)
            progress.print(f"{head}\n{said.read()}")
        del progress.since[level.name]
    took = f"{time.monotonic() - start:.0f} s"
    return ("passed" if code == 0 else "FAILED"), took


def beside_each_other(levels: Sequence[Level]) -> list[tuple[Level, str, str]]:
    """Run levels: those that wait for a cluster in a row of their own."""
    progress, over = Progress(), threading.Event()
    waiting = [level for level in levels if level.needs in ("root", "cluster")]
    others = [level for level in levels if level not in waiting]

    def row(of: Sequence[Level]) -> list[tuple[Level, str, str]]:
        return [(level, *run(level, progress)) for level in of]

    with ThreadPoolExecutor(3) as threads:
        threads.submit(progress.until, over)
        try:
            ended = [each for found in threads.map(row, (others, waiting)) for each in found]
        finally:
            over.set()
    return sorted(ended, key=lambda each: LEVELS.index(each[0]))


def main() -> int:
    """Run the levels named, or all and then extras."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = ", ".join(level.name for level in (*LEVELS, *EXTRAS))
    parser.add_argument("levels", nargs="*", help=f"levels to run: {names}")
    wanted = set(parser.parse_args().levels)
    end = time.monotonic() + 60 * float(os.environ.get("AVOUCH_TEST_MINUTES") or 50)
    named = [level for level in LEVELS if level.name in wanted]
    outcomes = [(level, *run(level)) for level in named] if wanted else beside_each_other(LEVELS)
    for level in in_turn(datetime.now(UTC).toordinal()):
        if level.name in wanted or (not wanted and time.monotonic() + 60 * level.minutes < end):
            outcomes.append((level, *run(level)))
        elif not wanted:
            outcomes.append((level, "LEFT OUT", "no time left"))
    print("\n=== summary")
    for level, outcome, note in outcomes:
        print(f"{outcome:8} {level.name:24} {note}")
    tally = [outcome for _, outcome, _ in outcomes]
    counts = (f"{tally.count(outcome)} {outcome.lower()}" for outcome in ("passed", "FAILED", "SKIPPED", "LEFT OUT"))
    print(f"\nlevels: {', '.join(counts)}")
    return 1 if "FAILED" in tally else 0


if __name__ == "__main__":
    sys.exit(main())
