"""The whole crafting of one real run from a CI job, against a server on the loopback: by six commands, and by one.

init, four adds and push are six processes; `avouch attest` is one. Both sides take turns in one run.

The run is the one in tests/assets/chainloop-run, for which Chainloop's own CLI (Go) was measured on two cores: init
0.11 s, each add 0.11 s, push 0.22 s, 0.77 s in all, with at most 97 MB. Ours are whole processes too, interpreter
included; the server is the tests' own, in memory, in a process of its own. `cpu` is what a command itself used, which a
busy machine changes less than the time on the wall.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import measure

ROOT = Path(__file__).parents[1]
REAL = ROOT / "tests" / "assets" / "chainloop-run"
GITHUB = {
    "CI": "true", "GITHUB_ACTOR": "ann", "GITHUB_REF": "refs/heads/main", "GITHUB_REPOSITORY": "acme/app",
    "GITHUB_REPOSITORY_OWNER": "acme", "GITHUB_RUN_ID": "42", "GITHUB_SHA": "ace3ab241dd4de68d4075c629a123f3541b0e7ca",
    "RUNNER_NAME": "r1", "RUNNER_OS": "Linux", "CUSTOM_VAR": "hello", "GITHUB_API_URL": "https://127.0.0.1:1",
}  # fmt: skip
SCRIPT = "import sys; from avouch.processes.main import main; sys.exit(main())"  # what pip installs as `avouch`
COMMANDS = {
    "init": ("init", "--workflow", "build-small", "--version", "1.0.0"),
    "add sbom": ("add", "--name", "skynet-sbom", "--value", "sbom.cdx.json", "--annotation", "asset=x"),
    "add tests": ("add", "--name", "tests", "--value", "junit.xml"),
    "add note": ("add", "--name", "note", "--value", "hello world"),
    "add binary": ("add", "--name", "large-binary", "--value", "big.bin"),
    "push": ("push", "--annotation", "who=me"),
}
ATTEST = (
    "attest", "--workflow", "build-small", "--version", "1.0.0", "--material", "skynet-sbom=sbom.cdx.json",
    "--material-annotation", "skynet-sbom:asset=x", "--material", "tests=junit.xml", "--material", "note=hello world",
    "--material", "large-binary=big.bin", "--annotation", "who=me",
)  # fmt: skip
BARE, ONE = "python -c pass", "attest"
CHAINLOOP = {"init": 0.11, "push": 0.22}  # seconds; each add 0.11
ADD = 0.11
WHOLE, MEMORY = 0.77, 97.0  # seconds, MB


@dataclass(frozen=True, slots=True)
class Cost:
    """What one command took."""

    wall: float
    cpu: float
    memory: float  # MB


def run(arguments: tuple[str, ...], place: Path, environment: dict[str, str], script: str = SCRIPT) -> Cost:
    """One command as a build types it."""
    command = [sys.executable, "-c", script, *arguments]
    begun = time.perf_counter()
    with subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6)


def crafted(place: Path, environment: dict[str, str]) -> dict[str, Cost]:
    """One attestation from its beginning to its end, and what an interpreter costs that does nothing."""
    bare = run((), place, environment, "pass")
    six = {name: run(("attestation", *arguments), place, environment) for name, arguments in COMMANDS.items()}
    return {BARE: bare, **six, ONE: run(ATTEST, place, environment)}


def job(place: Path) -> None:
    """A checkout with the run's inputs."""
    for name in ("sbom.cdx.json", "junit.xml"):
        shutil.copy(REAL / name, place)
    (place / "big.bin").write_bytes(b"v1\n")
    said = ("-c", "user.name=dev", "-c", "user.email=dev@example.com")
    for arguments in (("init", "-q"), ("add", "."), (*said, "commit", "-q", "-m", "init")):
        subprocess.run(["git", *arguments], cwd=place, check=True)


def main() -> None:
    """Measure and print."""
    parser = measure.arguments(__doc__, rounds=10)
    parser.add_argument("--quick", action="store_true", help="one round, to see that it works")
    asked = parser.parse_args()
    rounds = 1 if asked.quick else asked.rounds
    print(measure.machine())
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        job(place)
        with subprocess.Popen(
            [sys.executable, "-m", "tests.crafting.server"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"},
        ) as server:  # fmt: skip
            assert server.stdout is not None
            reached = json.loads(server.stdout.readline())
            environment = {
                "PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'operator'}", "HOME": folder, "TMPDIR": folder,
                "AVOUCH_NAMESPACE": "skynet", **GITHUB, **reached,
            }  # fmt: skip
            if not asked.quick:
                crafted(place, environment)  # compiles what was never imported
            found = [crafted(place, environment) for _ in range(rounds)]
            assert server.stdin is not None
            server.stdin.close()
    report(found)


def report(found: list[dict[str, Cost]]) -> None:
    """A row for each command, and one for all of them."""
    rows = [_row(BARE, [each[BARE] for each in found], "-")]
    for name in COMMANDS:
        rows.append(_row(name, [each[name] for each in found], f"{CHAINLOOP.get(name, ADD):.2f}"))
    sums = [_sum([each[name] for name in COMMANDS]) for each in found]
    rows.append(_row("six commands", sums, f"{WHOLE:.2f}"))
    rows.append(_row(ONE, [each[ONE] for each in found], f"{WHOLE:.2f}"))
    memory = max(cost.memory for each in found for cost in each.values())
    measure.table(("command", "wall, s", "cpu, s", "MB", "Chainloop's, s", "ratio"), rows)
    pairs = [each[ONE].wall / six.wall for each, six in zip(found, sums, strict=True)]
    print(f"one command / six commands: {measure.spread(pairs)}")
    print(f"memory: {memory:.0f} MB, Chainloop's {MEMORY:.0f} MB, ratio {memory / MEMORY:.2f}")


def _sum(costs: list[Cost]) -> Cost:
    return Cost(sum(each.wall for each in costs), sum(each.cpu for each in costs), max(each.memory for each in costs))


def _row(name: str, costs: list[Cost], theirs: str) -> tuple[str, ...]:
    walls = [cost.wall for cost in costs]
    ratio = "-" if theirs == "-" else f"{statistics.median(walls) / float(theirs):.2f}"
    memory = f"{max(cost.memory for cost in costs):.0f}"
    return name, measure.spread(walls), measure.spread([cost.cpu for cost in costs]), memory, theirs, ratio


if __name__ == "__main__":
    main()
