"""Fuzz for a while: `python -m tests.fuzz --seconds 600 [TARGET...]`; the time is shared by the targets.

Each target runs in a process of its own, whose memory libFuzzer bounds. An input that breaks an invariant is kept below
build/fuzz; give it a name below tests/assets/fuzz, `<target>--<what it was>`, and a test holds it from then on.
"""

import argparse
import importlib.util
import random
import subprocess
import sys
import tempfile
from pathlib import Path

KEPT = Path("build") / "fuzz"
MEMORY = 1536  # MiB of a process
START = 1.5  # seconds that a process needs before it fuzzes, on an idle machine


def main() -> int:
    """Fuzz each target in turn. Returns how many broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("SKIPPED: atheris has no wheel for this Python and platform (it has them for Linux): nothing was fuzzed")
        return 0
    if asked.inside:
        _fuzz(asked.targets[0], asked.seconds)
        return 0
    from tests.fuzz import targets

    names = asked.targets or [target.name for target in targets.all_targets()]
    each = max(1, round(asked.seconds / len(names) - START))
    broken = [name for name in names if not _ran(name, each)]
    print(f"{len(names)} targets, {each} s each; broken: {', '.join(broken) or 'none'}")
    return len(broken)


def _ran(name: str, seconds: int) -> bool:
    command = [sys.executable, "-m", "tests.fuzz", name, "--inside", "--seconds", str(seconds)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=10 * seconds + 60, check=False
        )
    except subprocess.TimeoutExpired as exc:
        print(f"{name}: still running after {exc.timeout:.0f} s")
        return False
    said = done.stderr.splitlines()
    runs = next((line.split()[-1] for line in said if line.startswith("stat::number_of_executed_units")), "?")
    reached = next((line.split("cov: ")[1].split()[0] for line in reversed(said) if "cov: " in line), "?")
    print(f"{name}: {'ok' if done.returncode == 0 else 'BROKEN'}, {runs} inputs, {reached} branches", flush=True)
    if done.returncode:
        told = [line for line in said if not line.startswith("INFO:")]
        print("\n".join([*done.stdout.splitlines()[-30:], *told[-30:]]))
    return done.returncode == 0


def _fuzz(name: str, seconds: float) -> None:
    """Never returns: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["avouch"]):
        from tests.fuzz import targets

        target = next(target for target in targets.all_targets() if target.name == name)
        seeds = [data for data in target.inputs() if data]
        for data in seeds:  # readers are imported when first used
            target.check(data)
    from tests.fuzz import mutations

    chance = random.Random(1)  # noqa: S311  # which byte is changed is no secret

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        chance.seed(seed)
        if chance.random() < 0.5 or not data:
            return bytes(atheris.Mutate(data, most))
        other = chance.choice(seeds)
        return data[:1] + mutations.damaged(data[1:], other[1:], chance)[: most - 1]

    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(seeds):
            (Path(folder) / f"{number}").write_bytes(data)
        arguments = [
            sys.argv[0], folder, f"-artifact_prefix={KEPT / name}-", f"-max_total_time={seconds:.0f}",
            f"-rss_limit_mb={MEMORY}", f"-timeout={20 * targets.SOON:.0f}", f"-max_len={targets.LONGEST}",
            "-print_final_stats=1",
        ]  # fmt: skip
        atheris.Setup(arguments, target.check, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    raise SystemExit(1 if main() else 0)
