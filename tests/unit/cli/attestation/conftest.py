"""The command line as real processes, in the environment that a runner of GitHub Actions gives its jobs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.crafting import builders, server

ROOT = Path(__file__).parents[4]
GITHUB = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_ACTOR": "ann",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_REPOSITORY": "acme/app",
    "GITHUB_REPOSITORY_OWNER": "acme",
    "GITHUB_RUN_ID": "42",
    "GITHUB_SHA": "ace3ab241dd4de68d4075c629a123f3541b0e7ca",
    "RUNNER_NAME": "r1",
    "RUNNER_OS": "Linux",
    "CUSTOM_VAR": "hello",
}


@dataclass(frozen=True)
class Ended:
    """One command that ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Job:
    """One job of a CI: a directory, its variables, and the commands that it types."""

    place: Path
    memory: server.Memory
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "avouch.processes.main", *arguments]

    def variables(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'operator'}",
            "HOME": str(self.place),
            "TMPDIR": str(self.place / "tmp"),
            "GITHUB_WORKSPACE": str(self.place),
            "AVOUCH_NAMESPACE": "skynet",
            **self.memory.environment(),
            **self.environment,
            **more,
        }

    def run(self, *arguments: str, stdin: str = "", **more: str) -> Ended:
        found = subprocess.run(
            self.command(*arguments),
            cwd=self.place,
            env=self.variables(**more),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ended(found.returncode, found.stdout, found.stderr)

    def att(self, *arguments: str, **more: str) -> Ended:
        return self.run("attestation", *arguments, **more)

    def ok(self, *arguments: str, **more: str) -> Ended:
        found = self.att(*arguments, **more)
        assert found.code == 0, found.err
        return found

    def add_all(self, *where: str) -> None:
        self.ok("add", "--name", "skynet-sbom", "--value", "sbom.cdx.json", "--annotation", "asset=x", *where)
        self.ok("add", "--name", "tests", "--value", "junit.xml", *where)
        self.ok("add", "--name", "note", "--value", "hello world", *where)
        self.ok("add", "--name", "large-binary", "--value", "big.bin", *where)

    def states(self) -> list[Path]:
        return list((self.place / "tmp").iterdir())


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """A job of GitHub's with the inputs of the real run, and a server with its contract."""
    (tmp_path / "served").mkdir()
    place = tmp_path / "work"
    (place / "tmp").mkdir(parents=True)
    for name in ("sbom.cdx.json", "junit.xml"):
        shutil.copy(builders.REAL / name, place)
    (place / "big.bin").write_bytes(b"v1\n")
    with server.serving(server.Memory(builders.plan_of(builders.real_contract())), tmp_path / "served") as memory:
        yield Job(place, memory, dict(GITHUB))
