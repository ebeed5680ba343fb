"""Jobs of a CI that type commands, in the environment that a runner of GitHub Actions gives them."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from avouch.cli import app, ports
from avouch.processes import commandline, main
from tests.crafting import builders, server

ROOT = Path(__file__).parents[2]
SIGNER = ("--certificate-identity-regexp", "https://avouch.dev/namespaces/[^/]+/tokens/ci/.+")  # as `server` certifies
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
        return [path for path in (self.place / "tmp").rglob("*") if not path.is_dir()]


class Adapters(commandline.Adapters):
    """The real adapters, with a job's variables, for commands inside the test's process."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._variables = variables
        self.made: list[commandline.Attesting] = []

    @property
    def environment(self) -> Mapping[str, str]:
        return self._variables

    def attesting(self, options: ports.Options) -> commandline.Attesting:
        self.made.append(commandline.Attesting(options, self._variables))
        return self.made[-1]

    def close(self) -> None:
        """What the end of a process does."""
        for each in self.made:
            if each._connected is not None and each._connected._link is not None:
                each._connected._link.close()


class Here(Job):
    """A job whose commands run inside the test's process: no interpreter is started for them."""

    def run(self, *arguments: str, stdin: str = "", **more: str) -> Ended:
        adapters = Adapters(self.variables(**more))
        given = {name: value for name, value in adapters.environment.items() if name.startswith("AVOUCH_")}
        with contextlib.chdir(self.place), CliRunner().isolation(input=stdin, env=given) as (out, err, _):
            code = app.run(main.top(), arguments, "avouch", adapters)
        adapters.close()
        return Ended(code, out.getvalue().decode(), err.getvalue().decode())


@contextlib.contextmanager
def begun(folder: Path, kind: type[Job]) -> Iterator[Job]:
    """A job of GitHub's with the inputs of the real run, and a server with its contract."""
    (folder / "served").mkdir()
    place = folder / "work"
    (place / "tmp").mkdir(parents=True)
    for name in ("sbom.cdx.json", "junit.xml"):
        shutil.copy(builders.REAL / name, place)
    (place / "big.bin").write_bytes(b"v1\n")
    with server.serving(server.Memory(builders.plan_of(builders.real_contract())), folder / "served") as memory:
        yield kind(place, memory, dict(GITHUB))
