"""A build starts a command for each material: what each one loads, with a real state and a real server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crafting.jobs import Job

NETWORK = {"http", "ssl", "email"}
HEAVY = {
    "asyncio", "cryptography", "httpx", "jsonschema_rs", "lzma", "pydantic", "rich", "shutil",
    "tarfile", "yaml", "zipfile",
}  # fmt: skip
OPERATOR = Path(__file__).parents[2] / "operator"
_LOADED = re.compile(r"^import time: .*\| +([\w.]+)$", re.M)
_SLOW_DATACLASS = re.compile(r"^from dataclasses import .*\bdataclass\b", re.M)  # 0.5 ms each, avouch.values 0.1


def modules(job: Job, *arguments: str) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-m", "avouch.processes.main", "attestation", *arguments]
    done = subprocess.run(
        command, cwd=job.place, env=job.variables(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return set(_LOADED.findall(done.stderr))


def loaded(job: Job, *arguments: str) -> set[str]:
    return {name.partition(".")[0] for name in modules(job, *arguments)} & (NETWORK | HEAVY)


def source(module: str) -> str:
    file = OPERATOR / f"{module.replace('.', '/')}.py"
    return file.read_text() if file.is_file() else ""


@pytest.fixture
def begun(job: Job) -> Job:
    job.ok("init", "--workflow", "build-small")
    return job


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("add", "--name", "note", "--value", "hello"),
        ("add", "--name", "tests", "--value", "junit.xml"),
        ("add", "--name", "large-binary", "--value", "big.bin"),
    ],
    ids=" ".join,
)
def test_what_stays_on_this_machine_loads_no_network_and_nothing_heavy(begun: Job, arguments: tuple[str, ...]):
    assert loaded(begun, *arguments) == set()


def test_an_sbom_is_recognised_without_its_schema(begun: Job):
    found = loaded(begun, "add", "--name", "skynet-sbom", "--value", "sbom.cdx.json", "--annotation", "asset=x")
    assert found == set()


def test_opening_a_run_loads_the_network_alone(job: Job):
    assert loaded(job, "init", "--workflow", "build-small") == NETWORK


def test_only_push_loads_cryptography(begun: Job):
    begun.add_all()
    found = loaded(begun, "push", "--annotation", "who=me")
    assert found == {*NETWORK, "cryptography"}


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        (("init", "--workflow", "build-small", "--replace"), set()),
        (("add", "--name", "tests", "--value", "junit.xml"), set()),
        (("push", "--annotation", "who=me"), {"avouch.attestation.signing"}),  # a cached property needs its own kind
    ],
    ids=lambda each: each[0] if isinstance(each, tuple) else "",
)
def test_what_a_command_defines_costs_little(begun: Job, arguments: tuple[str, ...], known: set[str]):
    if arguments[0] == "push":
        begun.add_all()
    found = modules(begun, *arguments)
    assert {name for name in found if _SLOW_DATACLASS.search(source(name))} == known
