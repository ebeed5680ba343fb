"""A command line starts for each material: what it needs to know of its surroundings may not load a server's world."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIGHT = (
    *("runners.commits", "runners.credentials", "runners.detection", "runners.forges", "runners.pullrequests"),
    *(
        "runners.remotes",
        "runners.reports",
        "materials.images",
        "materials.types",
        "contract.model",
        "contract.references",
    ),
)
HEAVY = {"asyncio", "cyclonedx", "defusedxml", "http", "jsonschema", "pydantic", "socket", "ssl", "yaml"}


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("git", HEAVY | {"urllib.request", "cryptography"}),
        ("report", HEAVY | {"subprocess"}),
        ("pod", HEAVY - {"http", "socket", "ssl"} | {"subprocess", "cryptography", "httpx"}),
        ("identity", HEAVY - {"http", "socket", "ssl"} | {"subprocess", "cryptography", "httpx"}),
        ("forge", HEAVY - {"http", "socket", "ssl"} | {"subprocess", "cryptography", "httpx"}),
    ],
)
def test_what_a_job_tells_of_itself_loads_what_it_needs_and_no_more(module: str, heavy: set[str]) -> None:
    assert _loaded(f"avouch.ci.{module}") & heavy == set()


def test_what_is_asked_in_every_build_loads_nothing_heavy() -> None:
    assert _loaded(*(f"avouch.{name}" for name in LIGHT)) & HEAVY == set()


def _loaded(*modules: str) -> set[str]:
    """Names of all modules that an interpreter has after importing these, and of their packages."""
    command = [sys.executable, "-c", f"import sys, {', '.join(modules)}; print(*sys.modules)"]
    env = {"PYTHONPATH": str(ROOT / "operator")}
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout.split()
    return {*found, *(name.partition(".")[0] for name in found)}
