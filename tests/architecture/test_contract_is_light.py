"""A command line starts for each material: what it needs to know of its surroundings may not load a server's world."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIGHT = (
    *("runners.detection", "runners.reports", "commits", "credentials", "forges", "materials", "pullrequests"),
    *("references", "remotes", "spec"),
)
HEAVY = {"asyncio", "cyclonedx", "defusedxml", "http", "jsonschema", "pydantic", "socket", "ssl", "yaml"}


def test_what_is_asked_in_every_build_loads_nothing_heavy() -> None:
    code = f"import sys, {', '.join(f'avouch.contract.{name}' for name in LIGHT)}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    env = {"PYTHONPATH": str(ROOT / "operator")}
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout.split()
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()
