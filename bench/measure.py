"""What every measurement shares: sides that take turns in one run, medians, ratios of pairs, and a plain table."""

import argparse
import contextlib
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Side:
    """One of the things compared, and how to measure it once."""

    name: str
    once: Callable[[], float]


def arguments(description: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """A parser with `--rounds`; the script adds its own options."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each side takes its turn (%(default)s)")
    return parser


def take_turns(sides: Sequence[Side], rounds: int) -> dict[str, list[float]]:
    """A, B, A, B ... so that what slows the machine down for a while slows down all sides."""
    found: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            found[side.name].append(side.once())
    return found


def ratios(found: Mapping[str, Sequence[float]], side: str, base: str) -> list[float]:
    """One side over another, pair by pair."""
    return [mine / other for mine, other in zip(found[side], found[base], strict=True)]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as they need to be; the first one is words, the others are figures."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        cells = (cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths)))  # noqa: B905
        print("  ".join(cells).rstrip())


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Median, then the range."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}..{max(values):{form}})"


def machine() -> str:
    """What the figures were taken on, and how busy it was with other things before we began."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0]
    busy = "" if load < 0.5 * cores else "  -- BUSY: these figures are not to be quoted"
    return (
        f"{cores} cores, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}; "
        f"load before: {load:.2f}{busy}"
    )


def resident(pid: int) -> int:
    """Bytes that a process has in memory now; 0 where it is no more."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def tree_cpu(root: int) -> float:
    """CPU seconds of a process and its children, those that ended included."""
    found = _processes()
    return sum(found[pid][1] for pid in _family(root, found) & found.keys()) / os.sysconf("SC_CLK_TCK")


def family(root: int) -> set[int]:
    """A process, its children, and theirs."""
    return _family(root, _processes())


def _processes() -> dict[int, tuple[int, int]]:
    """Of each process its parent, and its ticks of CPU, children that ended included."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                found[int(folder.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    return found


def _family(root: int, found: Mapping[int, tuple[int, int]]) -> set[int]:
    members = {root}
    while more := {pid for pid, (parent, _) in found.items() if parent in members} - members:
        members |= more
    return members
