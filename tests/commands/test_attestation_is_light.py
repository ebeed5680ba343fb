"""A build starts a command for each material: what each one loads, with a real state and a real server."""

import re
import subprocess
import sys

import pytest

from tests.crafting.jobs import Job

NETWORK = {"http", "ssl", "email"}
HEAVY = {"asyncio", "cryptography", "httpx", "jsonschema_rs", "pydantic", "rich", "yaml"}
_LOADED = re.compile(r"^import time: .*\| +([\w.]+)$", re.M)


def loaded(job: Job, *arguments: str) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-m", "avouch.processes.main", "attestation", *arguments]
    done = subprocess.run(
        command, cwd=job.place, env=job.variables(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {name.partition(".")[0] for name in _LOADED.findall(done.stderr)} & (NETWORK | HEAVY)


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
    assert found <= {"jsonschema_rs", "email"}  # imported with the reader, which compiles nothing


def test_opening_a_run_loads_the_network_alone(job: Job):
    assert loaded(job, "init", "--workflow", "build-small") == NETWORK


def test_only_push_loads_cryptography(begun: Job):
    begun.add_all()
    assert loaded(begun, "push", "--annotation", "who=me") == {*NETWORK, "cryptography"}
